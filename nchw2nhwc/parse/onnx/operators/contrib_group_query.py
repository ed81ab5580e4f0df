"""GroupQueryAttention of ONNX Runtime's own domain, com.microsoft: what its model builder writes for language models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import Size, exact_div, size_max
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.movement import Slice, Split
from nchw2nhwc.parse.dynamic import size_of
from nchw2nhwc.parse.formula import INT64, Formula
from nchw2nhwc.parse.onnx.attention import cached, capped, scores, seen, softmax, split_heads, weighted
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.operators.contrib_rotary import from_first, rotated_by_position
from nchw2nhwc.parse.onnx.operators.norm import rms_norm
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op
from nchw2nhwc.parse.selection import positions


@onnx_op("GroupQueryAttention", 1, domain=MICROSOFT)
def group_query_attention(b: LayerBuilder, query: Value, key: Value | None, value: Value | None, past_key: Value | None,
                          past_value: Value | None, seqlens_k: Value, total_sequence_length: Value, cos_cache: Value | None = None,
                          sin_cache: Value | None = None, position_ids: Value | None = None, attention_bias: Value | None = None,
                          head_sink: Value | None = None, k_scale: Value | None = None, v_scale: Value | None = None,
                          q_norm_weight: Value | None = None, k_norm_weight: Value | None = None, query_seqlens: Value | None = None, *,
                          num_heads: int, kv_num_heads: int, causal: bool = True, do_rotary: bool = False, k_norm_epsilon: float = 0.0,
                          k_quant_type: str = "NONE", kv_cache_bit_width: int = 0, local_window_size: int = -1,
                          q_norm_epsilon: float = 0.0, qk_norm_epsilon: float = 1e-6, qk_output: int = 0, rotary_interleaved: bool = False,
                          scale: float = 0.0, sliding_window_cache: bool = False, smooth_softmax: int = -1, softcap: float = 0.0,
                          v_quant_type: str = "NONE") -> Sequence[Value]:
    """Attention of queries to the keys of their group up to their own position. New keys and values go behind those of a cache, of which
    batch element k has seqlens_k[k] + 1 afterwards; a cache either grows by the new ones or has room for them. The results are the
    attention, keys, values, and scores (`qk_output` 1: before softmax, 2: after)."""
    _require_plain(b, sliding_window_cache=sliding_window_cache, k_quant_type=k_quant_type, v_quant_type=v_quant_type)
    q, k, v = _separate(b, query, key, value, num_heads, kv_num_heads)
    if q_norm_weight is not None and k_norm_weight is not None:
        q = rms_norm(b, q, q_norm_weight, epsilon=q_norm_epsilon or qk_norm_epsilon)
        k = rms_norm(b, k, k_norm_weight, epsilon=k_norm_epsilon or qk_norm_epsilon)
    length, total = q.shape[1], b.size(total_sequence_length, "total_sequence_length")
    counts = Formula(b, b.reshape(seqlens_k, (seqlens_k.shape[0], 1))).cast(INT64) + 1
    added = size_of(b, length) if query_seqlens is None else Formula(b, b.reshape(query_seqlens, (query_seqlens.shape[0], 1))).cast(INT64)
    start = (counts - added).at_least(0)
    if total == length and query_seqlens is None:  # nothing is cached
        start = Formula(b, b.const(np.zeros((1, 1)), INT64))
    if do_rotary:
        if cos_cache is None or sin_cache is None:
            raise b.damaged("do_rotary needs tables of cosines and sines")
        where = _positions(b, position_ids, start, length, total)
        q, k = (rotated_by_position(b, x, where, (cos_cache, sin_cache), 2, interleaved=rotary_interleaved) for x in (q, k))
    size = _cache_size(b, None if past_key is None else past_key.shape[2], length, total)
    if size == length:
        keys, values = (b.transpose(x, (0, 2, 1, 3)) for x in (k, v))
    elif past_key is None or past_value is None:
        raise b.damaged(f"without a past, total_sequence_length {total} must be the number of new keys, {length}")
    else:
        keys, values = (cached(b, old, new, start, size, keep=False) for old, new in ((past_key, k), (past_value, v)))
    attended = _first(b, keys, total), _first(b, values, total)
    weights = capped(b, scores(b, b.transpose(q, (0, 2, 1, 3)), attended[0], scale or None), softcap)
    if attention_bias is not None:
        weights = b.add1(Add(), weights, attention_bias)
    visible = _visible(b, start, counts, length, attended[0].shape[2], local_window_size if causal else 0, causal).value
    sinks = head_sink if head_sink is not None or smooth_softmax != 1 else b.const([0.0] * num_heads, q.type.dtype)
    probabilities = softmax(b, seen(b, weights, visible), sinks)
    result = weighted(b, probabilities, attended[1])
    if not any(b.wanted[3:]):
        return result, keys, values
    if qk_output not in (1, 2):
        raise b.damaged(f"the scores are a result, but qk_output is {qk_output}")
    return result, keys, values, seen(b, weights if qk_output == 1 else probabilities, visible, 0.0)


def _require_plain(b: LayerBuilder, *, sliding_window_cache: bool, k_quant_type: str, v_quant_type: str) -> None:
    """Raises UnsupportedError for caches that are quantized, or as long as a window."""
    for name, given, usual in (("sliding_window_cache", int(sliding_window_cache), 0), ("k_quant_type", k_quant_type, "NONE"),
                               ("v_quant_type", v_quant_type, "NONE")):
        if given != usual:
            raise UnsupportedError(f"GroupQueryAttention with {name}={given} is not supported", b.where,
                                   f"Export the model with {name}={usual}.")


def _separate(b: LayerBuilder, query: Value, key: Value | None, value: Value | None, heads: int, shared: int) -> tuple[Value, ...]:
    """Queries, keys and values as (batch, length, heads, size); `query` may hold all of them."""
    if key is not None and value is not None:
        return split_heads(b, query, heads), split_heads(b, key, shared), split_heads(b, value, shared)
    if key is not None:
        raise b.damaged("values are absent")
    size = exact_div(query.shape[-1], heads + 2 * shared)
    if not isinstance(size, int):
        raise b.damaged(f"{query.type} cannot be divided into {heads} heads of queries and {shared} of keys and of values")
    parts = b.add(Split(2, (heads * size, shared * size, shared * size)), query)
    return tuple(split_heads(b, part, count) for part, count in zip(parts, (heads, shared, shared)))


def _positions(b: LayerBuilder, given: Value | None, start: Formula, length: Size, total: Size) -> Value:
    """The positions of new elements, (batch, length). Of positions that are given, the first one alone counts where nothing is cached."""
    if given is None:
        return from_first(b, start.value, length)
    if given.rank != 2:
        raise b.damaged(f"position_ids {given.type} must have two axes")
    first = from_first(b, Formula(b, given).part(0, 0, 1).part(1, 0, 1).value, length)
    if total == length:
        return first
    if isinstance(total - length, int):
        return given
    return size_of(b, total).equals(size_of(b, length)).choose(first, given).value


def _cache_size(b: LayerBuilder, past: Size | None, length: Size, total: Size) -> Size:
    """How many keys there are afterwards: all that count, or as many as a cache has room for. Raises SourceError where a cache grows by
    another number than that of the new keys."""
    if past is None or total == past + length:
        return total
    if isinstance(past, int) and isinstance(total, int) and isinstance(length, int) and total > past:
        raise b.damaged(f"total_sequence_length {total} is neither {past} + {length} nor at most {past}, the size of the cache")
    return size_max(past, total)


def _first(b: LayerBuilder, x: Value, count: Size) -> Value:
    """The first `count` keys or values of a cache."""
    return x if x.shape[2] == count else b.add1(Slice((None,) * 4, (None, None, count, None), (1,) * 4), x)


def _visible(b: LayerBuilder, start: Formula, counts: Formula, length: Size, keys: Size, window: int, causal: bool) -> Formula:
    """Which keys each query sees: (batch or 1, 1, length, keys)."""
    places = Formula(b, positions(b, keys, INT64))
    if not causal:
        return (places < counts).reshape(counts.shape[0], 1, 1, keys)
    here = (Formula(b, positions(b, length, INT64)).reshape(1, length) + start).reshape(start.shape[0], 1, length, 1)
    return places <= here if window <= 0 else (places <= here) & (places > here - window)
