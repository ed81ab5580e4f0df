"""Gathers and scatters whose indices say something simpler: slices, concatenations, gathers along one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Comparison, Maximum, Minimum, Mul
from nchw2nhwc.ops.elementwise import Cast, Identity
from nchw2nhwc.ops.indexing import Gather, GatherElements, GatherND, Positions, ScatterElements, ScatterND
from nchw2nhwc.ops.movement import Concat, Expand, Reshape, Slice, Tile, Transpose
from nchw2nhwc.ops.selection import Compress
from nchw2nhwc.passes.match import array, op_of, producer, require, static_shape, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

INDEXING = RuleSet()

_COMBINE: dict[str, Op] = {"add": Add(), "mul": Mul(), "max": Maximum(), "min": Minimum()}

_FEW = 3
"""Picks that are no fewer operators when they are joined."""

Span = tuple[int, int]
"""The first position along an axis, and the one behind the last."""


def _from_front(node: Node, sizes: Sequence[int]) -> Positions:
    """The constant indices of a node (operand 1), counted from the front."""
    return np.asarray(array(node.input(1)), np.int64) % np.array(sizes, np.int64)


def _along(node: Node, axis: int) -> Positions:
    """Constant indices, one for every element, that depend on the position along `axis` alone: a row of them, none of them negative."""
    indices = _from_front(node, static_sizes(node.input(0), (axis,)))
    first = indices[tuple(slice(None) if k == axis else slice(1) for k in range(indices.ndim))]
    require(first.size > 0 and bool((indices == first).all()), "the indices of {!r} differ along other axes", node)
    return first.reshape(-1)


def _repeated(node: Node, axis: int) -> Value:
    """What the indices of a node repeat along all axes but `axis`."""
    indices = node.input(1)
    wide = indices.producer
    require(wide is not None and isinstance(wide.op, (Expand, Tile)), "the indices of {!r} are not repeated", node)
    assert wide is not None
    places = wide.input(0)
    others = [k for k in range(places.rank) if k != axis - indices.rank + places.rank]
    require(len(others) < places.rank and all(places.shape[k] == 1 for k in others) and product(places.shape) == indices.shape[axis],
            "the indices of {!r} differ along other axes", node)
    return places


# ---- gathering -------------------------------------------------------------------------------------------------------
@INDEXING.on(GatherElements)
def equal_indices(rw: Rewriter, node: Node, op: GatherElements) -> Value:
    """The same indices at every position of the other axes: a Gather."""
    return rw.add(Gather(op.axis), node.input(0), rw.constant(_along(node, op.axis)))


@INDEXING.on(GatherElements)
def whole_slices(rw: Rewriter, node: Node, op: GatherElements) -> Value:
    """Computed indices that are repeated along all other axes: a Gather."""
    places = _repeated(node, op.axis)
    return rw.add(Gather(op.axis), node.input(0), rw.add(Reshape((node.input(1).shape[op.axis],)), places))


@INDEXING.on(GatherND)
def rows_of_one(rw: Rewriter, node: Node, op: GatherND) -> Value:
    """One index a row, and no batch: a Gather along the first axis."""
    indices = node.input(1)
    require(op.batch_dims == 0 and indices.shape[-1] == 1, "{!r} has batch axes or several indices a row", node)
    return rw.add(Gather(0), node.input(0), rw.add(Reshape(indices.shape[:-1]), indices))


def _elements(value: Value) -> Value:
    """The vector that a value has the elements of, in order."""
    while value.producer is not None and isinstance(value.producer.op, (Reshape, Transpose)):
        before = value.producer.input(0)
        if isinstance(value.producer.op, Transpose) and sum(size != 1 for size in before.shape) > 1:
            break
        value = before
    return value


@INDEXING.on(Gather)
def where_it_holds(rw: Rewriter, node: Node, op: Gather) -> Value:
    """At the positions, of all, where a condition holds: what `Compress` takes."""
    require(node.input(1).rank == 1, "the indices of {!r} have other than one axis", node)
    found = producer(_elements(node.input(1)), Compress)
    places, compress = found.input(0), op_of(found, Compress)
    (size,) = static_sizes(node.input(0), (op.axis,))
    counted = compress.axis == 0 and places.shape[0] == size and bool(np.array_equal(array(places).reshape(-1), np.arange(size)))
    require(counted, "{!r} does not take positions along axis {}", found, op.axis)
    return rw.add(Compress(op.axis, compress.count), node.input(0), found.input(1))


@INDEXING.on(Comparison)
def compared_whole(rw: Rewriter, node: Node, op: Comparison) -> Value:
    """Single places along an axis, more than half of all, each compared with the same number: places of what comparing all gives."""
    first, number = producer(node.input(0), Gather), node.input(1)
    gather, x = op_of(first, Gather), first.input(0)
    require(number.is_const and number.rank == 0, "{!r} compares with other than one number", node)
    (size,) = static_sizes(x, (gather.axis,))
    alike = [user for pick in dict.fromkeys(x.users) if pick.op == gather and _place(pick, size) is not None
             for user in dict.fromkeys(pick.output.users)
             if user.op == op and user.input(0) is pick.output and _equals(user.input(1), number)]
    places = {_place(producer(user.input(0)), size) for user in alike}
    require(node in alike and len(places) * 2 > size > 1, "half of what {!r} compares a place of, or less, is compared", node)
    require(all(map(rw.comes_later, alike)), "another comparison comes before {!r}", node)
    whole = rw.add(op, x, number)
    for user in alike:
        if user is not node:
            rw.replace(user, [rw.add_for(user, gather, whole, producer(user.input(0)).input(1))])
    return rw.add(gather, whole, first.input(1))


def _place(pick: Node, size: int) -> int | None:
    """The constant place that a Gather takes, without its axis, of as many as there are; None for another one."""
    index = pick.input(1).const
    return None if index is None or index.ndim else int(index) % size


def _equals(value: Value, number: Value) -> bool:
    return value.const is not None and value.rank == 0 and bool(value.const == number.const)


@INDEXING.on(Concat)
def picks_of_one(rw: Rewriter, node: Node, op: Concat) -> Value:
    """Picks of what is left of one value where conditions hold, one behind the other: picks of places, then of the value, once."""
    first = _picked(rw, node, 0)
    x, length = first[0], len(node.inputs)
    require(op.axis == 0 and length > _FEW, "{!r} has few operands, or along another axis than the first", node)
    picks = [first, *(_picked(rw, node, k) for k in range(1, length))]
    require(all(data is x for data, _, _ in picks), "{!r} has picks of several values", node)
    (size,) = static_sizes(x, (0,))
    places = rw.constant(np.arange(size, dtype=np.int64)[:, None])
    chosen = [rw.add(Gather(0), rw.add(left.op, places, left.input(1)), indices) for _, left, indices in picks]
    return rw.add(Gather(0), x, rw.add(Reshape((node.output.shape[0],)), rw.add(Concat(0), *chosen)))


def _picked(rw: Rewriter, node: Node, index: int) -> tuple[Value, Node, Value]:
    """Of an operand that picks, along the first axis, from what a condition leaves of a value: that value, the Compress and the indices."""
    pick = producer(node.input(index), Gather)
    left = producer(pick.input(0), Compress)
    require(op_of(pick, Gather).axis == op_of(left, Compress).axis == 0, "{!r} picks along other axes", pick)
    require(pick.input(1).rank == 1 and not left.input(0).is_const, "the indices of {!r} have other than one axis", pick)
    for value in (pick.output, left.output):
        rw.require_single_use(value)
    return left.input(0), left, pick.input(1)


@INDEXING.on(Gather, GatherND)
def narrow_indices(rw: Rewriter, node: Node, op: Gather | GatherND) -> Value:
    """Indices that are cast from int32."""
    narrow = producer(node.input(1), Cast).input(0)
    require(narrow.type.dtype == np.int32 and node.input(1).type.dtype == np.int64, "{!r} are not cast from int32", node.input(1))
    return rw.add(op, node.input(0), narrow)


# ---- scattering ------------------------------------------------------------------------------------------------------
@INDEXING.on(ScatterElements, ScatterND)
def no_updates(rw: Rewriter, node: Node, op: ScatterElements | ScatterND) -> Value:
    """Nothing is changed."""
    require(0 in node.input(2).shape, "{!r} has updates", node)
    return rw.add(Identity(), node.input(0))


@INDEXING.on(ScatterElements)
def equal_places(rw: Rewriter, node: Node, op: ScatterElements) -> Value:
    """The same indices, all in a row, at every position of the other axes: the updates take the place of a slice."""
    require(op.reduction == "none", "{!r} combines elements", node)
    row, data = _along(node, op.axis), node.input(0)
    require(bool((np.diff(row) == 1).all()), "the indices of {!r} are not in a row", node)
    return _replaced(rw, data, node.input(2), {op.axis: (int(row[0]), int(row[-1]) + 1)})


@INDEXING.on(ScatterElements)
def whole_rows(rw: Rewriter, node: Node, op: ScatterElements) -> Value:
    """Computed indices that are repeated along all other axes: whole slices along the first axis are scattered."""
    data, updates = node.input(0), node.input(2)
    require(op.axis == 0 and updates.shape[1:] == data.shape[1:], "{!r} does not scatter whole slices along the first axis", node)
    places = _repeated(node, 0)
    return rw.add(ScatterND(op.reduction), data, rw.add(Reshape((places.shape[0], 1)), places), updates)


@INDEXING.on(ScatterElements)
def repeated_places(rw: Rewriter, node: Node, op: ScatterElements) -> Value:
    """Constant indices that name places repeatedly: as rows of indices into the flattened data, for `last_ones`."""
    data = node.input(0)
    shape = static_shape(data)
    indices = _from_front(node, shape[op.axis:op.axis + 1])
    ordered = np.sort(indices, op.axis)
    require(op.reduction == "none" and bool((np.diff(ordered, axis=op.axis) == 0).any()), "{!r} names no place twice", node)
    where = list(np.indices(indices.shape, sparse=True))
    where[op.axis] = indices
    rows = np.ravel_multi_index(np.broadcast_arrays(*where), shape).reshape(-1, 1)
    flat, updates = (rw.add(Reshape((prod(static_shape(v)),)), v) for v in (data, node.input(2)))
    return rw.add(Reshape(shape), rw.add(ScatterND(), flat, rw.constant(rows), updates))


def _rows(node: Node) -> Positions:
    """The rows of constant indices of a ScatterND, one after the other, none of them negative."""
    depth = array(node.input(1)).shape[-1]
    return _from_front(node, static_sizes(node.input(0), range(depth))).reshape(-1, depth)


def _flat(node: Node, rows: Positions) -> Positions:
    """Rows of indices as positions in row-major order."""
    return np.asarray(np.ravel_multi_index(tuple(rows.T), static_sizes(node.input(0), range(rows.shape[1]))), np.int64)


@INDEXING.on(ScatterND)
def box(rw: Rewriter, node: Node, op: ScatterND) -> Value:
    """Constant rows that name every place of a box, in order: the updates take the place of a slice."""
    require(op.reduction == "none", "{!r} combines elements", node)
    rows, data, updates = _rows(node), node.input(0), node.input(2)
    require(len(rows) > 0, "{!r} has no updates", node)
    first, behind = rows.min(0), rows.max(0) + 1
    shape = tuple(int(s) for s in behind - first)
    require(prod(shape) == len(rows), "the indices of {!r} are no box", node)
    wanted = np.indices(shape).reshape(len(shape), -1).T + first
    require(np.array_equal(rows, wanted), "the indices of {!r} are no box in order", node)
    spans = {k: (int(a), int(b)) for k, (a, b) in enumerate(zip(first, behind))}
    return _replaced(rw, data, rw.add(Reshape((*shape, *data.shape[len(shape):])), updates), spans)


@INDEXING.on(ScatterND)
def last_ones(rw: Rewriter, node: Node, op: ScatterND) -> Value:
    """Constant rows that name a place repeatedly: the last update counts."""
    require(op.reduction == "none", "{!r} combines elements", node)
    rows = _rows(node)
    _, first_from_behind = np.unique(_flat(node, rows)[::-1], return_index=True)
    kept = np.sort(len(rows) - 1 - first_from_behind)
    require(len(kept) < len(rows), "{!r} names no place twice", node)
    updates, depth = node.input(2), rows.shape[1]
    pieces = rw.add(Reshape((len(rows), *node.input(0).shape[depth:])), updates)
    return rw.add(op, node.input(0), rw.constant(rows[kept]), rw.add(Gather(0), pieces, rw.constant(kept)))


@INDEXING.on(ScatterND)
def distinct_places(rw: Rewriter, node: Node, op: ScatterND) -> Value:
    """A reduction at constant places, each named once: what is there is gathered, combined and put back."""
    require(op.reduction != "none", "{!r} does not combine elements", node)
    rows = _rows(node)
    require(len(np.unique(_flat(node, rows))) == len(rows), "{!r} names a place twice", node)
    data, indices, updates = (node.input(k) for k in range(3))
    combined = rw.add(_COMBINE[op.reduction], rw.add(GatherND(), data, indices), updates)
    return rw.add(replace(op, reduction="none"), data, indices, combined)


def _replaced(rw: Rewriter, data: Value, new: Value, spans: dict[int, Span]) -> Value:
    """`data` with `new` in the place of a slice along the axes of `spans`."""
    partial = {axis: span for axis, span in spans.items() if span != (0, data.shape[axis])}
    if not partial:
        return rw.add(Identity(), new)
    (axis, (start, stop)), *rest = partial.items()
    if rest:
        new = _replaced(rw, _part(rw, data, axis, start, stop), new, dict(rest))
    before = [_part(rw, data, axis, 0, start)] if start else []
    behind = [_part(rw, data, axis, stop, None)] if stop != data.shape[axis] else []
    return rw.add(Concat(axis), *before, new, *behind)


def _part(rw: Rewriter, x: Value, axis: int, start: int, stop: int | None) -> Value:
    starts, stops = (tuple(end if k == axis else None for k in range(x.rank)) for end in (start, stop))
    return rw.add(Slice(starts, stops, (1,) * x.rank), x)
