"""Gathering, scattering and ordering in terms of simpler picks, comparisons and reductions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod

import numpy as np

from nchw2nhwc.ir.dim import Shape, Size, is_static, product, size_max
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Equal, Less, Maximum, Minimum, Mod, Mul, Where
from nchw2nhwc.ops.elementwise import BitwiseNot, Cast, Neg
from nchw2nhwc.ops.indexing import Gather, GatherElements, GatherND, ReverseSequence, ScatterElements, ScatterND, TopK
from nchw2nhwc.ops.kinds import integer_range
from nchw2nhwc.ops.movement import Concat, Expand, Reshape
from nchw2nhwc.ops.reduce import Reduce, ReduceMax, ReduceMin, ReduceProd, ReduceSum
from nchw2nhwc.ops.sizes import Sizes
from nchw2nhwc.passes.decompose.sizes import positions
from nchw2nhwc.passes.decompose.slices import reshaped
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import is_float, require, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

LARGEST_COMPARISON = 1 << 26
"""Most pairs of an index and a place that are compared, where nothing better is known."""
INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)


def _as_int64(rw: Rewriter, indices: Value) -> Term:
    """Indices in a type that holds products of sizes."""
    if indices.const is not None:
        return Term(rw, rw.constant(indices.const, INT64))
    return Term(rw, indices if indices.type.dtype == INT64 else rw.add(Cast(INT64), indices))


def row_positions(rw: Rewriter, indices: Value, sizes: Shape) -> Term:
    """Rows of indices into axes of these sizes as positions in row-major order, never negative; the shape is that without the last axis."""
    strides = tuple(product(sizes[k + 1:]) for k in range(len(sizes)))
    if indices.const is not None and is_static(sizes):
        return Term(rw, rw.constant((indices.const.astype(np.int64) % np.array(sizes) * np.array(strides)).sum(-1)))
    wrapped = _as_int64(rw, indices).apply(Mod(), _as_vector(rw, tuple(size_max(size, 1) for size in sizes)))  # nothing is left of 0
    if len(sizes) == 1:
        return wrapped.apply(Reshape(indices.shape[:-1]))
    return wrapped.apply(Mul(), _as_vector(rw, strides)).apply(ReduceSum((indices.rank - 1,), False))


def _as_vector(rw: Rewriter, sizes: Shape) -> Value:
    """Sizes as a vector of int64."""
    return rw.constant(np.array(sizes, np.int64)) if is_static(sizes) else rw.add(Sizes(sizes, INT64))


# ---- gathering ---------------------------------------------------------------------------------------------------------
def _depth(node: Node) -> int:
    """How many axes each row of indices (operand 1) addresses."""
    (depth,) = static_sizes(node.input(1), (node.input(1).rank - 1,))
    return depth


@RULES.on(GatherND)
def picked_rows(rw: Rewriter, node: Node, op: GatherND) -> Value:
    """Gather of rows, with the indexed axes and batch axes of known sizes as one."""
    data, indices, batch = node.input(0), node.input(1), op.batch_dims
    depth = _depth(node)
    where = row_positions(rw, indices, data.shape[batch:batch + depth])
    if batch:
        sizes, lead = static_sizes(data, range(batch, batch + depth)), static_sizes(data, range(batch))
        first = np.arange(prod(lead)).reshape(*lead, *(1,) * (indices.rank - 1 - batch)) * prod(sizes)
        where = where.apply(Add(), rw.constant(first))
    flat = reshaped(rw, data, (product(data.shape[:batch + depth]), *data.shape[batch + depth:]))
    return rw.add(Gather(0), flat, where.value)


@RULES.on(GatherND)
def picked_elements(rw: Rewriter, node: Node, op: GatherND) -> Value:
    """GatherElements of single elements, with all axes behind those of the batch as one; the batch may have any size."""
    data, indices, batch = node.input(0), node.input(1), op.batch_dims
    depth = _depth(node)
    sizes, rest = (static_sizes(data, range(*ends)) for ends in ((batch, batch + depth), (batch + depth, data.rank)))
    count = product(indices.shape[batch:-1])
    lead = data.shape[:batch]
    where = row_positions(rw, indices, sizes).apply(Reshape((*lead, count, 1)))
    elements = (where * prod(rest)).apply(Add(), rw.constant(np.arange(prod(rest)))).apply(Reshape((*lead, count * prod(rest))))
    flat = reshaped(rw, data, (*lead, prod(sizes) * prod(rest)))
    return rw.add(Reshape(node.output.shape), rw.add(GatherElements(batch), flat, elements.value))


@RULES.on(GatherND)
def rows_with_batch(rw: Rewriter, node: Node, op: GatherND) -> Value:
    """Of sizes that are open: every row of indices begins with its own position in the axes of the batch."""
    data, indices = node.input(0), node.input(1)
    require(op.batch_dims > 0, "{!r} has no axes of a batch", node)
    lead = _along_each(rw, indices.shape[:-1], range(op.batch_dims))
    rows = rw.add(Concat(indices.rank - 1), *lead, _as_int32(rw, indices))
    return rw.add(GatherND(0), data, rows)


def _as_int32(rw: Rewriter, indices: Value) -> Value:
    return indices if indices.type.dtype == INT32 else rw.add(Cast(INT32), indices)


def _along_each(rw: Rewriter, shape: Shape, axes: Iterable[int]) -> list[Value]:
    """Of every element of a tensor of this shape its position along each of the axes, as int32, with an axis of one element behind."""
    found = []
    for axis in axes:
        places = positions(rw, shape[axis]).apply(Reshape(tuple(s if k == axis else 1 for k, s in enumerate(shape)) + (1,)))
        found.append(places.apply(Expand((*shape, 1))).value)
    return found


def _element_rows(rw: Rewriter, indices: Value, axis: int) -> Value:
    """What single elements along an axis are indexed by, as rows of indices into all axes."""
    rank = indices.rank
    columns = _along_each(rw, indices.shape, (k for k in range(rank) if k != axis))
    columns.insert(axis, reshaped(rw, _as_int32(rw, indices), (*indices.shape, 1)))
    return rw.add(Concat(rank), *columns) if rank > 1 else columns[0]


# ---- scattering --------------------------------------------------------------------------------------------------------
@RULES.on(ScatterND)
def combined_rows(rw: Rewriter, node: Node, op: ScatterND) -> Value:
    """The indexed axes as one, as kernels that combine what goes to one place want them."""
    require(op.reduction not in ("none", "add"), "{!r} is no reduction by 'mul', 'max' or 'min'", node)
    data, indices, updates = (node.input(k) for k in range(3))
    depth = _depth(node)
    require(depth > 1, "{!r} indexes one axis", node)
    where = row_positions(rw, indices, data.shape[:depth]).apply(Reshape((*indices.shape[:-1], 1))).value
    flat = reshaped(rw, data, (product(data.shape[:depth]), *data.shape[depth:]))
    return rw.add(Reshape(data.shape), rw.add(op, flat, where, updates))


@RULES.on(ScatterND)
def scattered_elements(rw: Rewriter, node: Node, op: ScatterND) -> Value:
    """ScatterElements along the indexed axes as one."""
    data, indices, updates = (node.input(k) for k in range(3))
    depth = _depth(node)
    sizes = static_sizes(data, range(depth))
    count, rest = product(indices.shape[:-1]), data.shape[depth:]
    where = row_positions(rw, indices, sizes).apply(Reshape((count, *(1,) * len(rest)))).value
    wide = where if not rest else rw.add(Expand((count, *rest)), where)
    flat, pieces = reshaped(rw, data, (prod(sizes), *rest)), reshaped(rw, updates, (count, *rest))
    return rw.add(Reshape(data.shape), rw.add(ScatterElements(0, op.reduction), flat, wide, pieces))


@RULES.on(ScatterElements)
def compared_positions(rw: Rewriter, node: Node, op: ScatterElements) -> Value:
    """Every index is compared with every place along the axis; what is meant for one place is reduced. Exact for any indices: of several
    updates the last one counts if there is no reduction."""
    data, indices, updates, axis = node.input(0), node.input(1), node.input(2), op.axis
    (size,), count, rank = static_sizes(data, (axis,)), indices.shape[axis], data.rank
    known = prod(s for k, s in enumerate((*data.shape, count)) if k != axis and isinstance(s, int))
    require(size * known <= LARGEST_COMPARISON, "{!r} would compare {} pairs", node, size * known)
    apart = (*indices.shape[:axis + 1], 1, *indices.shape[axis + 1:])
    places = rw.constant(np.arange(size).reshape(size, *(1,) * (rank - axis - 1)))
    wrapped = _as_int64(rw, indices).apply(Mod(), rw.constant(np.asarray(size, np.int64)))
    meant = wrapped.apply(Reshape(apart)).apply(Equal(), places)
    if op.reduction == "none":
        order = positions(rw, count).cast(INT64).apply(Reshape((count, *(1,) * (rank - axis)))).value
        last = meant.apply(Where(), order, rw.constant(np.asarray(-1, np.int64))).apply(ReduceMax((axis,), False))
        chosen = rw.add(GatherElements(axis), updates, last.at_least(0).value)
        return (last >= 0).choose(chosen, data).value
    combine, reduction, neutral = _combination(op.reduction, data)
    offered = meant.apply(Where(), reshaped(rw, updates, apart), rw.scalar(neutral, data))
    return rw.add(combine, data, offered.apply(reduction((axis,), False)).value)


@RULES.on(ScatterElements)
def scattered_rows(rw: Rewriter, node: Node, op: ScatterElements) -> Value:
    """ScatterND of single elements, where sizes are open."""
    data, indices, updates = (node.input(k) for k in range(3))
    require(not all(v.type.is_static for v in (data, indices)), "{!r} has known sizes", node)
    require(is_float(data) or data.type.dtype in (INT32, INT64), "{!r} is of {}", node, data.type.dtype.name)
    return rw.add(ScatterND(op.reduction), data, _element_rows(rw, indices, op.axis), updates)


def _combination(reduction: str, data: Value) -> tuple[Op, type[Reduce], float]:
    """The op for two elements, the reduction for many, and the element that changes nothing."""
    low, high = (-np.inf, np.inf) if is_float(data) else integer_range(data.type.dtype)
    found: dict[str, tuple[Op, type[Reduce], float]] = {
        "add": (Add(), ReduceSum, 0), "mul": (Mul(), ReduceProd, 1), "max": (Maximum(), ReduceMax, low),
        "min": (Minimum(), ReduceMin, high)}
    return found[reduction]


# ---- by value, and by length -------------------------------------------------------------------------------------------
@RULES.on(TopK)
def smallest(rw: Rewriter, node: Node, op: TopK) -> tuple[Value, Value]:
    """The largest in the opposite order: of floats by their negative, of integers by all bits inverted, which cannot overflow."""
    require(not op.largest, "{!r} finds the largest", node)
    x = node.input(0)
    mirror = Neg() if is_float(x) else BitwiseNot()
    values, positions = rw.add_all(TopK(op.axis, op.k, True, op.dtype), rw.add(mirror, x))
    return rw.add(mirror, values), positions


@RULES.on(ReverseSequence)
def reversed_positions(rw: Rewriter, node: Node, op: ReverseSequence) -> Value:
    """GatherElements at the positions n - 1 - t before the length n, at t behind it."""
    x, lengths = node.input(0), node.input(1)
    steps = x.shape[op.time_axis]
    along = tuple(steps if k == op.time_axis else 1 for k in range(x.rank))
    time = positions(rw, steps).apply(Reshape(along)).cast(INT64)
    per_batch: tuple[Size, ...] = tuple(s if k == op.batch_axis else 1 for k, s in enumerate(x.shape))
    length = _as_int64(rw, lengths).apply(Reshape(per_batch))
    where = time.apply(Less(), length).choose(length - 1 - time, time)
    return rw.add(GatherElements(op.time_axis), x, where.apply(Expand(x.shape)).value)


@RULES.on(TopK)
def position_type(rw: Rewriter, node: Node, op: TopK) -> tuple[Value, ...]:
    """The positions as int32, cast to the type asked for. Both are the source's, whichever of them is left."""
    require(op.dtype != INT32, "{!r} gives int32", node)
    best, positions = rw.add_all(replace(op, dtype=INT32), node.input(0))
    positions.origin = node.outputs[1].origin
    return best, rw.add(Cast(op.dtype), positions)
