"""Operators that pick elements by index, or order them by value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.ir.dim import Size, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Add, Mod
from nchw2nhwc.ops.indexing import REDUCTIONS, Gather, GatherND, ReverseSequence, ScatterElements, ScatterND, TopK, from_front
from nchw2nhwc.ops.movement import Expand
from nchw2nhwc.parse import detection, dynamic, indexing, masked, selection, uniques
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op

INT64 = np.dtype(np.int64)


@onnx_op("Gather", 1, 11, 13)
def gather(b: LayerBuilder, x: Value, indices: Value, *, axis: int = 0) -> Value:
    axis = b.axis(axis, x.rank)
    size = x.shape[axis]
    if indices.const is not None and isinstance(size, int):
        from_front(indices.const, size, f"axis {axis} of {x.type}")
    return b.add1(Gather(axis), x, indices)


@onnx_op("GatherElements", 11, 13)
def gather_elements(b: LayerBuilder, x: Value, indices: Value, *, axis: int = 0) -> Value:
    return indexing.gather_elements(b, x, indices, b.axis(axis, x.rank))


@onnx_op("GatherND", 11)
def gather_nd_11(b: LayerBuilder, x: Value, indices: Value) -> Value:
    return b.add1(GatherND(), x, indices)


@onnx_op("GatherND", 12, 13)
def gather_nd(b: LayerBuilder, x: Value, indices: Value, *, batch_dims: int = 0) -> Value:
    return b.add1(GatherND(batch_dims), x, indices)


# ---- the other way round ---------------------------------------------------------------------------------------------
@onnx_op("Scatter", 9, 11)
@onnx_op("ScatterElements", 11, 13)
def scatter_elements_11(b: LayerBuilder, x: Value, indices: Value, updates: Value, *, axis: int = 0) -> Value:
    return scatter_elements(b, x, indices, updates, axis=axis)


@onnx_op("ScatterElements", 16, 18)
def scatter_elements(b: LayerBuilder, x: Value, indices: Value, updates: Value, *, axis: int = 0, reduction: str = "none") -> Value:
    op = ScatterElements(b.axis(axis, x.rank), _reduction(b, reduction))
    return indexing.scatter_elements(b, op, x, indices, updates)


@onnx_op("ScatterND", 11, 13)
def scatter_nd_11(b: LayerBuilder, x: Value, indices: Value, updates: Value) -> Value:
    return masked.scatter_nd(b, ScatterND(), x, indices, updates)


@onnx_op("ScatterND", 16, 18)
def scatter_nd(b: LayerBuilder, x: Value, indices: Value, updates: Value, *, reduction: str = "none") -> Value:
    return masked.scatter_nd(b, ScatterND(_reduction(b, reduction)), x, indices, updates)


def _reduction(b: LayerBuilder, reduction: str) -> str:
    if reduction not in REDUCTIONS:
        raise b.damaged(f"there is no reduction '{reduction}'")
    return reduction


# ---- by value, and by length -----------------------------------------------------------------------------------------
@onnx_op("TopK", 1)
def top_k_1(b: LayerBuilder, x: Value, *, k: int, axis: int = -1) -> Sequence[Value]:
    return _top_k(b, x, k, axis)


@onnx_op("TopK", 10)
def top_k_10(b: LayerBuilder, x: Value, k: Value, *, axis: int = -1) -> Sequence[Value]:
    return _top_k_by(b, x, k, axis, True)


@onnx_op("TopK", 11, 24)
def top_k(b: LayerBuilder, x: Value, k: Value, *, axis: int = -1, largest: bool = True, sorted: bool = True) -> Sequence[Value]:
    """Without `sorted` any order will do, so the same one as with it."""
    return _top_k_by(b, x, k, axis, largest)


def _top_k_by(b: LayerBuilder, x: Value, k: Value, axis: int, largest: bool) -> Sequence[Value]:
    """Where the number is computed, the first ones of all."""
    if not b.is_computed(k):
        return _top_k(b, x, b.size(k, "K"), axis, largest)
    along = b.axis(axis, x.rank)
    count = x.shape[along]
    chosen = dynamic.positions(b, count) < dynamic.number(b, k)
    return [dynamic.kept(b, v, chosen, along) for v in _top_k(b, x, count, axis, largest)]


def _top_k(b: LayerBuilder, x: Value, k: Size, axis: int, largest: bool = True) -> Sequence[Value]:
    return b.add(TopK(b.axis(axis, x.rank), k, largest), x)


@onnx_op("ReverseSequence", 10, 28)
def reverse_sequence(b: LayerBuilder, x: Value, sequence_lens: Value, *, batch_axis: int = 1, time_axis: int = 0) -> Value:
    return b.add1(ReverseSequence(b.axis(batch_axis, x.rank), b.axis(time_axis, x.rank)), x, sequence_lens)


# ---- results whose size depends on the data --------------------------------------------------------------------------
@onnx_op("NonZero", 9, 13)
def nonzero(b: LayerBuilder, x: Value) -> Value:
    content = b.content(x)
    return selection.nonzero(b, x, INT64) if content is None else b.const(indexing.nonzero(content, INT64))


@onnx_op("Unique", 11, 28)
def unique(b: LayerBuilder, x: Value, *, axis: int | None = None, sorted: bool = True) -> Sequence[Value]:
    along = None if axis is None else b.axis(axis, x.rank)
    array = b.content(x)
    if array is None:
        data = b.reshape(x, (product(x.shape),)) if along is None else x
        return uniques.unique(b, data, along or 0, sorted)
    found, *numbers = indexing.unique(array, along, sorted)
    return [b.const(found), *(b.const(n, INT64) for n in numbers)]


@onnx_op("Compress", 9, 11, 28)
def compress(b: LayerBuilder, x: Value, condition: Value, *, axis: int | None = None) -> Value:
    """The elements for which the condition holds; without an axis of the flattened operand."""
    along = 0 if axis is None else b.axis(axis, x.rank)
    data = b.reshape(x, (product(x.shape),)) if axis is None else x
    content = b.content(condition)
    if content is None:
        return selection.compressed(b, data, condition, along)
    return b.add1(Gather(along), data, b.const(np.flatnonzero(content), INT64))


@onnx_op("NonMaxSuppression", 10, 11)
def non_max_suppression(b: LayerBuilder, boxes: Value, scores: Value, most: Value | None = None, iou_threshold: Value | None = None,
                        score_threshold: Value | None = None, *, center_point_box: bool = False) -> Value:
    """Without a score threshold every box counts, without a number of boxes none is kept."""
    if b.is_computed(most, iou_threshold, score_threshold):
        return _suppressed_by(b, selection.corners(b, boxes) if center_point_box else boxes, scores, most, iou_threshold, score_threshold)
    limit = 0 if most is None else max(b.integer(most, "max_output_boxes_per_class"), 0)
    if not limit:
        return b.const(np.zeros((0, 3), np.int64))
    iou = 0.0 if iou_threshold is None else b.number(iou_threshold, "iou_threshold")
    least = -np.inf if score_threshold is None else b.number(score_threshold, "score_threshold")
    detection.offer(b, boxes, scores, limit, iou, least, centres=center_point_box)
    found = selection.suppressed(b, selection.corners(b, boxes) if center_point_box else boxes, scores, limit, iou, least)
    return selection.compressed(b, found.rows, found.kept, 0)


def _suppressed_by(b: LayerBuilder, boxes: Value, scores: Value, most: Value | None, iou_threshold: Value | None,
                   score_threshold: Value | None) -> Value:
    """With limits that are computed: of the boxes that are left without them those above the score, the first ones of each class."""
    if most is None:
        return b.const(np.zeros((0, 3), np.int64))
    count = scores.shape[-1]
    iou = b.reshape(iou_threshold, ()) if iou_threshold is not None else 0.0
    found = selection.suppressed(b, boxes, scores, count, iou, -np.inf)
    place = dynamic.positions(b, found.scores.shape[0]) % dynamic.size_of(b, count)
    kept = Formula(b, found.kept) & (place < dynamic.number(b, most))
    if score_threshold is not None:
        kept = kept & (Formula(b, found.scores) > b.reshape(score_threshold, ()))
    return selection.compressed(b, found.rows, kept.value, 0)


@onnx_op("TensorScatter", 24)
def tensor_scatter(b: LayerBuilder, cache: Value, update: Value, write_indices: Value | None = None, *, axis: int = -2,
                   mode: str = "linear") -> Value:
    """`update` written into `cache` along `axis`, for every batch element from its own position on; "circular" goes on at the front."""
    along = b.axis(axis, cache.rank)
    if mode not in ("linear", "circular") or along == 0:
        raise b.damaged(f"there is no TensorScatter with mode '{mode}' along axis {axis}")
    where = b.along(dynamic.positions(b, update.shape[along]).value, along, cache.rank)
    if write_indices is not None:
        start = b.cast(b.reshape(write_indices, (*write_indices.shape, *(1,) * (cache.rank - 1))), INT64)
        where = b.add1(Add(), where, start)
    if mode == "circular":
        where = b.add1(Mod(), where, dynamic.size_of(b, cache.shape[along]).value)
    indices = where if where.shape == update.shape else b.add1(Expand(update.shape), where)
    return b.add1(ScatterElements(along), cache, indices, update)
