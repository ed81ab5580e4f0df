"""Lowerings of ops that only move elements about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.emit.tflite.carriers import INT32, refused_type
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_elementwise import kernel
from nchw2nhwc.emit.tflite.lower_sizes import sizes_tensor
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.emit.tflite.recurrent_forms import is_passed_over
from nchw2nhwc.ir import Dim, Node, Shape, Size, Value
from nchw2nhwc.ops import movement


# ---- shapes ------------------------------------------------------------------------------------------------------------
def reshape(e: Emitter, source: int, target: int, shape: Shape) -> None:
    """Tensor `source` under another shape. One symbolic size is -1; more are computed when the model runs."""
    symbolic = sum(isinstance(s, Dim) for s in shape)
    if symbolic > 1:
        e.op("RESHAPE", [source, sizes_tensor(e, shape)], [target], options("ReshapeOptions"))
        return
    fixed = tuple(-1 if isinstance(s, Dim) else s for s in shape)
    # An empty vector is no constant to LiteRT, so a scalar's shape is given by the options alone.
    e.op("RESHAPE", [source, e.ints(fixed)] if fixed else [source], [target], options("ReshapeOptions", newShape=fixed))


@lowering(movement.Reshape, kernel("RESHAPE"))
def _reshape(e: Emitter, node: Node, op: movement.Reshape) -> None:
    if not is_passed_over(e, node):
        reshape(e, e.of(node.input(0)), e.out(node), op.shape)


@lowering(movement.Transpose, kernel("TRANSPOSE"))
def transpose(e: Emitter, node: Node, op: movement.Transpose) -> None:
    """TRANSPOSE."""
    e.op("TRANSPOSE", [e.of(node.input(0)), e.ints(op.perm)], [e.out(node)], options("TransposeOptions"))


@lowering(movement.Expand, kernel("BROADCAST_TO"))
def expand(e: Emitter, node: Node, op: movement.Expand) -> None:
    """BROADCAST_TO."""
    if not op.shape:
        e.alias(node, e.of(node.input(0)))
        return
    e.op("BROADCAST_TO", [e.of(node.input(0)), sizes_tensor(e, op.shape)], [e.out(node)], options("BroadcastToOptions"))


@lowering(movement.Tile, kernel("TILE"))
def tile(e: Emitter, node: Node, op: movement.Tile) -> None:
    """TILE."""
    e.op("TILE", [e.of(node.input(0)), e.ints(op.repeats)], [e.out(node)], options("TileOptions"))


# ---- slices ------------------------------------------------------------------------------------------------------------
def strided_slice(e: Emitter, source: int, target: int, begins: Sequence[Size | None], ends: Sequence[Size | None],
                  steps: Sequence[int]) -> None:
    """numpy's basic slicing; None is an open end."""
    masks = [sum(1 << k for k, v in enumerate(side) if v is None) for side in (begins, ends)]
    operands = [sizes_tensor(e, [0 if v is None else v for v in side]) for side in (begins, ends)]
    opts = options("StridedSliceOptions", beginMask=masks[0], endMask=masks[1])
    e.op("STRIDED_SLICE", [source, *operands, e.ints(steps)], [target], opts)


@lowering(movement.Slice, kernel("STRIDED_SLICE"))
def slice_(e: Emitter, node: Node, op: movement.Slice) -> None:
    """REVERSE_V2 of all of some neighbouring axes; else STRIDED_SLICE, of known sizes with plain positions, so that nothing has to be
    counted from the end when the model runs."""
    turned = [k for k, step in enumerate(op.steps) if step == -1]
    whole = all((begin, end) == (None, None) for begin, end in zip(op.starts, op.stops)) and set(op.steps) <= {1, -1}
    if turned and whole and turned == list(range(turned[0], turned[-1] + 1)) and e.has("REVERSE_V2"):
        e.op("REVERSE_V2", [e.of(node.input(0)), e.ints(turned)], [e.out(node)], options("ReverseV2Options"))
        return
    begins, ends = list(op.starts), list(op.stops)
    for k, (size, step) in enumerate(zip(node.input(0).shape, op.steps)):
        begin, end = begins[k], ends[k]
        if not isinstance(size, Dim) and not isinstance(begin, Dim) and not isinstance(end, Dim):
            first, last, _ = slice(begin, end, step).indices(size)
            begins[k], ends[k] = first, None if last < 0 else last
    strided_slice(e, e.of(node.input(0)), e.out(node), begins, ends, op.steps)


@lowering(movement.Concat, kernel("CONCATENATION"))
def concat(e: Emitter, node: Node, op: movement.Concat) -> None:
    """CONCATENATION."""
    e.op("CONCATENATION", e.operands(node), [e.out(node)], options("ConcatenationOptions", axis=op.axis))


@lowering(movement.Split, kernel("SPLIT_V"))
def split(e: Emitter, node: Node, op: movement.Split) -> None:
    """SPLIT into equal parts, which XNNPACK takes, or SPLIT_V."""
    x, outs = e.of(node.input(0)), [e.out(node, k) for k in range(len(node.outputs))]
    axis = e.const(op.axis, INT32)
    if len(set(op.sizes)) == 1:
        e.op("SPLIT", [axis, x], outs, options("SplitOptions", numSplits=len(outs)))
    else:
        e.op("SPLIT_V", [x, e.ints(op.sizes), axis], outs, options("SplitVOptions", numSplits=len(outs)))


# ---- padding -----------------------------------------------------------------------------------------------------------
def _pads(node: Node, op: movement.Pad) -> str:
    x = node.input(0)
    edge = {"reflect": 1, "symmetric": 0, "wrap": 0}.get(op.mode)
    for size, begin, end in zip(x.shape, op.pads_begin, op.pads_end):
        if edge is not None and not isinstance(size, Dim) and max(begin, end) > size - edge:
            return f"'{op.mode}' padding of {begin} and {end} is wider than the axis of {size}"
    code = "PADV2" if op.mode == "constant" else "MIRROR_PAD" if op.mode in ("reflect", "symmetric") else "CONCATENATION"
    return refused_type(code, x.type.dtype)


@lowering(movement.Pad, _pads)
def pad(e: Emitter, node: Node, op: movement.Pad) -> None:
    """PAD with zeros, which XNNPACK takes, PADV2 with another value, MIRROR_PAD, or pieces of the data put together."""
    x, dtype = node.input(0), node.input(0).type.dtype
    if op.mode in ("edge", "wrap"):
        _pad_with_slices(e, node, op)
        return
    widths = e.const(np.array(list(zip(op.pads_begin, op.pads_end)), np.int32))
    if op.mode != "constant":
        e.op("MIRROR_PAD", [e.of(x), widths], [e.out(node)], options("MirrorPadOptions", mode=int(op.mode == "symmetric")))
    elif op.value == 0:
        e.op("PAD", [e.of(x), widths], [e.out(node)], options("PadOptions"))
    else:
        e.op("PADV2", [e.of(x), widths, e.const(np.asarray(op.value).astype(dtype))], [e.out(node)], options("PadV2Options"))


def _pad_with_slices(e: Emitter, node: Node, op: movement.Pad) -> None:
    """Axis by axis: pieces of the data in front of it and behind it; an edge piece is one element that is repeated."""
    x = node.input(0)
    tensor, shape = e.of(x), list(x.shape)
    axes = [k for k in range(x.rank) if op.pads_begin[k] or op.pads_end[k]]
    for axis in axes:
        begin, end = op.pads_begin[axis], op.pads_end[axis]
        if op.mode == "edge":
            front = [_piece(e, x, tensor, shape, axis, None, 1)] * begin if begin else []
            back = [_piece(e, x, tensor, shape, axis, -1, None)] * end if end else []
        else:
            front = [_piece(e, x, tensor, shape, axis, -begin, None)] if begin else []
            back = [_piece(e, x, tensor, shape, axis, None, end)] if end else []
        shape[axis] = shape[axis] + begin + end
        target = e.out(node) if axis == axes[-1] else e.temp(x.type.dtype, tuple(shape))
        e.op("CONCATENATION", [*front, tensor, *back], [target], options("ConcatenationOptions", axis=axis))
        tensor = target
    if not axes:
        e.alias(node, tensor)


def _piece(e: Emitter, like: Value, source: int, shape: Sequence[Size], axis: int, begin: int | None, end: int | None) -> int:
    """A slice along one axis."""
    size = abs(begin if begin is not None else end or 0)
    target = e.temp(like.type.dtype, (*shape[:axis], size, *shape[axis + 1:]))
    others = [None] * axis, [None] * (len(shape) - axis - 1)
    strided_slice(e, source, target, [*others[0], begin, *others[1]], [*others[0], end, *others[1]], [1] * len(shape))
    return target
