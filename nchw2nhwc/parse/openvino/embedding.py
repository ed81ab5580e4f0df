"""Rows of a table, put together by bag or by segment."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import DType, Size, Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.indexing import ScatterND
from nchw2nhwc.ops.kinds import integer_range, kind_of
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.openvino.common import one_int
from nchw2nhwc.parse.openvino.registry import Results, mapping

Reduction: TypeAlias = Literal["sum", "mean"]
I32: DType = np.dtype(np.int32)


def _rows(b: Builder, table: Value, indices: Value, weights: Value | None) -> Formula:
    """The rows of a table, each times its weight."""
    rows = Formula(b, table).take(Formula(b, indices))
    if weights is None:
        return rows
    return rows * Formula(b, weights).reshape(*weights.shape, *(1,) * (table.rank - 1))


# ---- bags of one size -------------------------------------------------------------------------------------------------------
@mapping("EmbeddingBagPackedSum", 3)
def embedding_bag_packed_sum(b: Builder, table: Value, indices: Value, weights: Value | None = None) -> Results:
    """The sum of the rows that each of (bags, rows) names."""
    return embedding_bag_packed(b, table, indices, weights, reduction="sum")


@mapping("EmbeddingBagPacked", 15)
def embedding_bag_packed(b: Builder, table: Value, indices: Value, weights: Value | None = None, *, reduction: Reduction) -> Results:
    """The sum or the mean of the rows."""
    if indices.rank != 2:
        raise SourceError(f"the rows {indices.type} are not those of bags")
    found = _rows(b, table, indices, weights).sum(1)
    return (found if reduction == "sum" else found / static(indices.shape[1], "the size of a bag")).value


# ---- bags and segments of any size ------------------------------------------------------------------------------------------
@mapping("EmbeddingBagOffsetsSum", 3)
def embedding_bag_offsets_sum(b: Builder, table: Value, indices: Value, offsets: Value, default_index: Value | None = None,
                              weights: Value | None = None) -> Results:
    """The sum of the rows from each offset on up to the next one; an empty bag is the row `default_index`, or 0."""
    return embedding_bag_offsets(b, table, indices, offsets, default_index, weights, reduction="sum")


@mapping("EmbeddingBagOffsets", 15)
def embedding_bag_offsets(b: Builder, table: Value, indices: Value, offsets: Value, default_index: Value | None = None,
                          weights: Value | None = None, *, reduction: Reduction) -> Results:
    """The sum or the mean of the rows."""
    if indices.rank != 1 or offsets.rank != 1:
        raise SourceError(f"rows {indices.type} and offsets {offsets.type} are not vectors")
    count, bags = static(indices.shape[0], "the number of rows"), offsets.shape[0]
    begun = Formula(b, offsets).cast(I32).reshape(1, bags) <= np.arange(count)[:, None]
    bag = begun.cast(I32).sum(1) - 1
    return _by_segment(b, table, indices, bag, bags, default_index, weights, reduction == "mean").value


@mapping("EmbeddingSegmentsSum", 3)
def embedding_segments_sum(b: Builder, table: Value, indices: Value, segment_ids: Value, num_segments: Value | None = None,
                           default_index: Value | None = None, weights: Value | None = None) -> Results:
    """The sum of the rows of each segment."""
    if indices.rank != 1 or segment_ids.shape != indices.shape:
        raise SourceError(f"rows {indices.type} and segments {segment_ids.type} are not vectors of one size")
    segments = _segments(b, segment_ids, num_segments)
    return _by_segment(b, table, indices, Formula(b, segment_ids).cast(I32), segments, default_index, weights, False).value


def _segments(b: Builder, ids: Value, number: Value | None) -> Size:
    """How many segments there are: the last number of the ascending ids plus 1 unless it is given."""
    if number is not None:
        given = b.shape_of(number, "the number of segments")
        if len(given) != 1 or (isinstance(given[0], int) and given[0] < 0):
            raise SourceError(f"{list(given)} segments")
        return given[0]
    return max((*b.ints(ids, "the segments, which decide how many there are,"), -1)) + 1


def _by_segment(b: Builder, table: Value, indices: Value, segment: Formula, segments: Size, default_index: Value | None,
                weights: Value | None, mean: bool) -> Formula:
    """(segments, ...): what the rows of each segment add up to."""
    rows = _rows(b, table, indices, weights)
    place, nothing = segment.reshape(*segment.shape, 1), (1,) * (table.rank - 1)
    empty = Formula(b, b.const(0, table.type.dtype)).expand(segments, *table.shape[1:])
    total = empty.apply(ScatterND("add"), place, rows)
    if default_index is None and not mean:
        return total
    ones = Formula(b, b.const(1, I32)).expand(*segment.shape)
    count = Formula(b, b.const(0, I32)).expand(segments).apply(ScatterND("add"), place, ones).reshape(segments, *nothing)
    if mean:
        total = total / count.at_least(1).cast(total.dtype)
    if default_index is None:
        return total
    index = one_int(b, default_index, "the default row")
    return total if index == -1 else (count > 0).choose(total, Formula(b, table).take(index).reshape(1, *table.shape[1:]))


@mapping("SegmentMax", 16)
def segment_max(b: Builder, x: Value, segment_ids: Value, num_segments: Value | None = None, *,
                fill_mode: Literal["zero", "lowest"]) -> Results:
    """The largest elements of the slices of each segment along the first axis; an empty segment is 0, or the least number."""
    if x.rank < 1 or segment_ids.shape != x.shape[:1]:
        raise SourceError(f"{x.type} does not have the segments {segment_ids.type}")
    segments = _segments(b, segment_ids, num_segments)
    dtype = x.type.dtype
    low = -np.inf if kind_of(dtype) == "floating point" else integer_range(dtype)[0]
    place = Formula(b, segment_ids).cast(I32).reshape(*segment_ids.shape, 1)
    start = Formula(b, b.const(low, dtype)).expand(segments, *x.shape[1:])
    found = start.apply(ScatterND("max"), place, Formula(b, x))
    ones = Formula(b, b.const(1, I32)).expand(*segment_ids.shape)
    count = Formula(b, b.const(0, I32)).expand(segments).apply(ScatterND("add"), place, ones)
    least = float(np.finfo(np.float32).min) if low == -np.inf else low
    return (count > 0).reshape(segments, *(1,) * (x.rank - 1)).choose(found, least if fill_mode == "lowest" else 0).value
