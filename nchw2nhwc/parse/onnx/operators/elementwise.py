"""Operators of one operand that treat every element alike."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

import nchw2nhwc.ops.activation_functions as act
import nchw2nhwc.ops.elementwise as ops
from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, FloorDiv, Greater, Less, Maximum, Minimum, Sub, Where
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.parse import doubles
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op

_PLAIN: dict[str, tuple[type[Op], tuple[int, ...]]] = {
    "Abs": (ops.Abs, (6, 13)), "Neg": (ops.Neg, (6, 13)), "Exp": (ops.Exp, (6, 13)), "Log": (ops.Log, (6, 13)),
    "Sqrt": (ops.Sqrt, (6, 13)), "Reciprocal": (ops.Reciprocal, (6, 13)), "Erf": (ops.Erf, (9, 13)),
    "Floor": (ops.Floor, (6, 13)), "Ceil": (ops.Ceil, (6, 13)), "Round": (ops.Round, (11, 22)), "Sign": (ops.Sign, (9, 13)),
    "Sin": (ops.Sin, (7, 22)), "Cos": (ops.Cos, (7, 22)), "Tan": (ops.Tan, (7, 22)),
    "Asin": (ops.Asin, (7, 22)), "Acos": (ops.Acos, (7, 22)), "Atan": (ops.Atan, (7, 22)),
    "Sinh": (ops.Sinh, (9, 22)), "Cosh": (ops.Cosh, (9, 22)), "Tanh": (ops.Tanh, (6, 13)),
    "Asinh": (ops.Asinh, (9, 22)), "Acosh": (ops.Acosh, (9, 22)), "Atanh": (ops.Atanh, (9, 22)),
    "Sigmoid": (act.Sigmoid, (6, 13)), "Relu": (act.Relu, (6, 13, 14)), "Softplus": (act.Softplus, (1, 22)),
    "Softsign": (act.Softsign, (1, 22)), "Mish": (act.Mish, (18, 22)), "HardSwish": (act.HardSwish, (14, 22)),
    "Not": (ops.LogicalNot, (1,)), "BitwiseNot": (ops.BitwiseNot, (18,)), "IsNaN": (ops.IsNaN, (9, 13, 20)),
}
"""Operators without attributes that one op expresses, with their versions."""


def _plain(op: type[Op]) -> Callable[[LayerBuilder, Value], Value]:
    def mapping(b: LayerBuilder, x: Value) -> Value:
        return b.add1(op(), x)

    return mapping


for _name, (_op, _versions) in _PLAIN.items():
    onnx_op(_name, *_versions)(_plain(_op))


@onnx_op("LeakyRelu", 6, 16)
def leaky_relu(b: LayerBuilder, x: Value, *, alpha: float = 0.01) -> Value:
    return b.add1(act.LeakyRelu(alpha), x)


@onnx_op("Elu", 6, 22)
def elu(b: LayerBuilder, x: Value, *, alpha: float = 1.0) -> Value:
    return b.add1(act.Elu(alpha), x)


@onnx_op("Selu", 6, 22)
def selu(b: LayerBuilder, x: Value, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875) -> Value:
    return b.add1(act.Selu(alpha, gamma), x)


@onnx_op("Celu", 12, 28)
def celu(b: LayerBuilder, x: Value, *, alpha: float = 1.0) -> Value:
    return b.add1(act.Celu(alpha), x)


@onnx_op("ThresholdedRelu", 10, 22)
def thresholded_relu(b: LayerBuilder, x: Value, *, alpha: float = 1.0) -> Value:
    return b.add1(act.ThresholdedRelu(alpha), x)


@onnx_op("HardSigmoid", 6, 22)
def hard_sigmoid(b: LayerBuilder, x: Value, *, alpha: float = 0.2, beta: float = 0.5) -> Value:
    return b.add1(act.HardSigmoid(alpha, beta), x)


@onnx_op("Swish", 24)
def swish(b: LayerBuilder, x: Value, *, alpha: float = 1.0) -> Value:
    return b.add1(act.Swish(alpha), x)


@onnx_op("Gelu", 20)
def gelu(b: LayerBuilder, x: Value, *, approximate: str = "none") -> Value:
    if approximate not in ("none", "tanh"):
        raise b.damaged(f"Gelu has no approximation '{approximate}'")
    return b.add1(act.Gelu(approximate == "tanh"), x)


@onnx_op("Shrink", 9)
def shrink(b: LayerBuilder, x: Value, *, bias: float = 0.0, lambd: float = 0.5) -> Value:
    """x + bias below -lambd, x - bias above lambd, 0 between; of integers in floating point, as the attributes are."""
    given = b.cast(x, np.dtype(np.float32)) if kind_of(x.type.dtype) == "integer" else x
    low, high, shift = b.scalar(-lambd, given), b.scalar(lambd, given), b.scalar(bias, given)
    above = b.add1(Where(), b.add1(Greater(), given, high), b.add1(Sub(), given, shift), b.scalar(0, given))
    return b.cast(b.add1(Where(), b.add1(Less(), given, low), b.add1(Add(), given, shift), above), x.type.dtype)


@onnx_op("Clip", 6)
def clip_6(b: LayerBuilder, x: Value, *, min: float | None = None, max: float | None = None) -> Value:
    return b.add1(act.Clip(min, max), x)


_EXACT = 2**53
"""Integers up to this are exact as the floats that `Clip` holds."""


@onnx_op("Clip", 11, 12, 13)
def clip(b: LayerBuilder, x: Value, min: Value | None = None, max: Value | None = None) -> Value:
    """Bounds that are computed, or too large for a float, become Maximum and Minimum."""
    bounds = [None if v is None or v.const is None else b.number(v, "a bound of Clip") for v in (min, max)]
    fixed = all((v is None) == (bound is None) for v, bound in zip((min, max), bounds))
    if fixed and all(bound is None or isinstance(bound, float) or abs(bound) <= _EXACT for bound in bounds):
        return b.add1(act.Clip(*(None if bound is None else float(bound) for bound in bounds)), x)
    for operand, op in ((min, Maximum()), (max, Minimum())):
        x = x if operand is None else b.add1(op, x, b.reshape(operand, ()))
    return x


@onnx_op("IsInf", 10, 20)
def is_inf(b: LayerBuilder, x: Value, *, detect_negative: bool = True, detect_positive: bool = True) -> Value:
    return b.add1(ops.IsInf(detect_negative, detect_positive), x)


@onnx_op("Cast", 6, 9, 13, 19, 21, 23, 24, 25, 28)
def cast(b: LayerBuilder, x: Value, *, to: DType, saturate: bool = True, round_mode: str = "up") -> Value:
    """`saturate` (values beyond the range become the largest ones) speaks of float8 results only, `round_mode` of exponents only."""
    if to.name == "float8_e8m0fnu" and x.type.dtype != to:
        return b.cast(_power_of_two(b, x, saturate, round_mode), to)
    if to.name.startswith("float8") and saturate and x.type.dtype != to:
        x = _saturated(b, x, float(ml_dtypes.finfo(to).max))  # type: ignore[no-untyped-call]
    return b.cast(x, to)


def _power_of_two(b: LayerBuilder, x: Value, saturate: bool, round_mode: str) -> Value:
    """x within the range of powers of two that a byte holds, or NaN beyond it; rounded "up" or "down" to one by its bits. Rounding to the
    "nearest" one is left to the cast."""
    if round_mode not in ("up", "down", "nearest"):
        raise b.damaged(f"there is no round_mode '{round_mode}'")
    term = Formula(b, b.cast(x, np.dtype(np.float32)))
    least, largest = 1 << 22, 254 << 23  # the bits of 2**-127 and 2**127; some runtimes take numbers below 2**-126 for 0
    bits = term.apply(ops.BitCast(np.dtype(np.int32)))
    inside = term.equals(term) if saturate else (bits >= least) & (bits <= largest)
    found = limited = bits.at_least(least).at_most(largest)
    if round_mode != "nearest":
        normal = limited.at_least(1 << 23)
        whole = (normal + ((1 << 23) - 1) if round_mode == "up" else normal).apply(FloorDiv(), 1 << 23) * (1 << 23)
        found = (limited <= least if round_mode == "up" else limited < 1 << 23).choose(b.const(least, np.int32), whole)
    return inside.choose(found, 0x7FC00000).apply(ops.BitCast(term.dtype)).value


def _saturated(b: LayerBuilder, x: Value, largest: float) -> Value:
    """x within bounds; what is no number stays so, which minima and maxima of all runtimes do not promise."""
    term = Formula(b, x)
    return (term > largest).choose(b.scalar(largest, x), (term < -largest).choose(b.scalar(-largest, x), term)).value


@onnx_op("CastLike", 15, 19, 21, 23, 24, 25)
def cast_like(b: LayerBuilder, x: Value, like: Value, *, saturate: bool = True, round_mode: str = "up") -> Value:
    return cast(b, x, to=like.type.dtype, saturate=saturate, round_mode=round_mode)


@onnx_op("BitCast", 26)
def bit_cast(b: LayerBuilder, x: Value, *, to: DType) -> Value:
    """Bits of float64, which becomes float32 in the result, are those of the number that this is."""
    if b.content(x) is None and to.itemsize == x.type.dtype.itemsize:
        if x.type.dtype == np.float64 and to == np.int64:
            return doubles.of_float32(Formula(b, b.cast(x, np.dtype(np.float32)))).value
        if x.type.dtype == np.int64 and to == np.float64:
            return b.cast(doubles.to_float32(Formula(b, x)).value, to)
    return x if x.type.dtype == to else b.add1(ops.BitCast(to), x)


@onnx_op("Identity", 1, 13, 14, 16, 19, 21, 23, 24, 25)
def identity(b: LayerBuilder, x: Value) -> Value:
    return x


@onnx_op("Dropout", 7)
def dropout_7(b: LayerBuilder, x: Value, *, ratio: float = 0.5) -> tuple[Value, ...]:
    """The mask is of numbers."""
    kept, *mask = _dropped(b, x, ratio)
    return (kept, *(b.cast(m, x.type.dtype) for m in mask))


@onnx_op("Dropout", 10)
def dropout_10(b: LayerBuilder, x: Value, *, ratio: float = 0.5) -> tuple[Value, ...]:
    return _dropped(b, x, ratio)


@onnx_op("Dropout", 12, 13, 22)
def dropout(b: LayerBuilder, x: Value, ratio: Value | None = None, training_mode: Value | None = None, *,
            seed: int | None = None) -> tuple[Value, ...]:
    whole = ratio is not None and ratio.is_const and b.number(ratio, "ratio") == 0
    if training_mode is not None and not whole and b.is_computed(training_mode):
        values = " ".join(f"--input-value {name}=..." for name in _deciding(training_mode))
        raise UnsupportedError("whether Dropout is in training mode, in which it is random, is computed at run time", b.where,
                               f"Give the values of the inputs that decide it: {values}")
    if training_mode is not None and not whole and b.number(training_mode, "training_mode"):
        raise UnsupportedError("Dropout in training mode is random", b.where,
                               "Export the model for inference, or make an input of what it draws: --random inputs (opset 15).")
    return _dropped(b, x, 0.5 if ratio is None else b.number(ratio, "ratio") if ratio.is_const else 0.0)


def _deciding(value: Value) -> list[str]:
    """The inputs that a tensor is computed from."""
    found: dict[str, None] = {}
    reached, frontier = {id(value)}, [value]
    while frontier:
        each = frontier.pop()
        if each.producer is None and not each.is_const:
            found[each.name] = None
        operands = [] if each.producer is None else [v for v in each.producer.inputs if v is not None and id(v) not in reached]
        reached |= {id(v) for v in operands}
        frontier += operands
    return list(found)


def _dropped(b: LayerBuilder, x: Value, ratio: float) -> tuple[Value, ...]:
    """Inference keeps everything; the mask, where something reads it, says so."""
    kept = b.add1(ops.Dropout(ratio), x) if 0 < ratio < 1 else x
    if not any(b.wanted[1:]):
        return (kept,)
    return kept, b.full(np.asarray(True), x.shape)
