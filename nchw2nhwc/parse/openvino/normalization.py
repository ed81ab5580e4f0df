"""Normalisations."""

from __future__ import annotations

from typing import Literal

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Value, exact_div
from nchw2nhwc.ops.binary import Add, Div, Mul, Pow
from nchw2nhwc.ops.norm import LRN, MVN, BatchNorm, NormalizeL2
from nchw2nhwc.ops.pooling import AvgPool
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.common import axes_of, reshaped
from nchw2nhwc.parse.openvino.registry import Results, mapping


@mapping("BatchNormInference", 1)
def batch_norm_1(b: Builder, gamma: Value, beta: Value, x: Value, mean: Value, variance: Value, *, epsilon: float) -> Results:
    """The data is the third operand."""
    return batch_norm(b, x, gamma, beta, mean, variance, epsilon=epsilon)


@mapping("BatchNormInference", 5)
def batch_norm(b: Builder, x: Value, gamma: Value, beta: Value, mean: Value, variance: Value, *, epsilon: float) -> Results:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, for each channel."""
    return b.add1(BatchNorm(epsilon), x, gamma, beta, mean, variance)


@mapping("LRN", 1)
def lrn(b: Builder, x: Value, axes: Value, *, alpha: float, beta: float, bias: float, size: int) -> Results:
    """x / (bias + alpha / size^n * s)^beta, where s is the sum of x^2 over the window around this element along n axes.

    A window reaches `(size - 1) // 2` elements to both sides, so of an even size one less counts than is divided by. Over spatial axes s is
    an average pooling of x^2.
    """
    along = axes_of(b.ints(axes, "the axes of an LRN"), x.rank)
    if size < 1:
        raise SourceError(f"attribute 'size' is {size}; it must be at least 1")
    reach = size - (size + 1) % 2
    if along == (1,):
        return b.add1(LRN(reach, alpha * reach / size, beta, bias), x)
    if not along or along[0] < 2:
        raise UnsupportedError(f"LRN over axes {list(along)}; over the channel axis or over spatial axes alone is supported")
    kernel, pads = (tuple(n if axis in along else other for axis in range(2, x.rank)) for n, other in ((reach, 1), (reach // 2, 0)))
    ones = (1,) * len(kernel)
    squares = b.add1(Mul(), x, x)
    means = b.add1(AvgPool(kernel, ones, ones, pads, pads, count_include_pad=True), squares)
    factor = b.const(alpha * (reach / size) ** len(along), x.type.dtype)
    scale = b.add1(Add(), b.add1(Mul(), means, factor), b.const(bias, x.type.dtype))
    return b.add1(Div(), x, b.add1(Pow(), scale, b.const(beta, x.type.dtype)))


@mapping("GRN", 1)
def grn(b: Builder, x: Value, *, bias: float) -> Results:
    """x / sqrt(sum of x^2 over channels + bias)."""
    return b.add1(NormalizeL2((1,), bias), x)


@mapping("NormalizeL2", 1)
def normalize_l2(b: Builder, x: Value, axes: Value, *, eps: float, eps_mode: Literal["add", "max"]) -> Results:
    """x / sqrt(sum of x^2 over `axes`, plus `eps` or at least `eps`)."""
    return b.add1(NormalizeL2(axes_of(b.ints(axes, "the axes of NormalizeL2"), x.rank), eps, eps_mode), x)


@mapping("MVN", 1)
def mvn_1(b: Builder, x: Value, *, eps: float, across_channels: bool = True, normalize_variance: bool = True,
          reduction_axes: Ints | None = None) -> Results:
    """Over all axes but the batch, or all but batch and channels, unless the axes are given."""
    axes = axes_of(reduction_axes, x.rank) if reduction_axes else tuple(range(1 if across_channels else 2, x.rank))
    return b.add1(MVN(axes, eps, True, normalize_variance), x)


@mapping("MVN", 6)
def mvn(b: Builder, x: Value, axes: Value, *, eps: float, eps_mode: Literal["inside_sqrt", "outside_sqrt"],
        normalize_variance: bool = True) -> Results:
    """x less its mean over `axes`, and divided by the standard deviation when `normalize_variance`."""
    over = axes_of(b.ints(axes, "the axes of an MVN"), x.rank)
    return b.add1(MVN(over, eps, eps_mode == "inside_sqrt", normalize_variance), x)


@mapping("GroupNormalization", 12)
def group_normalization(b: Builder, x: Value, scale: Value, bias: Value, *, num_groups: int, epsilon: float) -> Results:
    """Over each group of channels and all spatial axes; scale and bias are one number a channel."""
    if x.rank < 2 or num_groups < 1 or exact_div(x.shape[1], num_groups) is None:
        raise SourceError(f"the channels of {x.type} cannot be divided into {num_groups} groups")
    if num_groups in (1, x.shape[1]):
        normal = b.add1(MVN(tuple(range(1 if num_groups == 1 else 2, x.rank)), epsilon), x)
    else:
        grouped = b.reshape(x, (x.shape[0], num_groups, x.shape[1] // num_groups, *x.shape[2:]))
        normal = b.reshape(b.add1(MVN(tuple(range(2, grouped.rank)), epsilon), grouped), x.shape)
    per_channel = (x.shape[1], *(1,) * (x.rank - 2))
    return b.add1(Add(), b.add1(Mul(), normal, reshaped(b, scale, per_channel)), reshaped(b, bias, per_channel))
