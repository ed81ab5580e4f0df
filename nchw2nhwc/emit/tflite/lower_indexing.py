"""Lowerings of ops that pick elements by index, or order them by value.

The kernels take no negative indices: constant ones are counted from the front here, others when the model runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from nchw2nhwc.emit.tflite.carriers import BOOL, INT32, INT64, UINT64, refused_type
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_elementwise import kernel
from nchw2nhwc.emit.tflite.lower_movement import reshape
from nchw2nhwc.emit.tflite.lower_sizes import size_tensor, sizes_tensor
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.emit.tflite.ranges import are_positions
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Array, Dim, Node, Shape, Size, Value, is_static, product, size_max
from nchw2nhwc.ops.dynamic import DynamicBroadcast
from nchw2nhwc.ops.indexing import Gather, GatherElements, GatherND, ReverseSequence, ScatterElements, ScatterND, TopK
from nchw2nhwc.ops.movement import Expand

_BROADCAST_RANK = 4
"""Most axes of tensors that a number replaces elements of."""


# ---- indices -----------------------------------------------------------------------------------------------------------
def _wraps(node: Node) -> str:
    """Why indices (operand 1) cannot be counted from the front; "" if they can."""
    indices = node.input(1)
    return "" if indices.is_const else refused_type("FLOOR_MOD", indices.type.dtype)


def _from_front(e: Emitter, indices: Value, sizes: Sequence[Size]) -> int:
    """A tensor of indices that are not negative, into axes of `sizes` (the last axis of the indices if there are several)."""
    if indices.const is not None:
        constant = np.asarray(indices.const, np.int64)
        if is_static(sizes):
            return e.const(np.asarray(constant % np.array(sizes if len(sizes) > 1 else sizes[0], np.int64), np.int32))
        if constant.min(initial=0) >= 0:
            return e.const(np.asarray(constant, np.int32))
    where = e.of(indices)
    if indices.type.dtype not in (INT32, INT64):  # other integers are no positions to kernels
        where = e.cast(where, INT32 if indices.type.dtype != UINT64 else INT64)
    dtype = e.tensor(where).dtype
    if are_positions(indices):
        return where
    if (where, tuple(sizes)) in e.from_front:
        return e.from_front[where, tuple(sizes)]
    if is_static(sizes):
        modulus = e.const(np.array(sizes if len(sizes) > 1 else sizes[0], dtype))
    else:
        modulus = sizes_tensor(e, [size_max(s, 1) for s in sizes], dtype)  # nothing is left of 0
        modulus = modulus if indices.rank else _reshaped(e, modulus, (1,), ())
    found = e.from_front[where, tuple(sizes)] = e.run("FLOOR_MOD", [where, modulus], dtype, indices.shape, options("FloorModOptions"))
    return found


def _reshaped(e: Emitter, tensor: int, before: Shape, after: Shape) -> int:
    """The tensor under another shape; itself if that is the one it has."""
    if tuple(before) == tuple(after):
        return tensor
    target = e.temp(e.tensor(tensor).dtype, after)
    reshape(e, tensor, target, after)
    return target


# ---- gathering ---------------------------------------------------------------------------------------------------------
@lowering(Gather, lambda node, op: kernel("GATHER")(node, op) or _wraps(node))
def gather(e: Emitter, node: Node, op: Gather) -> None:
    """GATHER."""
    data = node.input(0)
    where = _from_front(e, node.input(1), (data.shape[op.axis],))
    e.op("GATHER", [e.of(data), where], [e.out(node)], options("GatherOptions", axis=op.axis))


@lowering(GatherElements, lambda node, op: kernel("GATHER")(node, op) or _wraps(node))
def gather_elements(e: Emitter, node: Node, op: GatherElements) -> None:
    """GATHER of single elements along the axis and all behind it as one; those before it are the kernel's batch axes."""
    data, indices, axis = node.input(0), node.input(1), op.axis
    outer, behind = data.shape[:axis], data.shape[axis + 1:]
    inner = product(behind)
    where = _from_front(e, indices, (data.shape[axis],))
    if isinstance(inner, Dim):
        where = _offset_by_open(e, where, indices, behind)
    elif inner > 1:
        where = _offset(e, where, indices, inner, np.arange(inner).reshape([int(s) for s in behind if isinstance(s, int)]))
    rows = _reshaped(e, where, indices.shape, (*outer, indices.shape[axis] * inner))
    flat = _reshaped(e, e.of(data), data.shape, (*outer, data.shape[axis] * inner))
    opts = options("GatherOptions", axis=axis, batchDims=axis)
    if inner == 1 and axis == data.rank - 1:
        e.op("GATHER", [flat, rows], [e.out(node)], opts)
    else:
        found = e.run("GATHER", [flat, rows], data.type.dtype, (*outer, indices.shape[axis] * inner), opts)
        reshape(e, found, e.out(node), node.output.shape)


def _offset(e: Emitter, where: int, indices: Value, factor: int, offsets: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> int:
    """`where * factor + offsets`, of constants a constant."""
    tensor = e.tensor(where)
    if tensor.buffer:
        content = e.pool.blobs[tensor.buffer - 1].array.reshape(tensor.shape)
        return e.const(np.asarray(content.astype(np.int64) * factor + offsets, np.int32))
    dtype = tensor.dtype
    scaled = where if factor == 1 else e.run("MUL", [where, e.const(factor, dtype)], dtype, indices.shape, options("MulOptions"))
    return e.run("ADD", [scaled, e.const(offsets, dtype)], dtype, indices.shape, options("AddOptions"))


def _offset_by_open(e: Emitter, where: int, indices: Value, behind: Shape) -> int:
    """`where` times the number of elements behind its axis, whose sizes are `behind`, plus the number of each of these elements."""
    dtype, inner = e.tensor(where).dtype, product(behind)
    count = size_tensor(e, inner)
    numbers = e.run("RANGE", [e.const(0, INT32), count, e.const(1, INT32)], INT32, (inner,), options("RangeOptions"))
    offsets = e.cast(_reshaped(e, numbers, (inner,), behind), dtype)
    scaled = e.run("MUL", [where, e.cast(count, dtype)], dtype, indices.shape, options("MulOptions"))
    return e.run("ADD", [scaled, offsets], dtype, indices.shape, options("AddOptions"))


def _gathers_rows(node: Node, op: GatherND) -> str:
    if op.batch_dims:
        return "GATHER_ND has no batch axes"
    return kernel("GATHER_ND")(node, op) or _wraps(node)


@lowering(GatherND, _gathers_rows)
def gather_nd(e: Emitter, node: Node, op: GatherND) -> None:
    """GATHER_ND."""
    data, indices = node.input(0), node.input(1)
    depth = node.output.rank - indices.rank + 1
    where = _from_front(e, indices, data.shape[:data.rank - depth])
    e.op("GATHER_ND", [e.of(data), where], [e.out(node)], options("GatherNdOptions"))


# ---- scattering --------------------------------------------------------------------------------------------------------
_SEGMENTS = {"mul": ("UNSORTED_SEGMENT_PROD", "MUL", "MulOptions"), "max": ("UNSORTED_SEGMENT_MAX", "MAXIMUM", "MaximumMinimumOptions"),
             "min": ("UNSORTED_SEGMENT_MIN", "MINIMUM", "MaximumMinimumOptions")}
"""Of reductions: the kernel that combines what goes to one place, and what combines that with what is there."""


def _scatters(node: Node, op: ScatterND | ScatterElements) -> str:
    if op.reduction in _SEGMENTS:
        code = _SEGMENTS[op.reduction][0]
        one = isinstance(op, ScatterElements) or node.input(1).shape[-1] == 1
        return kernel(code)(node, op) or _wraps(node) or ("" if one else f"{code} knows places along one axis")
    combine = "ADD" if op.reduction == "add" else "SELECT_V2"
    return kernel("SCATTER_ND")(node, op) or kernel(combine)(node, op) or _wraps(node)


def _scatter(e: Emitter, op: ScatterND | ScatterElements, data: int, rows: int, updates: int | Array, target: int, depth: int,
             shape: Shape) -> None:
    """SCATTER_ND adds up the updates over zeros. They are added to the data, or chosen wherever there is one. `updates` is a number where
    all of them are that, which it is for places that are named twice, too."""
    inside = shape[:depth]
    if not isinstance(updates, int):
        e.op("SELECT_V2", [_touched(e, rows, inside, len(shape)), e.const(updates), data], [target], options("SelectV2Options"))
        return
    if op.reduction in _SEGMENTS:
        _combine(e, op.reduction, data, rows, updates, target, shape)
        return
    opts = options("ScatterNdOptions")
    found = e.run("SCATTER_ND", [rows, updates, sizes_tensor(e, shape)], e.tensor(data).dtype, shape, opts)
    if op.reduction == "add":
        e.op("ADD", [data, found], [target], options("AddOptions"))
        return
    e.op("SELECT_V2", [_touched(e, rows, inside, len(shape)), found, data], [target], options("SelectV2Options"))


def _combine(e: Emitter, reduction: str, data: int, rows: int, updates: int, target: int, shape: Shape) -> None:
    """Kernels of segments combine the updates for each place along the first axis. To those that look for the largest or the smallest
    number none is beyond the finite ones: infinite data stays where there is no update."""
    code, combine, kind = _SEGMENTS[reduction]
    dtype, lead = e.tensor(data).dtype, e.shape_of(rows)[:-1]
    name = "".join(word.capitalize() for word in code.split("_"))
    places = _reshaped(e, rows, (*lead, 1), lead)
    found = e.run(code, [updates, places, size_tensor(e, shape[0])], dtype, shape, options(f"{name}Options"))
    if reduction == "mul" or dtype == INT32:
        e.op(combine, [data, found], [target], options(kind))
        return
    both = e.run(combine, [data, found], dtype, shape, options(kind))
    e.op("SELECT_V2", [_touched(e, rows, shape[:1], len(shape)), both, data], [target], options("SelectV2Options"))


def _updates(e: Emitter, node: Node, op: ScatterND | ScatterElements, shape: Shape) -> int | Array:
    """The updates of a node under another shape, or the number that all of them replace elements by."""
    updates, data = node.input(2), node.input(0)
    maker = updates.producer
    content = (maker.input(0) if maker is not None and isinstance(maker.op, (DynamicBroadcast, Expand)) else updates).const
    plain = op.reduction == "none" and data.rank <= _BROADCAST_RANK and e.tensor(e.of(data)).dtype == updates.type.dtype
    if plain and content is not None and content.size and bool((content == content.flat[0]).all()):
        return np.asarray(content.flat[0])
    return _reshaped(e, e.of(updates), updates.shape, shape)


def _touched(e: Emitter, rows: int, inside: Shape, rank: int) -> int:
    """Whether there is an update, for every place in the indexed axes; of constant indices a constant. It broadcasts to `rank` axes."""
    tensor = e.tensor(rows)
    wide = (*inside, *(1,) * (rank - len(inside)))
    if tensor.buffer and is_static(inside):
        mask = np.zeros(tuple(s for s in inside if isinstance(s, int)), np.bool_)
        mask[tuple(np.moveaxis(e.pool.blobs[tensor.buffer - 1].array.reshape(tensor.shape), -1, 0))] = True
        return e.const(mask.reshape(tuple(s for s in wide if isinstance(s, int))))
    lead = e.shape_of(rows)[:-1]
    one = e.const(np.ones(tuple(s for s in lead if isinstance(s, int)), np.int32)) if is_static(lead) else e.run(
        "BROADCAST_TO", [e.ints([1]), sizes_tensor(e, lead)], INT32, lead, options("BroadcastToOptions"))
    count = e.run("SCATTER_ND", [rows, one, sizes_tensor(e, inside)], INT32, inside, options("ScatterNdOptions"))
    return _reshaped(e, e.run("GREATER", [count, e.const(0, INT32)], BOOL, inside, options("GreaterOptions")), inside, wide)


@lowering(ScatterND, _scatters)
def scatter_nd(e: Emitter, node: Node, op: ScatterND) -> None:
    """See `_scatter`. Indices have to be distinct for 'none', as both sources ask for."""
    data, indices, updates = (node.input(k) for k in range(3))
    depth = data.rank - updates.rank + indices.rank - 1
    rows, lead = e.cast(_from_front(e, indices, data.shape[:depth]), INT32), (1,) if indices.rank == 1 else ()  # the kernel wants a list
    rows = _reshaped(e, rows, indices.shape, (*lead, *indices.shape))
    _scatter(e, op, e.of(data), rows, _updates(e, node, op, (*lead, *updates.shape)), e.out(node), depth, data.shape)


def _scatters_known(node: Node, op: ScatterElements) -> str:
    known = all(v is None or v.type.is_static for v in node.inputs)
    return _scatters(node, op) or ("" if known else "elements are scattered in tensors of known sizes")


@lowering(ScatterElements, _scatters_known)
def scatter_elements(e: Emitter, node: Node, op: ScatterElements) -> None:
    """SCATTER_ND of single elements in the flattened data."""
    data, indices = node.input(0), node.input(1)
    shape = tuple(s for s in data.shape if isinstance(s, int))
    inner, axis = prod(shape[op.axis + 1:]), op.axis
    first = np.arange(prod(shape)).reshape(shape).take([0], axis)
    where = _offset(e, _from_front(e, indices, (shape[axis],)), indices, inner, first)
    count, flat = product(indices.shape), (prod(shape),)
    rows = e.cast(_reshaped(e, where, indices.shape, (count, 1)), INT32)
    result = e.temp(data.type.dtype, flat)
    _scatter(e, op, _reshaped(e, e.of(data), shape, flat), rows, _updates(e, node, op, (count,)), result, 1, flat)
    reshape(e, result, e.out(node), shape)


# ---- by value, and by length -------------------------------------------------------------------------------------------
def _sorts(node: Node, op: TopK) -> str:
    if op.dtype != INT32:
        return f"positions are int32, not {op.dtype.name}"
    return kernel("TOPK_V2")(node, op) if op.largest else "TOPK_V2 finds the largest elements"


@lowering(TopK, _sorts)
def top_k(e: Emitter, node: Node, op: TopK) -> None:
    """TOPK_V2, along the last axis."""
    x = node.input(0)
    if op.axis != x.rank - 1:
        raise TargetError(f"TOPK_V2 works along the last axis, not along axis {op.axis} of {x.type}", e.where)
    e.op("TOPK_V2", [e.of(x), sizes_tensor(e, (op.k,))], [e.out(node), e.out(node, 1)], options("TopKV2Options"))


@lowering(ReverseSequence, kernel("REVERSE_SEQUENCE"))
def reverse_sequence(e: Emitter, node: Node, op: ReverseSequence) -> None:
    """REVERSE_SEQUENCE."""
    opts = options("ReverseSequenceOptions", seqDim=op.time_axis, batchDim=op.batch_axis)
    e.op("REVERSE_SEQUENCE", e.operands(node), [e.out(node)], opts)
