"""The last hidden state of a recurrent layer, taken from the sequence of all: the layer has it as a result of its own."""

from __future__ import annotations

from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Reshape, Slice, Transpose
from nchw2nhwc.ops.recurrent import Recurrent
from nchw2nhwc.passes.match import array, op_of, producer, require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

LAST_STEP = RuleSet()


def _axes(node: Node, view: Node | None) -> tuple[int | None, ...]:
    """For each axis of a sequence of hidden states, seen through at most one Transpose or Reshape, which axis of the layer's result it
    is; None for one of size 1 that the result does not have."""
    shape = node.outputs[0].shape
    if view is None:
        return (0, 1, 2)
    if isinstance(view.op, Transpose):
        return view.op.perm
    found: list[int | None] = []
    left = list(range(3))
    for size in view.output.shape:
        found.append(left.pop(0) if left and shape[left[0]] == size else None)
        require(found[-1] is not None or size == 1, "{!r} divides or joins axes", view)
    require(not left, "{!r} divides or joins axes", view)
    return tuple(found)


def _layer(value: Value) -> tuple[Node, tuple[int | None, ...]]:
    """The layer whose hidden states a value holds, and what its axes are."""
    first = producer(value, Recurrent, Transpose, Reshape)
    view = None if isinstance(first.op, Recurrent) else first
    node = first if view is None else producer(view.input(0), Recurrent)
    require((value if view is None else view.input(0)) is node.outputs[0], "{!r} is a state", value)
    return node, _axes(node, view)


def _state(rw: Rewriter, node: Node, layer: Node, axes: tuple[int | None, ...], steps: int) -> Value:
    """The state in the place of a single step of all; `steps` is the axis that the step was taken along."""
    batch = 1 - steps
    require([a for a in axes if a not in (None, steps)] == [batch, 2], "{!r} has its axes in another order", node)
    state = layer.outputs[1]
    return state if node.output.shape == state.shape else rw.add(Reshape(node.output.shape), state)


def _is_last(op: Recurrent, size: Size, index: int) -> bool:
    """Whether a step, which may be counted from the end, is the last one that is run."""
    return index == 0 or index == -size if op.reverse else index == -1 or index == size - 1


@LAST_STEP.on(Gather)
def gathered(rw: Rewriter, node: Node, op: Gather) -> Value:
    """The step by its index."""
    layer, axes = _layer(node.input(0))
    steps, index = (1 if op_of(layer, Recurrent).batch_first else 0), array(node.input(1))
    require(axes[op.axis] == steps and index.size == 1, "{!r} does not take one step", node)
    require(_is_last(op_of(layer, Recurrent), node.input(0).shape[op.axis], int(index.item())), "{!r} takes another step", node)
    return _state(rw, node, layer, axes, steps)


@LAST_STEP.on(Slice)
def sliced(rw: Rewriter, node: Node, op: Slice) -> Value:
    """The step by where it begins and ends."""
    layer, axes = _layer(node.input(0))
    recurrent = op_of(layer, Recurrent)
    steps = 1 if recurrent.batch_first else 0
    for axis, before, after, start, step in zip(axes, node.input(0).shape, node.output.shape, op.starts, op.steps):
        if axis != steps:
            require(before == after and step > 0, "{!r} cuts other axes", node)
            continue
        first = 0 if start is None else start
        require(after == 1 and isinstance(first, int) and _is_last(recurrent, before, first), "{!r} takes other steps", node)
    return _state(rw, node, layer, axes, steps)
