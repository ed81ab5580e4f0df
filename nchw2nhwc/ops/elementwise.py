"""Ops of one operand that treat every element alike.

Names in docstrings are those of the ONNX and OpenVINO ops that are parsed to the class. A reference returns the operand's element type;
formulas of several steps are computed in double precision inside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.kinds import ANY, BOOL, FLOAT, INTEGER, NUMBER, Doubles, Kinds, check_choices, kind_of, one_of, require, wide
from nchw2nhwc.ops.rules import Elementwise
from nchw2nhwc.ops.special import erf_of


class Unary(Op, abstract=True):
    """The family: the result has the operand's shape and, unless a class says otherwise, its element type (one of `kinds`)."""

    rule = Elementwise()
    kinds: ClassVar[Kinds] = FLOAT

    def infer(self, x: TensorType) -> TensorType:
        require(self, self.kinds, x)
        return x

    def reference(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self.compute(x), x.dtype)

    def compute(self, x: Array) -> Array:
        """The result, of any element type."""
        raise NotImplementedError(f"{self.name}.compute")


class Ufunc(Unary, abstract=True):
    """A numpy function as it is, in the operand's own element type."""

    fn: ClassVar[np.ufunc]

    def compute(self, x: Array) -> Array:
        return np.asarray(self.fn(x))


class Formula(Unary, abstract=True):
    """A formula of several steps, in double precision."""

    def compute(self, x: Array) -> Array:
        return np.asarray(self.formula(wide(x)))

    def formula(self, x: Doubles) -> Doubles:
        """The result in double precision."""
        raise NotImplementedError(f"{self.name}.formula")


class Predicate(Unary, abstract=True):
    """A question about every element; the result is boolean."""

    def infer(self, x: TensorType) -> TensorType:
        require(self, self.kinds, x)
        return x.with_dtype(np.dtype(np.bool_))

    def reference(self, x: Array) -> Array:
        return np.asarray(self.compute(x), np.bool_)


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
class Rsqrt(Formula):
    """1 / sqrt(x). ONNX and OpenVINO: Reciprocal of Sqrt, or Power with exponent -0.5."""

    def formula(self, x: Doubles) -> Doubles:
        return 1 / np.sqrt(x)


class Reciprocal(Formula):
    """1 / x. ONNX Reciprocal, OpenVINO Power with exponent -1."""

    def formula(self, x: Doubles) -> Doubles:
        return 1 / x


class Erf(Formula):
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


@dataclass(frozen=True)
class Cast(Unary):
    """x in another element type: floats to integers truncate, to booleans everything but 0 is true, integers wrap around.

    ONNX Cast and CastLike, OpenVINO Convert and ConvertLike."""

    dtype: DType = field()
    kinds = ANY

    def infer(self, x: TensorType) -> TensorType:
        return x.with_dtype(self.dtype)

    def reference(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(x != 0) if self.dtype == np.bool_ else np.asarray(x).astype(self.dtype)


@dataclass(frozen=True)
class Narrow(Unary):
    """x as a narrower element type than any that targets compute in would hold it, in x's own type.

    `dtype` is a float of 8 bits or fewer (x is floating point: the nearest value, halves to the even one; what lies beyond the range is
    infinite, NaN, or the largest value, as the type has it; of powers of two alone, float8_e8m0fnu, the larger one, and NaN for what is not
    above 0) or an integer of 4 or 2 bits (x is an integer: its lowest bits). Source: Cast
    to such a type, and what quantizes to it.
    """

    dtype: DType = field()
    kinds = NUMBER

    def infer(self, x: TensorType) -> TensorType:
        if kind_of(x.dtype) != kind_of(self.dtype):
            raise ShapeError(f"{x} cannot hold {self.dtype.name}")
        return x

    def compute(self, x: Array) -> Array:
        return np.asarray(x).astype(self.dtype)


@dataclass(frozen=True)
class BitCast(Unary):
    """The bits of x read as another element type of the same size. ONNX BitCast."""

    dtype: DType = field()
    kinds = ANY

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype.itemsize != self.dtype.itemsize:
            raise ShapeError(f"the bits of {x.dtype.name} are not those of {self.dtype.name}: their sizes differ")
        return x.with_dtype(self.dtype)

    def reference(self, x: Array) -> Array:
        return np.ascontiguousarray(x).view(self.dtype).reshape(x.shape)
