"""Lowerings of ops that only move elements about."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from keras import layers, ops

from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lowering import ANY, NO_SIZES, lowering, taking
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Dim, Node, Shape, Size, is_static, product
from nchw2nhwc.ops import movement
from nchw2nhwc.ops.dynamic import DynamicReshape
from nchw2nhwc.ops.movement import FIX_SIZES, shape_text
from nchw2nhwc.ops.sizes import Sizes
from nchw2nhwc.passes.rank import neighbours, orders_between

if TYPE_CHECKING:
    from keras import KerasTensor

_CONVERTED_AXES = 6
"""Axes of a transpose that TensorFlow's converter to TFLite takes."""

_ZEROS = {3: layers.ZeroPadding1D, 4: layers.ZeroPadding2D, 5: layers.ZeroPadding3D}


# ---- shapes ------------------------------------------------------------------------------------------------------------
def reshape(e: Emitter, x: KerasTensor, before: Shape, after: Shape, part: str = "") -> KerasTensor:
    """x under another shape. Raises TargetError when more than the batch and one other size are unknown."""
    if after and before and before[0] == after[0] and len(after) > 1:
        rest = _sizes(e, after[1:])
        return e.layer(layers.Reshape(rest, name=e.name(part)), x)
    return e.op(ops.reshape, x, _sizes(e, after), part=part)


def _sizes(e: Emitter, shape: Sequence[Size]) -> tuple[int, ...]:
    """A shape with -1 for the one size that is not known."""
    if sum(isinstance(s, Dim) for s in shape) > 1:
        raise TargetError(f"Keras reshapes to at most one unknown size besides the batch, not to {shape_text(shape)}", e.where, FIX_SIZES)
    return tuple(-1 if isinstance(s, Dim) else s for s in shape)


@lowering(movement.Reshape, taking(ANY))
def _reshape(e: Emitter, node: Node, op: movement.Reshape) -> None:
    e.set(node, reshape(e, e.of(node.input(0)), node.input(0).shape, op.shape))


def _has_sizes(node: Node, op: DynamicReshape) -> str:
    return taking(ANY)(node, op) if is_static(op.shape) else NO_SIZES


@lowering(DynamicReshape, _has_sizes)
def _reshape_to_known(e: Emitter, node: Node, op: DynamicReshape) -> None:
    """reshape, of what fits for certain sizes only."""
    e.set(node, e.op(ops.reshape, e.of(node.input(0)), _sizes(e, op.shape)))


@lowering(movement.Transpose, taking(ANY))
def transpose(e: Emitter, node: Node, op: movement.Transpose) -> None:
    """Permute, or transpose where the batch moves. Of more axes than TensorFlow's own converter to TFLite takes, those that stay neighbours
    are merged for it, and where that is not enough a model that is meant for it moves them in several steps."""
    x, shape = e.of(node.input(0)), node.input(0).shape
    if len(shape) <= _CONVERTED_AXES or sum(isinstance(s, Dim) for s in shape) > 1:
        e.set(node, _permuted(e, x, op.perm))
        return
    orders = orders_between(op.perm, _CONVERTED_AXES)
    e.wide |= len(orders) > 1
    orders = orders if e.narrow and orders else [op.perm]
    at: Sequence[int] = range(len(shape))
    for k, order in enumerate(orders, 1):
        perm = [at.index(axis) for axis in order]
        x = _merged(e, x, tuple(shape[axis] for axis in at), perm, "" if k == len(orders) else f"step{k}")
        at = order
    e.set(node, x)


def _merged(e: Emitter, x: KerasTensor, shape: Shape, perm: Sequence[int], part: str) -> KerasTensor:
    """A transpose of the runs of axes that stay neighbours."""
    runs = neighbours(range(len(perm)), perm)
    if len(runs) == len(shape):
        return _permuted(e, x, perm, part)
    order = sorted(runs)
    merged = tuple(product(shape[axis] for axis in run) for run in order)
    places = [order.index(run) for run in runs]
    y = _permuted(e, reshape(e, x, shape, merged, f"{part}merged"), places, f"{part}moved")
    return reshape(e, y, tuple(merged[k] for k in places), tuple(shape[axis] for axis in perm), part)


def _permuted(e: Emitter, x: KerasTensor, perm: Sequence[int], part: str = "") -> KerasTensor:
    if tuple(perm[:1]) == (0,) and len(perm) > 1:
        return e.layer(layers.Permute(tuple(perm[1:]), name=e.name(part)), x)
    return e.op(ops.transpose, x, tuple(perm), part=part)


@lowering(movement.Expand, taking(ANY))
def expand(e: Emitter, node: Node, op: movement.Expand) -> None:
    """broadcast_to; with unknown sizes, which stay as they are, tile."""
    x = node.input(0)
    if not any(isinstance(s, Dim) for s in op.shape):
        e.set(node, e.op(ops.broadcast_to, e.of(x), op.shape))
        return
    aligned = (*(1,) * (len(op.shape) - x.rank), *x.shape)
    repeats = [1 if s == r else r for s, r in zip(aligned, op.shape)]
    if any(isinstance(r, Dim) for r in repeats):
        raise TargetError(f"Keras cannot repeat along {shape_text(op.shape)}", e.where, FIX_SIZES)
    wide = e.of(x) if aligned == x.shape else reshape(e, e.of(x), x.shape, aligned, "axes")
    e.set(node, e.op(ops.tile, wide, tuple(repeats)))


@lowering(movement.Tile, taking(ANY))
def tile(e: Emitter, node: Node, op: movement.Tile) -> None:
    """tile."""
    e.set(node, e.op(ops.tile, e.of(node.input(0)), op.repeats))


@lowering(Sizes)
def sizes(e: Emitter, node: Node, op: Sizes) -> None:
    """Not available: Keras' symbolic tensors do not tell sizes that are known only when the model runs."""
    raise TargetError("Keras' functional models cannot compute with sizes that are not known", e.where, FIX_SIZES)


# ---- slices ------------------------------------------------------------------------------------------------------------
@lowering(movement.Slice, taking(ANY))
def slice_(e: Emitter, node: Node, op: movement.Slice) -> None:
    """Numpy's indexing; of known sizes with ends inside of the axis."""
    spans = []
    for size, start, stop, step in zip(node.input(0).shape, op.starts, op.stops, op.steps):
        if isinstance(start, Dim) or isinstance(stop, Dim):
            raise TargetError("Keras slices at known positions only", e.where, FIX_SIZES)
        if isinstance(size, int) and (start, stop, step) != (None, None, 1):
            first, last, _ = slice(start, stop, step).indices(size)
            empty = not range(first, last, step)
            spans.append(slice(0, 0) if empty else slice(first, None if last < 0 else last, step))
        else:
            spans.append(slice(start, stop, step if step != 1 else None))
    e.set(node, e.op(lambda x: x[tuple(spans)], e.of(node.input(0))))


@lowering(movement.Concat, taking(ANY))
def concat(e: Emitter, node: Node, op: movement.Concat) -> None:
    """Concatenate."""
    if len(node.inputs) == 1:
        e.set(node, e.of(node.input(0)))
    elif node.output.type.dtype == np.float32 and node.output.rank > 1 and not any(v is not None and v.is_const for v in node.inputs):
        e.set(node, e.layer(layers.Concatenate(op.axis, name=e.name()), *(e.of(v) for v in node.inputs if v is not None)))
    else:
        e.set(node, e.op(ops.concatenate, e.operands(node), axis=op.axis))


@lowering(movement.Split, taking(ANY))
def split(e: Emitter, node: Node, op: movement.Split) -> None:
    """split at positions."""
    positions = tuple(accumulate(op.sizes))[:-1]
    if positions:
        e.set(node, *e.op(ops.split, e.of(node.input(0)), positions, axis=op.axis))
    else:
        e.set(node, e.of(node.input(0)))


# ---- padding -----------------------------------------------------------------------------------------------------------
def _pads(node: Node, op: movement.Pad) -> str:
    if op.mode in ("edge", "wrap"):
        return f"Keras has no '{op.mode}' padding"
    widest = {"reflect": -1, "symmetric": 0}.get(op.mode)
    for size, begin, end in zip(node.input(0).shape, op.pads_begin, op.pads_end):
        if widest is not None and max(begin, end) and (isinstance(size, Dim) or max(begin, end) > size + widest):
            return f"'{op.mode}' padding of {begin} and {end} is wider than the axis of {size}"
    return taking(ANY)(node, op)


@lowering(movement.Pad, _pads)
def pad(e: Emitter, node: Node, op: movement.Pad) -> None:
    """ZeroPadding of the spatial axes, or pad."""
    x = node.input(0)
    widths = tuple(zip(op.pads_begin, op.pads_end))
    zeros = op.mode == "constant" and op.value == 0 and x.type.dtype == np.float32
    if zeros and x.rank in _ZEROS and widths[0] == widths[-1] == (0, 0):
        inner = widths[1:-1] if x.rank > 3 else widths[1]
        e.set(node, e.layer(_ZEROS[x.rank](inner, name=e.name()), e.of(x)))
    elif op.mode == "constant":
        value = op.value if x.type.dtype.kind == "f" else np.asarray(op.value).astype(x.type.dtype).item()
        e.set(node, e.op(ops.pad, e.of(x), widths, mode="constant", constant_values=value))
    else:
        e.set(node, e.op(ops.pad, e.of(x), widths, mode=op.mode))
