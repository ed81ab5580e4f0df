"""Reshapes move down, to where they merge with others: what layout leaves where ops want the same data with other axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.emit.tflite.model import DELEGATE_RANK
from nchw2nhwc.ir import Node, Shape, Value, is_static, product
from nchw2nhwc.ops.binary import Binary
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Reshape, Slice, Split
from nchw2nhwc.ops.reduce import LogSoftmax, ReduceMean, Softmax
from nchw2nhwc.passes.match import array, constant_operand, op_of, producer, require
from nchw2nhwc.passes.rank import runs_of
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

VIEWS = RuleSet()


@VIEWS.on(Softmax, LogSoftmax)
def softmax_of_a_view(rw: Rewriter, node: Node, op: Softmax | LogSoftmax) -> Value:
    """A softmax along the last axis, of a Reshape that leaves that axis alone."""
    view = producer(node.input(0), Reshape)
    source = view.input(0)
    rw.require_single_use(view.output)
    require(op.axis == view.output.rank - 1, "{!r} is not along the last axis", node)
    require(source.rank > 0 and source.shape[-1] == view.output.shape[-1], "{!r} changes the last axis", view)
    require(source.rank <= max(DELEGATE_RANK, view.output.rank), "{!r} has more axes than delegates take", source)
    return rw.add(Reshape(node.output.shape), rw.add(type(op)(source.rank - 1), source))


def seen(rw: Rewriter, value: Value, shape: Shape) -> Value:
    """A value in another shape; of a constant there is another one."""
    if value.const is None:
        return rw.add(Reshape(shape), value)
    return rw.constant(value.const.reshape([int(s) for s in shape if isinstance(s, int)]))


def _rows(value: Value) -> Value:
    """What a value of more axes than delegates take is a view of, with its rows grouped otherwise."""
    source = producer(value, Reshape).input(0)
    require(value.rank > DELEGATE_RANK >= source.rank > 0, "{!r} is no view of fewer axes", value)
    require(source.shape[-1] == value.shape[-1], "{!r} has another last axis", value)
    return source


@VIEWS.on(Unary, FullyConnected, ReduceMean)
def of_rows(rw: Rewriter, node: Node, op: Unary | FullyConnected | ReduceMean) -> Value:
    """What treats rows alike takes them with few axes."""
    source, last = _rows(node.input(0)), node.input(0).rank - 1
    if isinstance(op, ReduceMean):
        require(op.axes == (last,) and op.keepdims, "{!r} does more than take the mean of rows", node)
    elif isinstance(op, FullyConnected):
        require(op.keep_num_dims, "{!r} regroups rows itself", node)
    new = replace(op, axes=(source.rank - 1,)) if isinstance(op, ReduceMean) else op
    return rw.add(Reshape(node.output.shape), rw.add(new, source, *node.inputs[1:]))


@VIEWS.on(Binary)
def of_two_rows(rw: Rewriter, node: Node, op: Binary) -> Value:
    """Arithmetic of two values with the same rows, or of one and a constant that is the same for all rows."""
    a, b = node.input(0), node.input(1)
    if a.is_const or b.is_const:
        x, constant = constant_operand(node)
        source = _rows(x)
        require(set(constant.shape[:-1]) <= {1} and constant.rank <= x.rank, "{!r} is not the same for all rows", constant)
        vector = seen(rw, constant, constant.shape[-1:])
        return rw.add(Reshape(node.output.shape), rw.add(op, *((source, vector) if x is a else (vector, source))))
    require(a.shape[:-1] == b.shape[:-1], "{!r} repeats rows", node)
    source, other = _rows(a), _rows(b)
    other = rw.add(Reshape((*source.shape[:-1], other.shape[-1])), other)
    return rw.add(Reshape(node.output.shape), rw.add(op, source, other))


@VIEWS.on(MatMul)
def product_of_views(rw: Rewriter, node: Node, op: MatMul) -> Value:
    """A product of two Reshapes that only drop leading axes of size 1."""
    sources = []
    for k in range(2):
        view = producer(node.input(k), Reshape)
        rw.require_single_use(view.output)
        sources.append(view.input(0))
        require(view.input(0).shape == (1, *view.output.shape), "{!r} does more than drop a leading axis of size 1", view)
    require(sources[0].rank <= DELEGATE_RANK, "{!r} has more axes", sources[0])
    return rw.add(Reshape(node.output.shape), rw.add(op, *sources))


@VIEWS.on(Binary)
def arithmetic_of_few_axes(rw: Rewriter, node: Node, op: Binary) -> Value:
    """Arithmetic of views and constants of more axes than delegates take: neighbours that all operands have, or repeat, are merged, but for
    the last two axes, which products of matrices keep apart."""
    rank = node.output.rank
    require(rank > DELEGATE_RANK, "{!r} has few enough axes", node)
    operands = [node.input(0), node.input(1)]
    require(any(not v.is_const for v in operands), "{!r} is constant", node)
    for view in (v for v in operands if not v.is_const):
        producer(view, Reshape)
        rw.require_single_use(view)
    require(any(v.is_const for v in operands), "{!r} has two views, which need not come from the same axes", node)
    shapes = [(1,) * (rank - v.rank) + v.shape for v in operands]
    there = [k for k in range(rank - 2) if node.output.shape[k] != 1]
    lead = runs_of(there, lambda k: tuple(shape[there[k]] == node.output.shape[there[k]] for shape in shapes))
    runs = [*([there[k] for k in run] for run in lead), [rank - 2], [rank - 1]]
    require(len(runs) < rank, "no axes of {!r} can be merged", node)
    merged = [seen(rw, v, tuple(product(shape[k] for k in run) for run in runs)) for v, shape in zip(operands, shapes)]
    return rw.add(Reshape(node.output.shape), rw.add(op, *merged))


@VIEWS.on(Reshape)
def rows_of_few_axes(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """A view of a fully connected layer that has more axes than delegates take: the layer takes the shape of the view."""
    layer = producer(node.input(0), FullyConnected)
    dense, x, rows = op_of(layer, FullyConnected), layer.input(0), layer.output
    require(not dense.keep_num_dims and x.rank > DELEGATE_RANK, "{!r} has few enough axes", layer)
    require(node.output.rank <= DELEGATE_RANK and node.output.shape[-1] == rows.shape[-1], "the columns of {!r} are not last", node)
    rw.require_single_use(rows)
    wide = rw.add_for(layer, Reshape((*node.output.shape[:-1], layer.input(1).shape[1])), x)
    return rw.add_for(layer, FullyConnected(True, dense.activation), wide, *layer.inputs[1:])


@VIEWS.on(Reshape)
def rows_alone(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """A fully connected layer whose result is only seen as rows: it makes rows."""
    layer = producer(node.input(0), FullyConnected)
    dense, rows = op_of(layer, FullyConnected), layer.output
    require(dense.keep_num_dims and rows.rank > 2 and node.output.shape == (product(rows.shape[:-1]), rows.shape[-1]),
            "{!r} is no view of rows", node)
    rw.require_single_use(rows)
    return rw.add_for(layer, FullyConnected(False, dense.activation), *layer.inputs)


@VIEWS.on(Reshape)
def split_of_views(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """Parts that are all seen in another shape, in which they are still parts along one axis: the whole takes that shape."""
    parts = producer(node.input(0), Split)
    views = [_only_view(rw, value) for value in parts.outputs]
    require(all(view is node or rw.comes_later(view) for view in views), "another view of {!r} comes before {!r}", parts, node)
    split, x, shapes = op_of(parts, Split), parts.input(0), [view.output.shape for view in views]
    require(len(op.shape) <= max(DELEGATE_RANK, x.rank), "{!r} has more axes than delegates take", node)
    axis, sizes = _axis_of_parts(split, x, shapes)
    whole = rw.add_for(parts, Reshape((*op.shape[:axis], sum(sizes), *op.shape[axis + 1:])), x)
    made = rw.add_all(Split(axis, sizes), whole)
    for view, part in zip(views, made):
        if view is not node:
            rw.replace(view, [part])
    return made[views.index(node)]


def _only_view(rw: Rewriter, value: Value) -> Node:
    """The Reshape that alone reads a value."""
    rw.require_single_use(value)
    (user,) = value.users
    require(isinstance(user.op, Reshape), "{!r} is not only seen in another shape", value)
    return user


def _axis_of_parts(split: Split, x: Value, shapes: Sequence[Shape]) -> tuple[int, tuple[int, ...]]:
    """The axis along which parts of these shapes, one behind the other, are what `split` makes of `x`, and their sizes along it."""
    require(is_static(x.shape) and len({len(shape) for shape in shapes}) == 1, "{!r} has sizes that are not known, or other views", x)
    before = product(x.shape[:split.axis])
    for axis in range(len(shapes[0])):
        around = {(shape[:axis], shape[axis + 1:]) for shape in shapes}
        if len(around) == 1 and product(shapes[0][:axis]) == before:
            return axis, tuple(size for shape in shapes if isinstance(size := shape[axis], int))
    raise Mismatch("the parts of {!r} are no parts in another shape", x)


@VIEWS.on(Split)
def parts_mostly_seen_alike(rw: Rewriter, node: Node, op: Split) -> list[Value]:
    """Equal parts that most of what reads them sees in one shape: the whole takes that shape, and what reads them otherwise a view."""
    x, views = node.input(0), [_views(value) for value in node.outputs]
    require(len(set(op.sizes)) == 1 and not any(map(rw.graph.is_output, node.outputs)), "{!r} has unequal parts, or is read outside", node)
    seen_as = [view.output.shape for part in views for view in part]
    shape = max(dict.fromkeys(seen_as), key=seen_as.count, default=())
    whole = x.producer
    before = len(seen_as) + (whole is not None and isinstance(whole.op, Reshape) and rw.single_use(x))
    after = 1 + sum(each != shape for each in seen_as) + sum(len(part) < len(value.users) for part, value in zip(views, node.outputs))
    require(after < before, "no shape leaves fewer Reshapes of the parts of {!r}", node)
    require(len(shape) <= max(DELEGATE_RANK, x.rank), "{!r} has more axes than delegates take", node)
    axis, sizes = _axis_of_parts(op, x, [shape] * len(views))
    parts = rw.add_all(Split(axis, sizes), rw.add(Reshape((*shape[:axis], sum(sizes), *shape[axis + 1:])), x))
    results = []
    for value, part, seen_so in zip(node.outputs, parts, views):
        for view in seen_so:  # never a view of a view, which would count as one that can go
            rw.replace(view, [part if view.output.shape == shape else rw.add(Reshape(view.output.shape), part)])
        results.append(rw.add(Reshape(value.shape), part) if value.users else value)
    return results


def _views(value: Value) -> list[Node]:
    """The Reshapes that read a value."""
    return [user for user in value.users if isinstance(user.op, Reshape)]


@VIEWS.on(Slice)
def slice_of_a_view(rw: Rewriter, node: Node, op: Slice) -> Value:
    """A Slice along an axis that a Reshape before it leaves alone."""
    view = producer(node.input(0), Reshape)
    source, special = view.input(0), op.special_axes()
    rw.require_single_use(view.output)
    require(len(special) == 1 and is_static(source.shape), "{!r} slices several axes, or sizes are not known", node)
    require(source.rank <= max(DELEGATE_RANK, view.output.rank), "{!r} has more axes than delegates take", source)
    (axis,) = special
    shape, before = view.output.shape, product(view.output.shape[:axis])
    place = next((k for k, size in enumerate(source.shape) if size == shape[axis] and product(source.shape[:k]) == before), None)
    if place is None:
        raise Mismatch("{!r} divides or joins axis {}", view, axis)
    starts, stops = (tuple(given[axis] if k == place else None for k in range(source.rank)) for given in (op.starts, op.stops))
    moved = Slice(starts, stops, tuple(op.steps[axis] if k == place else 1 for k in range(source.rank)))
    return rw.add(Reshape(node.output.shape), rw.add_for(node, moved, source))


@VIEWS.on(Gather)
def picks_of_all(rw: Rewriter, node: Node, op: Gather) -> Value:
    """Every element along an axis picked by a Gather of its own, as queries, keys and values are: one Split."""
    x, size = node.input(0), node.input(0).shape[op.axis]
    picks = [user for user in x.users if user is not node]
    require(len(x.users) == size and not rw.graph.is_output(x), "not every part of {!r} is picked once", x)
    require(all(user.op == op and user.input(0) is x and rw.comes_later(user) for user in picks), "{!r} is read otherwise", x)
    places: dict[int, Node] = {}
    for user in (node, *picks):
        index = array(user.input(1))
        require(index.shape == (), "{!r} picks several", user)
        places[int(index) % len(x.users)] = user
    require(len(places) == size, "not every part of {!r} is picked", x)
    axis = op.axis
    if x.rank > KERNELS["SPLIT"].rank:
        x, axis = rw.add(Reshape((product(x.shape[:axis]), size, product(x.shape[axis + 1:]))), x), 1
    parts = rw.add_all(Split(axis, (1,) * len(places)), x)
    for place, user in places.items():
        if user is not node:
            rw.replace(user, [_dropped(rw, parts[place], user.output.shape)])
    return _dropped(rw, parts[next(place for place, user in places.items() if user is node)], node.output.shape)


def _dropped(rw: Rewriter, part: Value, shape: Shape) -> Value:
    return rw.add(Reshape(shape), part)
