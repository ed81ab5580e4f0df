"""Normalisation, with what is added before it: operators of ONNX Runtime's own domain, com.microsoft."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import Swish
from nchw2nhwc.ops.binary import Add, Equal, Mul
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.norm import MVN
from nchw2nhwc.ops.reduce import ReduceSum
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT, as_channels_last, channels_first, total_of
from nchw2nhwc.parse.onnx.operators.norm import group_norm, inverse_root, statistics
from nchw2nhwc.parse.onnx.operators.quantized import dequantized
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op
from nchw2nhwc.parse.selection import positions

INT32 = np.dtype(np.int32)


@onnx_op("SkipLayerNormalization", 1, domain=MICROSOFT)
def skip_layer_norm(b: LayerBuilder, input: Value, skip: Value, gamma: Value, beta: Value | None = None, bias: Value | None = None, *,
                    epsilon: float = 1e-12) -> Sequence[Value]:
    """The sum of the operands, normalised along the last axis; its mean and inverse deviation; the sum."""
    total = total_of(b, input, skip, bias)
    normal = total_of(b, b.add1(Mul(), b.add1(MVN((total.rank - 1,), epsilon), total), gamma), beta)
    mean, inverse = statistics(b, total, (total.rank - 1,), epsilon) if any(b.wanted[1:3]) else (total, total)
    return normal, mean, inverse, total


@onnx_op("SkipSimplifiedLayerNormalization", 1, domain=MICROSOFT)
def skip_rms_norm(b: LayerBuilder, input: Value, skip: Value, gamma: Value, bias: Value | None = None, *,
                  epsilon: float = 1e-12) -> Sequence[Value]:
    """As SkipLayerNormalization, without mean and shift."""
    if any(b.wanted[1:2]):
        raise UnsupportedError("mean, the second result, is not computed by this operator", b.where)
    total = total_of(b, input, skip, bias)
    inverse = inverse_root(b, total, (total.rank - 1,), epsilon)
    return b.add1(Mul(), b.add1(Mul(), total, inverse), gamma), total, b.cast(inverse, np.dtype(np.float32)), total


# ---- embeddings --------------------------------------------------------------------------------------------------------
@onnx_op("EmbedLayerNormalization", 1, domain=MICROSOFT)
def embed_layer_norm(b: LayerBuilder, input_ids: Value, segment_ids: Value | None = None, word_embedding: Value | None = None,
                     position_embedding: Value | None = None, segment_embedding: Value | None = None, gamma: Value | None = None,
                     beta: Value | None = None, mask: Value | None = None, position_ids: Value | None = None, *, epsilon: float = 1e-12,
                     mask_index_type: int = 0) -> Sequence[Value]:
    """The sum of the embeddings of words, positions and segments, normalised; then the number of words that count; then the sum."""
    if word_embedding is None or position_embedding is None or gamma is None or beta is None:
        raise b.damaged("an embedding, the scale or the shift is absent")
    rows = Gather(0)
    where = b.reshape(positions(b, input_ids.shape[1], INT32), (1, input_ids.shape[1])) if position_ids is None else position_ids
    segments = None if segment_ids is None or segment_embedding is None else b.add1(rows, segment_embedding, segment_ids)
    total = total_of(b, b.add1(rows, word_embedding, input_ids), b.add1(rows, position_embedding, where), segments)
    normal = b.add1(Add(), b.add1(Mul(), b.add1(MVN((2,), epsilon), total), gamma), beta)
    return normal, _words_that_count(b, input_ids, mask), total


def _words_that_count(b: LayerBuilder, words: Value, mask: Value | None) -> Value:
    """How many elements of each row of the mask are 1; 0 where there is no mask."""
    if mask is None:
        return b.full(np.asarray(0, INT32), (words.shape[0],))
    return b.add1(ReduceSum((1,), keepdims=False), b.cast(b.add1(Equal(), mask, b.scalar(1, mask)), INT32))


@onnx_op("QEmbedLayerNormalization", 1, domain=MICROSOFT)
def qembed_layer_norm(b: LayerBuilder, input_ids: Value, segment_ids: Value | None, word: Value, position: Value, segment: Value | None,
                      gamma: Value, beta: Value, mask: Value | None, word_scale: Value, position_scale: Value, segment_scale: Value | None,
                      gamma_scale: Value, beta_scale: Value, word_zero: Value, position_zero: Value, segment_zero: Value | None,
                      gamma_zero: Value, beta_zero: Value, *, epsilon: float = 1e-12) -> Sequence[Value]:
    """EmbedLayerNormalization of quantized tables, each with one scale and zero point."""
    def real(table: Value, scale: Value, zero: Value) -> Value:
        return dequantized(b, table, b.reshape(scale, ()), b.reshape(zero, ()))

    segments = None
    if segment is not None and segment_scale is not None and segment_zero is not None:
        segments = real(segment, segment_scale, segment_zero)
    return embed_layer_norm(b, input_ids, segment_ids, real(word, word_scale, word_zero), real(position, position_scale, position_zero),
                            segments, real(gamma, gamma_scale, gamma_zero), real(beta, beta_scale, beta_zero), mask, epsilon=epsilon)[:2]


# ---- groups of channels ------------------------------------------------------------------------------------------------
@onnx_op("GroupNorm", 1, domain=MICROSOFT)
def group_norm_of_images(b: LayerBuilder, x: Value, gamma: Value, beta: Value, *, activation: int, channels_last: bool = True,
                         epsilon: float = 1e-5, groups: int) -> Value:
    """GroupNormalization with `activation` 1 for SiLU, 0 for none."""
    if activation not in (0, 1):
        raise UnsupportedError(f"activation={activation} is not supported; it is 0 for none or 1 for SiLU", b.where)
    scale, shift = (b.cast(v, x.type.dtype) for v in (gamma, beta))
    normal = group_norm(b, channels_first(b, x, channels_last), scale, shift, num_groups=groups, epsilon=epsilon)
    return as_channels_last(b, b.add1(Swish(), normal) if activation else normal, channels_last)


@onnx_op("SkipGroupNorm", 1, domain=MICROSOFT)
def skip_group_norm(b: LayerBuilder, x: Value, gamma: Value, beta: Value, skip: Value, bias: Value | None = None, *, activation: int,
                    channels_last: bool = True, epsilon: float = 1e-5, groups: int) -> Sequence[Value]:
    """GroupNorm of the sum of x, skip and bias, which is the second result. `skip` has the shape of x, or one entry for each channel."""
    axis = x.rank - 1 if channels_last else 1
    if skip.rank == 2:
        skip = b.reshape(skip, tuple(skip.shape[0] if k == 0 else skip.shape[1] if k == axis else 1 for k in range(x.rank)))
    total = total_of(b, x, skip, None if bias is None else b.along(bias, axis, x.rank))
    return group_norm_of_images(b, total, gamma, beta, activation=activation, channels_last=channels_last, epsilon=epsilon,
                                groups=groups), total
