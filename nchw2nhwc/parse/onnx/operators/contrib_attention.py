"""Attention of ONNX Runtime's own domain, com.microsoft, that its optimizer writes, and MultiHeadAttention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import Size, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Concat, Split
from nchw2nhwc.parse.dynamic import size_of
from nchw2nhwc.parse.formula import INT64, Formula
from nchw2nhwc.parse.onnx.attention import cached, heads_of, not_ahead, scores, seen, softmax, weighted
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT, total_of
from nchw2nhwc.parse.onnx.operators.contrib_quantized import matmul_integer_to_float
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op
from nchw2nhwc.parse.selection import positions


# ---- masks -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Masks:
    """What happens to the products of queries and keys before softmax."""

    masked: float
    """What is added where a key does not count."""
    causal: bool
    mask: Value | None
    """1 where a key counts: (batch, keys) or (batch, queries, keys); or numbers, as `_counted` says."""
    bias: Value | None
    """Added to (batch, heads, queries, keys)."""


def _counted(b: LayerBuilder, mask: Value, batch: Size, keys: Size) -> Value | None:
    """Where keys count, as a boolean tensor that broadcasts to (batch, heads, queries, keys); None where all do.

    A vector holds the numbers of keys, for each batch element; (2 * batch,) has where they end, then where they begin; of (3 * batch + 2,)
    only the first part says something. A matrix of one column is the same for all keys."""
    if mask.rank == 1:
        count = static(mask.shape[0], "the size of the attention mask")
        number = static(batch, "the number of batch elements") if count != 1 else 1
        if count not in (number, 2 * number, 3 * number + 2):
            raise b.damaged(f"an attention mask {mask.type} does not fit {number} batch elements")
        places, given = Formula(b, positions(b, keys, INT64)), Formula(b, mask).cast(INT64)
        within = given.part(0, 0, number).reshape(number, 1, 1, 1) > places
        if count == 2 * number:
            within = within & (given.part(0, number, count).reshape(number, 1, 1, 1) <= places)
        return within.value
    if mask.rank not in (2, 3):
        raise UnsupportedError(f"an attention mask with {mask.rank} axes (mask_index {mask.type}) is not supported", b.where)
    if mask.rank == 2 and mask.shape[1] == 1 and keys != 1:
        return None
    middle = (1, 1) if mask.rank == 2 else (1, mask.shape[1])
    return (Formula(b, mask) > 0).reshape(mask.shape[0], *middle, mask.shape[-1]).value


def _attended(b: LayerBuilder, q: Value, k: Value, v: Value, scale: float, masks: Masks) -> Value:
    """softmax(q @ k' * scale + bias, masked) @ v, heads put together."""
    return weighted(b, softmax(b, _masked_scores(b, q, k, scale, masks)), v)


def _masked_scores(b: LayerBuilder, q: Value, k: Value, scale: float, masks: Masks) -> Value:
    """q @ k' * scale + bias, masked: (batch, heads, queries, keys)."""
    weights = scores(b, q, k, scale or None)
    batch, _, queries, keys = weights.shape
    if masks.bias is not None:
        weights = b.add1(Add(), weights, masks.bias)
    counted = None if masks.mask is None else _counted(b, masks.mask, batch, keys)
    if counted is not None:
        weights = b.add1(Add(), weights, seen(b, b.scalar(0, weights), counted, masks.masked))
    return seen(b, weights, not_ahead(b, queries, keys)) if masks.causal else weights


# ---- self-attention ----------------------------------------------------------------------------------------------------
@onnx_op("Attention", 1, domain=MICROSOFT)
def attention(b: LayerBuilder, input: Value, weights: Value, bias: Value | None = None, mask_index: Value | None = None,
              past: Value | None = None, attention_bias: Value | None = None, past_sequence_length: Value | None = None, *, num_heads: int,
              do_rotary: bool = False, mask_filter_value: float = -10000.0, past_present_share_buffer: bool = False,
              qkv_hidden_sizes: Ints | None = None, rotary_embedding_dim: int = 0, scale: float = 0.0,
              unidirectional: bool = False) -> Sequence[Value]:
    """Self-attention of `input`; queries, keys and values are one product with `weights`. `past` and the second result are keys and values
    of shape (2, batch, heads, length, size). `past_sequence_length` only counts where a buffer is shared."""
    joined = total_of(b, b.add1(MatMul(), input, weights), bias)
    masks = Masks(mask_filter_value, unidirectional, mask_index, attention_bias)
    return _self_attention(b, joined, past, scale, masks, num_heads=num_heads, sizes=qkv_hidden_sizes, do_rotary=do_rotary,
                           past_present_share_buffer=past_present_share_buffer)


@onnx_op("QAttention", 1, domain=MICROSOFT)
def qattention(b: LayerBuilder, input: Value, weight: Value, bias: Value, input_scale: Value, weight_scale: Value,
               mask_index: Value | None = None, input_zero_point: Value | None = None, weight_zero_point: Value | None = None,
               past: Value | None = None, *, num_heads: int, do_rotary: bool = False, mask_filter_value: float = -10000.0,
               past_present_share_buffer: bool = False, scale: float = 0.0, unidirectional: bool = False) -> Sequence[Value]:
    """Attention with a quantized product of `input` and `weight`; everything after it is in real numbers."""
    joined = matmul_integer_to_float(b, input, weight, input_scale, weight_scale, input_zero_point, weight_zero_point, bias)
    masks = Masks(mask_filter_value, unidirectional, mask_index, None)
    return _self_attention(b, joined, past, scale, masks, num_heads=num_heads, sizes=None, do_rotary=do_rotary,
                           past_present_share_buffer=past_present_share_buffer)


def _self_attention(b: LayerBuilder, joined: Value, past: Value | None, scale: float, masks: Masks, *, num_heads: int, sizes: Ints | None,
                    do_rotary: bool, past_present_share_buffer: bool) -> Sequence[Value]:
    """Attention to queries, keys and values that are `joined` along the last axis, and all keys and values if they are wanted."""
    if do_rotary:
        raise UnsupportedError("Attention with do_rotary=1 is not supported", b.where,
                               "Export the model with RotaryEmbedding and MultiHeadAttention, or with GroupQueryAttention.")
    if past_present_share_buffer:
        raise UnsupportedError("Attention with past_present_share_buffer=1 is not supported", b.where,
                               "Export the model with a past that grows.")
    total = static(joined.shape[-1], "the number of columns of the weights")
    sizes = sizes or (total // 3,) * 3
    if len(sizes) != 3 or sum(sizes) != total:
        raise b.damaged(f"{joined.type} are not queries, keys and values of sizes {list(sizes)}")
    q, k, v = (heads_of(b, part, num_heads) for part in b.add(Split(2, sizes), joined))
    if past is not None:
        before = [b.reshape(part, past.shape[1:]) for part in b.add(Split(0, (1, 1)), past)]
        k, v = (b.add1(Concat(2), old, new) for old, new in zip(before, (k, v)))
    result = _attended(b, q, k, v, scale, masks)
    if not any(b.wanted[1:]):
        return (result,)
    return result, b.add1(Concat(0), *(b.reshape(x, (1, *x.shape)) for x in (k, v)))


# ---- queries, keys and values ------------------------------------------------------------------------------------------
def _separate(b: LayerBuilder, query: Value, key: Value | None, value: Value | None, count: int) -> tuple[Value, Value, Value]:
    """Queries, keys and values with the heads apart, from any of the forms that MultiHeadAttention takes."""
    if query.rank == 5:  # (batch, length, heads, 3, size)
        q, k, v = _unpacked(b, query, 3)
        return q, k, v
    q = heads_of(b, query, count)
    if key is None:
        raise b.damaged("keys are absent")
    if key.rank == 5 and value is None:  # (batch, length, heads, 2, size)
        k, v = _unpacked(b, key, 2)
        return q, k, v
    if value is None:
        raise b.damaged("values are absent")
    return q, key if key.rank == 4 else heads_of(b, key, count), value if value.rank == 4 else heads_of(b, value, count)


def _unpacked(b: LayerBuilder, x: Value, count: int) -> list[Value]:
    """(batch, length, heads, count, size) as `count` tensors (batch, heads, length, size)."""
    return [b.transpose(b.reshape(p, (*p.shape[:3], p.shape[4])), (0, 2, 1, 3)) for p in b.add(Split(3, (1,) * count), x)]


def _with_bias(b: LayerBuilder, bias: Value, operands: Sequence[Value], own: Sequence[bool]) -> list[Value]:
    """Queries, keys and values (batch, heads, length, size) plus their parts of `bias`; those that are not `own` are projected already."""
    sizes = [static(product((x.shape[1], x.shape[3])), "the size of queries, keys and values") for x in operands]
    if bias.shape != (sum(sizes),):
        raise b.damaged(f"the bias {bias.type} does not belong to queries, keys and values of sizes {sizes}")
    parts = b.add(Split(0, tuple(sizes)), bias)
    return [b.add1(Add(), x, b.reshape(part, (x.shape[1], 1, x.shape[3]))) if needed else x
            for part, x, needed in zip(parts, operands, own)]


@onnx_op("MultiHeadAttention", 1, domain=MICROSOFT)
def multi_head_attention(b: LayerBuilder, query: Value, key: Value | None = None, value: Value | None = None, bias: Value | None = None,
                         key_padding_mask: Value | None = None, attention_bias: Value | None = None, past_key: Value | None = None,
                         past_value: Value | None = None, past_sequence_length: Value | None = None,
                         cache_indirection: Value | None = None, *, num_heads: int, mask_filter_value: float = -10000.0, scale: float = 0.0,
                         unidirectional: bool = False) -> Sequence[Value]:
    """Attention of queries to keys and values; the second and third result are all keys and values, the past ones included, the fourth one
    the scores of keys before the softmax."""
    if cache_indirection is not None:
        raise UnsupportedError("MultiHeadAttention with cache_indirection (beams) is not supported", b.where)
    q, k, v = _separate(b, query, key, value, num_heads)
    if bias is not None:
        q, k, v = _with_bias(b, bias, (q, k, v), (True, *(x is None or x.rank != 4 for x in (key, value))))
    if unidirectional and k.shape[2] != q.shape[2]:
        raise UnsupportedError(f"MultiHeadAttention with unidirectional=1 of {q.shape[2]} queries to {k.shape[2]} keys is not supported",
                               b.where)
    masks = Masks(mask_filter_value, unidirectional, key_padding_mask, attention_bias)
    if past_key is not None and past_value is not None:
        if past_sequence_length is not None:
            return _to_a_buffer(b, (q, k, v), (past_key, past_value), past_sequence_length, scale, masks)
        k, v = b.add1(Concat(2), past_key, k), b.add1(Concat(2), past_value, v)
    weights = _masked_scores(b, q, k, scale, masks)
    return weighted(b, softmax(b, weights), v), k, v, weights


def _to_a_buffer(b: LayerBuilder, operands: tuple[Value, Value, Value], past: tuple[Value, Value], past_length: Value, scale: float,
                 masks: Masks) -> Sequence[Value]:
    """Attention to keys and values of which the first `past_length` are in buffers; new ones go behind them."""
    if masks.mask is not None or masks.bias is not None:
        raise UnsupportedError("MultiHeadAttention with past_sequence_length and key_padding_mask or attention_bias is not supported",
                               b.where)
    q, *new = operands
    start = Formula(b, b.reshape(past_length, (1, 1))).cast(INT64)
    k, v = (cached(b, old, b.transpose(x, (0, 2, 1, 3)), start, old.shape[2], keep=True) for old, x in zip(past, new))
    rows, keys = Formula(b, positions(b, q.shape[2], INT64)), Formula(b, positions(b, k.shape[2], INT64))
    last = rows.reshape(q.shape[2], 1) if masks.causal else size_of(b, q.shape[2] - 1)
    weights = seen(b, scores(b, q, k, scale or None), (keys <= last + start).value)
    return weighted(b, softmax(b, weights), v), k, v


# ---- one step of a decoder ---------------------------------------------------------------------------------------------
@onnx_op("DecoderMaskedMultiHeadAttention", 1, domain=MICROSOFT)
def decoder_masked_multi_head_attention(
        b: LayerBuilder, query: Value, key: Value | None = None, value: Value | None = None, mask_index: Value | None = None,
        attention_bias: Value | None = None, past_key: Value | None = None, past_value: Value | None = None,
        past_sequence_length: Value | None = None, beam_width: Value | None = None, cache_indirection: Value | None = None,
        bias: Value | None = None, *, mask_filter_value: float = -10000.0, num_heads: int, output_qk: bool = False,
        past_present_share_buffer: bool = False, scale: float = 0.0) -> Sequence[Value]:
    """MultiHeadAttention of one query to the keys and values in a buffer, behind which its own go, or to those of an encoder."""
    if cache_indirection is not None:
        raise UnsupportedError("DecoderMaskedMultiHeadAttention with cache_indirection (beams) is not supported", b.where,
                               "Export the decoder without beam search.")
    if past_key is not None and (past_sequence_length is None or not past_present_share_buffer):
        raise b.damaged("a past needs past_sequence_length and past_present_share_buffer=1")
    if key is None and value is None:
        size = static(query.shape[-1], "the number of columns of queries, keys and values") // 3
        query, key, value = b.add(Split(2, (size,) * 3), query)
    return multi_head_attention(b, query, key, value, bias, mask_index, attention_bias, past_key, past_value, past_sequence_length,
                                num_heads=num_heads, mask_filter_value=mask_filter_value, scale=scale)
