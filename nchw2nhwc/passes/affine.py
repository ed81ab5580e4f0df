"""Scales and shifts by constants: batch norm, Mul, Div, Add, Sub and Neg as `x * scale + shift`, merged with one another.

All arithmetic on constants is in double precision and rounded once: a constant made here remembers its exact value (`Rewriter.doubles`)
for the rewrites that follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Arithmetic, Div, Mul, Sub
from nchw2nhwc.ops.elementwise import Neg
from nchw2nhwc.ops.kinds import Doubles, wide
from nchw2nhwc.ops.norm import BatchNorm
from nchw2nhwc.passes.match import array, constant_operand, producer, require, require_float, require_same_type
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

_LARGEST = 1 << 22
"""Constants with more elements are left alone: they are no scales."""
_REMEMBERED = 1 << 18
"""The exact content of larger constants is not kept: it would take twice their memory for one rounding less."""
AFFINE_OPS: tuple[type[Op], ...] = (Add, Sub, Mul, Div, Neg, BatchNorm)


@dataclass(frozen=True)
class Affine:
    """`x * scale + shift`, of x's type; both arrays have x's rank, None is a scale of 1 or a shift of 0."""

    x: Value
    scale: Doubles | None = None
    shift: Doubles | None = None

    def then(self, outer: Affine) -> Affine:
        """This, and then `outer` on top of it. Raises Mismatch when its constants would outgrow those it is made of."""
        scale = _product(self.scale, outer.scale)
        shift = _product(self.shift, outer.scale) if self.shift is not None else None
        if outer.shift is not None:
            shift = outer.shift if shift is None else shift + outer.shift
        parts = [a.size for a in (self.scale, self.shift, outer.scale, outer.shift) if a is not None]
        require(all(a is None or a.size <= max(parts) for a in (scale, shift)), "the merged constants of {!r} would be larger", self.x)
        return Affine(self.x, scale, shift)

    @property
    def ops(self) -> int:
        """How many nodes this takes."""
        return (0 if _is_all(self.scale, 1) else 1) + (0 if _is_all(self.shift, 0) else 1)


def _product(a: Doubles | None, b: Doubles | None) -> Doubles | None:
    if a is None or b is None:
        return b if a is None else a
    with np.errstate(all="ignore"):  # the source may have factors of infinity
        return np.multiply(a, b)


def _is_all(values: Doubles | None, number: float) -> bool:
    return values is None or bool((values == number).all())


def doubles(rw: Rewriter, value: Value) -> Doubles:
    """The content of a constant in double precision: the exact one, where this pass has computed it."""
    known = rw.doubles.get(id(value))
    return wide(known[1] if known is not None else array(value))


def rounded(rw: Rewriter, content: Doubles, dtype: DType) -> Value:
    """A constant of element type `dtype` that remembers its exact content, unless it is large. Raises Mismatch unless it is finite."""
    with np.errstate(over="ignore"):
        stored = content.astype(dtype)
    require(bool(np.isfinite(stored).all()), "a constant would not be finite")
    value = rw.constant(stored)
    if content.size <= _REMEMBERED:
        rw.doubles[id(value)] = (value, content)
    return value


def _aligned(content: Doubles, rank: int) -> Doubles:
    """A constant with as many axes as the operand it is broadcast to."""
    return content.reshape((1,) * (rank - content.ndim) + content.shape)


def affine_of(rw: Rewriter, node: Node) -> Affine:
    """What a node does, as scale and shift. Raises Mismatch when it does something else."""
    if isinstance(node.op, BatchNorm):
        return _batch_norm(rw, node, node.op)
    if isinstance(node.op, Neg):
        require_float(node.input(0))
        return Affine(node.input(0), np.full((1,) * node.output.rank, -1.0))
    require(isinstance(node.op, (Add, Sub, Mul, Div)), "{!r} neither scales nor shifts", node)
    assert isinstance(node.op, Arithmetic)
    require(node.op.activation is Activation.NONE, "{!r} has an activation", node)
    x, constant = constant_operand(node)
    require_float(x)
    require_same_type(x, node)
    require(array(constant).size <= _LARGEST, "{!r} is large", constant)
    content = _aligned(doubles(rw, constant), x.rank)
    match node.op:
        case Add():
            return Affine(x, None, content)
        case Sub():
            return Affine(x, None, -content) if constant is node.input(1) else Affine(x, np.full((1,) * x.rank, -1.0), content)
        case Mul():
            return Affine(x, content)
        case _:
            require(constant is node.input(1) and bool((content != 0).all()), "{!r} divides by x or by 0", node)
            return Affine(x, 1 / content)


def _batch_norm(rw: Rewriter, node: Node, op: BatchNorm) -> Affine:
    x = node.input(0)
    gamma, beta, mean, variance = (doubles(rw, node.input(k)) for k in range(1, 5))
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + op.epsilon)
        shift = beta - mean * scale
    require(bool(np.isfinite(scale).all() and np.isfinite(shift).all()), "the scale or shift of {!r} is not finite", node)
    along = tuple(-1 if k == op.axis else 1 for k in range(x.rank))
    return Affine(x, scale.reshape(along), shift.reshape(along))


def emit(rw: Rewriter, affine: Affine) -> Value:
    """The nodes for an affine: a Mul, an Add, both or none."""
    x, dtype = affine.x, affine.x.type.dtype
    if affine.scale is not None and not _is_all(affine.scale, 1):
        x = rw.add(Mul(), x, rounded(rw, affine.scale, dtype))
    if affine.shift is not None and not _is_all(affine.shift, 0):
        x = rw.add(Add(), x, rounded(rw, affine.shift, dtype))
    return x


AFFINE = RuleSet()


@AFFINE.on(*AFFINE_OPS)
def merge(rw: Rewriter, node: Node, op: Op) -> Value:
    """A chain of scales and shifts that nobody else reads, when fewer nodes can do it."""
    whole = affine_of(rw, node)
    length = 1
    while whole.x.producer is not None and rw.single_use(whole.x):
        try:
            whole = affine_of(rw, whole.x.producer).then(whole)
        except Mismatch:
            break
        length += 1
    require(length > 1 and whole.ops < length and whole.x.type == node.output.type, "{!r} cannot be said in fewer nodes", node)
    result = emit(rw, whole)
    require(result is not whole.x or not rw.graph.is_output(node.output), "{!r} would be an interface twice", node.output)
    return result


@AFFINE.on(BatchNorm)
def spelled_out(rw: Rewriter, node: Node, op: BatchNorm) -> Value:
    """A batch norm with constant parameters as Mul and Add."""
    affine = affine_of(rw, node)
    require(affine.ops > 0 or not rw.graph.is_output(node.output), "{!r} would be an interface twice", node.output)
    return emit(rw, affine)


@AFFINE.on(Add, Sub)
def common_factor(rw: Rewriter, node: Node, op: Add | Sub) -> Value:
    """a * c + b * c with one number c and products that nobody else reads: (a + b) * c."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    left, right = (affine_of(rw, producer(node.input(k), Mul, Div)) for k in (0, 1))
    for k in (0, 1):
        rw.require_single_use(node.input(k))
    if left.scale is None or right.scale is None:
        raise Mismatch("{!r} does not add two products", node)
    require(left.scale.size == right.scale.size == 1 and left.scale.item() == right.scale.item(), "the factors of {!r} differ", node)
    total = rw.add(op, left.x, right.x)
    return emit(rw, Affine(total, left.scale.reshape((1,) * total.rank)))
