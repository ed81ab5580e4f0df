"""Sizes that are known only when the model runs, as a tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.ir.dim import Shape, is_static
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.rules import SourceOrder


@dataclass(frozen=True)
class Sizes(Op):
    """A 1-D integer tensor of symbolic sizes, made from the shapes of the graph's inputs. Independent of any layout.

    Source: ONNX Shape, OpenVINO ShapeOf, and what is computed from them.
    """

    sizes: Shape
    dtype: DType
    rule = SourceOrder()

    def infer(self) -> TensorType:
        return TensorType(self.dtype, (len(self.sizes),))

    def reference(self) -> Array:
        assert is_static(self.sizes), "bind the named dimensions first"
        return np.asarray(self.sizes, self.dtype)
