"""Comparisons, logical and bitwise operators, and selection."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import nchw2nhwc.ops.binary as ops
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op

INT64 = np.dtype(np.int64)

_PLAIN: dict[str, tuple[type[Op], tuple[int, ...]]] = {
    "Equal": (ops.Equal, (7, 11, 13, 19)), "Less": (ops.Less, (7, 9, 13)), "LessOrEqual": (ops.LessEqual, (12, 16)),
    "Greater": (ops.Greater, (7, 9, 13)), "GreaterOrEqual": (ops.GreaterEqual, (12, 16)),
    "And": (ops.LogicalAnd, (7,)), "Or": (ops.LogicalOr, (7,)), "Xor": (ops.LogicalXor, (7,)),
    "BitwiseAnd": (ops.BitwiseAnd, (18,)), "BitwiseOr": (ops.BitwiseOr, (18,)), "BitwiseXor": (ops.BitwiseXor, (18,)),
}
"""Operators of two operands that one op expresses, with their versions."""


def _plain(op: type[Op]) -> Callable[[LayerBuilder, Value, Value], Value]:
    def mapping(b: LayerBuilder, x: Value, y: Value) -> Value:
        return b.add1(op(), x, y)

    return mapping


for _name, (_op, _versions) in _PLAIN.items():
    onnx_op(_name, *_versions)(_plain(_op))


@onnx_op("Where", 9, 16)
def where(b: LayerBuilder, condition: Value, x: Value, y: Value) -> Value:
    return b.add1(ops.Where(), condition, x, y)


@onnx_op("BitShift", 11, 28)
def bit_shift(b: LayerBuilder, x: Value, y: Value, *, direction: str) -> Value:
    """A product with, or the quotient by, a power of 2, rounded down: of negative numbers the sign stays. By negative numbers, and by as
    many bits as there are or more, everything is shifted out."""
    if direction not in ("LEFT", "RIGHT"):
        raise b.damaged(f"bits are shifted LEFT or RIGHT, not '{direction}'")
    most = 8 * x.type.dtype.itemsize - 1
    given = b.cast(y, INT64)
    out = b.add1(ops.LogicalOr(), *(b.add1(op, given, b.const(limit, INT64)) for op, limit in ((ops.Less(), 0), (ops.Greater(), most))))
    places = b.add1(ops.Where(), out, b.const(most, INT64), given)
    if direction == "RIGHT" and x.type.dtype.kind != "u":
        once = b.add1(ops.Minimum(), places, b.const(most - 1, INT64))  # the sign is no power of 2
        rest = b.add1(ops.Sub(), places, once)
        return b.add1(ops.FloorDiv(), b.add1(ops.FloorDiv(), x, _power(b, once, x)), _power(b, rest, x))
    shifted = b.add1(ops.Mul() if direction == "LEFT" else ops.FloorDiv(), x, _power(b, places, x))
    return b.add1(ops.Where(), out, b.scalar(0, x), shifted)


def _power(b: LayerBuilder, exponent: Value, like: Value) -> Value:
    """2 ** exponent in the element type of `like`, where the power of the highest bit is its sign."""
    powers = np.array([1 << k for k in range(8 * like.type.dtype.itemsize)], np.uint64)
    return b.add1(Gather(0), b.const(powers.astype(like.type.dtype)), exponent)
