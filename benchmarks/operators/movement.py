"""Operators that move elements."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.operators.draw import Draw, Size, Spec, draws

ANY = (np.float32, np.float32, np.float32, np.int64, np.int32, np.bool_, np.uint8, np.float16, np.float64, np.int8)


@draws("Concat")
def concat(d: Draw) -> Spec:
    full, dtype = list(d.shape(1, 5)), d.one(*ANY)
    axis = d.axis(len(full))
    shapes = []
    for _ in range(d.integer(1, 4)):
        mine = list(full)
        mine[axis] = d.size(0 if d.chance(0.2) else 1)
        shapes.append(mine)
    return Spec([d.array(s, dtype) for s in shapes], {"axis": axis}, shapes=dict(enumerate(shapes)))


@draws("Transpose")
def transpose(d: Draw) -> Spec:
    shape = d.shape(0, 6, sizes=(1, 4))
    perm = d.choice.sample(range(len(shape)), len(shape))
    return Spec([d.array(shape, d.one(*ANY))], {} if d.chance(0.2) or not perm else {"perm": perm}, shapes={0: shape})


@draws("Reshape")
def reshape(d: Draw) -> Spec:
    shape, dtype = d.shape(0, 5, sizes=(1, 6)), d.one(*ANY)
    kind = d.integer(0, 4)
    rank = len(shape)
    if kind == 0 or not rank:
        target = [-1]
    elif kind == 1:
        target = [0, -1] if rank > 1 else [-1, 1]
    elif kind == 2:
        k = d.integer(1, rank)
        target = [0] * (k - 1) + [1, -1, 1] if k < rank else [0] * rank + [1]
        if k < rank:
            target = [0] * (k - 1) + [-1, 1] if d.chance(0.5) else target
    elif kind == 3:
        k = d.integer(0, rank - 1)
        target = [0] * k + [-1]
    else:
        target = [0] * (rank - 1) + [-1, 1]
    x = d.array(shape, dtype)
    return Spec([x, d.ints(target)], d.one({}, {"allowzero": 0}) if d.opset >= 14 else {}, shapes={0: shape})


@draws("Flatten")
def flatten(d: Draw) -> Spec:
    shape = d.shape(1, 5)
    axis = d.integer(-len(shape) if d.opset >= 11 else 0, len(shape))
    return Spec([d.array(shape, d.one(*ANY))], {} if d.chance(0.2) else {"axis": axis}, shapes={0: shape})


@draws("Squeeze", "Unsqueeze")
def squeeze(d: Draw) -> Spec:
    shape: list[int] = list(d.shape(0, 4))
    count = d.integer(1, 2)
    rank = len(shape) + count
    axes = d.choice.sample(range(rank), count)
    spelled = [a - rank if d.opset >= 11 and d.chance(0.4) else a for a in axes]
    if d.op == "Squeeze":
        for a in sorted(axes):
            shape.insert(a, 1)
    x = d.array(shape, d.one(*ANY))
    none = d.op == "Squeeze" and d.chance(0.15) and all(s > 1 for s in shape if isinstance(s, Size))
    if d.opset < 13:
        return Spec([x], {} if none else {"axes": spelled}, shapes={0: [int(s) for s in shape] if none else shape})
    return Spec([x, *([] if none else [d.ints(spelled)])], shapes={0: [int(s) for s in shape] if none else shape})


@draws("Slice")
def slice_(d: Draw) -> Spec:
    shape = d.shape(1, 5)
    rank = len(shape)
    axes = d.axes(rank)
    starts, ends, steps = [], [], []
    for _ in axes:
        step = d.one(1, 1, 1, 2, 3, -1, -2) if d.opset >= 10 else 1
        a, b = d.one((0, 9999), (1, 9999), (0, -1), (-2, 2**31 - 1), (0, 1), (1, 3), (-3, -1), (0, 2), (-9999, 9999), (2, 2**63 - 1))
        if step < 0:
            a, b = d.one((-1, -9999), (9999, 0), (-1, -(2**63) + 1), (3, 0), (-2, -9999), (-3, -(2**31)))
        starts.append(a)
        ends.append(b)
        steps.append(step)
    if d.chance(0.15):
        axes = list(range(len(axes)))
        bare = True
    else:
        bare = False
    x = d.array(shape, d.one(*ANY))
    if d.opset < 10:
        return Spec([x], {"starts": starts, "ends": ends} | ({} if bare else {"axes": axes}), shapes={0: shape})
    kind = d.one(np.int64, np.int64, np.int32)
    limit = np.iinfo(kind)
    cut = [np.clip(np.array(v, object), limit.min, limit.max).astype(kind) for v in (starts, ends, axes, steps)]
    tail = (
        cut[:2]
        if bare and all(s == 1 for s in steps)
        else [cut[0], cut[1], None, cut[3]]
        if bare
        else cut[:3]
        if all(s == 1 for s in steps) and d.chance(0.5)
        else cut
    )
    return Spec([x, *tail], shapes={0: shape})


@draws("Split")
def split(d: Draw) -> Spec:
    shape: list[int] = list(d.shape(1, 5))
    axis = d.axis(len(shape)) if d.opset >= 11 else d.integer(0, len(shape) - 1)
    count = d.integer(1, 4)
    parts = [d.integer(0 if d.chance(0.1) else 1, 4) for _ in range(count)]
    attributes: dict[str, object] = {} if d.chance(0.1) and axis == 0 else {"axis": axis}
    even = d.chance(0.4)
    if even:
        part = d.size(1, 4)
        shape[axis] = (
            Size(part * count, "split") if d.opset < 18 or d.chance(0.7) or count == 1 else Size(part * count + count // 2, "split")
        )
        if -(-shape[axis] // count) * (count - 1) >= shape[axis] and count > 1:
            shape[axis] = Size(part * count, "split")
    else:
        shape[axis] = sum(parts)
    x = d.array(shape, d.one(*ANY))
    if even:
        if d.opset >= 18:
            attributes["num_outputs"] = count
        return Spec([x], attributes, count, shapes={0: shape})
    if d.opset < 13:
        return Spec([x], attributes | {"split": parts}, count, shapes={0: shape})
    return Spec([x, d.ints(parts)], attributes, count, shapes={0: shape})


@draws("Tile")
def tile(d: Draw) -> Spec:
    shape = d.shape(1, 5, sizes=(1, 4))
    return Spec([d.array(shape, d.one(*ANY)), d.ints([d.one(1, 1, 2, 3, 0 if d.chance(0.1) else 1) for _ in shape])], shapes={0: shape})


@draws("Expand")
def expand(d: Draw) -> Spec:
    full = d.shape(0, 5, sizes=(1, 4))
    mine = d.broadcast(full)
    target = [
        1 if d.chance(0.3) and (k >= len(full) - len(mine)) and mine[k - len(full)] == s and d.run == 0 else s for k, s in enumerate(full)
    ]
    return Spec([d.array(mine, d.one(*ANY)), d.ints(target)], shapes={0: mine})


@draws("Pad")
def pad(d: Draw) -> Spec:
    shape = d.shape(1, 5, sizes=(3, 7))
    rank = len(shape)
    modes = ["constant", "reflect", "edge"] + (["wrap"] if d.opset >= 19 else [])
    mode = d.one(*modes)
    least = d.one(0, 0, -1)
    axes = d.axes(rank) if d.opset >= 18 and d.chance(0.5) else None
    count = rank if axes is None else len(axes)
    pads = [d.one(0, 0, d.integer(least, 2)) for _ in range(2 * count)]
    dtype = d.one(*ANY) if d.opset >= 13 else d.one(np.float32, np.float32, np.float64, np.float16)
    if d.opset == 11 or d.opset == 12:
        dtype = d.one(np.float32, np.int64, np.int32)
    x = d.array(shape, dtype)
    attributes: dict[str, object] = {} if mode == "constant" and d.chance(0.5) else {"mode": mode}
    if d.opset < 11:
        return Spec([x], attributes | {"pads": pads} | d.one({}, {"value": 1.5}), shapes={0: shape})
    value = d.one(None, np.array(3).astype(dtype)) if mode == "constant" else None
    tail = [value] + ([d.ints(axes, d.one(np.int64, np.int32))] if axes is not None else [])
    while tail and tail[-1] is None:
        tail.pop()
    return Spec([x, d.ints(pads), *tail], attributes, shapes={0: shape})


@draws("DepthToSpace", "SpaceToDepth")
def blocks(d: Draw) -> Spec:
    n, c, h, w, k = d.size(), d.size(1, 4), d.size(1, 4), d.size(1, 4), d.integer(1, 3)
    attributes: dict[str, object] = {"blocksize": k}
    if d.op == "DepthToSpace":
        if d.opset >= 11:
            attributes |= d.one({}, {"mode": "DCR"}, {"mode": "CRD"})
        shape = (n, int(c) * k * k, h, w)
    else:
        shape = (n, c, Size(h * k, "h"), Size(w * k, "w"))
    return Spec(
        [d.array(shape, d.one(np.float32, np.float32, np.float64, np.int32 if d.opset >= 13 else np.float32))],
        attributes,
        shapes={0: shape},
    )


@draws("CenterCropPad")
def center(d: Draw) -> Spec:
    shape = d.shape(1, 5)
    axes = d.axes(len(shape)) if d.chance(0.7) else None
    target = [d.integer(1, 9) for _ in (shape if axes is None else axes)]
    return Spec([d.array(shape, d.one(*ANY)), d.ints(target)], {} if axes is None else {"axes": axes}, shapes={0: shape})


@draws("Trilu")
def trilu(d: Draw) -> Spec:
    shape = d.shape(2, 5)
    k = d.one([], [np.array(d.integer(-6, 6))], [np.array(d.one(-99, 99, 0))])
    return Spec([d.array(shape, d.one(*ANY)), *k], d.one({}, {"upper": 0}, {"upper": 1}), shapes={0: shape})


@draws("ReverseSequence")
def reverse(d: Draw) -> Spec:
    shape = d.shape(2, 5)
    time = d.integer(0, 1)
    lengths = d.rng.integers(1, int(shape[time]), shape[1 - time], endpoint=True)
    attributes = {"time_axis": time, "batch_axis": 1 - time} if time or d.chance(0.6) else {}
    return Spec([d.array(shape, d.one(*ANY)), lengths], attributes, shapes={0: shape, 1: (shape[1 - time],)}, bound={1: (shape[time],)})


@draws("Shape", "Size")
def shape_of(d: Draw) -> Spec:
    shape = d.shape(0, 5)
    attributes = {}
    if d.op == "Shape" and d.opset >= 15:
        attributes = d.one({}, {"start": d.integer(-6, 6)}, {"end": d.integer(-6, 6)}, {"start": d.integer(-6, 6), "end": d.integer(-6, 6)})
    return Spec([d.array(shape, d.one(*ANY))], attributes, shapes={0: shape})


@draws("Col2Im")
def col2im(d: Draw) -> Spec | None:
    rank = d.integer(1, 3)
    image, block = [d.integer(4, 7) for _ in range(rank)], [d.integer(1, 3) for _ in range(rank)]
    dil, pads, strides = (
        [d.one(1, 1, 2) for _ in range(rank)],
        [d.integer(0, 1) for _ in range(2 * rank)],
        [d.integer(1, 2) for _ in range(rank)],
    )
    count = math.prod((i + pads[k] + pads[k + rank] - dil[k] * (b - 1) - 1) // strides[k] + 1 for k, (i, b) in enumerate(zip(image, block)))
    if count < 1 or any(i + pads[k] + pads[k + rank] - dil[k] * (b - 1) < 1 for k, (i, b) in enumerate(zip(image, block))):
        return None
    shape = (d.size(), d.integer(1, 3) * math.prod(block), count)
    attributes: dict[str, object] = {}
    for name, value, default in (("dilations", dil, 1), ("pads", pads, 0), ("strides", strides, 1)):
        if any(v != default for v in value) or d.chance(0.3):
            attributes[name] = value
    return Spec([d.array(shape), d.ints(image), d.ints(block)], attributes, shapes={0: shape}, always=frozenset())
