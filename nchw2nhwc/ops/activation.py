"""Activations that kernels can apply to their result, as an attribute of the op that carries them."""

from __future__ import annotations

from enum import Enum

import numpy as np

from nchw2nhwc.ir.types import Array


class Activation(str, Enum):
    """A fused activation, spelled as TFLite does."""

    NONE = "NONE"
    RELU = "RELU"
    RELU6 = "RELU6"
    RELU_N1_TO_1 = "RELU_N1_TO_1"
    TANH = "TANH"

    def apply(self, x: Array) -> Array:
        """The activation of `x`, of the same element type."""
        match self:
            case Activation.NONE:
                return x
            case Activation.TANH:
                return np.asarray(np.tanh(x), x.dtype)
            case Activation.RELU:
                return np.asarray(np.maximum(x, 0), x.dtype)
            case Activation.RELU6:
                return np.asarray(np.clip(x, 0, 6), x.dtype)
            case Activation.RELU_N1_TO_1:
                return np.asarray(np.clip(x, -1, 1), x.dtype)

    def __str__(self) -> str:
        return self.value
