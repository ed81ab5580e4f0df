"""Comparisons, logical and bitwise operators, and selection."""

from __future__ import annotations

from collections.abc import Callable

import nchw2nhwc.ops.binary as ops
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.parse.bits import shifted
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op

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
    return shifted(b, x, y, left=direction == "LEFT")
