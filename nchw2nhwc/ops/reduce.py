"""Ops that combine elements along axes: reductions, arg-max, softmax, cumulative sums.

Names in docstrings are those of the ONNX and OpenVINO ops that are parsed to the class. Sums of floating point numbers are formed in double
precision and rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.base import Op, axes_role, axis_role
from nchw2nhwc.ops.kinds import BOOL, FLOAT, NUMBER, Doubles, Kinds, integer_range, kind_of, require, wide
from nchw2nhwc.ops.rules import Along, Last, Reduction

INT64 = np.dtype(np.int64)


def check_axes(op: Op, axes: Sequence[int], x: TensorType) -> None:
    """Raises ShapeError unless `axes` are ascending axes of `x`."""
    if any(not 0 <= a < x.rank for a in axes) or any(a >= b for a, b in pairwise(axes)):
        raise ShapeError(f"{op.name} over axes {list(axes)} of an operand of rank {x.rank}")


def reduced_shape(x: TensorType, axes: Sequence[int], keepdims: bool) -> TensorType:
    """x's type with `axes` of size 1, or without them."""
    if keepdims:
        return x.with_shape(tuple(1 if k in axes else s for k, s in enumerate(x.shape)))
    return x.with_shape(tuple(s for k, s in enumerate(x.shape) if k not in axes))


@dataclass(frozen=True)
class Reduce(Op, abstract=True):
    """The family. No axes: nothing is reduced, but the function of single elements is still applied (L2 of x is |x|)."""

    axes: tuple[int, ...] = field(metadata=axes_role())
    keepdims: bool = True
    rule = Reduction()
    kinds: ClassVar[Kinds] = NUMBER

    def infer(self, x: TensorType) -> TensorType:
        require(self, self.kinds, x)
        check_axes(self, self.axes, x)
        return reduced_shape(x, self.axes, self.keepdims)

    def reference(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self.compute(x), x.dtype)

    def compute(self, x: Array) -> Array:
        """The result, of any element type."""
        raise NotImplementedError(f"{self.name}.compute")

    def sum(self, x: Array) -> Array:
        """The sum over the axes: of floats in double precision, of integers modulo the range of their type."""
        return np.asarray(np.sum(_exact(x), axis=self.axes, keepdims=self.keepdims))

    def largest(self, x: Array, keepdims: bool) -> Array:
        """The maximum over the axes; of no elements the type's smallest value."""
        return np.asarray(np.max(x, axis=self.axes, keepdims=keepdims, initial=_bounds(x.dtype)[0]))


class ReduceSum(Reduce):
    """The sum. ONNX ReduceSum, OpenVINO ReduceSum."""

    def compute(self, x: Array) -> Array:
        return self.sum(x)


class ReduceMean(Reduce):
    """The arithmetic mean; of integers truncated. ONNX ReduceMean and GlobalAveragePool, OpenVINO ReduceMean."""

    def compute(self, x: Array) -> Array:
        return np.asarray(np.mean(wide(x), axis=self.axes, keepdims=self.keepdims))


class ReduceMax(Reduce):
    """The maximum; of booleans whether any holds. ONNX ReduceMax and GlobalMaxPool, OpenVINO ReduceMax."""

    kinds = NUMBER | BOOL

    def compute(self, x: Array) -> Array:
        return self.largest(x, self.keepdims)


class ReduceMin(Reduce):
    """The minimum; of booleans whether all hold. ONNX ReduceMin, OpenVINO ReduceMin."""

    kinds = NUMBER | BOOL

    def compute(self, x: Array) -> Array:
        return np.asarray(np.min(x, axis=self.axes, keepdims=self.keepdims, initial=_bounds(x.dtype)[1]))


class ReduceProd(Reduce):
    """The product. ONNX ReduceProd, OpenVINO ReduceProd."""

    def compute(self, x: Array) -> Array:
        return np.asarray(np.prod(_exact(x), axis=self.axes, keepdims=self.keepdims))


class ReduceL1(Reduce):
    """The sum of |x|. ONNX ReduceL1, OpenVINO ReduceL1."""

    def compute(self, x: Array) -> Array:
        return self.sum(np.asarray(np.abs(x)))


class ReduceL2(Reduce):
    """The square root of the sum of x^2. ONNX ReduceL2, OpenVINO ReduceL2."""

    def compute(self, x: Array) -> Array:
        return np.asarray(np.sqrt(self.sum(np.square(wide(x)))))


class ReduceSumSquare(Reduce):
    """The sum of x^2. ONNX ReduceSumSquare."""

    def compute(self, x: Array) -> Array:
        return self.sum(np.square(_exact(x)))


class ReduceLogSum(Reduce):
    """The logarithm of the sum. ONNX ReduceLogSum."""

    def compute(self, x: Array) -> Array:
        return np.asarray(np.log(self.sum(wide(x))))


class ReduceLogSumExp(Reduce):
    """The logarithm of the sum of exp(x), without overflow. ONNX ReduceLogSumExp."""

    def compute(self, x: Array) -> Array:
        exact = wide(x)
        top = wide(self.largest(exact, keepdims=True))
        top = np.where(np.isfinite(top), top, 0)
        total = np.asarray(np.log(self.sum(np.exp(exact - top))))
        return np.asarray(total + top.reshape(total.shape))


class ReduceAnd(Reduce):
    """Whether all hold. OpenVINO ReduceLogicalAnd."""

    kinds = BOOL

    def compute(self, x: Array) -> Array:
        return np.asarray(np.all(x, axis=self.axes, keepdims=self.keepdims))


class ReduceOr(Reduce):
    """Whether any holds. OpenVINO ReduceLogicalOr."""

    kinds = BOOL

    def compute(self, x: Array) -> Array:
        return np.asarray(np.any(x, axis=self.axes, keepdims=self.keepdims))


# ---- positions -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ArgReduce(Op, abstract=True):
    """The position of an extreme along `axis`, as `dtype`; of equal ones the first, or with `select_last_index` the last."""

    axis: int = field(metadata=axis_role())
    keepdims: bool = True
    select_last_index: bool = False
    dtype: DType = INT64
    rule = Reduction(whole=True)
    ranks = True

    @property
    def axes(self) -> tuple[int, ...]:
        """The reduced axis as a tuple, as the rule `Reduction` reads it."""
        return (self.axis,)

    def infer(self, x: TensorType) -> TensorType:
        require(self, NUMBER, x)
        check_axes(self, self.axes, x)
        if x.shape[self.axis] == 0:
            raise ShapeError(f"{self.name} over axis {self.axis}, which has no elements")
        return reduced_shape(x, self.axes, self.keepdims).with_dtype(self.dtype)

    def reference(self, x: Array) -> Array:
        if not self.select_last_index:
            return np.asarray(self.position(x), self.dtype)
        return np.asarray(x.shape[self.axis] - 1 - self.position(np.flip(x, self.axis)), self.dtype)

    def position(self, x: Array) -> Array:
        """The first position."""
        raise NotImplementedError(f"{self.name}.position")


class ArgMax(ArgReduce):
    """The position of the maximum. ONNX ArgMax, OpenVINO TopK with k = 1."""

    def position(self, x: Array) -> Array:
        return np.asarray(np.argmax(x, axis=self.axis, keepdims=self.keepdims))


class ArgMin(ArgReduce):
    """The position of the minimum. ONNX ArgMin, OpenVINO TopK with k = 1."""

    def position(self, x: Array) -> Array:
        return np.asarray(np.argmin(x, axis=self.axis, keepdims=self.keepdims))


# ---- along one axis, same shape ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class AlongAxis(Op, abstract=True):
    """The result has the operand's type; everything happens along `axis`."""

    axis: int = field(metadata=axis_role())
    kinds: ClassVar[Kinds] = FLOAT

    def infer(self, x: TensorType) -> TensorType:
        require(self, self.kinds, x)
        check_axes(self, (self.axis,), x)
        return x


class Softmax(AlongAxis):
    """exp(x) / sum(exp(x)) along `axis`. ONNX Softmax-13, OpenVINO SoftMax."""

    rule = Last()

    def reference(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            powers = np.exp(_below_zero(x, self.axis))
            return np.asarray(powers / np.sum(powers, axis=self.axis, keepdims=True), x.dtype)


class LogSoftmax(AlongAxis):
    """x - log(sum(exp(x))) along `axis`. ONNX LogSoftmax-13, OpenVINO LogSoftmax."""

    rule = Last()

    def reference(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            shifted = _below_zero(x, self.axis)
            return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=self.axis, keepdims=True)), x.dtype)


@dataclass(frozen=True)
class CumSum(AlongAxis):
    """Sums of all elements up to this one along `axis`; `exclusive` leaves this one out, `reverse` runs from the end.

    ONNX CumSum, OpenVINO CumSum."""

    exclusive: bool = False
    reverse: bool = False
    rule = Along()
    kinds = NUMBER

    def reference(self, x: Array) -> Array:
        forward = np.flip(x, self.axis) if self.reverse else x
        if self.exclusive:
            ahead = [(1, 0) if k == self.axis else (0, 0) for k in range(x.ndim)]
            forward = np.pad(forward, ahead)[tuple(slice(size) for size in x.shape)]
        sums = np.cumsum(_exact(forward), axis=self.axis)
        return np.asarray(np.flip(sums, self.axis) if self.reverse else sums, x.dtype)


def _exact(x: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]] | Doubles:
    """x in the type that sums and products are formed in: integers modulo 2^64 (so that any integer type wraps around as it should)."""
    return np.asarray(x).astype(np.int64) if kind_of(x.dtype) == "integer" else wide(x)


def _below_zero(x: Array, axis: int) -> Doubles:
    """x in double precision less its maximum along `axis`, so that exp cannot overflow."""
    exact = wide(x)
    return np.asarray(exact - np.max(exact, axis=axis, keepdims=True, initial=-np.inf))


def _bounds(dtype: DType) -> tuple[float, float]:
    """The smallest and the largest value of an element type."""
    match kind_of(dtype):
        case "integer":
            return integer_range(dtype)
        case "boolean":
            return False, True
        case _:
            return -np.inf, np.inf
