"""Nodes that change nothing, and pairs of nodes that are one: valid at any stage before layout."""

from __future__ import annotations

from math import inf, prod

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, LeakyRelu, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Binary, Div, FakeQuantize, LogicalAnd, LogicalOr, Mul, Pow, PRelu, Sub, Where
from nchw2nhwc.ops.elementwise import Cast, Identity, Neg, Reciprocal, Rsqrt, Sqrt, Unary
from nchw2nhwc.ops.movement import Expand
from nchw2nhwc.ops.norm import MVN
from nchw2nhwc.ops.reduce import ReduceMean, ReduceSum
from nchw2nhwc.passes.match import array, constant_operand, op_of, producer, require, require_float, scalar, static_shape, static_sizes
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

IDENTITIES = RuleSet()


def pass_through(rw: Rewriter, node: Node, value: Value) -> Value:
    """`value` in the place of the node's result. Raises Mismatch where types differ, and where the node is what keeps an output of the
    graph apart from an input, a constant or another output."""
    require(value.type == node.outputs[0].type, "{!r} is of another type than {!r}", node.outputs[0], value)
    fixed = value.producer is None or rw.graph.is_output(value)
    require(not (fixed and rw.graph.is_output(node.outputs[0])), "{!r} would be an interface twice", value)
    return value


@IDENTITIES.on(Identity)
def drop_identity(rw: Rewriter, node: Node, op: Identity) -> Value:
    """Identity."""
    return pass_through(rw, node, node.input(0))


@IDENTITIES.on(Cast)
def drop_cast(rw: Rewriter, node: Node, op: Cast) -> Value:
    """Cast to the type that is there."""
    return pass_through(rw, node, node.input(0))


@IDENTITIES.on(Cast)
def merge_casts(rw: Rewriter, node: Node, op: Cast) -> Value:
    """Cast of a Cast that loses nothing, or that only reads the bits of a whole number as signed or unsigned."""
    first = producer(node.input(0), Cast)
    x = first.input(0)
    before, between = x.type.dtype, first.output.type.dtype
    same_bits = {before.kind, between.kind, op.dtype.kind} <= {"i", "u"} and before.itemsize == between.itemsize >= op.dtype.itemsize
    require(same_bits or np.can_cast(before, between, "safe"), "the first Cast of {!r} may lose something", x)
    return rw.add(op, x)


def _neutral(rw: Rewriter, node: Node, number: float, *, right_only: bool) -> Value:
    """The operand beside a constant that is `number` everywhere."""
    a, b = node.input(0), node.input(1)
    for x, c in ((a, b),) if right_only else ((a, b), (b, a)):
        if c.is_const and not x.is_const:
            require(scalar(c) == number, "{!r} is not {}", c, number)
            return pass_through(rw, node, x)
    raise Mismatch("{!r} has no constant operand", node)


@IDENTITIES.on(Add, Sub)
def drop_zero(rw: Rewriter, node: Node, op: Add | Sub) -> Value:
    """x + 0, 0 + x, x - 0."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    return _neutral(rw, node, 0, right_only=isinstance(op, Sub))


@IDENTITIES.on(Mul, Div)
def drop_one(rw: Rewriter, node: Node, op: Mul | Div) -> Value:
    """x * 1, 1 * x, x / 1."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    return _neutral(rw, node, 1, right_only=isinstance(op, Div))


@IDENTITIES.on(LogicalAnd, LogicalOr)
def drop_certain(rw: Rewriter, node: Node, op: LogicalAnd | LogicalOr) -> Value:
    """x and true, x or false; the constant may repeat x."""
    x, certain = constant_operand(node)
    require(scalar(certain) == isinstance(op, LogicalAnd), "{!r} decides something", certain)
    return pass_through(rw, node, x) if x.shape == node.output.shape else rw.add(Expand(static_shape(node.output)), x)


@IDENTITIES.on(Pow)
def simple_power(rw: Rewriter, node: Node, op: Pow) -> Value:
    """x ** c for the exponents that basic ops give exactly (3: but for one rounding)."""
    x, exponent = node.input(0), scalar(node.input(1))
    require(x.type == node.output.type, "the exponent broadcasts {!r}", x)
    if exponent == 1:
        return pass_through(rw, node, x)
    if exponent == 2:
        return rw.add(Mul(), x, x)
    require_float(x)
    if exponent == 3:
        return rw.add(Mul(), rw.add(Mul(), x, x), x)
    one_operand = {0.5: Sqrt(), -0.5: Rsqrt(), -1.0: Reciprocal()}
    require(exponent in one_operand, "{} is no simple exponent", exponent)
    return rw.add(one_operand[exponent], x)


@IDENTITIES.on(MVN)
def normalized_alone(rw: Rewriter, node: Node, op: MVN) -> Value:
    """A single element less its mean: 0, or what infinity less itself is, divided by the root of epsilon or not."""
    x = node.input(0)
    require(prod(static_sizes(x, op.axes)) == 1 and op.epsilon > 0, "{!r} has others to be compared with", x)
    return rw.add(Sub(), x, x)


@IDENTITIES.on(Neg)
def double_negation(rw: Rewriter, node: Node, op: Neg) -> Value:
    """-(-x)."""
    return pass_through(rw, node, producer(node.input(0), Neg).input(0))


@IDENTITIES.on(Reciprocal)
def reciprocal_of_root(rw: Rewriter, node: Node, op: Reciprocal) -> Value:
    """1 / sqrt(x)."""
    root = producer(node.input(0), Sqrt)
    rw.require_single_use(root.output)
    return rw.add(Rsqrt(), root.input(0))


def _bounds(node: Node) -> tuple[float, float]:
    if isinstance(node.op, Relu):
        return 0.0, inf
    op = op_of(node, Clip)
    return -inf if op.min is None else op.min, inf if op.max is None else op.max


def clipped(rw: Rewriter, x: Value, low: float, high: float) -> Value:
    """x between two bounds, by the simplest op for it."""
    if (low, high) == (0, inf):
        return rw.add(Relu(), x)
    return rw.add(Clip(None if low == -inf else low, None if high == inf else high), x)


@IDENTITIES.on(Clip)
def simple_clip(rw: Rewriter, node: Node, op: Clip) -> Value:
    """Clip without bounds, and Clip from 0 on."""
    low, high = _bounds(node)
    if (low, high) == (-inf, inf):
        return pass_through(rw, node, node.input(0))
    require((low, high) == (0, inf), "{!r} has other bounds", node)
    return rw.add(Relu(), node.input(0))


@IDENTITIES.on(Relu, Clip)
def merge_clips(rw: Rewriter, node: Node, op: Relu | Clip) -> Value:
    """Bounds upon bounds: min(max(min(max(x, a), b), c), d)."""
    first = producer(node.input(0), Relu, Clip)
    (a, b), (c, d) = _bounds(first), _bounds(node)
    require(a <= b and c <= d, "bounds cross")
    low, high = min(max(a, c), d), min(max(b, c), d)
    if (low, high) == (a, b):
        return pass_through(rw, node, first.output)
    return clipped(rw, first.input(0), low, high)


@IDENTITIES.on(PRelu)
def uniform_slope(rw: Rewriter, node: Node, op: PRelu) -> Value:
    """PRelu with one slope for all, of floating point numbers."""
    require_float(node.input(0))
    return rw.add(LeakyRelu(scalar(node.input(1))), node.input(0))


@IDENTITIES.on(Where)
def constant_condition(rw: Rewriter, node: Node, op: Where) -> Value:
    """Where with the same constant condition everywhere."""
    return pass_through(rw, node, node.input(1 if scalar(node.input(0)) else 2))


@IDENTITIES.on(Binary, Where, FakeQuantize)
def implicit_broadcast(rw: Rewriter, node: Node, op: Binary | Where | FakeQuantize) -> Value:
    """An Expand whose broadcasting the reading op does by itself."""
    for index, operand in enumerate(node.inputs):
        if operand is not None and operand.producer is not None and isinstance(operand.producer.op, Expand):
            candidate = [operand.producer.input(0) if k == index else node.input(k) for k in range(len(node.inputs))]
            if gives(op, candidate, node.output):
                return rw.add(op, *candidate)
    raise Mismatch("{!r} reads no Expand that it could do without", node)


@IDENTITIES.on(Unary, Binary, Where)
def broadcast_result(rw: Rewriter, node: Node, op: Unary | Binary | Where) -> Value:
    """What is computed from an Expand and numbers alone is computed before it, of fewer elements, and may be broadcast by what reads it."""
    wide = [k for k, v in enumerate(node.inputs) if v is not None and not v.is_const]
    require(len(wide) == 1 and not op.special_axes(), "{!r} reads more than one tensor", node)
    expand = producer(node.input(wide[0]), Expand)
    rw.require_single_use(expand.output)
    require(all(v is None or k in wide or v.rank == 0 for k, v in enumerate(node.inputs)), "{!r} reads more than numbers", node)
    require(node.output.shape == expand.output.shape, "{!r} changes the shape", node)
    narrow = rw.add(op, *(expand.input(0) if k in wide else v for k, v in enumerate(node.inputs)))
    return rw.add(Expand(node.output.shape), narrow)


def gives(op: Op, operands: list[Value], result: Value) -> bool:
    """Whether the op takes these operands and its result is of the type of `result`."""
    try:
        return op.infer_types(*(v.type for v in operands)) == (result.type,)
    except ShapeError:
        return False


CANONICAL = RuleSet()
"""Spellings that recognition relies on; targets undo what they lack."""


@CANONICAL.on(Binary)
def extremum_of_number(rw: Rewriter, node: Node, op: Binary) -> Value:
    """max(x, c) and min(x, c) with a number c are Clip."""
    require(op.name in ("Maximum", "Minimum"), "{!r} is no extremum", node)
    for x, c in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        if c.is_const and not x.is_const:
            require_float(x)
            require(x.type == node.output.type, "{!r} broadcasts {!r}", c, x)
            number = scalar(c)
            require(not np.isnan(number), "{!r} is not a number", c)
            return clipped(rw, x, number, inf) if op.name == "Maximum" else clipped(rw, x, -inf, number)
    raise Mismatch("{!r} has no constant operand", node)


@CANONICAL.on(Div)
def reciprocal(rw: Rewriter, node: Node, op: Div) -> Value:
    """1 / x is Reciprocal."""
    one, x = node.input(0), node.input(1)
    require_float(x)
    require(op.activation is Activation.NONE and scalar(one) == 1 and not x.is_const, "{!r} does not divide 1", node)
    require(x.type == node.output.type, "{!r} broadcasts {!r}", one, x)
    return rw.add(Reciprocal(), x)


@CANONICAL.on(Mul)
def multiplied_reciprocal(rw: Rewriter, node: Node, op: Mul) -> Value:
    """a * (1 / b) is a / b."""
    for a, r in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        if r.producer is not None and isinstance(r.producer.op, Reciprocal) and rw.single_use(r):
            return rw.add(Div(op.activation), a, r.producer.input(0))
    raise Mismatch("{!r} multiplies no Reciprocal that only it reads", node)


@CANONICAL.on(Mul, Div)
def divided_sum(rw: Rewriter, node: Node, op: Mul | Div) -> Value:
    """A sum of n elements that is divided by n, or multiplied by what 1 / n is in its type, is their mean."""
    total, factor = constant_operand(node)
    first = producer(total, ReduceSum)
    x, sums = first.input(0), op_of(first, ReduceSum)
    require_float(x)
    require(op.activation is Activation.NONE and total.type == node.output.type, "{!r} does more than scale", node)
    require(isinstance(op, Mul) or factor is node.input(1), "{!r} divides by the sum", node)
    count = prod(static_sizes(x, sums.axes))
    require(bool(sums.axes) and count > 0, "{!r} adds nothing up", first)
    wanted = np.asarray(count if isinstance(op, Div) else 1 / count, x.type.dtype)
    require(scalar(factor) == float(wanted), "{!r} is not the mean of {} elements", node, count)
    rw.require_single_use(total)
    return rw.add(ReduceMean(sums.axes, sums.keepdims), x)


@CANONICAL.on(Sub)
def added_negative(rw: Rewriter, node: Node, op: Sub) -> Value:
    """a - (-b) is a + b; x - c with a constant c is x + (-c)."""
    a, b = node.input(0), node.input(1)
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    if b.producer is not None and isinstance(b.producer.op, Neg):
        return rw.add(Add(), a, b.producer.input(0))
    require_float(b)
    return rw.add(Add(), a, rw.constant(np.negative(array(b))))
