"""Positions as rotations: RotaryEmbedding of ONNX Runtime's own domain, com.microsoft."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import Dim, Size, exact_div, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import FIX_SIZES, Concat, Slice
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op
from nchw2nhwc.parse.selection import positions as positions_of


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


def rotated_by_position(b: LayerBuilder, x: Value, positions: Value, tables: tuple[Value, Value], heads_axis: int, *,
                        interleaved: bool, size: int = 0) -> Value:
    """x of 4 axes, one of them the heads, turned by the angles of `positions` (batch, length); rows of `tables` are the cosines and sines
    of a position. Only the first `size` elements are turned (all that the tables have angles for)."""
    size = size or 2 * static(tables[0].shape[1], "the size of the table of cosines")
    angles = [b.add1(Gather(0), table, positions) for table in tables]
    cosines, sines = (b.reshape(a, (*a.shape[:heads_axis], 1, *a.shape[heads_axis:])) for a in angles)
    return rotated(b, x, cosines, sines, size, interleaved=interleaved)


def from_first(b: LayerBuilder, first: Value, length: Size) -> Value:
    """The positions of `length` elements, (batch, length), that begin with those of `first`: one for all, or one for each batch element."""
    steps = b.reshape(positions_of(b, length, first.type.dtype), (1, length))
    return b.add1(Add(), b.reshape(first, (product(first.shape), 1)), steps)


@onnx_op("RotaryEmbedding", 1, domain=MICROSOFT)
def rotary_embedding(b: LayerBuilder, input: Value, position_ids: Value, cos_cache: Value, sin_cache: Value, *, interleaved: bool = False,
                     is_packed_batching: bool = False, num_heads: int = 0, rotary_embedding_dim: int = 0, scale: float = 1.0) -> Value:
    """`input` is (batch, length, heads * size) or (batch, heads, length, size); `position_ids` the first position, or all. Packed batches
    are no different here: every element has its position."""
    if scale != 1:
        raise UnsupportedError(f"RotaryEmbedding with scale={scale} is not supported", b.where)
    x, heads_axis, size = _heads_of(b, input, cos_cache, num_heads, rotary_embedding_dim)
    one = position_ids.rank == 1 or product(position_ids.shape) == 1
    positions = from_first(b, position_ids, x.shape[3 - heads_axis]) if one else position_ids
    turned = rotated_by_position(b, x, positions, (cos_cache, sin_cache), heads_axis, interleaved=interleaved, size=size)
    return b.reshape(turned, input.shape)


def _heads_of(b: LayerBuilder, input: Value, cosines: Value, num_heads: int, rotary_embedding_dim: int) -> tuple[Value, int, int]:
    """`input` with 4 axes; which of them the heads are, and how many elements of each are turned."""
    size = rotary_embedding_dim or 2 * static(cosines.shape[1], "the size of the table of cosines")
    heads = num_heads or (exact_div(input.shape[-1], size) if input.rank == 3 else input.shape[1])
    if input.rank not in (3, 4) or heads is None:
        raise b.damaged(f"{input.type} cannot be divided into heads")
    return (input, 1, size) if input.rank == 4 else (_split_last(b, input, heads), 2, size)


@onnx_op("MRotaryEmbedding", 1, domain=MICROSOFT)
def multimodal_rotary_embedding(b: LayerBuilder, input: Value, position_ids: Value, cos_cache: Value, sin_cache: Value, *,
                                mrope_section: Ints, mrope_layout: int = 0, interleaved: bool = False, is_packed_batching: bool = False,
                                num_heads: int = 0, rotary_embedding_dim: int = 0, scale: float = 1.0) -> Value:
    """RotaryEmbedding by three positions (3, batch, length): time, height and width, each of which turns its own pairs."""
    if scale != 1:
        raise UnsupportedError(f"MRotaryEmbedding with scale={scale} is not supported", b.where)
    x, heads_axis, size = _heads_of(b, input, cos_cache, num_heads, rotary_embedding_dim)
    columns = _streams(b, mrope_section, mrope_layout, static(cos_cache.shape[1], "the size of the table of cosines"))
    angles = []
    for table in (cos_cache, sin_cache):
        parts = []
        for stream in range(3):
            # Columns of the other streams are 0, so that the sum has for each column what its own stream says.
            own = b.add1(Mul(), table, b.const(columns == stream, table.type.dtype))
            parts.append(b.add1(Gather(0), own, b.add1(Gather(0), position_ids, b.const(stream, "int64"))))
        total = b.add1(Add(), b.add1(Add(), parts[0], parts[1]), parts[2])
        angles.append(b.reshape(total, (*total.shape[:heads_axis], 1, *total.shape[heads_axis:])))
    return b.reshape(rotated(b, x, angles[0], angles[1], size, interleaved=interleaved), input.shape)


def _streams(b: LayerBuilder, section: Ints, layout: int, count: int) -> Array:
    """Which of the three positions each column of the tables is for: in three parts one behind the other (0), or in turn as long as those
    of height and width last (1)."""
    if len(section) != 3 or min(section) < 0 or sum(section) != count or layout not in (0, 1):
        raise b.damaged(f"mrope_section {list(section)} with mrope_layout {layout} does not fit {count} columns")
    if layout == 0:
        return np.repeat(np.arange(3), section)
    column = np.arange(count)
    return np.where((column % 3 > 0) & (column < 3 * np.asarray(section)[column % 3]), column % 3, 0)


def _split_last(b: LayerBuilder, x: Value, heads: Size) -> Value:
    size = exact_div(x.shape[-1], heads)
    if size is None:
        raise UnsupportedError(f"{x.type} cannot be divided into {heads} heads", b.where, FIX_SIZES if isinstance(heads, Dim) else "")
    return b.reshape(x, (*x.shape[:-1], heads, size))
