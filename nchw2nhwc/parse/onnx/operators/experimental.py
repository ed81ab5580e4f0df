"""What was experimental in ONNX before opset 10, and what ONNX Runtime still runs: converters from CoreML and Caffe2 wrote it."""

from __future__ import annotations

import numpy as np

import nchw2nhwc.ops.activation_functions as act
from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.movement import Slice
from nchw2nhwc.ops.norm import MVN
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.parse.onnx.operators.slicing import slice_
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, onnx_op


@onnx_op("Affine", 1)
def affine(b: LayerBuilder, x: Value, *, alpha: float = 1.0, beta: float = 0.0) -> Value:
    return b.add1(act.Affine(alpha, beta), x)


@onnx_op("Scale", 1)
def scale_by(b: LayerBuilder, x: Value, *, scale: float = 1.0) -> Value:
    return b.add1(Mul(), x, b.scalar(scale, x))


@onnx_op("ScaledTanh", 1)
def scaled_tanh(b: LayerBuilder, x: Value, *, alpha: float, beta: float) -> Value:
    return b.add1(act.ScaledTanh(alpha, beta), x)


@onnx_op("ParametricSoftplus", 1)
def parametric_softplus(b: LayerBuilder, x: Value, *, alpha: float, beta: float) -> Value:
    """alpha * log(exp(beta * x) + 1)."""
    return b.add1(Mul(), b.add1(act.Softplus(), b.add1(Mul(), x, b.scalar(beta, x))), b.scalar(alpha, x))


@onnx_op("ImageScaler", 1)
def image_scaler(b: LayerBuilder, x: Value, *, scale: float = 1.0, bias: Floats = ()) -> Value:
    """scale * x + bias, with a bias for each channel."""
    if x.rank != 4 or x.shape[1] != len(bias):
        raise b.damaged(f"{len(bias)} bias(es) are not one for each channel of {x.type}")
    return b.add1(Add(), scale_by(b, x, scale=scale), b.const(np.reshape(bias, (-1, 1, 1)), x.type.dtype))


@onnx_op("Crop", 1)
def crop(b: LayerBuilder, x: Value, *, border: Ints, scale: Ints = ()) -> Value:
    """An image without `border` (left, top, right, bottom), or as many rows and columns as `scale` says from there on."""
    if x.rank != 4 or len(border) != 4 or len(scale) not in (0, 2):
        raise b.damaged(f"a border {list(border)} and sizes {list(scale)} do not fit an image {x.type}")
    sizes = [static(s, "the size of an image") for s in x.shape[2:]]
    starts, (right, bottom) = (border[1], border[0]), border[2:]
    stops = [s + n for s, n in zip(starts, scale)] or [sizes[0] - bottom, sizes[1] - right]
    if any(not 0 <= start < stop <= size for start, stop, size in zip(starts, stops, sizes)):
        raise b.damaged(f"a border {list(border)} and sizes {list(scale)} leave nothing of an image {x.type}, or more than it has")
    return b.add1(Slice((None, None, *starts), (None, None, *stops), (1,) * 4), x)


@onnx_op("DynamicSlice", 1)
def dynamic_slice(b: LayerBuilder, x: Value, starts: Value, ends: Value, axes: Value | None = None) -> Value:
    return slice_(b, x, starts, ends, axes)


@onnx_op("MeanVarianceNormalization", 1)
def mean_variance_norm(b: LayerBuilder, x: Value, *, across_channels: bool = False, normalize_variance: bool = True) -> Value:
    """Over the batch and the image, and with `across_channels` over the channels."""
    if x.rank != 4:
        raise UnsupportedError(f"MeanVarianceNormalization before opset 9 is one of images, not of {x.type}", b.where)
    axes = (0, 1, 2, 3) if across_channels else (0, 2, 3)
    return b.add1(MVN(axes, 1e-9, inside_sqrt=False), x) if normalize_variance else b.add1(Sub(), x, b.add1(ReduceMean(axes), x))
