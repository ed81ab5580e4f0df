"""Normalisations: the statistics are one op (MVN and its like), scale and bias ordinary arithmetic after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import exact_div
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Add, Div, Maximum, Mul, SquaredDifference
from nchw2nhwc.ops.elementwise import Rsqrt
from nchw2nhwc.ops.norm import LRN, MVN, BatchNorm, NormalizeL2
from nchw2nhwc.ops.reduce import ReduceL1, ReduceMean
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, Results, onnx_op

TINY = float(np.finfo(np.float32).tiny)
"""In the place of a norm of 0, so that 0 / 0 becomes 0."""


@onnx_op("BatchNormalization", 7)
def batch_norm_7(b: LayerBuilder, x: Value, scale: Value, bias: Value, mean: Value, var: Value, *, epsilon: float = 1e-5,
                 momentum: float = 0.9, spatial: bool = True) -> Value:
    if not spatial:
        raise UnsupportedError("BatchNormalization with spatial=0 (a mean for every position) is not supported", b.where)
    return _batch_norm(b, x, (scale, bias, mean, var), epsilon, momentum)


@onnx_op("BatchNormalization", 9, 14, 15)
def batch_norm(b: LayerBuilder, x: Value, scale: Value, bias: Value, mean: Value, var: Value, *, epsilon: float = 1e-5,
               momentum: float = 0.9, training_mode: bool = False) -> Results:
    if training_mode:
        return _in_training(b, x, (scale, bias, mean, var), epsilon, momentum)
    return _batch_norm(b, x, (scale, bias, mean, var), epsilon, momentum)


def _in_training(b: LayerBuilder, x: Value, parameters: tuple[Value, ...], epsilon: float, momentum: float) -> Sequence[Value]:
    """Normalised by the statistics of x itself, with which the running ones are brought up to date."""
    scale, bias, *running = (Formula(b, b.cast(p, x.type.dtype)) for p in parameters)
    others = tuple(k for k in range(x.rank) if k != 1)
    mean = Formula(b, x).apply(ReduceMean(others))
    variance = Formula(b, x).apply(SquaredDifference(), mean).apply(ReduceMean(others))
    normal = (Formula(b, x) - mean) * (variance + epsilon).apply(Rsqrt())
    y = normal * b.along(scale.value, 1, x.rank) + b.along(bias.value, 1, x.rank)
    updated = [old * momentum + new.reshape(*old.shape) * (1 - momentum) for old, new in zip(running, (mean, variance))]
    return y.value, *(b.cast(v.value, p.type.dtype) for v, p in zip(updated, parameters[2:]))


def _batch_norm(b: LayerBuilder, x: Value, parameters: tuple[Value, ...], epsilon: float, momentum: float) -> Value:
    return b.add1(BatchNorm(epsilon, momentum=momentum), x, *(b.cast(p, x.type.dtype) for p in parameters))


@onnx_op("InstanceNormalization", 6, 22)
def instance_norm(b: LayerBuilder, x: Value, scale: Value, bias: Value, *, epsilon: float = 1e-5) -> Value:
    normal = b.add1(MVN(tuple(range(2, x.rank)), epsilon), x)
    return _scaled(b, normal, b.along(scale, 1, x.rank), b.along(bias, 1, x.rank))


def _scaled(b: LayerBuilder, x: Value, scale: Value, bias: Value | None) -> Value:
    x = b.add1(Mul(), x, scale)
    return x if bias is None else b.add1(Add(), x, bias)


@onnx_op("GroupNormalization", 18)
def group_norm_18(b: LayerBuilder, x: Value, scale: Value, bias: Value, *, num_groups: int, epsilon: float = 1e-5) -> Value:
    """Scale and bias have one entry for each group."""
    normal = _group_norm(b, x, num_groups, epsilon)
    return b.reshape(_scaled(b, normal, b.along(scale, 1, normal.rank), b.along(bias, 1, normal.rank)), x.shape)


@onnx_op("GroupNormalization", 21)
def group_norm(b: LayerBuilder, x: Value, scale: Value, bias: Value, *, num_groups: int, epsilon: float = 1e-5,
               stash_type: int = 1) -> Value:
    """Scale and bias have one entry for each channel."""
    normal = b.reshape(_group_norm(b, x, num_groups, epsilon), x.shape)
    return _scaled(b, normal, b.along(scale, 1, x.rank), b.along(bias, 1, x.rank))


def _group_norm(b: LayerBuilder, x: Value, groups: int, epsilon: float) -> Value:
    """(N, C, ...) normalised within each group of channels, as (N, groups, C / groups, ...)."""
    share = exact_div(x.shape[1], groups) if x.rank >= 2 and groups > 0 else None
    if share is None:
        raise b.damaged(f"the channels of {x.type} cannot be divided into {groups} groups")
    grouped = b.reshape(x, (x.shape[0], groups, share, *x.shape[2:]))
    return b.add1(MVN(tuple(range(2, grouped.rank)), epsilon), grouped)


@onnx_op("LayerNormalization", 1, 17)
def layer_norm(b: LayerBuilder, x: Value, scale: Value, bias: Value | None = None, *, axis: int = -1, epsilon: float = 1e-5,
               stash_type: int = 1) -> Sequence[Value]:
    """Over all axes from `axis` on. The mean and the inverse deviation, which training needs, are made only where something reads them."""
    axes = tuple(range(b.axis(axis, x.rank), x.rank))
    normal = _scaled(b, b.add1(MVN(axes, epsilon), x), scale, bias)
    return (normal, *statistics(b, x, axes, epsilon)) if any(b.wanted[1:]) else (normal,)


def statistics(b: LayerBuilder, x: Value, axes: Ints, epsilon: float) -> tuple[Value, Value]:
    """The mean over `axes` and 1 / sqrt(variance + epsilon), in float32 unless x has more bits."""
    x = b.cast(x, np.result_type(x.type.dtype, np.float32))
    mean = b.add1(ReduceMean(axes), x)
    variance = b.add1(ReduceMean(axes), b.add1(SquaredDifference(), x, mean))
    return mean, b.add1(Rsqrt(), b.add1(Add(), variance, b.scalar(epsilon, x)))


def inverse_root(b: LayerBuilder, x: Value, axes: Ints, epsilon: float) -> Value:
    """1 / sqrt(mean of x^2 over `axes` + epsilon)."""
    power = b.add1(ReduceMean(axes), b.add1(Mul(), x, x))
    return b.add1(Rsqrt(), b.add1(Add(), power, b.scalar(epsilon, x)))


@onnx_op("RMSNormalization", 23)
def rms_norm(b: LayerBuilder, x: Value, scale: Value, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1) -> Value:
    """x / sqrt(mean of x^2 over all axes from `axis` on, plus epsilon) * scale."""
    inverse = inverse_root(b, x, tuple(range(b.axis(axis, x.rank), x.rank)), epsilon)
    return b.cast(b.add1(Mul(), b.add1(Mul(), x, inverse), b.cast(scale, x.type.dtype)), scale.type.dtype)


@onnx_op("SimplifiedLayerNormalization", 1)
def simplified_layer_norm(b: LayerBuilder, x: Value, scale: Value, *, axis: int = -1, epsilon: float = 1e-5,
                          stash_type: int = 1) -> Sequence[Value]:
    """RMSNormalization, as ONNX Runtime has had it for longer; then the inverse deviation."""
    normal = rms_norm(b, x, scale, axis=axis, epsilon=epsilon, stash_type=stash_type)
    if not any(b.wanted[1:]):
        return (normal,)
    axes = tuple(range(b.axis(axis, x.rank), x.rank))
    return normal, inverse_root(b, b.cast(x, np.result_type(x.type.dtype, np.float32)), axes, epsilon)


@onnx_op("MeanVarianceNormalization", 9, 13)
def mean_variance_norm(b: LayerBuilder, x: Value, *, axes: Ints = (0, 2, 3)) -> Value:
    """The operator's definition adds 1e-9 to the deviation."""
    return b.add1(MVN(b.axes(axes, x.rank), 1e-9, inside_sqrt=False), x)


@onnx_op("LpNormalization", 1, 22)
def lp_norm(b: LayerBuilder, x: Value, *, axis: int = -1, p: int = 2) -> Value:
    """x / norm along `axis`, 0 where the norm is 0."""
    along = b.axis(axis, x.rank)
    if p == 2:
        return b.add1(NormalizeL2((along,), TINY, "max"), x)
    if p != 1:
        raise b.damaged(f"LpNormalization with p={p}; only 1 and 2 exist")
    return b.add1(Div(), x, b.add1(Maximum(), b.add1(ReduceL1((along,)), x), b.scalar(TINY, x)))


@onnx_op("LRN", 1, 13)
def lrn(b: LayerBuilder, x: Value, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Value:
    return b.add1(LRN(size, alpha, beta, bias), x)
