"""Lowerings of ops that pick elements by index, or order them by value."""

from __future__ import annotations

from inspect import signature
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from keras import layers, ops

from nchw2nhwc.emit.keras.emitter import Emitter, keras_shape
from nchw2nhwc.emit.keras.lower_movement import reshape
from nchw2nhwc.emit.keras.lowering import ANY, NUMBER, lowering, taking
from nchw2nhwc.emit.keras.sizes import size_vector
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Array, Dim, Node, Shape, Value, is_static, product
from nchw2nhwc.ops.indexing import Gather, GatherElements, ScatterElements, ScatterND, TopK

if TYPE_CHECKING:
    from keras import KerasTensor


@lowering(Gather, taking(ANY))
def gather(e: Emitter, node: Node, op: Gather) -> None:
    """Embedding, when rows of a constant table are looked up; otherwise take. Both count negative indices from the end."""
    data, indices = node.input(0), node.input(1)
    table = data.const
    rows = table is not None and table.ndim == 2 and table.dtype == np.float32 and op.axis == 0
    if rows and indices.const is None and indices.rank:
        layer = layers.Embedding(*keras_shape(data.shape), embeddings_initializer="zeros", name=e.name())
        e.set(node, e.layer(layer, e.of(indices), weights=[np.asarray(table)]))
        return
    e.set(node, e.op(ops.take, e.operand(data), e.operand(indices), axis=op.axis))


@lowering(GatherElements, taking(ANY))
def gather_elements(e: Emitter, node: Node, op: GatherElements) -> None:
    """take_along_axis, which counts negative indices from the end."""
    e.set(node, e.op(ops.take_along_axis, *e.operands(node), axis=op.axis))


# ---- scattering --------------------------------------------------------------------------------------------------------
_REDUCES = "reduction" in signature(ops.scatter_update).parameters
"""Whether Keras combines updates with the data, which it does from 3.15 on."""


def _scatters(node: Node, op: ScatterND | ScatterElements) -> str:
    combined = ("max", "min") if _REDUCES else ()
    if op.reduction not in ("none", "add", *combined) and not (op.reduction == "mul" and _REDUCES and not node.input(0).type.is_static):
        return f"Keras does not scatter by '{op.reduction}'"
    reason = taking(ANY if op.reduction == "none" else NUMBER)(node, op)
    rows = node.input(1).shape[-1] if isinstance(op, ScatterND) else 1
    known = all(v.type.is_static for v in map(node.input, (0, 1)))
    if not reason and not known and (isinstance(op, ScatterElements) or isinstance(rows, Dim) or (op.reduction != "none" and not _REDUCES)):
        return "Keras scatters in tensors of known sizes"
    return reason


def _from_front(e: Emitter, indices: Value, sizes: Shape) -> KerasTensor | Array:
    """Indices that are not negative, into axes of `sizes` (the last axis of the indices if there are several)."""
    if is_static(sizes):
        modulus = np.array(sizes if len(sizes) > 1 else sizes[0], np.int64)
        if indices.const is not None:
            return np.asarray(indices.const.astype(np.int64) % modulus, indices.type.dtype)
        return e.op(ops.mod, e.of(indices), modulus.astype(indices.type.dtype), part="positions")
    computed = e.op(ops.cast, size_vector(e, sizes), indices.type.dtype.name, part="modulus")
    return e.op(ops.mod, e.operand(indices), computed, part="positions")


def _scatter(e: Emitter, op: ScatterND | ScatterElements, data: KerasTensor, rows: KerasTensor | Array, updates: KerasTensor,
             shape: Shape, part: str = "") -> KerasTensor:
    """scatter_update, or what scatter adds up, added to the data, which older versions of Keras do too."""
    if op.reduction == "none":
        return e.op(ops.scatter_update, data, rows, updates, part=part)
    if op.reduction == "add" and is_static(shape):
        return e.op(ops.add, data, e.op(ops.scatter, rows, updates, shape, part="updates"), part=part)
    return e.op(ops.scatter_update, data, rows, updates, op.reduction, part=part)


def _known(value: Value) -> tuple[int, ...]:
    return tuple(s for s in value.shape if isinstance(s, int))


@lowering(ScatterND, _scatters)
def scatter_nd(e: Emitter, node: Node, op: ScatterND) -> None:
    """See `_scatter`; rows of indices in one list."""
    data, indices, updates = (node.input(k) for k in range(3))
    depth = data.rank - updates.rank + indices.rank - 1
    rows = _flat(e, _from_front(e, indices, data.shape[:depth]), indices, (-1, depth), "rows")
    pieces = (product(indices.shape[:-1]), *data.shape[depth:])
    new = e.of(updates) if updates.shape == pieces else reshape(e, e.of(updates), updates.shape, pieces, "pieces")
    e.set(node, _scatter(e, op, e.of(data), rows, new, data.shape))


@lowering(ScatterElements, _scatters)
def scatter_elements(e: Emitter, node: Node, op: ScatterElements) -> None:
    """See `_scatter`; of single elements in the flattened data."""
    data, indices, updates = (node.input(k) for k in range(3))
    shape, axis = _known(data), op.axis
    where = _from_front(e, indices, (shape[axis],))
    inner, first = prod(shape[axis + 1:]), np.arange(prod(shape)).reshape(shape).take([0], axis)
    if isinstance(where, np.ndarray):
        where = where.astype(np.int64) * inner + first
    else:
        where = e.op(ops.add, e.op(ops.multiply, where, inner, part="scaled"), first.astype(indices.type.dtype), part="flat_positions")
    rows, flat = _flat(e, where, indices, (-1, 1), "rows"), (prod(shape),)
    old, new = (reshape(e, e.of(v), v.shape, (product(v.shape),), part) for v, part in ((data, "flat"), (updates, "flat_updates")))
    e.set(node, reshape(e, _scatter(e, op, old, rows, new, flat, "scattered"), flat, shape))


def _flat(e: Emitter, rows: KerasTensor | Array, indices: Value, shape: tuple[int, ...], part: str) -> KerasTensor | Array:
    """Indices under another shape."""
    if isinstance(rows, np.ndarray):
        return rows.reshape(shape)
    return rows if indices.rank == len(shape) and indices.shape[-1] == shape[-1] else e.op(ops.reshape, rows, shape, part=part)


# ---- by value ----------------------------------------------------------------------------------------------------------
def _sorts(node: Node, op: TopK) -> str:
    if isinstance(op.k, Dim):
        return "Keras finds a number of elements that is known"
    return taking(NUMBER)(node, op) or ("" if op.largest else "Keras finds the largest elements")


@lowering(TopK, _sorts)
def top_k(e: Emitter, node: Node, op: TopK) -> None:
    """top_k, along the last axis."""
    x = node.input(0)
    if op.axis != x.rank - 1:
        raise TargetError(f"top_k works along the last axis, not along axis {op.axis} of {x.type}", e.where)
    values, positions = e.op(ops.top_k, e.of(x), op.k)
    e.set(node, values, positions if op.dtype == np.int32 else e.op(ops.cast, positions, op.dtype.name, part="positions"))
