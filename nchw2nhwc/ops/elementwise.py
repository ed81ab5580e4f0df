"""Ops of one operand that treat every element alike (those that change its type: `ops.casts`).

Names in docstrings are those of the ONNX and OpenVINO ops that are parsed to the class.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.casts import BitCast as BitCast
from nchw2nhwc.ops.casts import Cast as Cast
from nchw2nhwc.ops.casts import Narrow as Narrow
from nchw2nhwc.ops.kinds import ANY, BOOL, INTEGER, NUMBER, Doubles, check_choices, kind_of, one_of, wide
from nchw2nhwc.ops.special import erf_of
from nchw2nhwc.ops.unary import Composite, Predicate, Ufunc
from nchw2nhwc.ops.unary import Unary as Unary


# ---- numpy functions -------------------------------------------------------------------------------------------------
class Abs(Ufunc):
    """|x|. ONNX Abs, OpenVINO Abs."""

    fn, kinds = np.absolute, NUMBER


class Neg(Ufunc):
    """-x. ONNX Neg, OpenVINO Negative."""

    fn, kinds = np.negative, NUMBER


class Sign(Ufunc):
    """-1, 0 or 1. ONNX Sign, OpenVINO Sign."""

    fn, kinds = np.sign, NUMBER


class Whole(Ufunc, abstract=True):
    """A numpy function from floating point numbers to whole ones; integers stay as they are."""

    kinds = NUMBER

    def compute(self, x: Array) -> Array:
        return x if kind_of(x.dtype) == "integer" else super().compute(x)


class Floor(Whole):
    """The largest integer <= x. ONNX Floor, OpenVINO Floor."""

    fn = np.floor


class Ceil(Whole):
    """The smallest integer >= x. ONNX Ceil, OpenVINO Ceiling."""

    fn = np.ceil


class Exp(Ufunc):
    """e ** x. ONNX Exp, OpenVINO Exp."""

    fn = np.exp


class Log(Ufunc):
    """The natural logarithm. ONNX Log, OpenVINO Log."""

    fn = np.log


class Sqrt(Ufunc):
    """The square root. ONNX Sqrt, OpenVINO Sqrt."""

    fn = np.sqrt


class Sin(Ufunc):
    """The sine. ONNX Sin, OpenVINO Sin."""

    fn = np.sin


class Cos(Ufunc):
    """The cosine. ONNX Cos, OpenVINO Cos."""

    fn = np.cos


class Tan(Ufunc):
    """The tangent. ONNX Tan, OpenVINO Tan."""

    fn = np.tan


class Asin(Ufunc):
    """The inverse sine. ONNX Asin, OpenVINO Asin."""

    fn = np.arcsin


class Acos(Ufunc):
    """The inverse cosine. ONNX Acos, OpenVINO Acos."""

    fn = np.arccos


class Atan(Ufunc):
    """The inverse tangent. ONNX Atan, OpenVINO Atan."""

    fn = np.arctan


class Sinh(Ufunc):
    """The hyperbolic sine. ONNX Sinh, OpenVINO Sinh."""

    fn = np.sinh


class Cosh(Ufunc):
    """The hyperbolic cosine. ONNX Cosh, OpenVINO Cosh."""

    fn = np.cosh


class Tanh(Ufunc):
    """The hyperbolic tangent. ONNX Tanh, OpenVINO Tanh."""

    fn = np.tanh


class Asinh(Ufunc):
    """The inverse hyperbolic sine. ONNX Asinh, OpenVINO Asinh."""

    fn = np.arcsinh


class Acosh(Ufunc):
    """The inverse hyperbolic cosine. ONNX Acosh, OpenVINO Acosh."""

    fn = np.arccosh


class Atanh(Ufunc):
    """The inverse hyperbolic tangent. ONNX Atanh, OpenVINO Atanh."""

    fn = np.arctanh


class LogicalNot(Ufunc):
    """Not x. ONNX Not, OpenVINO LogicalNot."""

    fn, kinds = np.logical_not, BOOL


class BitwiseNot(Ufunc):
    """Every bit inverted; of booleans the logical not. ONNX BitwiseNot, OpenVINO BitwiseNot."""

    fn, kinds = np.invert, INTEGER | BOOL


class IsNaN(Predicate):
    """Whether x is not a number. ONNX IsNaN, OpenVINO IsNaN."""

    def compute(self, x: Array) -> Array:
        return np.asarray(np.isnan(x))


class Identity(Unary):
    """x. ONNX Identity, OpenVINO Result-like pass-through ops."""

    kinds = ANY

    def compute(self, x: Array) -> Array:
        return x


@dataclass(frozen=True)
class Dropout(Unary):
    """x, as at inference; in training the share `rate` of the elements becomes 0 and the others grow by 1 / (1 - rate). ONNX Dropout."""

    rate: float = 0.5

    def compute(self, x: Array) -> Array:
        return x


# ---- formulas without attributes -------------------------------------------------------------------------------------
class Rsqrt(Composite):
    """1 / sqrt(x). ONNX and OpenVINO: Reciprocal of Sqrt, or Power with exponent -0.5."""

    def formula(self, x: Doubles) -> Doubles:
        return 1 / np.sqrt(x)


class Reciprocal(Composite):
    """1 / x. ONNX Reciprocal, OpenVINO Power with exponent -1."""

    def formula(self, x: Doubles) -> Doubles:
        return 1 / x


class Erf(Composite):
    """The error function. ONNX Erf, OpenVINO Erf."""

    def formula(self, x: Doubles) -> Doubles:
        return erf_of(x)


# ---- with attributes ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Round(Unary):
    """The nearest integer; halves go to the even one, or away from zero. ONNX Round, OpenVINO Round."""

    mode: str = field(default="half_to_even", metadata=one_of("half_to_even", "half_away_from_zero"))
    kinds = NUMBER

    def infer(self, x: TensorType) -> TensorType:
        check_choices(self)
        return super().infer(x)

    def compute(self, x: Array) -> Array:
        if kind_of(x.dtype) == "integer":
            return x
        if self.mode == "half_to_even":
            return np.asarray(np.rint(x))
        whole = np.trunc(x)
        away = np.asarray(np.abs(x - whole) >= 0.5, x.dtype)
        return np.asarray(whole + np.copysign(away, x))


@dataclass(frozen=True)
class IsInf(Predicate):
    """Whether x is infinite, of the signs asked for. ONNX IsInf, OpenVINO IsInf."""

    detect_negative: bool = True
    detect_positive: bool = True

    def compute(self, x: Array) -> Array:
        return np.asarray((np.isposinf(wide(x)) & self.detect_positive) | (np.isneginf(wide(x)) & self.detect_negative))
