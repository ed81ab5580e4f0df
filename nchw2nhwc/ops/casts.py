"""Ops that change the element type, or what it could hold. Names in docstrings are those of the ONNX and OpenVINO ops."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.kinds import ANY, NUMBER, kind_of
from nchw2nhwc.ops.unary import Unary


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
    above 0) or an integer of 4 or 2 bits (x is an integer: its lowest bits). Source: Cast to such a type, and what quantizes to it.
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
