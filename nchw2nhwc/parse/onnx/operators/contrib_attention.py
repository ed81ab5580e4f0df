"""Transformer layers of ONNX Runtime's own domain, com.microsoft, that its optimizer writes: attention, and what lies around it.

Queries, keys and values are (batch, heads, length, size) inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import Dim, Size, exact_div, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Greater, Mul, Sub, Where
from nchw2nhwc.ops.elementwise import Rsqrt
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import FIX_SIZES, Concat, Slice, Split
from nchw2nhwc.ops.norm import MVN
from nchw2nhwc.ops.reduce import ReduceMean, Softmax
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op

LOWEST = float(np.finfo(np.float32).min)


# ---- normalisation -----------------------------------------------------------------------------------------------------
def _sum(b: LayerBuilder, *parts: Value | None) -> Value:
    first, *rest = (v for v in parts if v is not None)
    for part in rest:
        first = b.add1(Add(), first, part)
    return first


def _root_mean_square(b: LayerBuilder, x: Value, epsilon: float) -> Value:
    """x divided by the root of its mean square along the last axis."""
    power = b.add1(ReduceMean((x.rank - 1,)), b.add1(Mul(), x, x))
    return b.add1(Mul(), x, b.add1(Rsqrt(), b.add1(Add(), power, b.scalar(epsilon, x))))


def _without_statistics(b: LayerBuilder) -> None:
    """Raises UnsupportedError where something reads the second or third result: the mean and the inverse deviation, for training."""
    if any(b.wanted[1:3]):
        raise UnsupportedError("the mean and the inverse deviation, which training needs, are not supported", b.where)


@onnx_op("SkipLayerNormalization", 1, domain=MICROSOFT)
def skip_layer_norm(b: LayerBuilder, input: Value, skip: Value, gamma: Value, beta: Value | None = None, bias: Value | None = None, *,
                    epsilon: float = 1e-12) -> Sequence[Value]:
    """The sum of the operands, normalised along the last axis; the last result is the sum."""
    _without_statistics(b)
    total = _sum(b, input, skip, bias)
    normal = b.add1(Mul(), b.add1(MVN((total.rank - 1,), epsilon), total), gamma)
    return _sum(b, normal, beta), total, total, total


@onnx_op("SkipSimplifiedLayerNormalization", 1, domain=MICROSOFT)
def skip_rms_norm(b: LayerBuilder, input: Value, skip: Value, gamma: Value, bias: Value | None = None, *,
                  epsilon: float = 1e-12) -> Sequence[Value]:
    """As SkipLayerNormalization, without mean and shift."""
    _without_statistics(b)
    total = _sum(b, input, skip, bias)
    return b.add1(Mul(), _root_mean_square(b, total, epsilon), gamma), total, total, total


@onnx_op("EmbedLayerNormalization", 1, domain=MICROSOFT)
def embed_layer_norm(b: LayerBuilder, input_ids: Value, segment_ids: Value | None = None, word_embedding: Value | None = None,
                     position_embedding: Value | None = None, segment_embedding: Value | None = None, gamma: Value | None = None,
                     beta: Value | None = None, mask: Value | None = None, position_ids: Value | None = None, *, epsilon: float = 1e-12,
                     mask_index_type: int = 0) -> Sequence[Value]:
    """The sum of the embeddings of words, positions and segments, normalised; then the number of words that count; then the sum."""
    if word_embedding is None or position_embedding is None or gamma is None or beta is None:
        raise b.damaged("an embedding, the scale or the shift is absent")
    if b.wanted[1:2] == (True,) and mask is not None:
        raise UnsupportedError("mask_index, the second result, is not supported", b.where)
    rows = Gather(0)
    positions = position_ids
    if positions is None:
        length = static(input_ids.shape[1], "the number of words")
        positions = b.const(np.arange(length, dtype=np.int32)[None])
    segments = None if segment_ids is None or segment_embedding is None else b.add1(rows, segment_embedding, segment_ids)
    total = _sum(b, b.add1(rows, word_embedding, input_ids), b.add1(rows, position_embedding, positions), segments)
    normal = b.add1(Add(), b.add1(Mul(), b.add1(MVN((2,), epsilon), total), gamma), beta)
    return normal, b.full(np.asarray(0, np.int32), (input_ids.shape[0],)), total


# ---- attention ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Scores:
    """What happens to the products of queries and keys before softmax."""

    scale: float
    masked: float
    causal: bool
    mask: Value | None
    """1 where a key counts: (batch,) numbers of keys, (batch, keys), or (batch, queries, keys)."""
    bias: Value | None
    """Added to (batch, heads, queries, keys)."""


def _heads(b: LayerBuilder, x: Value, count: int) -> Value:
    """(batch, length, heads * size) as (batch, heads, length, size)."""
    size = exact_div(x.shape[2], count) if x.rank == 3 and count > 0 else None
    if size is None:
        raise b.damaged(f"{x.type} cannot be divided into {count} heads")
    return b.transpose(b.reshape(x, (x.shape[0], x.shape[1], count, size)), (0, 2, 1, 3))


def _together(b: LayerBuilder, x: Value) -> Value:
    """The inverse of `_heads`."""
    batch, heads, length, size = x.shape
    return b.reshape(b.transpose(x, (0, 2, 1, 3)), (batch, length, heads * size))


def _counted(b: LayerBuilder, mask: Value, keys: Size) -> Value:
    """Where keys count, as a boolean tensor that broadcasts to (batch, heads, queries, keys)."""
    if mask.rank == 1:
        lengths = b.reshape(b.cast(mask, np.dtype(np.int32)), (*mask.shape, 1, 1, 1))
        positions = np.arange(static(keys, "the number of keys"), dtype=np.int32)
        return b.add1(Greater(), lengths, b.const(positions))
    if mask.rank not in (2, 3):
        raise UnsupportedError(f"an attention mask {mask.type} is not supported", b.where)
    middle = (1, 1) if mask.rank == 2 else (1, mask.shape[1])
    return b.reshape(b.add1(Greater(), mask, b.scalar(0, mask)), (mask.shape[0], *middle, mask.shape[-1]))


def _attended(b: LayerBuilder, q: Value, k: Value, v: Value, scores: Scores) -> Value:
    """softmax(q @ k' * scale + bias, masked) @ v, heads put together."""
    scale = scores.scale or 1 / sqrt(static(q.shape[3], "the size of a head"))
    weights = b.add1(Mul(), b.add1(MatMul(adjoint_b=True), q, k), b.scalar(scale, q))
    queries, keys = weights.shape[2:]
    if scores.bias is not None:
        weights = b.add1(Add(), weights, scores.bias)
    if scores.mask is not None:
        counted = _counted(b, scores.mask, keys)
        weights = b.add1(Add(), weights, b.add1(Where(), counted, b.scalar(0, weights), b.scalar(scores.masked, weights)))
    if scores.causal:
        before = static(keys, "the number of keys") - static(queries, "the number of queries")
        ahead = np.arange(before, before + int(str(queries)))[:, None] < np.arange(int(str(keys)))
        weights = b.add1(Where(), b.const(ahead), b.scalar(LOWEST, weights), weights)
    return _together(b, b.add1(MatMul(), b.add1(Softmax(3), weights), v))


@onnx_op("Attention", 1, domain=MICROSOFT)
def attention(b: LayerBuilder, input: Value, weights: Value, bias: Value | None = None, mask_index: Value | None = None,
              past: Value | None = None, attention_bias: Value | None = None, past_sequence_length: Value | None = None, *, num_heads: int,
              do_rotary: bool = False, mask_filter_value: float = -10000.0, past_present_share_buffer: bool = False,
              qkv_hidden_sizes: Ints | None = None, rotary_embedding_dim: int = 0, scale: float = 0.0,
              unidirectional: bool = False) -> Sequence[Value]:
    """Self-attention of `input`; queries, keys and values are one product with `weights`. `past` and the second result are keys and values
    of shape (2, batch, heads, length, size)."""
    if do_rotary or past_present_share_buffer or past_sequence_length is not None:
        raise UnsupportedError("Attention with rotary embeddings or a shared buffer is not supported", b.where)
    total = static(weights.shape[-1], "the number of columns of the weights")
    sizes = qkv_hidden_sizes or (total // 3,) * 3
    if len(sizes) != 3 or sum(sizes) != total:
        raise b.damaged(f"the weights {weights.type} are not those of queries, keys and values of sizes {list(sizes)}")
    joined = _sum(b, b.add1(MatMul(), input, weights), bias)
    q, k, v = (_heads(b, part, num_heads) for part in b.add(Split(2, sizes), joined))
    if past is not None:
        before = [b.reshape(part, past.shape[1:]) for part in b.add(Split(0, (1, 1)), past)]
        k, v = (b.add1(Concat(2), old, new) for old, new in zip(before, (k, v)))
    result = _attended(b, q, k, v, Scores(scale, mask_filter_value, unidirectional, mask_index, attention_bias))
    if not any(b.wanted[1:]):
        return (result,)
    return result, b.add1(Concat(0), *(b.reshape(x, (1, *x.shape)) for x in (k, v)))


def _separate(b: LayerBuilder, query: Value, key: Value | None, value: Value | None, count: int) -> tuple[Value, Value, Value]:
    """Queries, keys and values with the heads apart, from any of the forms that MultiHeadAttention takes."""
    if query.rank == 5:  # (batch, length, heads, 3, size)
        parts = b.add(Split(3, (1, 1, 1)), query)
        q, k, v = (b.transpose(b.reshape(p, (*p.shape[:3], p.shape[4])), (0, 2, 1, 3)) for p in parts)
        return q, k, v
    q = _heads(b, query, count)
    if key is None:
        raise b.damaged("keys are absent")
    if key.rank == 5 and value is None:  # (batch, length, heads, 2, size)
        k, v = (b.transpose(b.reshape(p, (*p.shape[:3], p.shape[4])), (0, 2, 1, 3)) for p in b.add(Split(3, (1, 1)), key))
        return q, k, v
    if value is None:
        raise b.damaged("values are absent")
    return q, key if key.rank == 4 else _heads(b, key, count), value if value.rank == 4 else _heads(b, value, count)


def _bias_parts(b: LayerBuilder, bias: Value, operands: Sequence[Value]) -> list[Value]:
    """The parts of a bias of queries, keys and values, each made to broadcast to its operand (batch, heads, length, size)."""
    sizes = [static(product((x.shape[1], x.shape[3])), "the size of queries, keys and values") for x in operands]
    if bias.shape != (sum(sizes),):
        raise b.damaged(f"the bias {bias.type} does not belong to queries, keys and values of sizes {sizes}")
    return [b.reshape(part, (x.shape[1], 1, x.shape[3])) for part, x in zip(b.add(Split(0, tuple(sizes)), bias), operands)]


@onnx_op("MultiHeadAttention", 1, domain=MICROSOFT)
def multi_head_attention(b: LayerBuilder, query: Value, key: Value | None = None, value: Value | None = None, bias: Value | None = None,
                         key_padding_mask: Value | None = None, attention_bias: Value | None = None, past_key: Value | None = None,
                         past_value: Value | None = None, past_sequence_length: Value | None = None,
                         cache_indirection: Value | None = None, *, num_heads: int, mask_filter_value: float = -10000.0, scale: float = 0.0,
                         unidirectional: bool = False) -> Sequence[Value]:
    """Attention of queries to keys and values; the second and third result are all keys and values, the past ones included."""
    if past_sequence_length is not None or cache_indirection is not None or any(b.wanted[3:]):
        raise UnsupportedError("MultiHeadAttention with a shared buffer, beams, or scores as a result is not supported", b.where)
    q, k, v = _separate(b, query, key, value, num_heads)
    if bias is not None:
        q, k, v = (b.add1(Add(), x, part) for x, part in zip((q, k, v), _bias_parts(b, bias, (q, k, v))))
    if past_key is not None and past_value is not None:
        k, v = b.add1(Concat(2), past_key, k), b.add1(Concat(2), past_value, v)
    return _attended(b, q, k, v, Scores(scale, mask_filter_value, unidirectional, key_padding_mask, attention_bias)), k, v


# ---- rotary embeddings ---------------------------------------------------------------------------------------------------
def _last(x: Value, start: int | None, stop: int | None, step: int = 1) -> Slice:
    """A slice along the last axis."""
    rest = x.rank - 1
    return Slice((*(None,) * rest, start), (*(None,) * rest, stop), (*(1,) * rest, step))


def rotated(b: LayerBuilder, x: Value, cosines: Value, sines: Value, size: int, *, interleaved: bool) -> Value:
    """The first `size` elements of the last axis turned as pairs: (first half, second half), or neighbours if `interleaved`."""
    half = size // 2
    turned = x if size == x.shape[-1] else b.add1(_last(x, None, size), x)
    spans = ((0, None, 2), (1, None, 2)) if interleaved else ((None, half, 1), (half, None, 1))
    one, two = (b.add1(_last(x, *span), turned) for span in spans)
    real = b.add1(Sub(), b.add1(Mul(), one, cosines), b.add1(Mul(), two, sines))
    imaginary = b.add1(Add(), b.add1(Mul(), one, sines), b.add1(Mul(), two, cosines))
    if interleaved:
        pairs = b.add1(Concat(x.rank), *(b.reshape(part, (*part.shape, 1)) for part in (real, imaginary)))
        both = b.reshape(pairs, turned.shape)
    else:
        both = b.add1(Concat(x.rank - 1), real, imaginary)
    return both if size == x.shape[-1] else b.add1(Concat(x.rank - 1), both, b.add1(_last(x, size, None), x))


@onnx_op("RotaryEmbedding", 1, domain=MICROSOFT)
def rotary_embedding(b: LayerBuilder, input: Value, position_ids: Value, cos_cache: Value, sin_cache: Value, *, interleaved: bool = False,
                     is_packed_batching: bool = False, num_heads: int = 0, rotary_embedding_dim: int = 0, scale: float = 1.0) -> Value:
    """`input` is (batch, length, heads * size) or (batch, heads, length, size); `position_ids` the first position, or all."""
    if is_packed_batching or scale != 1:
        raise UnsupportedError("RotaryEmbedding with packed batches or a scale is not supported", b.where)
    size = rotary_embedding_dim or 2 * static(cos_cache.shape[1], "the size of the table of cosines")
    heads = num_heads or (exact_div(input.shape[-1], size) if input.rank == 3 else input.shape[1])
    if input.rank not in (3, 4) or heads is None:
        raise b.damaged(f"{input.type} cannot be divided into heads")
    x = input if input.rank == 4 else _split_last(b, input, heads)
    length = input.shape[2] if input.rank == 4 else input.shape[1]
    positions = position_ids
    if product(position_ids.shape) == 1:
        steps = np.arange(static(length, "the length of the sequence"))[None]
        positions = b.add1(Add(), b.reshape(position_ids, (1, 1)), b.const(steps, position_ids.type.dtype))
    angles = [b.add1(Gather(0), table, positions) for table in (cos_cache, sin_cache)]
    where = 1 if input.rank == 4 else 2
    cosines, sines = (b.reshape(a, (*a.shape[:where], 1, *a.shape[where:])) for a in angles)
    return b.reshape(rotated(b, x, cosines, sines, size, interleaved=interleaved), input.shape)


def _split_last(b: LayerBuilder, x: Value, heads: Size) -> Value:
    size = exact_div(x.shape[-1], heads)
    if size is None:
        raise UnsupportedError(f"{x.type} cannot be divided into {heads} heads", b.where, FIX_SIZES if isinstance(heads, Dim) else "")
    return b.reshape(x, (*x.shape[:-1], heads, size))
