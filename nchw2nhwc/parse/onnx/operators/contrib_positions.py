"""Biases of attention by relative positions, and Gemma's rotations: operators of com.microsoft that are written for GPUs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import Sigmoid
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Cos, Sin
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse.formula import INT64, Formula
from nchw2nhwc.parse.onnx.attention import heads_of
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op
from nchw2nhwc.parse.selection import positions


@onnx_op("RelativePositionBias", 1, domain=MICROSOFT)
def relative_position_bias(b: LayerBuilder, bias_table: Value, query_length: Value, key_length: Value, *, is_bidirectional: bool = False,
                           max_distance: int) -> Value:
    """The number that each head has for the distance of a key from a query, (1, heads, queries, keys). The table is declared as (buckets,
    heads), but has the numbers of one head after the other. C. Raffel et al., "Exploring the Limits of Transfer Learning with a Unified
    Text-to-Text Transformer" (2020), section 2.1."""
    buckets, heads = (static(size, "the size of the table of positions") for size in bias_table.shape)
    queries, keys = b.size(query_length, "query_length"), b.size(key_length, "key_length")
    numbers = _buckets(b, buckets // 2 if is_bidirectional else buckets, max_distance)
    behind, ahead = numbers, numbers + buckets // 2 if is_bidirectional else np.zeros_like(numbers)
    distance = Formula(b, positions(b, keys, INT64)).reshape(1, keys) - Formula(b, positions(b, queries, INT64)).reshape(queries, 1)
    place = distance.at_least(-max_distance).at_most(max_distance) + max_distance
    which = b.add1(Gather(0), b.const(np.concatenate([behind[:0:-1], behind[:1], ahead[1:]]).astype(np.int64)), place.value)
    table = b.reshape(bias_table, (heads, buckets))
    return b.reshape(b.add1(Gather(1), table, which), (1, heads, queries, keys))


def _buckets(b: LayerBuilder, count: int, farthest: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The buckets of the distances 0, 1, ... `farthest`: one each for the first half, the others grow with the logarithm."""
    exact = count // 2
    if not 0 < exact < farthest:
        raise b.damaged(f"{count} buckets for distances up to {farthest}")
    distance = np.arange(farthest + 1, dtype=np.float32)
    share = np.log(np.maximum(distance, 1) / np.float32(exact)) / np.log(np.float32(farthest / exact))
    larger = np.minimum(exact + np.trunc(share * np.float32(count - exact)), count - 1)
    return np.where(distance < exact, distance, larger).astype(np.float64)


@onnx_op("GatedRelativePositionBias", 1, domain=MICROSOFT)
def gated_relative_position_bias(b: LayerBuilder, query: Value, query_bias: Value, rel_pos: Value, weight: Value, bias: Value, eco_a: Value,
                                 token_offset: Value | None = None, *, num_heads: int) -> Value:
    """`rel_pos` (1, heads, queries, keys) times a gate of each query (batch, queries, heads * size) and head:
    u * (r * eco_a - 1) + 2, where u and r are sigmoids of the sums of both halves of what a linear layer makes of it."""
    if token_offset is not None or query.rank != 3:
        raise UnsupportedError("GatedRelativePositionBias of packed tokens is not supported", b.where,
                               "Export the model with padding: without packing_mode.")
    heads = Formula(b, heads_of(b, (Formula(b, query) + query_bias).value, num_heads))
    width = static(weight.shape[1], "the width of the gates' layer")
    if width % 2:
        raise b.damaged(f"the gates' layer has the odd width {width}")
    made = heads.apply(MatMul(), weight) + bias
    u, r = (made.part(3, k * (width // 2), (k + 1) * (width // 2)).sum(3, keepdims=True).apply(Sigmoid()) for k in (0, 1))
    return ((u * (r * eco_a - 1.0) + 2.0) * rel_pos).value


@onnx_op("GemmaRotaryEmbedding", 1, domain=MICROSOFT)
def gemma_rotary_embedding(b: LayerBuilder, emb: Value, q: Value, q_rot: Value, k: Value, k_rot: Value) -> Sequence[Value]:
    """Queries and keys (batch, heads, length, size), and the same with their halves exchanged, turned by angles (batch, length, size)."""
    angles = Formula(b, emb).reshape(emb.shape[0], 1, *emb.shape[1:])
    cosines, sines = (angles.apply(wave).cast(q.type.dtype) for wave in (Cos(), Sin()))
    return [(cosines * x + sines * turned).value for x, turned in ((q, q_rot), (k, k_rot))]
