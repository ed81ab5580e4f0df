"""What the mappings of both sources make of ops that pick elements by index, where the sources allow more than the ops of the catalogue."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops.indexing import GatherElements, GatherND, ScatterElements, ScatterND
from nchw2nhwc.ops.movement import Concat, Slice
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import INT64, Formula


def gather_elements(b: Builder, data: Value, indices: Value, axis: int) -> Value:
    """GatherElements; along the other axes there may be fewer indices than elements, which then come first."""
    for k in range(min(data.rank, indices.rank)):
        if k != axis and data.shape[k] != indices.shape[k]:
            count = indices.shape[k]
            data = _part(b, data, k, 0, count) if isinstance(count, int) else dynamic.taken(b, data, dynamic.positions(b, count), k)
    return b.add1(GatherElements(axis), data, indices)


def scatter_elements(b: Builder, op: ScatterElements, data: Value, indices: Value, updates: Value) -> Value:
    """ScatterElements; along the other axes there may be fewer indices than elements: those behind them stay. Raises ShapeError."""
    axis = next((k for k in range(min(data.rank, indices.rank)) if k != op.axis and data.shape[k] != indices.shape[k]), None)
    if axis is None:
        return b.add1(op, data, indices, updates)
    count, size = (v.shape[axis] for v in (indices, data))
    if not isinstance(count, int) or not isinstance(size, int):
        return _scattered_rows(b, op, data, indices, updates)
    if count > size:
        raise ShapeError(f"there are more indices than elements along axis {axis}: {indices.type} for {data.type}")
    changed = scatter_elements(b, op, _part(b, data, axis, 0, count), indices, updates)
    return b.add1(Concat(axis), changed, _part(b, data, axis, count, size))


def _scattered_rows(b: Builder, op: ScatterElements, data: Value, indices: Value, updates: Value) -> Value:
    """The same where sizes are open: ScatterND of single elements, of each of which all positions are said."""
    columns = []
    for axis, size in enumerate(indices.shape):
        if axis == op.axis:
            column = Formula(b, indices).cast(INT64)
        else:
            column = dynamic.positions(b, size).reshape(*(size if k == axis else 1 for k in range(indices.rank))).expand(*indices.shape)
        columns.append(column.reshape(*indices.shape, 1).value)
    return b.add1(ScatterND(op.reduction), data, b.add1(Concat(indices.rank), *columns), updates)


def _part(b: Builder, x: Value, axis: int, start: int, stop: int) -> Value:
    axes = range(x.rank)
    starts, stops = (tuple(end if k == axis else None for k in axes) for end in (start, stop))
    return b.add1(Slice(starts, stops, (1,) * x.rank), x)


def batched_gather(b: Builder, data: Value, indices: Value, axis: int, batch_dims: int) -> Value:
    """Gather along `axis`, whose first `batch_dims` axes belong to `data` and `indices` alike: GatherND of rows of one index each."""
    if axis < batch_dims:
        raise ShapeError(f"axis {axis} is one of the {batch_dims} batch axes")
    between = range(batch_dims, axis)
    order = (*range(batch_dims), axis, *between, *range(axis + 1, data.rank))
    rows = b.reshape(indices, (*indices.shape, 1))
    found = b.add1(GatherND(batch_dims), b.transpose(data, order), rows)
    # found: batch, indices, between, behind; the axes of the indices belong behind those in between.
    given, first = range(batch_dims, indices.rank), indices.rank
    behind = range(first + len(between), found.rank)
    return b.transpose(found, (*range(batch_dims), *range(first, first + len(between)), *given, *behind))


def nonzero(x: Array, dtype: DType) -> Array:
    """The positions of all elements that are not 0, one a column."""
    return np.asarray(np.stack(np.nonzero(np.atleast_1d(x))), dtype)


def unique(x: Array, axis: int | None, sort: bool) -> tuple[Array, Array, Array, Array]:
    """The different elements (or slices along `axis`), where each is first, which one each element is, and how many there are of each.

    In ascending order, or in that of their first occurrence."""
    found, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=axis)
    inverse = inverse.reshape(-1)
    if not sort:
        order = np.argsort(first)
        rank = np.argsort(order)
        found, first, inverse, counts = np.take(found, order, axis or 0), first[order], rank[inverse], counts[order]
    return found, first, inverse, counts
