"""Operators that draw random numbers. With a seed as well: ONNX does not say which numbers follow from one."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.draws import Normal, Uniform
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.parse.draws import drawn
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op

FLOAT32: DType = np.dtype(np.float32)


@onnx_op("RandomUniform", 1, 22)
def random_uniform(b: LayerBuilder, *, shape: Ints, dtype: DType = FLOAT32, high: float = 1.0, low: float = 0.0,
                   seed: float | None = None) -> Value:
    return drawn(b, _sizes(b, shape), dtype, Uniform(low, high))


@onnx_op("RandomNormal", 1, 22)
def random_normal(b: LayerBuilder, *, shape: Ints, dtype: DType = FLOAT32, mean: float = 0.0, scale: float = 1.0,
                  seed: float | None = None) -> Value:
    return drawn(b, _sizes(b, shape), dtype, Normal(mean, scale))


@onnx_op("RandomUniformLike", 1, 22)
def random_uniform_like(b: LayerBuilder, x: Value, *, dtype: DType | None = None, high: float = 1.0, low: float = 0.0,
                        seed: float | None = None) -> Value:
    return drawn(b, x.shape, dtype or x.type.dtype, Uniform(low, high))


@onnx_op("RandomNormalLike", 1, 22)
def random_normal_like(b: LayerBuilder, x: Value, *, dtype: DType | None = None, mean: float = 0.0, scale: float = 1.0,
                       seed: float | None = None) -> Value:
    return drawn(b, x.shape, dtype or x.type.dtype, Normal(mean, scale))


def _sizes(b: LayerBuilder, shape: Ints) -> Ints:
    if min(shape, default=0) < 0:
        raise b.damaged(f"it draws numbers of the shape {list(shape)}")
    return shape
