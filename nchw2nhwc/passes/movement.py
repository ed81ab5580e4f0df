"""Data movement that moves nothing, or that can be said in one op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from nchw2nhwc.ir.dim import Dim, Size, is_static
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Tile, Transpose
from nchw2nhwc.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool
from nchw2nhwc.ops.reduce import ArgReduce, Reduce, ReduceMax, ReduceMean
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.identities import pass_through
from nchw2nhwc.passes.match import array, is_float, op_of, producer, require, static_shape, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

MOVEMENT = RuleSet()


@MOVEMENT.on(Reshape, Expand, Tile, Pad)
def same_shape(rw: Rewriter, node: Node, op: Reshape | Expand | Tile | Pad) -> Value:
    """Reshape, Expand, Tile and Pad that leave the shape as it is."""
    return pass_through(rw, node, node.input(0))


@MOVEMENT.on(Reshape)
def reshape_of_reshape(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """The first of two Reshapes."""
    return rw.add(op, producer(node.input(0), Reshape).input(0))


@MOVEMENT.on(Transpose)
def drop_transpose(rw: Rewriter, node: Node, op: Transpose) -> Value:
    """A Transpose that keeps the order."""
    require(all(k == axis for k, axis in enumerate(op.perm)), "{!r} changes the order", node)
    return pass_through(rw, node, node.input(0))


@MOVEMENT.on(Transpose)
def transpose_of_transpose(rw: Rewriter, node: Node, op: Transpose) -> Value:
    """Two Transposes."""
    first = producer(node.input(0), Transpose)
    inner = op_of(first, Transpose).perm
    return rw.add(Transpose(tuple(inner[k] for k in op.perm)), first.input(0))


@MOVEMENT.on(Slice)
def whole_slice(rw: Rewriter, node: Node, op: Slice) -> Value:
    """A Slice that takes everything, in order."""
    require(all(step == 1 or size == 1 for step, size in zip(op.steps, node.output.shape)), "{!r} skips or reverses", node)
    return pass_through(rw, node, node.input(0))


@MOVEMENT.on(Slice)
def reversed_twice(rw: Rewriter, node: Node, op: Slice) -> Value:
    """Everything, in reversed order along some axes, twice."""
    first = producer(node.input(0), Slice)
    require(first.op == op and all(part is None for part in (*op.starts, *op.stops)), "{!r} does not undo {!r}", node, first)
    require(all(step in (1, -1) for step in op.steps), "{!r} skips elements", node)
    return pass_through(rw, node, first.input(0))


@MOVEMENT.on(Concat)
def trivial_concat(rw: Rewriter, node: Node, op: Concat) -> Value:
    """A Concat of one operand, or with empty ones."""
    filled = [v for v in map(node.input, range(len(node.inputs))) if v.shape[op.axis] != 0]
    if len(filled) == 1:
        return pass_through(rw, node, filled[0])
    require(0 < len(filled) < len(node.inputs), "{!r} has no empty operand", node)
    return rw.add(op, *filled)


@MOVEMENT.on(Concat)
def nested_concat(rw: Rewriter, node: Node, op: Concat) -> Value:
    """A Concat of Concats along the same axis that nobody else reads."""
    flat: list[Value] = []
    for k in range(len(node.inputs)):
        value = node.input(k)
        inner = value.producer
        if inner is not None and inner.op == op and rw.single_use(value):
            flat += map(inner.input, range(len(inner.inputs)))
        else:
            flat.append(value)
    require(len(flat) != len(node.inputs), "{!r} reads no Concat of its own", node)
    return rw.add(op, *flat)


@MOVEMENT.on(Split)
def trivial_split(rw: Rewriter, node: Node, op: Split) -> Sequence[Value]:
    """A Split into one part, or with empty ones."""
    filled = [k for k, size in enumerate(op.sizes) if size]
    if len(node.outputs) == 1:
        return [pass_through(rw, node, node.input(0))]
    require(0 < len(filled) < len(op.sizes), "{!r} has no empty result", node)
    parts = rw.add_all(replace(op, sizes=tuple(op.sizes[k] for k in filled)), node.input(0))
    results = dict(zip(filled, parts))
    return [results[k] if k in results else _nothing(rw, v, node.input(0), op.axis) for k, v in enumerate(node.outputs)]


def _nothing(rw: Rewriter, part: Value, x: Value, axis: int) -> Value:
    """A part of x without elements: a constant, or where its other sizes are open a slice, which goes when nothing reads it."""
    if is_static(part.shape):
        return rw.constant(np.zeros(static_shape(part), part.type.dtype))
    return rw.add(Slice((None,) * x.rank, tuple(0 if k == axis else None for k in range(x.rank)), (1,) * x.rank), x)


@MOVEMENT.on(Slice)
def slices_of_all(rw: Rewriter, node: Node, op: Slice) -> Value:
    """Slices of one value along one axis that together are all of it, one behind the other: a Split."""
    x = node.input(0)
    axes = [k for k in range(x.rank) if (op.starts[k], op.stops[k], op.steps[k]) != (None, None, 1)]
    require(len(axes) == 1, "{!r} slices several axes", node)
    (axis,) = axes
    (size,) = static_sizes(x, axes)
    parts: dict[int, tuple[int, list[Node]]] = {}
    for user in x.users:
        if isinstance(user.op, Slice) and all((user.op.starts[k], user.op.stops[k], user.op.steps[k]) == (None, None, 1)
                                              for k in range(x.rank) if k != axis) and user.op.steps[axis] == 1:
            start, stop, _ = slice(_number(user.op.starts[axis]), _number(user.op.stops[axis]), 1).indices(size)
            parts.setdefault(start, (stop, []))[1].append(user)
            require(parts[start][0] == stop, "slices of {!r} overlap", x)
    starts = sorted(parts)
    require(len(starts) > 1 and starts[0] == 0, "{!r} is sliced once", x)
    require([parts[s][0] for s in starts] == [*starts[1:], size], "slices of {!r} overlap or leave gaps", x)
    for _, equal in parts.values():
        require(all(other is node or rw.comes_later(other) for other in equal), "another slice of {!r} comes first", x)
        require(sum(rw.graph.is_output(n.output) for n in equal) < 2, "two outputs of the graph would be one")
    results = rw.add_all(Split(axis, tuple(parts[s][0] - s for s in starts)), x)
    by_node = {each: result for s, result in zip(starts, results) for each in parts[s][1]}
    for other, result in by_node.items():
        if other is not node:
            rw.replace(other, [result])
    return by_node[node]


def _number(end: Size | None) -> int | None:
    require(not isinstance(end, Dim), "a slice ends at a symbolic position")
    return None if isinstance(end, Dim) else end


@MOVEMENT.on(Slice)
def slice_of_slice(rw: Rewriter, node: Node, op: Slice) -> Value:
    """Slices of a Slice that nothing else reads."""
    first = producer(node.input(0), Slice)
    inner, x = op_of(first, Slice), first.input(0)
    require(not rw.graph.is_output(first.output) and all(isinstance(user.op, Slice) for user in first.output.users),
            "{!r} has other readers", first.output)
    axes = [_both(*both) for both in zip(x.shape, zip(inner.starts, inner.stops, inner.steps), zip(op.starts, op.stops, op.steps))]
    starts, stops, steps = (tuple(axis[0] for axis in axes), tuple(axis[1] for axis in axes), tuple(axis[2] for axis in axes))
    return rw.add(Slice(starts, stops, steps), x)


_Range: TypeAlias = tuple[Size | None, Size | None, int]


def _both(size: Size, first: _Range, second: _Range) -> _Range:
    """A slice of a slice of an axis. Raises Mismatch where an end or the size is not known, and for what is empty."""
    if (None, None, 1) in (first, second):
        return second if first == (None, None, 1) else first
    require(isinstance(size, int), "an axis of {} is sliced twice", size)
    assert isinstance(size, int)
    places = range(size)
    for start, stop, step in (first, second):
        places = places[slice(_number(start), _number(stop), step)]
    require(len(places) > 0, "nothing is left of an axis")
    return places.start, places.stop if places.stop >= 0 else None, places.step


@MOVEMENT.on(Pad)
def merge_pads(rw: Rewriter, node: Node, op: Pad) -> Value:
    """Two Pads with the same constant."""
    first = producer(node.input(0), Pad)
    inner = op_of(first, Pad)
    require(inner.mode == op.mode == "constant" and inner.value == op.value, "{!r} pads differently", first)
    rw.require_single_use(first.output)
    begin = tuple(a + b for a, b in zip(inner.pads_begin, op.pads_begin))
    return rw.add(replace(op, pads_begin=begin, pads_end=tuple(a + b for a, b in zip(inner.pads_end, op.pads_end))), first.input(0))


@MOVEMENT.on(Conv)
def pad_of_conv(rw: Rewriter, node: Node, op: Conv) -> Value:
    """A Pad of zeros around the spatial axes, and the convolution behind it, which can pad by itself."""
    first = producer(node.input(0), Pad)
    pad = op_of(first, Pad)
    require(pad.mode == "constant" and pad.value == 0, "{!r} does not pad with zeros", first)
    require(not op.channels_last and not any((*pad.pads_begin[:2], *pad.pads_end[:2])), "{!r} pads the batch or the channels", first)
    rw.require_single_use(first.output)
    begin = tuple(a + b for a, b in zip(op.pads_begin, pad.pads_begin[2:]))
    end = tuple(a + b for a, b in zip(op.pads_end, pad.pads_end[2:]))
    return rw.add(replace(op, pads_begin=begin, pads_end=end), first.input(0), *node.inputs[1:])


@MOVEMENT.on(Gather)
def wrapped_indices(rw: Rewriter, node: Node, op: Gather) -> Value:
    """Constant negative indices, which count from the end."""
    indices = np.asarray(array(node.input(1)), np.int64)
    require(bool((indices < 0).any()), "{!r} has no negative index", node)
    (size,) = static_sizes(node.input(0), (op.axis,))
    return rw.add(op, node.input(0), rw.constant(np.where(indices < 0, indices + size, indices), node.input(1).type.dtype))


@MOVEMENT.on(Gather)
def all_in_order(rw: Rewriter, node: Node, op: Gather) -> Value:
    """Every element of an axis, in order, whatever shape the constant indices have: a Reshape."""
    indices = np.asarray(array(node.input(1)), np.int64)
    (size,) = static_sizes(node.input(0), (op.axis,))
    require(indices.size == size and indices.ndim > 1 and bool((indices.ravel() == np.arange(size)).all()), "{!r} picks otherwise", node)
    return rw.add(Reshape(node.output.shape), node.input(0))


@MOVEMENT.on(Gather)
def evenly_spaced(rw: Rewriter, node: Node, op: Gather) -> Value:
    """Constant indices at equal distances are a Slice."""
    indices = np.asarray(array(node.input(1)), np.int64)
    require(indices.ndim == 1 and indices.size > 0 and bool((indices >= 0).all()), "{!r} has other than a row of indices", node)
    chosen = [int(i) for i in indices]
    steps = {b - a for a, b in pairwise(chosen)} or {1}
    require(len(steps) == 1 and steps != {0}, "the indices of {!r} are not evenly spaced", node)
    (step,) = steps
    stop = chosen[-1] + step
    axes = range(node.input(0).rank)
    sliced = Slice(tuple(chosen[0] if k == op.axis else None for k in axes),
                   tuple(stop if k == op.axis and stop >= 0 else None for k in axes), tuple(step if k == op.axis else 1 for k in axes))
    require(sliced.infer_types(node.input(0).type) == (node.output.type,), "{!r} picks from an axis that may be shorter", node)
    return rw.add(sliced, node.input(0))


@MOVEMENT.on(Reshape)
def reduced_axes(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """A Reshape that only drops, or restores, the axes that a reduction before it has reduced."""
    first = producer(node.input(0), Reduce, ArgReduce)
    reduction = first.op
    assert isinstance(reduction, (Reduce, ArgReduce))
    other = replace(reduction, keepdims=not reduction.keepdims)
    require(other.infer_types(first.input(0).type) == (node.output.type,), "{!r} does more than drop the reduced axes", node)
    rw.require_single_use(first.output)
    return rw.add(other, first.input(0))


@MOVEMENT.on(AvgPool, MaxPool)
def global_pool(rw: Rewriter, node: Node, op: AvgPool | MaxPool) -> Value:
    """A window that covers the whole of x is a reduction of the spatial axes."""
    x = node.input(0)
    require(not op.channels_last and op.kernel == tuple(x.shape[2:]), "the window of {!r} is not all of its operand", node)
    require(not any((*op.pads_begin, *op.pads_end)) and max(op.dilations) == 1, "{!r} pads or is dilated", node)
    require(set(node.output.shape[2:]) == {1} and is_float(x), "{!r} has several windows", node)
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    axes = tuple(range(2, x.rank))
    return rw.add(ReduceMean(axes, True) if isinstance(op, AvgPool) else ReduceMax(axes, True), x)


@MOVEMENT.on(AvgPool, MaxPool)
def windows_of_one(rw: Rewriter, node: Node, op: AvgPool | MaxPool) -> Value:
    """Windows of one element each, one for every element, as exporters write adaptive pooling to the size that is there."""
    require({*op.kernel, *op.strides} == {1} and not any((*op.pads_begin, *op.pads_end)), "{!r} has other windows", node)
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    return pass_through(rw, node, node.input(0))


@MOVEMENT.on(AdaptiveAvgPool, AdaptiveMaxPool)
def adaptive_pool(rw: Rewriter, node: Node, op: AdaptiveAvgPool | AdaptiveMaxPool) -> Value:
    """Adaptive pooling to one window each is a reduction; to the size that is there, nothing."""
    x = node.input(0)
    require(not op.channels_last, "{!r} is stored channels-last", node)
    if x.type == node.output.type:
        return pass_through(rw, node, x)
    require(set(op.output_size) == {1} and is_float(x), "{!r} has several windows", node)
    axes = tuple(range(2, x.rank))
    return rw.add(ReduceMean(axes, True) if isinstance(op, AdaptiveAvgPool) else ReduceMax(axes, True), x)


@MOVEMENT.on(Expand)
def expand_of_equal_size(rw: Rewriter, node: Node, op: Expand) -> Value:
    """An Expand that only adds axes of size 1 is a Reshape."""
    shape = static_shape(node.output)
    require(np.prod(shape, dtype=object) == np.prod(static_shape(node.input(0)), dtype=object), "{!r} repeats elements", node)
    return rw.add(Reshape(shape), node.input(0))


@MOVEMENT.on(Tile)
def tile_of_single(rw: Rewriter, node: Node, op: Tile) -> Value:
    """Repeating axes of size 1 is an Expand, which broadcasting ops do by themselves."""
    x = node.input(0)
    require(all(r == 1 or size == 1 for r, size in zip(op.repeats, x.shape)), "{!r} repeats more than one element", node)
    return rw.add(Expand(node.output.shape), x)
