"""Values that hold whole numbers within known bounds, and the conversions between element types that change nothing about them.

A quantized network is full of these: numbers are rounded, clipped to the range of an integer type, stored in it, and read again as floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops import movement
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Arithmetic, Mul, Sub
from nchw2nhwc.ops.elementwise import Cast, Ceil, Floor, Identity, Neg, Round
from nchw2nhwc.ops.kinds import FLOAT, integer_range, kind_of
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMin
from nchw2nhwc.passes.identities import pass_through
from nchw2nhwc.passes.match import producer, require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

WHOLES = RuleSet()

_DEPTH = 12
"""How many ops back the bounds of a value are looked for."""
_SMALL = 1 << 16
_EXACT = {"float16": 1 << 11, "float32": 1 << 24, "float64": 1 << 53, "bfloat16": 1 << 8}
"""All whole numbers up to this are exact in a floating point type."""


@dataclass(frozen=True)
class Bounds:
    """The least and the largest of some whole numbers."""

    low: float
    high: float

    def within(self, low: float, high: float) -> bool:
        """Whether all of them lie between two numbers."""
        return low <= self.low and self.high <= high


_MOVING = (movement.Transpose, movement.Reshape, movement.Expand, movement.Tile, movement.Slice, movement.Concat, movement.Split, Identity,
           ReduceMax, ReduceMin, MaxPool)
"""Ops whose results are elements of their operands."""

_SAME = (Cast, Round, Floor, Ceil)
"""Ops that leave whole numbers as they are, unless the type is too narrow for them."""


def whole_bounds(value: Value, depth: int = _DEPTH) -> Bounds | None:
    """Bounds of a value whose elements are whole numbers (and no NaN); None where that is not known."""
    if value.const is not None:
        return _of_constant(value)
    node = value.producer
    integers = kind_of(value.type.dtype) == "integer"
    widest = Bounds(*map(float, integer_range(value.type.dtype))) if integers else None
    found = _of_result(node, depth) if node is not None and depth and kind_of(value.type.dtype) != "boolean" else None
    if found is None or (widest is not None and not found.within(widest.low, widest.high)):
        return widest  # integers wrap around
    exact = _EXACT.get(value.type.dtype.name, 0)
    return found if integers or found.within(-exact, exact) else None


def _of_constant(value: Value) -> Bounds | None:
    content = value.const
    if content is None or not 0 < content.size <= _SMALL or kind_of(content.dtype) == "boolean":
        return None
    numbers = np.asarray(content, np.float64)
    whole = bool(np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all())
    return Bounds(float(numbers.min()), float(numbers.max())) if whole else None


def _of_result(node: Node, depth: int) -> Bounds | None:
    op = node.op
    if isinstance(op, Clip):
        return _of_clip(node, op, depth)
    if not isinstance(op, (*_MOVING, *_SAME, Relu, Neg, Add, Sub, Mul)) or not _is_plain(op):
        return None
    known: list[Bounds] = []
    for value in node.inputs:
        below = None if value is None else whole_bounds(value, depth - 1)
        if below is None:
            return None
        known.append(below)
    x = known[0]
    if isinstance(op, _MOVING):
        return Bounds(min(b.low for b in known), max(b.high for b in known))
    if isinstance(op, Relu):
        return Bounds(max(x.low, 0.0), max(x.high, 0.0))
    if isinstance(op, Neg):
        return Bounds(-x.high, -x.low)
    if isinstance(op, Arithmetic):
        return _of_arithmetic(op, x, known[1])
    return x


def _is_plain(op: Op) -> bool:
    """Whether no activation is applied to the result."""
    return getattr(op, "activation", Activation.NONE) is Activation.NONE


def _of_clip(node: Node, op: Clip, depth: int) -> Bounds | None:
    """Clipping rounded numbers bounds them, however large they were."""
    low, high = (-inf if op.min is None else op.min, inf if op.max is None else op.max)
    x = whole_bounds(node.input(0), depth - 1)
    if x is None:
        x = Bounds(-inf, inf) if _is_rounded(node.input(0)) else None
    if x is None or isnan(low) or isnan(high) or any(isfinite(b) and b != round(b) for b in (low, high)):
        return None
    found = Bounds(min(max(x.low, low), high), min(max(x.high, low), high))
    return found if isfinite(found.low) and isfinite(found.high) else None


def _is_rounded(value: Value, depth: int = _DEPTH) -> bool:
    """Whether all elements are whole numbers of any size: rounded ones, and sums of those with whole constants."""
    node = value.producer
    if node is None or not depth:
        return False
    if isinstance(node.op, (Round, Floor, Ceil)):
        return True
    if isinstance(node.op, (Add, Sub)):
        return all(_is_rounded(v, depth - 1) or whole_bounds(v, depth - 1) is not None for v in node.inputs if v is not None)
    return isinstance(node.op, _MOVING) and all(_is_rounded(v, depth - 1) for v in node.inputs if v is not None)


def _of_arithmetic(op: Arithmetic, x: Bounds, y: Bounds) -> Bounds:
    if isinstance(op, Mul):
        corners = [a * b for a in (x.low, x.high) for b in (y.low, y.high)]
        return Bounds(min(corners), max(corners))
    sign = -1 if isinstance(op, Sub) else 1
    return Bounds(x.low + min(sign * y.low, sign * y.high), x.high + max(sign * y.low, sign * y.high))


def _keeps(value: Value, op: Cast) -> bool:
    """Whether a value's elements are whole numbers that all have their place in the type they are converted to."""
    bounds = whole_bounds(value)
    kind = kind_of(op.dtype)
    if bounds is None or kind == "boolean":
        return False
    exact = _EXACT.get(op.dtype.name, 0)
    return bounds.within(*((-exact, exact) if kind in FLOAT else map(float, integer_range(op.dtype))))


@WHOLES.on(Cast)
def cast_back(rw: Rewriter, node: Node, op: Cast) -> Value:
    """A Cast of whole numbers that all have their place in the type in between."""
    first = producer(node.input(0), Cast)
    x = first.input(0)
    inner = first.op
    assert isinstance(inner, Cast)
    require(_keeps(x, inner), "{!r} may have numbers that {} does not", x, inner.dtype)
    return pass_through(rw, node, x) if x.type == node.output.type else rw.add(op, x)


@WHOLES.on(Round, Floor, Ceil)
def rounded_already(rw: Rewriter, node: Node, op: Round | Floor | Ceil) -> Value:
    """Rounding of whole numbers."""
    require(whole_bounds(node.input(0)) is not None, "{!r} may have a fraction", node.input(0))
    return pass_through(rw, node, node.input(0))
