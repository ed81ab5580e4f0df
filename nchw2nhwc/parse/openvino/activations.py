"""Activations and other functions of single elements."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, isinf
from typing import Literal

import numpy as np

from nchw2nhwc.ir import DType, Value
from nchw2nhwc.ops import activation_functions as act
from nchw2nhwc.ops import elementwise as ew
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import LogicalOr, Mul, PRelu
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.openvino.common import one_float, reshaped, same
from nchw2nhwc.parse.openvino.registry import Results, add_mapping, mapping

_PLAIN: tuple[tuple[str, int, Op], ...] = (
    ("Abs", 1, ew.Abs()), ("Acos", 1, ew.Acos()), ("Acosh", 4, ew.Acosh()), ("Asin", 1, ew.Asin()), ("Asinh", 4, ew.Asinh()),
    ("Atan", 1, ew.Atan()), ("Atanh", 4, ew.Atanh()), ("BitwiseNot", 13, ew.BitwiseNot()), ("Ceiling", 1, ew.Ceil()), ("Cos", 1, ew.Cos()),
    ("Cosh", 1, ew.Cosh()), ("Erf", 1, ew.Erf()), ("Exp", 1, ew.Exp()), ("Floor", 1, ew.Floor()),
    ("HSigmoid", 5, act.HardSigmoid(1 / 6, 0.5)), ("HSwish", 4, act.HardSwish()), ("IsNaN", 10, ew.IsNaN()), ("Log", 1, ew.Log()),
    ("LogicalNot", 1, ew.LogicalNot()), ("Mish", 4, act.Mish()), ("Negative", 1, ew.Neg()), ("ReLU", 1, act.Relu()),
    ("Sigmoid", 1, act.Sigmoid()), ("Sign", 1, ew.Sign()), ("Sin", 1, ew.Sin()), ("Sinh", 1, ew.Sinh()), ("SoftPlus", 4, act.Softplus()),
    ("SoftSign", 9, act.Softsign()), ("Sqrt", 1, ew.Sqrt()), ("Tan", 1, ew.Tan()), ("Tanh", 1, ew.Tanh()),
)
"""Ops of one operand without attributes: type, opset, and what they mean."""


def _register(type: str, since: int, op: Op) -> None:
    def apply(b: Builder, x: Value) -> Results:
        return b.add1(op, x)
    add_mapping(type, (since,), apply)


for _entry in _PLAIN:
    _register(*_entry)


@mapping("Identity", 16)
def identity(b: Builder, x: Value) -> Results:
    """A tensor under another name."""
    return same(b, x)


@mapping("Clamp", 1)
def clamp(b: Builder, x: Value, *, min: float, max: float) -> Results:
    """Bounds of integers are rounded inwards."""
    low, high = (None if isinf(bound) else bound for bound in (min, max))
    if x.type.dtype.kind in "iu":
        low, high = None if low is None else float(ceil(low)), None if high is None else float(floor(high))
    return b.add1(act.Clip(low, high), x)


@mapping("Elu", 1)
def elu(b: Builder, x: Value, *, alpha: float) -> Results:
    """x where x >= 0, else alpha * (exp(x) - 1)."""
    return b.add1(act.Elu(alpha), x)


@mapping("Selu", 1)
def selu(b: Builder, x: Value, alpha: Value, factor: Value) -> Results:
    """factor * (x where x > 0, else alpha * (exp(x) - 1)), with constant alpha and factor."""
    return b.add1(act.Selu(one_float(b, alpha, "alpha"), one_float(b, factor, "lambda")), x)


@mapping("HardSigmoid", 1)
def hard_sigmoid(b: Builder, x: Value, alpha: Value, beta: Value) -> Results:
    """max(0, min(1, alpha * x + beta)), with constant alpha and beta."""
    return b.add1(act.HardSigmoid(one_float(b, alpha, "alpha"), one_float(b, beta, "beta")), x)


@mapping("Swish", 4)
def swish(b: Builder, x: Value, beta: Value | None = None) -> Results:
    """x * sigmoid(beta * x); beta is 1 when absent, and need not be constant."""
    if beta is None or (beta.const is not None and beta.const.size == 1):
        return b.add1(act.Swish(1.0 if beta is None else one_float(b, beta, "beta")), x)
    return b.add1(Mul(), x, b.add1(act.Sigmoid(), b.add1(Mul(), x, beta)))


@mapping("Gelu", 2)
def gelu_erf(b: Builder, x: Value) -> Results:
    """By the error function."""
    return b.add1(act.Gelu(), x)


@mapping("Gelu", 7)
def gelu(b: Builder, x: Value, *, approximation_mode: Literal["erf", "tanh"] = "erf") -> Results:
    """By the error function or its approximation with tanh."""
    return b.add1(act.Gelu(approximate=approximation_mode == "tanh"), x)


@mapping("PReLU", 1)
def prelu(b: Builder, x: Value, slope: Value) -> Results:
    """A slope of one axis that is as long as the channel axis (axis 1, or the only one) belongs to that axis; any other one broadcasts."""
    channel = min(1, x.rank - 1)
    if x.rank and slope.rank == 1 and slope.shape[0] == x.shape[channel]:
        slope = reshaped(b, slope, (slope.shape[0], *(1,) * (x.rank - 1 - channel)))
    return b.add1(PRelu(), x, slope)


@mapping("Round", 5)
def rounded(b: Builder, x: Value, *, mode: Literal["half_to_even", "half_away_from_zero"] = "half_to_even") -> Results:
    """To the nearest integer; halves to the even one or away from zero."""
    return b.add1(ew.Round(mode), x)


@mapping("IsInf", 10)
def is_inf(b: Builder, x: Value, *, detect_negative: bool = True, detect_positive: bool = True) -> Results:
    """Infinite, of the signs that are looked for."""
    return b.add1(ew.IsInf(detect_negative, detect_positive), x)


@mapping("IsFinite", 10)
def is_finite(b: Builder, x: Value) -> Results:
    """Neither infinite nor NaN."""
    return b.add1(ew.LogicalNot(), b.add1(LogicalOr(), b.add1(ew.IsInf(), x), b.add1(ew.IsNaN(), x)))


_NEAR = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727,
         1.50140941)
_FAR = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406, 2.83297682)
"""Coefficients of M. Giles, "Approximating the erfinv function", GPU Computing Gems, Jade Edition (2011), table 5, highest power first."""

_FARTHEST = 1.0
"""The square root of -log(1 - x^2) is less than 3 + 1 for all single-precision numbers below 1: this keeps infinity out of polynomials."""


@mapping("ErfInv", 17)
def erf_inv(b: Builder, x: Value) -> Results:
    """The inverse of the error function: two polynomials of -log(1 - x^2), one for each side of 5, in single precision; infinite at -1 and
    1, and NaN beyond."""
    one = Formula(b, x).cast(np.float32)
    w = -((1.0 - one) * (1.0 + one)).apply(ew.Log())
    far = (w.at_least(0.0).apply(ew.Sqrt()) - 3.0).at_most(_FARTHEST)
    near = _polynomial(_NEAR, w.at_most(5.0) - 2.5)
    found = (w < 5.0).choose(near, _polynomial(_FAR, far)) * one
    size = abs(one)
    ends = (size >= 1.0).choose(one * np.inf, found)
    return cast(b, (size <= 1.0).choose(ends, np.nan).value, x.type.dtype)


def _polynomial(coefficients: Sequence[float], x: Formula) -> Formula:
    """Horner's scheme."""
    first, second, *others = coefficients
    found = x * first + second
    for coefficient in others:
        found = found * x + coefficient
    return found


@mapping("Convert", 1)
def convert(b: Builder, x: Value, *, destination_type: DType) -> Results:
    """Another element type: floats are truncated to integers, everything but 0 is true."""
    return cast(b, x, destination_type)


@mapping("ConvertLike", 1)
def convert_like(b: Builder, x: Value, like: Value) -> Results:
    """The element type of the second operand."""
    return cast(b, x, like.type.dtype)


def cast(b: Builder, x: Value, dtype: DType) -> Value:
    """`x` as another element type."""
    return same(b, x) if x.type.dtype == dtype else b.add1(ew.Cast(dtype), x)
