"""Scales and shifts followed upwards through data movement: what would have to be applied before it for the same result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.ir.dim import Dim, Shape, product
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.movement import Reshape, Slice, Split, Transpose
from nchw2nhwc.passes.affine import Affine
from nchw2nhwc.passes.match import array, require, static_sizes
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter

MOVES: tuple[type[Op], ...] = (Reshape, Transpose, Gather, Slice, Split)
_PICKS: tuple[type[Op], ...] = (Gather, Slice, Split)


@dataclass(frozen=True)
class Traced:
    """A scale and shift to be applied to `x`, and the values on the way, x first, whose content would change by that."""

    x: Value
    scale: Doubles | None
    shift: Doubles | None
    path: tuple[Value, ...]


def trace(rw: Rewriter, affine: Affine) -> Traced:
    """Follow a scale and shift to the first value that no movement makes. Raises Mismatch where something else reads what would change."""
    value, scale, shift = affine.x, affine.scale, affine.shift
    rw.require_single_use(value)
    path = [value]
    while value.producer is not None and isinstance(value.producer.op, MOVES):
        node = value.producer
        scale = None if scale is None else _before(node, value, scale, 1.0)
        shift = None if shift is None else _before(node, value, shift, 0.0)
        value = node.input(0)
        if isinstance(node.op, _PICKS):
            _require_disjoint(rw, node, value)
        else:
            rw.require_single_use(value)
        path.insert(0, value)
    return Traced(value, scale, shift, tuple(path))


def _before(node: Node, result: Value, content: Doubles, neutral: float) -> Doubles:
    """What applied to operand 0 of a movement is the same as `content` applied to its result, `neutral` where nothing is to happen."""
    x = node.input(0)
    match node.op:
        case Transpose(perm):
            return content.transpose(np.argsort(perm))
        case Reshape():
            return _before_reshape(tuple(x.shape), tuple(result.shape), content)
        case _:
            return _before_pick(node, result, content, neutral)


def _before_reshape(before: Shape, after: Shape, content: Doubles) -> Doubles:
    """For content that varies only along axes which together are one axis of the operand."""
    if content.size == 1:
        return content.reshape((1,) * len(before))
    varying = [k for k, size in enumerate(content.shape) if size != 1]
    for axis, size in enumerate(before):
        ahead, through = product(before[:axis]), product(before[:axis + 1])
        starts = [k for k in range(len(after) + 1) if product(after[:k]) == ahead]
        ends = [k for k in range(len(after) + 1) if product(after[:k]) == through]
        if isinstance(size, int) and size > 1 and starts and ends and starts[0] <= varying[0] and varying[-1] < ends[-1]:
            part = after[starts[0]:ends[-1]]
            whole = np.broadcast_to(content.reshape(content.shape[starts[0]:ends[-1]]), tuple(s for s in part if isinstance(s, int)))
            return whole.reshape(tuple(size if k == axis else 1 for k in range(len(before))))
    raise Mismatch("a constant of shape {} is spread over several axes of {}", content.shape, before)


def _positions(node: Node, result: Value) -> tuple[int, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """`(axis, positions)`: the part of its operand that a pick takes. Raises Mismatch for one along several axes."""
    x = node.input(0)
    match node.op:
        case Gather(axis):
            (size,) = static_sizes(x, (axis,))
            return axis, np.asarray(array(node.input(1)), np.int64).reshape(-1) % size
        case Split(axis, sizes):
            start = sum(sizes[:result.index])
            return axis, np.arange(start, start + sizes[result.index])
        case Slice(starts, stops, steps):
            axes = [k for k in range(x.rank) if (starts[k], stops[k], steps[k]) != (None, None, 1)]
            require(len(axes) == 1, "{!r} slices several axes", node)
            (size,) = static_sizes(x, axes)
            first, last = starts[axes[0]], stops[axes[0]]
            if not isinstance(first, Dim) and not isinstance(last, Dim):
                return axes[0], np.arange(size)[first:last:steps[axes[0]]]
    raise Mismatch("{!r} takes no known part", node)


def _before_pick(node: Node, result: Value, content: Doubles, neutral: float) -> Doubles:
    """The content at the positions that are taken, `neutral` elsewhere."""
    axis, positions = _positions(node, result)
    (size,) = static_sizes(node.input(0), (axis,))
    if isinstance(node.op, Gather):
        taken = node.input(1).rank
        require(taken <= 1, "{!r} takes a matrix of positions", node)
        content = content if taken else np.expand_dims(content, axis)
    shape = (*content.shape[:axis], size, *content.shape[axis + 1:])
    before = np.full(shape, neutral)
    before[(slice(None),) * axis + (positions,)] = content
    return before


def _require_disjoint(rw: Rewriter, node: Node, value: Value) -> None:
    """Raises Mismatch unless everything else that reads `value` picks other parts of it along the same axis."""
    require(not rw.graph.is_output(value), "{!r} has other readers", value)
    axis, _ = _positions(node, node.outputs[0])
    seen: set[int] = set()
    for user in value.users:
        require(isinstance(user.op, _PICKS) and user.input(0) is value, "{!r} has other readers", value)
        for result in user.outputs:
            other, positions = _positions(user, result)
            taken = positions.tolist()
            require(other == axis and seen.isdisjoint(taken) and len(set(taken)) == len(taken), "parts of {!r} overlap", value)
            seen.update(taken)
