"""Ops that pick elements by index."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op, axis_role
from nchw2nhwc.ops.movement import require_axis
from nchw2nhwc.ops.rules import GatherAxis


@dataclass(frozen=True)
class Gather(Op):
    """`data` taken at `indices` along `axis`; the result has the axes of `indices` in the place of that axis.

    Negative indices count from the end. Source: ONNX Gather, OpenVINO Gather-1, -7 and -8 with `batch_dims` 0.
    """

    axis: int = field(metadata=axis_role())
    rule = GatherAxis()

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        require_axis(self.axis, data)
        if indices.dtype.kind not in "iu":
            raise ShapeError(f"indices must be integers, not {indices.dtype.name}")
        return data.with_shape((*data.shape[:self.axis], *indices.shape, *data.shape[self.axis + 1:]))

    def reference(self, data: Array, indices: Array) -> Array:
        size = data.shape[self.axis]
        where = np.asarray(indices, np.int64)
        if where.size and (int(where.min()) < -size or int(where.max()) >= size):
            raise ShapeError(f"indices {int(where.min())}..{int(where.max())} do not fit axis {self.axis} of size {size}")
        return np.asarray(np.take(data, where, self.axis))
