"""Rows and matrices that several ops hand on: one way to count them for all, so that no RESHAPE stands between.

Layout leaves each op the axes that suit its own operands. What surrounds it (a split into queries, keys and values, masks and biases per
head or per window, a window that slides over an image) wants other axes for the same batch. Each region takes those with which the fewest
RESHAPEs are left in it and around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from nchw2nhwc.emit.tflite.model import DELEGATE_RANK
from nchw2nhwc.emit.tflite.regions import MATRICES, ROWS, Batch, Region, regions, shape_of, source_of
from nchw2nhwc.emit.tflite.rules_moves import takes_axes_before, takes_axes_behind
from nchw2nhwc.ir import Graph, Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Concat, Reshape, Split, Transpose
from nchw2nhwc.ops.reduce import Reduce, Softmax
from nchw2nhwc.passes import Pass

PASS = "choose_batches"


def _choices(region: Region) -> list[Batch]:
    """The batches that something in a region or around it has, of few enough axes, and rows that are counted by one."""
    found: dict[Batch | None, None] = {}
    for value in region.made.values():
        found[region.batch(value)] = None
        if region.kept == ROWS:
            found[(prod(region.batch(value)),)] = None
        found.update({region.cut(value, view.output): None for view in region.views(value)})
    for value, node in region.entering():
        for whole in (value, source_of(value)):
            if whole is not None:
                found[region.part(node, region.cut(value, whole))] = None
    return [batch for batch in found if batch is not None and 0 < len(batch) <= DELEGATE_RANK - region.kept]


def _reshapes_now(region: Region) -> int:
    """The RESHAPEs in a region and on its border, without those that become part of a Transpose."""
    inside = sum(isinstance(node.op, Reshape) for node in region.nodes)
    before = sum(source_of(value) is not None and not _made_so(region, value, shape_of(value))
                 and not _counted_by_layers(region, value, region.batch(value)) for value, _ in region.entering())
    views = [(view, value) for value in region.leaving() for view in region.views(value)]
    return inside + before + sum(not _moved_so(region, view, shape_of(value)) for view, value in views)


def _reshapes_with(region: Region, batch: Batch) -> int | None:
    """The RESHAPEs that are left with a batch; None where something does not allow it."""
    count = 0
    if region.constants(batch) is None:
        return None
    for value, node in region.entering():
        whole = region.whole(node, batch)
        if whole is None:
            return None
        source, wanted = source_of(value), (*whole, *region.matrix(value))
        stays = source is not None and region.is_read(value)
        there = {v.shape for v in (source, value if stays or source is None else None) if v is not None}
        count += stays + (wanted not in there and (stays or not _made_so(region, value, wanted))
                          and not _counted_by_layers(region, value, batch))
    for value in region.leaving():
        shape, views = (*batch, *region.matrix(value)), region.views(value)
        count += sum(view.output.shape != shape and not _moved_so(region, view, shape) for view in views)
        others = [user for user in value.users if user not in region.inside and user not in views]
        count += value.shape != shape and (region.graph.is_output(value) or any(not _moves(region, user, shape) for user in others))
    return count


def _made_so(region: Region, value: Value, wanted: Sequence[int]) -> bool:
    """Whether the Transpose that a value is a view of makes it in another shape as well."""
    source = source_of(value)
    move = source.producer if source is not None else None
    return (source is not None and move is not None and isinstance(move.op, Transpose) and len(source.users) == 1
            and not region.graph.is_output(source) and takes_axes_behind(move, tuple(wanted)))


def _counted_by_layers(region: Region, value: Value, batch: Batch) -> bool:
    """Whether layers that count their rows themselves are all that reads a value, so that it may be any view of these rows."""
    source = source_of(value) or value
    return (region.kept == len(batch) == 1 and not region.is_read(value) and source.rank <= DELEGATE_RANK
            and all(isinstance(user.op, FullyConnected) for user in value.users))


def _moved_so(region: Region, view: Node, shape: Sequence[int]) -> bool:
    """Whether the Transpose that reads a view takes another shape as well."""
    users = view.output.users
    return len(users) == 1 and not region.graph.is_output(view.output) and _moves(region, users[0], shape)


def _moves(region: Region, node: Node, shape: Sequence[int]) -> bool:
    """Whether a node is a Transpose that takes a finer shape than that of its operand as well."""
    return isinstance(node.op, Transpose) and takes_axes_before(region.graph, node, tuple(shape))


def _with_batch(op: Op, node: Node, region: Region, batch: Batch) -> Op:
    """The op of a node on what has this batch."""
    last = len(batch) + region.kept - 1
    if isinstance(op, Softmax):
        return Softmax(last)
    if isinstance(op, Reduce):
        return replace(op, axes=(last,))
    if isinstance(op, FullyConnected):
        return replace(op, keep_num_dims=True)
    if isinstance(op, Split) and region.splits(node):
        axis = region.axis(node, batch)
        assert axis is not None, "a batch that suits the parts"
        return Split(axis, (batch[axis],) * len(op.sizes))
    return replace(op, axis=last) if isinstance(op, (Concat, Split)) else op


def _rebuild(region: Region, batch: Batch) -> None:
    """Compute a region with a batch."""
    graph, constants = region.graph, region.constants(batch)
    assert constants is not None, "constants that suit the batch"
    made: dict[tuple[int, Node | None], Value] = {}
    for value, node in region.entering():
        whole = region.whole(node, batch)
        assert whole is not None, "a whole that suits the batch"
        made[region.key(value, node)] = _viewed(graph, value, (*whole, *region.matrix(value)), node)
    for node in region.nodes:
        if isinstance(node.op, Reshape):
            made[id(node.output), None] = made[region.key(node.input(0), node)]
            continue
        read = [v if v is None else made[region.key(v, node)] if v.const is None else graph.constant(constants[node, k], v.name)
                if (node, k) in constants else v for k, v in enumerate(node.inputs)]
        results = graph.add(_with_batch(node.op, node, region, batch), read, origin=node.origin.through(PASS), before=node)
        for old, new in zip(node.outputs, results):
            made[id(old), None] = new
            old.name, new.name, new.origin = new.name, old.name, old.origin  # the old value goes, so its name can live on
    for value in region.leaving():
        assert value.producer is not None
        graph.replace_uses(value, _viewed(graph, made[id(value), None], shape_of(value), value.producer))


def _viewed(graph: Graph, value: Value, shape: Sequence[int], node: Node) -> Value:
    """A value in a shape, in front of a node."""
    if value.shape == tuple(shape):
        return value
    return graph.add1(Reshape(tuple(shape)), (value,), origin=node.origin.through(PASS), before=node)


def _choose(graph: Graph) -> int:
    count = 0
    for kept in (MATRICES, ROWS):
        for region in regions(graph, kept):
            now = _reshapes_now(region)
            left = {batch: number for batch in _choices(region) if (number := _reshapes_with(region, batch)) is not None} if now else {}
            best = min(left, key=lambda batch: (left[batch], len(batch)), default=None)
            if best is not None and left[best] < now:
                _rebuild(region, best)
                count += 1
        graph.prune()
    return count


CHOOSE_BATCHES = Pass(PASS, _choose)
"""Ops on rows and products of matrices count these in the way that leaves the fewest RESHAPEs."""
