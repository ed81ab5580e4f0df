"""Products, transforms, and tensors that are made."""

from __future__ import annotations

import numpy as np

from benchmarks.operators.draw import Draw, Spec, draws


@draws("MatMul")
def matmul(d: Draw) -> Spec:
    m, k, n = d.size(), d.size(), d.size()
    lead = d.shape(0, 3, sizes=(1, 4))
    a, b = (*lead, m, k), (*d.broadcast(lead), k, n)
    if d.chance(0.3):
        a, b = (*d.broadcast(lead), m, k), (*lead, k, n)
    if d.chance(0.15):
        a = (k,)
    elif d.chance(0.15):
        b = (k,)
    dtype = d.dtype()
    return Spec([d.array(a, dtype), d.array(b, dtype)], shapes={0: a, 1: b})


@draws("MatMulInteger")
def matmul_integer(d: Draw) -> Spec:
    m, k, n, lead = d.size(), d.size(), d.size(), d.shape(0, 2, sizes=(1, 4))
    ta, tb = d.one(np.uint8, np.int8), d.one(np.uint8, np.int8)
    a, b = (*lead, m, k), (*(d.one(lead, ())), k, n)
    x, y = d.array(a, ta, np.iinfo(ta).min, np.iinfo(ta).max), d.array(b, tb, np.iinfo(tb).min, np.iinfo(tb).max)
    zb = np.array(d.integer(0, 9), tb)
    if d.chance(0.3) and len(b) == 2:
        zb = d.array((int(n),), tb, 0, 9)
    return Spec([x, y, *d.one([], [np.array(d.integer(0, 9), ta)], [np.array(3, ta), zb])], shapes={0: a, 1: b})


@draws("QLinearMatMul")
def qlinear_matmul(d: Draw) -> Spec:
    m, k, n, lead = d.size(), d.size(), d.integer(1, 6), d.shape(0, 2, sizes=(1, 4))
    t = d.one(np.uint8, np.int8)
    info = np.iinfo(t)
    a, b = (*lead, m, k), (k, n)
    per = d.chance(0.4)
    sb = d.rng.uniform(0.01, 0.03, n if per else ()).astype(np.float32)
    zb = np.full(n, 2, t) if per else np.array(d.integer(0, 9), t)
    xs = [
        d.array(a, t, info.min, info.max),
        np.float32(0.02),
        np.array(d.integer(0, 9), t),
        d.array(b, t, info.min, info.max),
        sb,
        zb,
        np.float32(0.05),
        np.array(d.integer(0, 50), t),
    ]
    a = (*lead, m, int(k))
    return Spec([np.asarray(x) for x in xs], shapes={0: a}, steps=1)


@draws("Gemm")
def gemm(d: Draw) -> Spec:
    m, k, n = d.size(), d.size(), d.size()
    ta, tb = d.integer(0, 1), d.integer(0, 1)
    a, b = (k, m) if ta else (m, k), (n, k) if tb else (k, n)
    attributes = d.one({}, {"alpha": 0.5}) | d.one({}, {"beta": 2.0}) | ({"transA": 1} if ta else {}) | ({"transB": 1} if tb else {})
    dtype = d.dtype()
    c = d.one((m, n), (n,), (1, n), (m, 1), (), (1,), (1, 1), None if d.opset >= 11 else (n,))
    xs, shapes = [d.array(a, dtype), d.array(b, dtype)], {0: a, 1: b}
    if c is not None:
        xs.append(d.array(c, dtype))
        shapes[2] = c
    return Spec(xs, attributes, shapes=shapes)


@draws("Einsum")
def einsum(d: Draw) -> Spec:
    letters = {c: d.size(1, 4) for c in "abcdef"}
    count = d.one(1, 2, 2, 2, 3)
    terms = []
    ellipsis = d.chance(0.2)
    for _ in range(count):
        mine = d.choice.sample("abcdef", d.integer(1, 4 if not ellipsis else 2))
        if d.chance(0.1) and not ellipsis and len(mine) < 4:
            mine.append(mine[0])
        terms.append("".join(mine))
    used = sorted({c for t in terms for c in t})
    out = "".join(d.choice.sample(used, d.integer(0, min(4, len(used)))))
    lead = d.shape(1, 2, sizes=(1, 3)) if ellipsis else ()
    shapes = [(*lead, *(letters[c] for c in t)) for t in terms]
    dots = "..." if ellipsis else ""
    text = ",".join(dots + t for t in terms)
    if d.chance(0.85) or ellipsis:
        text += "->" + dots + out
    dtype = d.one(np.float32, np.float32, np.float32, np.float64, np.int32)
    return Spec([d.array(s, dtype) for s in shapes], {"equation": text}, shapes=dict(enumerate(shapes)), tolerance=1e-3)


@draws("Det")
def det(d: Draw) -> Spec:
    n = d.integer(1, 4)
    shape = (*d.shape(0, 3), n, n)
    return Spec([d.array(shape)], shapes={0: shape}, tolerance=1e-3)


@draws("EyeLike", "ConstantOfShape", "Range")
def made(d: Draw) -> Spec:
    from onnx import numpy_helper

    from benchmarks.operators.draw import attribute_type

    if d.op == "EyeLike":
        shape = d.shape(2, 2)
        return Spec(
            [d.array(shape, d.one(np.float32, np.int32))],
            d.one({}, {"dtype": attribute_type(d.one(np.float32, np.int64, np.int32))}) | d.one({}, {"k": d.integer(-3, 3)}),
            shapes={0: shape},
        )
    if d.op == "ConstantOfShape":
        value = np.array([3], d.one(np.float32, np.int64, np.bool_, np.int32, np.float16, np.uint8))
        return Spec(
            [d.ints([d.integer(0 if d.chance(0.1) else 1, 4) for _ in range(d.integer(0, 4))])],
            d.one({}, {"value": numpy_helper.from_array(value)}),
        )
    dtype = np.dtype(d.one(np.float32, np.int32, np.int64, np.float64, np.int16))
    start, step, count = d.integer(-5, 5), d.one(1, 2, 3, -1, -2), d.integer(0, 6)
    half = 0.5 if dtype.kind == "f" and d.chance(0.5) else 0
    return Spec([np.array(v, dtype) for v in (start, start + step * count + (half * np.sign(step) if count else 0), step)])


@draws("DFT")
def dft(d: Draw) -> Spec:
    inverse, one = d.chance(0.3), d.chance(0.4)
    rank = d.integer(1, 3)
    complex_ = inverse or d.chance(0.4)
    shape = (*(d.size(1, 6) for _ in range(rank)), 2 if complex_ else 1)
    if rank == 1:
        shape = (d.size(1, 3), *shape)
    axis = d.integer(1 if d.opset < 20 else 0, len(shape) - 2)
    if d.chance(0.3) and d.opset >= 20:
        axis -= len(shape)
    attributes: dict[str, object] = {}
    if inverse and not (one and complex_):
        attributes["inverse"] = 1
    elif one and not complex_:
        attributes["onesided"] = 1
    length = np.array(d.integer(1, 7), np.int64) if d.chance(0.3) else None
    x = d.array(shape)
    if d.opset >= 20:
        return Spec(
            [x, length, np.array(axis, np.int64)] if d.chance(0.7) else [x, *([length] if length is not None else [])],
            attributes,
            shapes={0: shape},
        )
    return Spec([x, *([length] if length is not None else [])], attributes | {"axis": axis}, shapes={0: shape})


@draws("STFT")
def stft(d: Draw) -> Spec:
    n, length, frame = d.size(1, 3), d.size(8, 20), d.integer(2, 8)
    complex_ = d.chance(0.3)
    shape = (n, length, 2) if complex_ else (n, length, 1)
    window = d.array((frame,)) if d.chance(0.7) else None
    onesided = 0 if complex_ else d.integer(0, 1)
    tail = [window, None if window is not None and d.chance(0.5) else np.array(frame, np.int64)]
    while tail[-1] is None:
        tail.pop()
    return Spec([d.array(shape), np.array(d.integer(1, 4), np.int64), *tail], {"onesided": onesided}, shapes={0: shape})


@draws("BlackmanWindow", "HammingWindow", "HannWindow")
def window(d: Draw) -> Spec:
    return Spec([np.array(d.integer(1, 9), d.one(np.int64, np.int32))], d.one({}, {"periodic": 0}) | d.one({}, {"output_datatype": 1}))


@draws("MelWeightMatrix")
def mel(d: Draw) -> Spec:
    return Spec(
        [np.array(d.integer(2, 5)), np.array(d.one(8, 16)), np.array(8000), np.array(0.0, np.float32), np.array(4000.0, np.float32)]
    )
