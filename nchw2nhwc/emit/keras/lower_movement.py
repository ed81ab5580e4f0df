"""Lowerings of ops that only move elements about."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from keras import layers, ops

from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lowering import ANY, lowering, taking
from nchw2nhwc.emit.keras.sizes import flat_positions, line, number, positions
from nchw2nhwc.ir import Dim, Node, Shape, is_static, product
from nchw2nhwc.ops import movement
from nchw2nhwc.passes.rank import neighbours, orders_between

if TYPE_CHECKING:
    from keras import KerasTensor

_CONVERTED_AXES = 6
"""Axes of a transpose that TensorFlow's converter to TFLite takes."""

_ZEROS = {3: layers.ZeroPadding1D, 4: layers.ZeroPadding2D, 5: layers.ZeroPadding3D}


# ---- shapes ------------------------------------------------------------------------------------------------------------
def reshape(e: Emitter, x: KerasTensor, before: Shape, after: Shape, part: str = "") -> KerasTensor:
    """x under another shape. Where more than the batch and one other size are unknown, which Keras does not take, all axes from the first
    of them to the last one are one axis first, along which elements are picked."""
    same_batch = bool(after) and bool(before) and before[0] == after[0]
    unknown = [k for k, size in enumerate(after) if isinstance(size, Dim) and not (k == 0 and same_batch)]
    if len(unknown) > 1:
        first, end = unknown[0], unknown[-1] + 1
        one = reshape(e, x, before, (*after[:first], product(after[first:end]), *after[end:]), "flat")
        return e.op(ops.take, one, flat_positions(e, after[first:end]), axis=first, part=part)
    sizes = tuple(-1 if isinstance(s, Dim) else s for s in after)
    if same_batch and len(after) > 1:
        return e.layer(layers.Reshape(sizes[1:], name=e.name(part)), x)
    return e.op(ops.reshape, x, sizes, part=part)


@lowering(movement.Reshape, taking(ANY))
def _reshape(e: Emitter, node: Node, op: movement.Reshape) -> None:
    e.set(node, reshape(e, e.of(node.input(0)), node.input(0).shape, op.shape))


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
def _expand(e: Emitter, node: Node, op: movement.Expand) -> None:
    x = node.input(0)
    e.set(node, expanded(e, e.of(x), x.shape, op.shape))


def expanded(e: Emitter, x: KerasTensor, before: Shape, after: Shape, part: str = "") -> KerasTensor:
    """x broadcast to a shape, x itself where it has that: broadcast_to; with unknown sizes tile, and the only element along an axis that
    becomes of such a size picked again and again."""
    if before == after:
        return x
    if is_static((*before, *after)):
        return e.op(ops.broadcast_to, x, after, part=part)
    aligned = (*(1,) * (len(after) - len(before)), *before)
    if aligned != before:
        x = reshape(e, x, before, aligned, f"{part}axes")
    repeats = [1] * len(after)
    for k, (own, size) in enumerate(zip(aligned, after)):
        if own == 1 and not isinstance(size, Dim):
            repeats[k] = size
        elif own == 1 and isinstance(size, Dim):
            x = e.op(ops.take, x, line(e, size), axis=k, part=f"{part}along")
        elif isinstance(own, Dim) and own != size:  # the same, or 1
            x = e.op(ops.take, x, e.op(ops.mod, positions(e, size), number(e, own), part="places"), axis=k, part=f"{part}along")
    return e.op(ops.tile, x, tuple(repeats), part=part) if set(repeats) != {1} else x


@lowering(movement.Tile, taking(ANY))
def tile(e: Emitter, node: Node, op: movement.Tile) -> None:
    """tile."""
    e.set(node, e.op(ops.tile, e.of(node.input(0)), op.repeats))


# ---- slices ------------------------------------------------------------------------------------------------------------
@lowering(movement.Slice, taking(ANY))
def slice_(e: Emitter, node: Node, op: movement.Slice) -> None:
    """Numpy's indexing; of known sizes with ends inside of the axis. Along axes with ends that are not known, elements are picked."""
    x, spans, picked = e.of(node.input(0)), [], []
    for axis, (size, start, stop, step) in enumerate(zip(node.input(0).shape, op.starts, op.stops, op.steps)):
        if isinstance(start, Dim) or isinstance(stop, Dim):
            picked.append(axis)
            spans.append(slice(None))
        elif isinstance(size, int) and (start, stop, step) != (None, None, 1):
            first, last, _ = slice(start, stop, step).indices(size)
            empty = not range(first, last, step)
            spans.append(slice(0, 0) if empty else slice(first, None if last < 0 else last, step))
        else:
            spans.append(slice(start, stop, step if step != 1 else None))
    if any(span != slice(None) for span in spans) or not picked:
        x = e.op(lambda t: t[tuple(spans)], x, part="slice" if picked else "")
    for axis in picked:
        x = _picked(e, x, axis, node, op, "" if axis == picked[-1] else f"along{axis}")
    e.set(node, x)


def _picked(e: Emitter, x: KerasTensor, axis: int, node: Node, op: movement.Slice, part: str) -> KerasTensor:
    """The elements of a slice along one axis."""
    first, length = movement.span(node.input(0).shape[axis], op.starts[axis], op.stops[axis], op.steps[axis])
    where = positions(e, length)
    if op.steps[axis] != 1:
        where = e.op(ops.multiply, where, op.steps[axis], part="steps")
    if first != 0:
        where = e.op(ops.add, where, number(e, first), part="places")
    return e.op(ops.take, x, where, axis=axis, part=part)


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
