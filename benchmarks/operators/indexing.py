"""Operators that look elements up, and those that choose."""

from __future__ import annotations

import numpy as np

from benchmarks.operators.draw import Draw, Spec, draws
from benchmarks.operators.movement import ANY

INDEX = (np.int64, np.int64, np.int32)


@draws("Gather")
def gather(d: Draw) -> Spec:
    shape, where = d.shape(1, 4), d.shape(0, 3, sizes=(1, 4))
    axis = d.axis(len(shape)) if d.opset >= 11 else d.integer(0, len(shape) - 1)
    n = int(shape[axis])
    least = -n if d.opset >= 11 and d.chance(0.4) else 0
    indices = d.rng.integers(least, n, where).astype(d.one(*INDEX))
    return Spec([d.array(shape, d.one(*ANY)), indices], {} if axis == 0 and d.chance(0.5) else {"axis": axis}, shapes={0: shape, 1: where})


@draws("GatherElements", "ScatterElements", "Scatter")
def elements(d: Draw) -> Spec:
    shape = d.shape(1, 4)
    axis = d.axis(len(shape)) if d.opset >= 11 else d.integer(0, len(shape) - 1)
    n = int(shape[axis])
    where = [d.size(1, 4) if k == axis % len(shape) and d.op == "GatherElements" else s for k, s in enumerate(shape)]
    if d.chance(0.3):
        where = [1 if d.chance(0.5) else s for s in where]
    reductions = {16: ("none", "add", "mul"), 18: ("none", "add", "mul", "min", "max")}.get(d.version, ("none",))
    reduction = d.one(*reductions) if d.op == "ScatterElements" else "none"
    least = -n if d.opset >= 11 and d.chance(0.4) else 0
    if d.op != "GatherElements" and reduction == "none":
        m = int(where[axis])
        order = np.argsort(d.rng.random((*[int(s) for k, s in enumerate(where) if k != axis % len(shape)], n)), axis=-1)[..., :m]
        indices = np.moveaxis(order, -1, axis)
        indices = indices + (least if least else 0)
    else:
        indices = d.rng.integers(least, n, [int(s) for s in where])
    indices = indices.astype(d.one(*INDEX))
    dtype = d.one(*ANY) if reduction == "none" else d.one(np.float32, np.float32, np.int32, np.int64)
    x = d.array(shape, dtype)
    attributes = {} if axis == 0 and d.chance(0.5) else {"axis": axis}
    if d.op == "GatherElements":
        return Spec([x, indices], attributes, shapes={0: shape, 1: where})
    attributes |= {"reduction": reduction} if reduction != "none" else {}
    return Spec([x, indices, d.array(where, dtype)], attributes, shapes={0: shape, 1: where, 2: where})


@draws("GatherND", "ScatterND")
def nd(d: Draw) -> Spec:
    shape = d.shape(1, 4)
    rank = len(shape)
    batch = d.integer(0, rank - 1) if d.op == "GatherND" and d.opset >= 12 and d.chance(0.4) else 0
    depth = d.integer(1, rank - batch)
    lead = d.shape(0, 2, sizes=(1, 4))
    if d.op == "GatherND":
        where = (*shape[:batch], *lead, depth)
        negative = d.chance(0.3)
        indices = np.stack(
            [
                d.rng.integers(-int(shape[batch + k]) if negative else 0, int(shape[batch + k]), [int(s) for s in where[:-1]])
                for k in range(depth)
            ],
            axis=-1,
        )
        return Spec(
            [d.array(shape, d.one(*ANY)), indices.astype(np.int64)], {"batch_dims": batch} if batch else {}, shapes={0: shape, 1: where}
        )
    reductions = {16: ("none", "add", "mul"), 18: ("none", "add", "mul", "min", "max")}.get(d.version, ("none",))
    reduction = d.one(*reductions)
    where = (*lead, depth)
    count = int(np.prod([int(s) for s in lead], dtype=int))
    space = [int(s) for s in shape[:depth]]
    total = int(np.prod(space))
    if reduction == "none":
        if count > total:
            lead, where, count = (), (depth,), 1
        flat = d.rng.permutation(total)[:count]
    else:
        flat = d.rng.integers(0, total, count)
    indices = np.stack(np.unravel_index(flat, space), axis=-1).reshape([int(s) for s in where])
    if d.chance(0.3) and d.opset >= 11:
        indices = indices - np.array(space)
    dtype = d.one(*ANY) if reduction == "none" else d.one(np.float32, np.float32, np.int32, np.int64)
    updates = (*lead, *shape[depth:])
    shapes = {0: shape, 1: where, 2: updates}
    if reduction == "none" and d.run:
        shapes = {}
    return Spec(
        [d.array(shape, dtype), indices.astype(np.int64), d.array(updates, dtype)],
        {"reduction": reduction} if reduction != "none" else {},
        shapes=shapes,
    )


@draws("OneHot")
def one_hot(d: Draw) -> Spec:
    shape = d.shape(0, 3)
    kind = d.one(np.int64, np.int32, np.float32, np.uint8)
    depth = d.integer(2, 6)
    indices = d.rng.integers(-depth - 1 if np.dtype(kind).kind != "u" else 0, depth + 2, [int(s) for s in shape]).astype(kind)
    dtype = d.one(np.float32, np.int64, np.int32, np.float32)
    values = np.array([0, 1] if dtype != np.float32 else [-0.5, 2.5], dtype)
    size = np.array(depth if d.chance(0.5) else [depth], d.one(np.int64, np.int32, np.float32))
    if d.opset < 11:
        size = size.reshape(()) if d.chance(0.5) else size.reshape(1)
    axis = d.axis(len(shape) + 1)
    return Spec([indices, size, values], {} if d.chance(0.3) else {"axis": axis}, shapes={0: shape})


@draws("NonZero")
def non_zero(d: Draw) -> Spec:
    shape = d.shape(1, 4)
    return Spec([d.array(shape, d.one(np.bool_, np.float32, np.int32, np.int64, np.uint8), 0, 1)], shapes={0: shape})


@draws("Compress")
def compress(d: Draw) -> Spec:
    shape = d.shape(1, 4)
    axis = d.axis(len(shape)) if d.opset >= 11 else d.integer(0, len(shape) - 1)
    flat = d.chance(0.3)
    n = int(np.prod([int(s) for s in shape])) if flat else int(shape[axis])
    count = max(1, n - (1 if d.chance(0.3) else 0))
    return Spec([d.array(shape, d.one(*ANY)), d.array((count,), bool)], {} if flat else {"axis": axis}, shapes={0: shape})


@draws("Unique")
def unique(d: Draw) -> Spec:
    shape = d.shape(1, 3)
    attributes = d.one({}, {"axis": d.axis(len(shape))}) | d.one({}, {"sorted": 0}, {"sorted": 1})
    return Spec([d.array(shape, d.one(np.float32, np.int64, np.int32), 0, 3)], attributes, d.integer(1, 4), shapes={0: shape})


@draws("NonMaxSuppression")
def nms(d: Draw) -> Spec:
    n, boxes, classes = d.size(1, 3), d.size(2, 9), d.size(1, 3)
    corners = d.rng.uniform(0, 10, (n, boxes, 2))
    sides = d.rng.uniform(1, 6, (n, boxes, 2))
    center = d.chance(0.4)
    made = np.concatenate([corners, sides] if center else [corners, corners + sides], axis=-1).astype(np.float32)
    if not center and d.chance(0.3):
        made = made[..., [2, 1, 0, 3]]
    scores = d.rng.permutation(n * classes * boxes).reshape(n, classes, boxes).astype(np.float32) / (n * classes * boxes)
    tail = [np.array([d.integer(0, 4)], np.int64), np.array([d.one(0.3, 0.5, 0.0)], np.float32), np.array([d.one(0.2, 0.6)], np.float32)]
    tail = tail[: d.integer(0, 3)]
    return Spec([made, scores, *tail], {"center_point_box": 1} if center else {}, shapes={0: (n, boxes, 4), 1: (n, classes, boxes)})


@draws("TensorScatter")
def tensor_scatter(d: Draw) -> Spec:
    n, cache, h = d.size(1, 3), d.size(4, 8), d.size()
    new = d.integer(1, 3)
    axis = d.one(-2, 1, None)
    shape, update = (n, d.size(), h), None
    shape = (n, cache, h)
    update = (n, new, h)
    mode = d.one("linear", "circular")
    where = d.rng.integers(0, int(cache) - (new if mode == "linear" else 0) + (1 if mode == "linear" else 0), n)
    attributes = ({} if axis is None else {"axis": axis}) | {"mode": mode}
    return Spec([d.array(shape), d.array(update), *d.one([], [where.astype(np.int64)])], attributes, shapes={0: shape, 1: update, 2: (n,)})
