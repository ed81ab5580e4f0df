"""Values brought to length 1, spelled out in the source."""

from __future__ import annotations

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Div, Mul
from nchw2nhwc.ops.elementwise import Rsqrt, Sqrt
from nchw2nhwc.ops.norm import NormalizeL2
from nchw2nhwc.ops.reduce import ReduceL2, ReduceSum, ReduceSumSquare
from nchw2nhwc.passes.match import Pattern, require, require_float, require_same_type
from nchw2nhwc.passes.recognise.algebra import plus_number
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

LENGTHS = RuleSet()


def _at_least(pattern: Pattern, value: Value) -> tuple[Value, float | None]:
    """`(v, c)` with `value = max(v, c)`; None where there is no lower bound."""
    node = value.producer
    if node is None or not isinstance(node.op, Clip) or node.op.max is not None or node.op.min is None:
        return value, None
    pattern.cover(node)
    return node.input(0), node.op.min


def _sum_of_squares(pattern: Pattern, value: Value) -> tuple[Value, tuple[int, ...]]:
    """`(x, axes)` with `value` the sum of x^2 over the axes, which stay as size 1."""
    node = pattern.producer(value, ReduceSum, ReduceSumSquare)
    op: Op = node.op
    assert isinstance(op, (ReduceSum, ReduceSumSquare))
    require(op.keepdims and bool(op.axes), "{!r} drops the axes", node)
    if isinstance(op, ReduceSumSquare):
        return node.input(0), op.axes
    square = pattern.producer(node.input(0), Mul)
    require(square.input(0) is square.input(1), "{!r} is no square", square)
    return square.input(0), op.axes


def _length(pattern: Pattern, value: Value) -> tuple[Value, NormalizeL2]:
    """`(x, op)`: what x is divided by when it is brought to length 1."""
    bounded, least = _at_least(pattern, value)
    node = pattern.producer(bounded, ReduceL2, Sqrt)
    require(least is None or least >= 0, "the least length is negative")
    if isinstance(node.op, ReduceL2):
        require(node.op.keepdims and bool(node.op.axes), "{!r} drops the axes", node)
        return node.input(0), NormalizeL2(node.op.axes, 0.0 if least is None else least * least, "add" if least is None else "max")
    if least is not None:
        x, axes = _sum_of_squares(pattern, node.input(0))
        return x, NormalizeL2(axes, least * least, "max")
    return _squared_length(pattern, node.input(0))


def _squared_length(pattern: Pattern, value: Value) -> tuple[Value, NormalizeL2]:
    bounded, least = _at_least(pattern, value)
    if least is not None:
        require(least >= 0, "the least length is negative")
        x, axes = _sum_of_squares(pattern, bounded)
        return x, NormalizeL2(axes, least, "max")
    total, epsilon = plus_number(pattern, value)
    require(epsilon >= 0, "epsilon is negative")
    x, axes = _sum_of_squares(pattern, total)
    return x, NormalizeL2(axes, epsilon, "add")


@LENGTHS.on(Div, Mul)
def unit_length(rw: Rewriter, node: Node, op: Div | Mul) -> Value:
    """x / sqrt(sum of x^2 + epsilon), and with a least length instead of epsilon."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    order = ((0, 1),) if isinstance(op, Div) else ((0, 1), (1, 0))
    for above, below in order:
        pattern = Pattern(rw.graph, node)
        try:
            if isinstance(op, Div):
                x, norm = _length(pattern, node.input(below))
            else:
                x, norm = _squared_length(pattern, pattern.producer(node.input(below), Rsqrt).input(0))
        except Mismatch:
            continue
        if x is node.input(above):
            require_same_type(x, node)
            require_float(x)
            pattern.require_closed()
            return rw.add(norm, x)
    raise Mismatch("{!r} does not divide a value by its length", node)
