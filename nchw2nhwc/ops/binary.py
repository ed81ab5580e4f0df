"""Ops of several operands that combine them element by element, with numpy broadcasting.

Names in docstrings are those of the ONNX and OpenVINO ops that are parsed to the class. Operands have one element type, and the result has
it too, unless a class says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op, broadcast_shapes
from nchw2nhwc.ops.kinds import ANY, BOOL, FLOAT, INTEGER, NUMBER, Kinds, kind_of, require
from nchw2nhwc.ops.rules import Elementwise


class Binary(Op, abstract=True):
    """The family: two operands of one element type (one of `kinds`)."""

    rule = Elementwise()
    kinds: ClassVar[Kinds] = NUMBER

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        require(self, self.kinds, a, b)
        return a.with_shape(broadcast_shapes(a.shape, b.shape))

    def reference(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self.compute(a, b), a.dtype)

    def compute(self, a: Array, b: Array) -> Array:
        """The result, of any element type."""
        raise NotImplementedError(f"{self.name}.compute")


class Ufunc(Binary, abstract=True):
    """A numpy function as it is."""

    fn: ClassVar[np.ufunc]

    def compute(self, a: Array, b: Array) -> Array:
        return np.asarray(self.fn(a, b))


@dataclass(frozen=True)
class Arithmetic(Binary, abstract=True):
    """The four basic operations, with an activation that is applied to the result."""

    activation: Activation = Activation.NONE

    def reference(self, a: Array, b: Array) -> Array:
        return self.activation.apply(super().reference(a, b))


class Comparison(Ufunc, abstract=True):
    """A question about two elements; the result is boolean."""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return super().infer(a, b).with_dtype(np.dtype(np.bool_))

    def reference(self, a: Array, b: Array) -> Array:
        return np.asarray(self.fn(a, b), np.bool_)


# ---- arithmetic ------------------------------------------------------------------------------------------------------
class Add(Arithmetic):
    """a + b. ONNX Add and Sum, OpenVINO Add."""

    def compute(self, a: Array, b: Array) -> Array:
        return np.asarray(np.add(a, b))


class Sub(Arithmetic):
    """a - b. ONNX Sub, OpenVINO Subtract."""

    def compute(self, a: Array, b: Array) -> Array:
        return np.asarray(np.subtract(a, b))


class Mul(Arithmetic):
    """a * b. ONNX Mul, OpenVINO Multiply."""

    def compute(self, a: Array, b: Array) -> Array:
        return np.asarray(np.multiply(a, b))


class Div(Arithmetic):
    """a / b; of integers the quotient is truncated towards zero, as in C. ONNX Div, OpenVINO Divide (m_pythondiv false)."""

    def compute(self, a: Array, b: Array) -> Array:
        if kind_of(a.dtype) != "integer":
            return np.asarray(np.divide(a, b))
        down = np.floor_divide(a, b)
        inexact = np.multiply(down, b) != a
        return np.asarray(down + (inexact & (np.less(a, 0) != np.less(b, 0))).astype(a.dtype))


class Pow(Binary):
    """a ** b, with a's element type; b may have another one. ONNX Pow, OpenVINO Power.

    Of an integer to a fractional or negative power the result is truncated, as ONNX Runtime does.
    """

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        require(self, NUMBER, a)
        require(self, NUMBER, b)
        return a.with_shape(broadcast_shapes(a.shape, b.shape))

    def compute(self, a: Array, b: Array) -> Array:
        if kind_of(a.dtype) == "integer" and kind_of(b.dtype) == "integer":
            inverse = np.where(np.abs(a) == 1, np.power(a, np.abs(b)), np.zeros((), a.dtype))
            return np.where(np.less(b, 0), inverse, np.power(a, np.maximum(b, 0)))
        if a.dtype == b.dtype:
            return np.asarray(np.power(a, b))
        return np.asarray(np.power(np.asarray(a, np.float64), np.asarray(b, np.float64)))


class Maximum(Ufunc):
    """The larger of two; NaN if either is. ONNX Max, OpenVINO Maximum."""

    fn = np.maximum


class Minimum(Ufunc):
    """The smaller of two; NaN if either is. ONNX Min, OpenVINO Minimum."""

    fn = np.minimum


class Mod(Ufunc):
    """The remainder with the divisor's sign, as Python's %. ONNX Mod (fmod 0), OpenVINO FloorMod."""

    fn = np.remainder


class FMod(Ufunc):
    """The remainder with the dividend's sign, as C's fmod and %. ONNX Mod (fmod 1), OpenVINO Mod."""

    fn = np.fmod


class FloorDiv(Ufunc):
    """floor(a / b), as Python's //. OpenVINO Divide of integers (m_pythondiv true)."""

    fn = np.floor_divide


class SquaredDifference(Binary):
    """(a - b)^2. OpenVINO SquaredDifference; ONNX: Sub, then Mul or Pow."""

    def compute(self, a: Array, b: Array) -> Array:
        difference = np.subtract(a, b)
        return np.asarray(np.multiply(difference, difference))


class Atan2(Ufunc):
    """The angle of the point (b, a), in (-pi, pi]. ONNX and OpenVINO: found as a pattern."""

    fn, kinds = np.arctan2, FLOAT


class PRelu(Binary):
    """x where x >= 0, else slope * x; the slope broadcasts to x. ONNX PRelu, OpenVINO PReLU."""

    def infer(self, x: TensorType, slope: TensorType) -> TensorType:
        require(self, self.kinds, x, slope)
        return _broadcasting_to(x, slope, what="slope")

    def compute(self, x: Array, slope: Array) -> Array:
        return np.where(np.less(x, 0), np.multiply(x, slope), x)


# ---- comparisons, logic, bits -----------------------------------------------------------------------------------------
class Equal(Comparison):
    """a == b. ONNX Equal, OpenVINO Equal."""

    fn, kinds = np.equal, ANY


class NotEqual(Comparison):
    """a != b. ONNX: Not of Equal; OpenVINO NotEqual."""

    fn, kinds = np.not_equal, ANY


class Less(Comparison):
    """a < b. ONNX Less, OpenVINO Less."""

    fn = np.less


class LessEqual(Comparison):
    """a <= b. ONNX LessOrEqual, OpenVINO LessEqual."""

    fn = np.less_equal


class Greater(Comparison):
    """a > b. ONNX Greater, OpenVINO Greater."""

    fn = np.greater


class GreaterEqual(Comparison):
    """a >= b. ONNX GreaterOrEqual, OpenVINO GreaterEqual."""

    fn = np.greater_equal


class LogicalAnd(Ufunc):
    """a and b. ONNX And, OpenVINO LogicalAnd."""

    fn, kinds = np.logical_and, BOOL


class LogicalOr(Ufunc):
    """a or b. ONNX Or, OpenVINO LogicalOr."""

    fn, kinds = np.logical_or, BOOL


class LogicalXor(Ufunc):
    """Either a or b, not both. ONNX Xor, OpenVINO LogicalXor."""

    fn, kinds = np.logical_xor, BOOL


class BitwiseAnd(Ufunc):
    """a & b. ONNX BitwiseAnd, OpenVINO BitwiseAnd."""

    fn, kinds = np.bitwise_and, INTEGER | BOOL


class BitwiseOr(Ufunc):
    """a | b. ONNX BitwiseOr, OpenVINO BitwiseOr."""

    fn, kinds = np.bitwise_or, INTEGER | BOOL


class BitwiseXor(Ufunc):
    """a ^ b. ONNX BitwiseXor, OpenVINO BitwiseXor."""

    fn, kinds = np.bitwise_xor, INTEGER | BOOL


# ---- more than two operands --------------------------------------------------------------------------------------------
class Where(Op):
    """a where the (boolean) condition holds, else b. ONNX Where, OpenVINO Select."""

    rule = Elementwise()

    def infer(self, condition: TensorType, a: TensorType, b: TensorType) -> TensorType:
        require(self, BOOL, condition)
        require(self, ANY, a, b)
        return a.with_shape(broadcast_shapes(condition.shape, a.shape, b.shape))

    def reference(self, condition: Array, a: Array, b: Array) -> Array:
        return np.asarray(np.where(condition, a, b), a.dtype)


@dataclass(frozen=True)
class FakeQuantize(Op):
    """Rounds x to one of `levels` equidistant values and maps [input_low, input_high] to [output_low, output_high]; the four bounds
    broadcast to x. What lies below the input range gives output_low, above it output_high. OpenVINO FakeQuantize.

    The formula, its order of steps and its (single) precision are those of OpenVINO's reference, because they decide which level a half
    goes to: the even one.
    """

    levels: int
    rule = Elementwise()

    def infer(self, x: TensorType, input_low: TensorType, input_high: TensorType,
              output_low: TensorType, output_high: TensorType) -> TensorType:
        require(self, FLOAT, x, input_low, input_high, output_low, output_high)
        if self.levels < 2:
            raise ShapeError(f"FakeQuantize needs at least 2 levels, not {self.levels}")
        for bound, what in ((input_low, "input_low"), (input_high, "input_high"), (output_low, "output_low"), (output_high, "output_high")):
            x = _broadcasting_to(x, bound, what=what)
        return x

    def reference(self, x: Array, input_low: Array, input_high: Array, output_low: Array, output_high: Array) -> Array:
        data, in_low, in_high, out_low, out_high = (np.asarray(v, np.float32) for v in (x, input_low, input_high, output_low, output_high))
        steps = np.float32(self.levels - 1)
        with np.errstate(all="ignore"):
            inside = np.rint((data - in_low) / (in_high - in_low) * steps) / steps * (out_high - out_low) + out_low
        below, above = data <= np.minimum(in_low, in_high), data > np.maximum(in_low, in_high)
        return np.asarray(np.where(below, out_low, np.where(above, out_high, inside)), x.dtype)


def _broadcasting_to(x: TensorType, other: TensorType, what: str) -> TensorType:
    """x's type after `other` is broadcast to it (symbolic sizes may become numbers). Raises ShapeError when x would grow."""
    shape = broadcast_shapes(x.shape, other.shape)
    if len(shape) != x.rank or any(mine == 1 and size != 1 for mine, size in zip(x.shape, shape)):
        raise ShapeError(f"{what} of shape {other} does not broadcast to {x}")
    return x.with_shape(shape)
