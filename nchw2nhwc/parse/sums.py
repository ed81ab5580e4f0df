"""Sums of products of whole numbers, which float32 holds exactly as long as they are small, and how large they can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, log2

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.elementwise import Cast, Floor
from nchw2nhwc.ops.kinds import integer_range, kind_of
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.parse.builder import Builder

FLOAT32, INT32 = np.dtype(np.float32), np.dtype(np.int32)
EXACT = 1 << 23
"""Sums of whole numbers below this are exact in float32, and stay so when a zero point becomes a bias: half of what float32 can hold."""
_NARROW = 1 << 16
_DEEPEST = 8
"""How many steps back from a tensor are looked at for its bounds."""


def exact_sums(b: Builder, products: Callable[[Value], Value], x: Value, largest: int, weight: int) -> Value:
    """`products(x)`, sums of products of whole numbers, as int32: in float32, which holds them exactly, or digit by digit of x.

    `largest` is a bound of |x|, `weight` one of the sum of the other factors. Raises UnsupportedError where bits do not fit either.
    """
    if largest * weight <= EXACT:
        return _cast(b, products(x), INT32)
    base = 1 << max(floor(log2(EXACT / max(weight, 1))), 0)
    if base < 2:
        raise UnsupportedError(f"sums of so many products of integers (up to {weight} times a number) are not exact in float32", b.where)
    upper = b.add1(Floor(), b.add1(Mul(), x, b.const(1 / base, x.type.dtype)))
    lower = b.add1(Sub(), x, b.add1(Mul(), upper, b.const(base, x.type.dtype)))
    above = exact_sums(b, products, upper, largest // base + 1, weight)
    return b.add1(Add(), b.add1(Mul(), above, b.const(base, above.type.dtype)), _cast(b, products(lower), INT32))


def are_narrow(b: Builder, *values: Value) -> bool:
    """Whether tensors are of integers that are certain to have few bits, whatever their type is."""
    return all(kind_of(v.type.dtype) == "integer" and max(map(abs, _bounds(b, v))) <= _NARROW for v in values)


def integer_products(b: Builder, x: Value, w: Value, axes: Sequence[int], products: Callable[[Value, Value], Value]) -> Value:
    """Sums of products of integers x and w over `axes` of w, in the element type of x; `products` computes them of floats."""
    b.remark("its integers are multiplied and added up in float32, which is exact")
    weights, dtype = _cast(b, w, FLOAT32), x.type.dtype
    low, high = _bounds(b, x)
    sums = exact_sums(b, lambda data: products(data, weights), _cast(b, x, FLOAT32), max(-low, high), _largest_sum(b, w, axes))
    return _cast(b, sums, dtype)


def _largest_sum(b: Builder, w: Value, axes: Sequence[int]) -> int:
    """A bound of the sum of |w| over `axes`."""
    content = b.content(w)
    if content is not None:
        return int(np.abs(content.astype(np.float64)).sum(tuple(axes)).max(initial=0))
    low, high = _bounds(b, w)
    return max(-low, high) * static(product(w.shape[a] for a in axes), "the number of products that are added up")


def _bounds(b: Builder, value: Value, depth: int = 0) -> tuple[int, int]:
    """Numbers that no element of an integer tensor is below, or above: what its elements are differences of may be of a narrow type."""
    content, node = b.content(value), value.producer
    if content is not None and content.size:
        return int(content.min()), int(content.max())
    whole = integer_range(value.type.dtype)
    if node is None or depth == _DEEPEST or not isinstance(node.op, (Cast, Sub, Add, Reshape, Transpose)):
        return whole
    if kind_of(node.input(0).type.dtype) != "integer":
        return whole
    (low, high), *others = (_bounds(b, v, depth + 1) for v in node.inputs if v is not None)
    for below, above in others:
        low, high = (low - above, high - below) if isinstance(node.op, Sub) else (low + below, high + above)
    return (low, high) if whole[0] <= low and high <= whole[1] else whole


def _cast(b: Builder, x: Value, dtype: DType) -> Value:
    return x if x.type.dtype == dtype else b.add1(Cast(dtype), x)
