"""Real numbers kept as small integers, with one scale and zero point for a whole tensor."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TypeAlias

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.kinds import FLOAT, INTEGER, integer_range, require
from nchw2nhwc.ops.rules import Elementwise

FLOAT32: DType = np.dtype(np.float32)

SMALLEST_SCALE, LARGEST_SCALE = 2.0**-100, 2.0**100
"""Between these, scales and what kernels make of them are numbers of single precision."""

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True)
class Grid:
    """The numbers `(q - zero_point) * scale` for integers q from `low` to `high`, both included."""

    scale: float
    zero_point: int
    low: int
    high: int

    @property
    def min(self) -> float:
        """The smallest number."""
        return (self.low - self.zero_point) * self.scale

    @property
    def max(self) -> float:
        """The largest number."""
        return (self.high - self.zero_point) * self.scale

    @property
    def bits(self) -> int:
        """Of the signed integers that hold it: 8, or 16."""
        return 8 if self.low >= -128 and self.high <= 127 else 16

    def shifted(self, by: int) -> Grid:
        """The same numbers for integers that are larger by `by`."""
        return Grid(self.scale, self.zero_point + by, self.low + by, self.high + by)

    def check(self) -> None:
        """Raises ShapeError unless the scale is a positive number and zero is one of the grid's numbers."""
        if not (isfinite(self.scale) and self.scale > 0):
            raise ShapeError(f"the scale {self.scale} is not positive")
        if not self.low <= self.zero_point <= self.high:
            raise ShapeError(f"the zero point {self.zero_point} is not between {self.low} and {self.high}")

    def quantize(self, x: Array) -> Floats:
        """The integers nearest to x, halves to even, as whole float32 numbers."""
        with np.errstate(all="ignore"):
            whole = np.rint(np.asarray(x, np.float32) / np.float32(self.scale)) + np.float32(self.zero_point)
        return np.asarray(np.clip(whole, self.low, self.high), np.float32)

    def dequantize(self, q: Array) -> Floats:
        """The numbers that integers stand for."""
        return np.asarray((np.asarray(q, np.float32) - np.float32(self.zero_point)) * np.float32(self.scale), np.float32)

    def __str__(self) -> str:
        return f"{self.scale:.9g} * ({self.low}..{self.high} - {self.zero_point})"


@dataclass(frozen=True)
class Quantize(Op):
    """`round(x / scale) + zero point`, halves to even, clipped to the grid's integers, as `dtype`. ONNX QuantizeLinear."""

    grid: Grid
    dtype: DType = field()
    rule = Elementwise()

    def infer(self, x: TensorType) -> TensorType:
        require(self, FLOAT, x)
        self.grid.check()
        low, high = integer_range(self.dtype)
        if not low <= self.grid.low <= self.grid.high <= high:
            raise ShapeError(f"{self.dtype.name} does not hold all numbers from {self.grid.low} to {self.grid.high}")
        return x.with_dtype(self.dtype)

    def reference(self, x: Array) -> Array:
        return np.nan_to_num(self.grid.quantize(x)).astype(self.dtype)


@dataclass(frozen=True)
class Dequantize(Op):
    """`(x - zero point) * scale` of integers of the grid, in float32: what it is used for may rest on there being no others. ONNX
    DequantizeLinear."""

    grid: Grid
    rule = Elementwise()

    def infer(self, x: TensorType) -> TensorType:
        require(self, INTEGER, x)
        self.grid.check()
        return x.with_dtype(FLOAT32)

    def reference(self, x: Array) -> Array:
        return self.grid.dequantize(x)


@dataclass(frozen=True)
class QuantizeDequantize(Unary):
    """x rounded to the nearest number of a grid: what Dequantize makes of Quantize. OpenVINO FakeQuantize with one range."""

    grid: Grid

    def infer(self, x: TensorType) -> TensorType:
        self.grid.check()
        return super().infer(x)

    def compute(self, x: Array) -> Array:
        return self.grid.dequantize(self.grid.quantize(x))
