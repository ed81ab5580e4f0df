"""Arithmetic on two or more operands, with numpy's broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import nchw2nhwc.ops.binary as ops
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op

_PLAIN: dict[str, tuple[type[Op], tuple[int, ...]]] = {
    "Add": (ops.Add, (7, 13, 14)), "Sub": (ops.Sub, (7, 13, 14)), "Mul": (ops.Mul, (7, 13, 14)), "Div": (ops.Div, (7, 13, 14)),
    "Pow": (ops.Pow, (7, 12, 13, 15)), "PRelu": (ops.PRelu, (7, 9, 16)),
}
"""Operators of two operands that one op expresses, with their versions."""

_VARIADIC: dict[str, tuple[type[Op], tuple[int, ...]]] = {
    "Max": (ops.Maximum, (6, 8, 12, 13)), "Min": (ops.Minimum, (6, 8, 12, 13)), "Sum": (ops.Add, (6, 8, 13)),
}
"""Operators of any number of operands that an op of two operands expresses, with their versions."""


def _plain(op: type[Op]) -> Callable[[LayerBuilder, Value, Value], Value]:
    def mapping(b: LayerBuilder, x: Value, y: Value) -> Value:
        return b.add1(op(), x, y)

    return mapping


def _variadic(op: type[Op]) -> Callable[..., Value]:
    def mapping(b: LayerBuilder, *xs: Value) -> Value:
        if not xs:
            raise b.damaged("there is no operand")
        return reduce(lambda x, y: b.add1(op(), x, y), xs)

    return mapping


for _name, (_op, _versions) in _PLAIN.items():
    onnx_op(_name, *_versions)(_plain(_op))
for _name, (_op, _versions) in _VARIADIC.items():
    onnx_op(_name, *_versions)(_variadic(_op))


@onnx_op("Mean", 6, 8, 13)
def mean(b: LayerBuilder, *xs: Value) -> Value:
    if not xs:
        raise b.damaged("there is no operand")
    total = reduce(lambda x, y: b.add1(ops.Add(), x, y), xs)
    return total if len(xs) == 1 else b.add1(ops.Div(), total, b.scalar(len(xs), total))


@onnx_op("Mod", 10, 13, 28)
def mod(b: LayerBuilder, x: Value, y: Value, *, fmod: bool = False) -> Value:
    return b.add1(ops.FMod() if fmod else ops.Mod(), x, y)
