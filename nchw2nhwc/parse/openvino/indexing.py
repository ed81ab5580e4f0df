"""Ops that pick elements by index, or order them by value."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import DType, Value, product
from nchw2nhwc.ops import reduce as rd
from nchw2nhwc.ops.base import Op, require_shape
from nchw2nhwc.ops.binary import Div, Equal, Greater, Less, LessEqual, LogicalOr, Maximum, Where
from nchw2nhwc.ops.elementwise import Cast, Neg
from nchw2nhwc.ops.indexing import Gather, GatherElements, GatherND, ReverseSequence, ScatterElements, ScatterND, TopK
from nchw2nhwc.ops.kinds import integer_range, kind_of
from nchw2nhwc.ops.movement import Expand
from nchw2nhwc.parse import indexing, masked, selection, uniques
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.common import axis_of, one_int, one_size, require_rank
from nchw2nhwc.parse.openvino.registry import Results, mapping

I32: DType = np.dtype(np.int32)
I64: DType = np.dtype(np.int64)

MAX_CLASSES = 4096
"""More classes of one one-hot than any network has."""

LARGEST_EYE = 1 << 24
"""Elements of the largest identity matrix that is stored."""

# ---- gathering -----------------------------------------------------------------------------------------------------------------
@mapping("Gather", 1)
def gather_1(b: Builder, x: Value, indices: Value, axis: Value) -> Results:
    """Without batch axes."""
    return gather(b, x, indices, axis)


@mapping("Gather", 7, 8)
def gather(b: Builder, x: Value, indices: Value, axis: Value, *, batch_dims: int = 0) -> Results:
    """Negative indices (from opset 8 on) count from the end, and so do negative `batch_dims`."""
    if not -indices.rank <= batch_dims <= indices.rank:
        raise SourceError(f"there are no {batch_dims} batch axes in indices {indices.type}")
    batch = batch_dims if batch_dims >= 0 else batch_dims + indices.rank
    along = axis_of(one_int(b, axis, "the axis of a gather"), x.rank)
    require_rank((*x.shape, *indices.shape))
    if indices.type.dtype == np.uint64:  # written for indices that are known to count from the front
        indices = b.add1(Cast(I64), indices)
    size = x.shape[along]
    if indices.const is not None and isinstance(size, int) and indices.const.size and not \
            -size <= int(indices.const.min()) <= int(indices.const.max()) < size:
        raise SourceError(f"indices {int(indices.const.min())} to {int(indices.const.max())} do not fit axis {along} of {x.type}")
    return indexing.batched_gather(b, x, indices, along, batch) if batch else b.add1(Gather(along), x, indices)


@mapping("GatherElements", 6)
def gather_elements(b: Builder, x: Value, indices: Value, *, axis: int) -> Results:
    """One index for every element of the result."""
    return indexing.gather_elements(b, x, indices, axis_of(axis, x.rank))


@mapping("GatherND", 5)
def gather_nd_5(b: Builder, x: Value, indices: Value, *, batch_dims: int = 0) -> Results:
    """The batch axes become one."""
    found = b.add1(GatherND(batch_dims), x, indices)
    return b.reshape(found, (product(found.shape[:batch_dims]), *found.shape[batch_dims:])) if batch_dims > 1 else found


@mapping("GatherND", 8)
def gather_nd(b: Builder, x: Value, indices: Value, *, batch_dims: int = 0) -> Results:
    """The batch axes stay as they are."""
    return b.add1(GatherND(batch_dims), x, indices)


# ---- scattering ----------------------------------------------------------------------------------------------------------------
_REDUCTIONS = {"none": "none", "sum": "add", "prod": "mul", "min": "min", "max": "max", "sub": "sub", "mean": "mean"}


@mapping("ScatterElementsUpdate", 3)
def scatter_elements_3(b: Builder, x: Value, indices: Value, updates: Value, axis: Value) -> Results:
    """Without a reduction."""
    return scatter_elements(b, x, indices, updates, axis)


@mapping("ScatterElementsUpdate", 12)
def scatter_elements(b: Builder, x: Value, indices: Value, updates: Value, axis: Value, *,
                     reduction: Literal["none", "sum", "prod", "min", "max", "mean"] = "none", use_init_val: bool = True) -> Results:
    """`use_init_val` False: what is there already does not count where there is an update."""
    along = axis_of(one_int(b, axis, "the axis of a scatter"), x.rank)
    if updates.type.dtype != x.type.dtype:
        raise SourceError(f"updates {updates.type} do not have the element type of {x.type}")

    def scattered(data: Value, how: str, new: Value) -> Value:
        return indexing.scatter_elements(b, ScatterElements(along, how), data, indices, new)

    how = _REDUCTIONS[reduction]
    start = x
    if how != "none" and not use_init_val:
        low, high = (-np.inf, np.inf) if kind_of(x.type.dtype) == "floating point" else integer_range(x.type.dtype)
        neutral = {"add": 0, "mean": 0, "mul": 1, "max": low, "min": high}[how]
        count = scattered(_full(b, 0, x, I32), "add", _full(b, 1, updates, I32))  # several updates may be for one place
        start = b.add1(Where(), b.add1(Greater(), count, b.const(0, I32)), b.const(neutral, x.type.dtype), x)
    if how != "mean":
        return scattered(start, how, updates)
    if kind_of(x.type.dtype) != "floating point":
        raise UnsupportedError(f"a scatter of the mean of {x.type.dtype.name}")
    count = scattered(_full(b, int(use_init_val), x), "add", _full(b, 1, updates))
    at_least_one = count if use_init_val else b.add1(Maximum(), count, b.const(1, x.type.dtype))
    return b.add1(Div(), scattered(start, "add", updates), at_least_one)


def _full(b: Builder, number: float, like: Value, dtype: DType | None = None) -> Value:
    """A tensor of one number, of the type of another one unless told otherwise."""
    one = b.const(number, dtype or like.type.dtype)
    return b.add1(Expand(like.shape), one) if like.rank else one


@mapping("ScatterUpdate", 3)
def scatter_update(b: Builder, x: Value, indices: Value, updates: Value, axis: Value) -> Results:
    """Whole slices along an axis: the axes of the indices are in its place in the updates."""
    along = axis_of(one_int(b, axis, "the axis of a scatter"), x.rank)
    wanted = (*x.shape[:along], *indices.shape, *x.shape[along + 1:])
    require_shape(f"updates {updates.type} at {indices.type} along axis {along} do not fit {x.type}", updates.shape, wanted)
    count = product(indices.shape)
    shape = (*x.shape[:along], count, *x.shape[along + 1:])
    row = b.reshape(indices, (count, *(1,) * (x.rank - along - 1)))
    wide = row if row.shape == shape else b.add1(Expand(shape), row)
    return b.add1(ScatterElements(along), x, wide, b.reshape(updates, shape))


@mapping("ScatterNDUpdate", 3, 4)
def scatter_nd_3(b: Builder, x: Value, indices: Value, updates: Value) -> Results:
    """Without a reduction."""
    return masked.scatter_nd(b, ScatterND(), x, indices, updates)


@mapping("ScatterNDUpdate", 15)
def scatter_nd(b: Builder, x: Value, indices: Value, updates: Value, *,
               reduction: Literal["none", "sum", "sub", "prod", "min", "max"] = "none") -> Results:
    """"sub" adds the negative updates."""
    if reduction == "sub":
        return b.add1(ScatterND("add"), x, indices, b.add1(Neg(), updates))
    return masked.scatter_nd(b, ScatterND(_REDUCTIONS[reduction]), x, indices, updates)


# ---- by value, and by length ---------------------------------------------------------------------------------------------------
@mapping("TopK", 1, 3, 11)
def top_k(b: Builder, x: Value, k: Value, *, axis: int, mode: Literal["max", "min"], sort: Literal["none", "value", "index"] = "none",
          index_element_type: DType = I32, stable: bool = False) -> Results:
    """The largest or smallest elements along an axis and their positions, in the order of either; equal elements are always in the order of
    their positions. A single element is a reduction."""
    count, along = one_size(b, k, "the number of elements of a TopK"), axis_of(axis, x.rank)
    if count == 1:
        values, positions = (rd.ReduceMax, rd.ArgMax) if mode == "max" else (rd.ReduceMin, rd.ArgMin)
        return b.add1(values((along,), True), x), b.add1(positions(along, True, dtype=index_element_type), x)
    best, where = b.add(TopK(along, count, mode == "max", index_element_type), x)
    if sort != "index":
        return best, where
    ordered, _ = b.add(TopK(along, count, False, index_element_type), where)
    return b.add1(GatherElements(along), x, ordered), ordered


@mapping("ReverseSequence", 1)
def reverse_sequence(b: Builder, x: Value, lengths: Value, *, batch_axis: int = 0, seq_axis: int = 1) -> Results:
    """The first elements of each sequence in the opposite order."""
    return b.add1(ReverseSequence(axis_of(batch_axis, x.rank), axis_of(seq_axis, x.rank)), x, lengths)


@mapping("Bucketize", 3)
def bucketize(b: Builder, x: Value, borders: Value, *, output_type: DType = I64, with_right_bound: bool = True) -> Results:
    """How many of the ascending borders are below each element; without the right bound also those that are equal to it."""
    return _counted_borders(b, x, b.reshape(borders, (*(1,) * x.rank, product(borders.shape))), output_type, equal=not with_right_bound)


@mapping("SearchSorted", 15)
def search_sorted(b: Builder, borders: Value, x: Value, *, right_mode: bool = False, output_type: DType = I64) -> Results:
    """`Bucketize` with a row of borders for each row of elements, or one for all."""
    own = b.reshape(borders, (*(1,) * x.rank, product(borders.shape))) if borders.rank == 1 else b.reshape(
        borders, (*borders.shape[:-1], 1, borders.shape[-1]))
    return _counted_borders(b, x, own, output_type, equal=right_mode)


def _counted_borders(b: Builder, x: Value, borders: Value, dtype: DType, equal: bool) -> Value:
    """For each element, how many along the last axis of `borders` (which has one axis more) are less than it, or `equal` to it."""
    below: Op = LessEqual() if equal else Less()
    common = np.result_type(x.type.dtype, borders.type.dtype)
    elements, borders = (v if v.type.dtype == common else b.add1(Cast(common), v) for v in (b.reshape(x, (*x.shape, 1)), borders))
    found = b.add1(Cast(I32), b.add1(below, borders, elements))
    count = b.add1(rd.ReduceSum((found.rank - 1,), False), found)
    return count if dtype == I32 else b.add1(Cast(dtype), count)


# ---- made of positions ---------------------------------------------------------------------------------------------------------
@mapping("OneHot", 1)
def one_hot_1(b: Builder, indices: Value, depth: Value, on: Value, off: Value, *, axis: int) -> Results:
    """A negative index is none."""
    return one_hot(b, indices, depth, on, off, axis=axis, negative_indices_mode="ignore_negative")


@mapping("OneHot", 16)
def one_hot(b: Builder, indices: Value, depth: Value, on: Value, off: Value, *, axis: int,
            negative_indices_mode: Literal["ignore_negative", "normalize"] = "ignore_negative") -> Results:
    """`on` where the position along a new axis is the index, else `off`; an index that does not exist gives `off` everywhere. "normalize":
    negative indices count from the end."""
    count = one_int(b, depth, "the depth of a one-hot")
    if not 1 <= count <= MAX_CLASSES:
        raise SourceError(f"a one-hot of depth {count}")
    along = axis_of(axis, indices.rank + 1)
    require_rank((*indices.shape, 1))
    column = b.reshape(indices, (*indices.shape[:along], 1, *indices.shape[along:]))
    places = np.arange(count, dtype=np.int64).reshape(-1, *[1] * (indices.rank - along))
    found = b.add1(Equal(), column, b.const(places, indices.type.dtype))
    if negative_indices_mode == "normalize":
        found = b.add1(LogicalOr(), found, b.add1(Equal(), column, b.const(places - count, indices.type.dtype)))
    return b.add1(Where(), found, on, off)


@mapping("Eye", 9)
def eye(b: Builder, rows: Value, columns: Value, diagonal: Value, batch: Value | None = None, *, output_type: DType) -> Results:
    """1 on a diagonal (above the main one where its number is positive), 0 elsewhere; for every position of the batch axes."""
    height, width = (one_int(b, v, "the size of an identity matrix") for v in (rows, columns))
    lead = () if batch is None else b.shape_of(batch, "the batch of an identity matrix")
    if min(height, width) < 0 or height * width > LARGEST_EYE:
        raise SourceError(f"an identity matrix of {height} x {width} elements")
    if any(isinstance(size, int) and size < 0 for size in lead):
        raise SourceError(f"identity matrices for the negative batch {list(lead)}")
    shift = max(min(one_int(b, diagonal, "the diagonal"), width), -height)
    matrix = b.const(np.eye(height, width, shift).astype(output_type))
    return b.add1(Expand((*lead, height, width)), matrix) if lead else matrix


# ---- results whose size depends on the data --------------------------------------------------------------------------------------
@mapping("NonZero", 3)
def nonzero(b: Builder, x: Value, *, output_type: DType = I64) -> Results:
    """The positions of all elements that are not 0, one a column."""
    content = b.content(x)
    return selection.nonzero(b, x, output_type) if content is None else b.const(indexing.nonzero(content, output_type))


@mapping("Unique", 10)
def unique(b: Builder, x: Value, axis: Value | None = None, *, sorted: bool = True, index_element_type: DType = I64,
           count_element_type: DType = I64) -> Results:
    """The different elements (or slices along an axis), where each is first, which one each is, and how many there are."""
    along = None if axis is None else axis_of(one_int(b, axis, "the axis of a unique"), x.rank)
    array = b.content(x)
    if array is None:
        data = b.reshape(x, (product(x.shape),)) if along is None else x
        values, *numbers = uniques.unique(b, data, along or 0, sorted)
        types = (index_element_type, index_element_type, count_element_type)
        return values, *(v if v.type.dtype == dtype else b.add1(Cast(dtype), v) for v, dtype in zip(numbers, types))
    found, first, inverse, counts = indexing.unique(array, along, sorted)
    return b.const(found), b.const(first, index_element_type), b.const(inverse, index_element_type), b.const(counts, count_element_type)
