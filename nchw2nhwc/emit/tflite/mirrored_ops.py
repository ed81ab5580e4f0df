"""Stored nodes as they compute on data whose spatial axes, all but the first and the last one, are turned around."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from nchw2nhwc.emit.tflite.lower_windowed import windows
from nchw2nhwc.emit.tflite.padding import Window, padding_of
from nchw2nhwc.ir import Array, Dim, Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Binary
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Concat, Pad, Slice, Split
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.reduce import Reduce, Softmax
from nchw2nhwc.ops.resize import Resize, interpolation_matrix, nearest_indices
from nchw2nhwc.ops.windowed import Conv

_SPATIAL_RANK = 4
"""Tensors of fewer axes are no images."""

Windowed = Conv | MaxPool | AvgPool


@dataclass(frozen=True)
class Turned:
    """A node's op, and those of its operands that are constant, for data that is turned around, of which it leaves out the first `unread`
    elements along the spatial axes. `elements` are those of the data that a PAD or STRIDED_SLICE makes for the node as it is, and turned
    around; 0 where it needs none."""

    op: Op
    constants: dict[int, Array] = field(default_factory=dict)
    elements: tuple[int, int] = (0, 0)
    unread: tuple[int, ...] = ()


def is_same_turned(value: Value) -> bool:
    """Whether turning a value around changes nothing: it has no spatial axes, or they have size 1."""
    return value.rank < _SPATIAL_RANK or all(size == 1 for size in value.shape[1:-1])


def reads_either(node: Node) -> bool:
    """Whether a node gives the same for data that is turned around: it reduces all spatial axes."""
    rank = node.inputs[0].rank if node.inputs and node.inputs[0] is not None else 0
    return isinstance(node.op, Reduce) and rank >= _SPATIAL_RANK and set(range(1, rank - 1)) <= set(node.op.axes)


def turned(node: Node) -> Turned | None:
    """The node turned around; None if there is no such node. It is as it is where it does not matter."""
    if reads_either(node):
        return Turned(node.op)
    if any(v.rank < _SPATIAL_RANK for v in node.outputs):
        return None
    match node.op:
        case Conv() | MaxPool() | AvgPool():
            return _windowed(node, node.op)
        case Unary():
            return Turned(node.op)
        case Binary():
            return _binary(node)
        case Resize():
            return Turned(node.op) if _is_symmetric(node, node.op) else None
        case Pad():
            return Turned(replace(node.op, pads_begin=_swapped(node.op.pads_begin, node.op.pads_end),
                                  pads_end=_swapped(node.op.pads_end, node.op.pads_begin)))
    return Turned(node.op) if _leaves_alone(node) else None


def _leaves_alone(node: Node) -> bool:
    """Whether nothing happens along the spatial axes."""
    last, op = node.outputs[0].rank - 1, node.op
    if isinstance(op, (Concat, Split)):
        return op.axis in (0, last)
    if isinstance(op, Slice):
        return all((op.starts[k], op.stops[k], op.steps[k]) == (None, None, 1) for k in range(1, last))
    if isinstance(op, Reduce):
        return op.keepdims and op.axes == (last,)
    if isinstance(op, FullyConnected):
        return op.keep_num_dims and all(v is None or v.is_const for v in node.inputs[1:])
    return isinstance(op, Softmax) and op.axis == last


def _swapped(pads: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return pads[0], *others[1:-1], pads[-1]


def _windowed(node: Node, op: Windowed) -> Turned | None:
    if not op.channels_last or (isinstance(op, Conv) and not node.input(1).is_const):
        return None
    found = windows(node)
    used = [w.used() for w in found]
    pads = [u for u in used if u is not None]
    counted = isinstance(op, AvgPool) and op.count_include_pad
    if len(pads) != len(found) or (counted and any(end > w.end for (_, end), w in zip(pads, found))):
        return None
    unread = tuple(max(-end, 0) for _, end in pads)
    mirrored = [replace(w, size=w.size - skip, begin=max(end, 0), end=begin, ceil=False)
                for w, skip, (begin, end) in zip(found, unread, pads)]
    if (any(unread) or (isinstance(op, AvgPool) and not counted)) and padding_of(mirrored) is None:
        return None
    elements = _padded(node, op, found), _cut(node, mirrored) if any(unread) else _padded(node, op, mirrored)
    new = replace(op, pads_begin=tuple(w.begin for w in mirrored), pads_end=tuple(w.end for w in mirrored))
    if isinstance(new, Conv):
        kernel = np.asarray(node.input(1).const)
        axes = tuple(range(1, kernel.ndim - 1))
        return Turned(new, {} if prod(kernel.shape[1:-1]) == 1 else {1: np.flip(kernel, axes)}, elements, unread)
    return Turned(replace(new, ceil_mode=False), {}, elements, unread)


def _cut(node: Node, found: list[Window]) -> int:
    """The elements of the data that these windows read."""
    batch, *_, channels = node.input(0).shape
    return prod(size if isinstance(size, int) else 1 for size in (batch, *(w.size for w in found), channels))


def _padded(node: Node, op: Windowed, found: list[Window]) -> int:
    """The elements of the PAD that these windows need; 0 if TFLite has their padding."""
    if padding_of(found) is not None or (isinstance(op, AvgPool) and not op.count_include_pad):
        return 0
    batch, *_, channels = node.input(0).shape
    sizes = (batch, *(w.size + sum(w.explicit()) for w in found), channels)
    return prod(size if isinstance(size, int) else 1 for size in sizes)


def _binary(node: Node) -> Turned | None:
    """Arithmetic with operands of the result's rank, or that are the same at all places."""
    rank, constants = node.output.rank, dict[int, Array]()
    for k, value in enumerate(node.inputs):
        if value is None or all(size == 1 for size in value.shape[:-1]):
            continue
        if value.rank != rank:
            return None
        if value.const is not None:
            constants[k] = np.flip(value.const, tuple(range(1, rank - 1)))
    return Turned(node.op, constants)


def _is_symmetric(node: Node, op: Resize) -> bool:
    """Whether a resizing is the same in a mirror."""
    if not op.channels_last or op.roi is not None:
        return False
    for k, (before, after) in enumerate(zip(node.input(0).shape[1:-1], op.sizes)):
        if isinstance(before, Dim) or isinstance(after, Dim):
            return False
        if op.mode == "nearest":
            chosen = nearest_indices(before, after, op, k)
            if not np.array_equal(chosen[::-1], before - 1 - np.asarray(chosen)):
                return False
        else:
            matrix = interpolation_matrix(before, after, op, k)
            if not np.allclose(matrix, matrix[::-1, ::-1], rtol=0, atol=1e-6):
                return False
    return True
