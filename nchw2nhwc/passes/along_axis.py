"""An axis followed through ops that leave its elements where they are: each result has along it what one of the operands has."""

from __future__ import annotations

from nchw2nhwc.ir.dim import Shape, product
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.reduce import ReduceMean

ALONG: tuple[type[Op], ...] = (Transpose, Reshape, Slice, Split, Gather, Concat, Expand, Pad, ReduceMean)
"""Ops that do so, for some axes; all of them are linear."""


def axis_after(node: Node, axis: int) -> int | None:
    """The axis of the results of a node of `ALONG` that `axis` of its data is; None if something happens along it."""
    x, result = node.input(0), node.outputs[0]
    match node.op:
        case Transpose(perm):
            return perm.index(axis)
        case Reshape():
            return _kept(x.shape, axis, result.shape)
        case Slice(starts, stops, steps):
            return axis if (starts[axis], stops[axis], steps[axis]) == (None, None, 1) else None
        case Split() | Concat():
            return axis if node.op.axis != axis else None
        case Gather():
            return None if axis == node.op.axis else axis if axis < node.op.axis else axis + result.rank - x.rank
        case Expand():
            after = axis + result.rank - x.rank
            return after if x.shape[axis] == result.shape[after] else None
        case Pad():
            zeros = node.op.mode != "constant" or node.op.value == 0
            return axis if zeros and not node.op.pads_begin[axis] and not node.op.pads_end[axis] else None
        case ReduceMean(axes, keepdims):
            return None if axis in axes else axis if keepdims else axis - sum(k < axis for k in axes)
    return None


def axis_before(node: Node, axis: int) -> int | None:
    """The axis of the data of a node of `ALONG` that `axis` of its results is."""
    return next((k for k in range(node.input(0).rank) if axis_after(node, k) == axis), None)


def data_of(node: Node) -> tuple[Value, ...]:
    """The operands of a node of `ALONG` that are no indices."""
    return tuple(v for v in node.inputs if v is not None) if isinstance(node.op, Concat) else (node.input(0),)


def _kept(before: Shape, axis: int, after: Shape) -> int | None:
    if before[axis] == 1:
        return None
    ahead = product(before[:axis])
    return next((k for k, size in enumerate(after) if size == before[axis] and product(after[:k]) == ahead), None)
