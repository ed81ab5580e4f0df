"""Normalisations. All are computed in double precision inside and rounded once.

Names in docstrings are those of the ONNX and OpenVINO ops that are parsed to the class.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op, axes_role, axis_role, require_shape
from nchw2nhwc.ops.kinds import FLOAT, check_choices, one_of, require, wide
from nchw2nhwc.ops.reduce import check_axes
from nchw2nhwc.ops.rules import Along, Normalization, SourceOrder, Spatial


@dataclass(frozen=True)
class BatchNorm(Op):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias; the four parameters have one entry for each position along `axis`.

    `momentum` is how much of the old mean and variance a step of training keeps. ONNX BatchNormalization at inference, OpenVINO
    BatchNormInference."""

    epsilon: float = 1e-5
    axis: int = field(default=1, metadata=axis_role())
    momentum: float = 0.9
    rule = Along(data=1)

    def infer(self, x: TensorType, scale: TensorType, bias: TensorType, mean: TensorType, variance: TensorType) -> TensorType:
        require(self, FLOAT, x, scale, bias, mean, variance)
        check_axes(self, (self.axis,), x)
        channels = x.shape[self.axis]
        for parameter, what in ((scale, "scale"), (bias, "bias"), (mean, "mean"), (variance, "variance")):
            fits = parameter.rank == 1 and (parameter.shape[0] == channels or not (parameter.is_static and isinstance(channels, int)))
            if not fits:
                raise ShapeError(f"{what} {parameter} does not fit the {channels} channels (axis {self.axis}) of {x}")
        return x

    def reference(self, x: Array, scale: Array, bias: Array, mean: Array, variance: Array) -> Array:
        along = tuple(-1 if k == self.axis else 1 for k in range(x.ndim))
        gamma, beta, mu, var = (wide(p).reshape(along) for p in (scale, bias, mean, variance))
        return np.asarray((wide(x) - mu) / np.sqrt(var + self.epsilon) * gamma + beta, x.dtype)


@dataclass(frozen=True)
class MVN(Op):
    """x less its mean over `axes`, and with `normalize_variance` divided by the standard deviation: sqrt(variance + epsilon), or
    sqrt(variance) + epsilon where not `inside_sqrt`.

    ONNX MeanVarianceNormalization, LayerNormalization, InstanceNormalization and GroupNormalization (with Mul and Add after it);
    OpenVINO MVN.
    """

    axes: tuple[int, ...] = field(metadata=axes_role())
    epsilon: float
    inside_sqrt: bool = True
    normalize_variance: bool = True
    rule = Normalization()

    def infer(self, x: TensorType) -> TensorType:
        require(self, FLOAT, x)
        check_axes(self, self.axes, x)
        return x

    def reference(self, x: Array) -> Array:
        centred = wide(x) - np.mean(wide(x), axis=self.axes, keepdims=True)
        if not self.normalize_variance:
            return np.asarray(centred, x.dtype)
        variance = np.mean(np.square(centred), axis=self.axes, keepdims=True)
        deviation = np.sqrt(variance + self.epsilon) if self.inside_sqrt else np.sqrt(variance) + self.epsilon
        with np.errstate(all="ignore"):
            return np.asarray(centred / deviation, x.dtype)


@dataclass(frozen=True)
class LayerNorm(Op):
    """MVN (inside_sqrt, with normalized variance) times `scale` plus `bias`, which have the shape of x along `axes`.

    No source op becomes this: the Keras target makes it of the three, in a graph whose layouts are fixed.
    """

    axes: tuple[int, ...] = field(metadata=axes_role())
    epsilon: float = 1e-5
    rule = SourceOrder()

    def infer(self, x: TensorType, scale: TensorType, bias: TensorType) -> TensorType:
        require(self, FLOAT, x, scale, bias)
        check_axes(self, self.axes, x)
        sizes = tuple(x.shape[a] for a in self.axes)
        for parameter, what in ((scale, "scale"), (bias, "bias")):
            require_shape(f"{what} {parameter} does not fit axes {list(self.axes)} of {x}", parameter.shape, sizes)
        return x

    def reference(self, x: Array, scale: Array, bias: Array) -> Array:
        normal = MVN(self.axes, self.epsilon).reference(wide(x))
        along = tuple(size if k in self.axes else 1 for k, size in enumerate(x.shape))
        return np.asarray(wide(normal) * wide(scale).reshape(along) + wide(bias).reshape(along), x.dtype)


@dataclass(frozen=True)
class NormalizeL2(Op):
    """x / sqrt(sum of x^2 over `axes`, plus epsilon or at least epsilon). ONNX LpNormalization (p = 2), OpenVINO NormalizeL2."""

    axes: tuple[int, ...] = field(metadata=axes_role())
    epsilon: float
    mode: str = field(default="add", metadata=one_of("add", "max"))
    rule = Normalization()

    def infer(self, x: TensorType) -> TensorType:
        require(self, FLOAT, x)
        check_axes(self, self.axes, x)
        check_choices(self)
        return x

    def reference(self, x: Array) -> Array:
        total = np.sum(np.square(wide(x)), axis=self.axes, keepdims=True)
        total = total + self.epsilon if self.mode == "add" else np.maximum(total, self.epsilon)
        with np.errstate(all="ignore"):
            return np.asarray(wide(x) / np.sqrt(total), x.dtype)


@dataclass(frozen=True)
class LRN(Op):
    """x / (bias + alpha / size * s) ^ beta, where s is the sum of x^2 over the `size` channels around this one (of an even number, one
    more after it than before it). ONNX LRN, OpenVINO LRN over axis 1.

    OpenVINO sums over one channel less where its size is even, but divides by the size: here that is size - 1 and
    alpha * (size - 1) / size.
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0
    channels_last: bool = False
    rule = Spatial(("data",))

    def infer(self, x: TensorType) -> TensorType:
        require(self, FLOAT, x)
        if x.rank < 2:
            raise ShapeError(f"LRN needs a batch and a channel axis; its operand is {x}")
        if self.size < 1:
            raise ShapeError(f"LRN over {self.size} channels")
        return x

    def reference(self, x: Array) -> Array:
        axis = x.ndim - 1 if self.channels_last else 1
        before, after = (self.size - 1) // 2, self.size // 2
        padded = np.pad(np.square(wide(x)), [(before, after) if k == axis else (0, 0) for k in range(x.ndim)])
        total = np.lib.stride_tricks.sliding_window_view(padded, self.size, axis=axis).sum(-1)
        return np.asarray(wide(x) / (self.bias + self.alpha / self.size * total) ** self.beta, x.dtype)
