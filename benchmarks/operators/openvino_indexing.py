"""Operations that take parts, look elements up, or choose."""

from __future__ import annotations

import math

import numpy as np
import openvino.opset1 as op1
import openvino.opset3 as op3
import openvino.opset5 as op5
import openvino.opset8 as op8
import openvino.opset11 as op11
import openvino.opset12 as op12
import openvino.opset13 as op13
import openvino.opset15 as op15

from benchmarks.operators.draw import Draw, Spec
from benchmarks.operators.openvino_operations import case, const, ov


@ov("strided_slice")
def strided_slice(d: Draw) -> Spec | None:
    shape = d.shape(1, 4, sizes=(2, 6))
    n = d.integer(1, len(shape))

    def mask(p=0.3):
        return [int(d.chance(p)) for _ in range(n)]

    b = [d.integer(-4, 3) for _ in range(n)]
    e = [d.one(d.integer(-3, 6), 9999, -9999) for _ in range(n)]
    st = [d.one(1, 1, 1, 2, -1) for _ in range(n)]
    bm, em, nm, sm = mask(), mask(), mask(0.15), mask(0.15)
    el = [0] * n
    if d.chance(0.15):
        el[d.integer(0, n - 1)] = 1
    for k in range(n):
        if sm[k]:
            b[k], bm[k], st[k], e[k] = d.integer(0, 1), 0, 1, 2
    return case(
        [d.array(shape, d.one(np.float32, np.int32))],
        lambda x: op1.strided_slice(x, const(*b), const(*e), const(*st), bm, em, nm, sm, el),
        f"begin {b} end {e} step {st} masks {bm} {em} new {nm} shrink {sm} ellipsis {el}",
        {0: shape},
    )


@ov("slice_8")
def slice_8(d: Draw) -> Spec | None:
    shape = d.shape(1, 4, sizes=(2, 6))
    axes = d.axes(len(shape))
    st = [d.one(1, 1, 2, -1, -2) for _ in axes]
    a = [d.integer(-5, 4) for _ in axes]
    b = [d.one(d.integer(-3, 6), 9999, -9999) if step > 0 else -9999 for step in st]
    return case(
        [d.array(shape)], lambda x: op8.slice(x, const(*a), const(*b), const(*st), const(*axes)), f"{a} {b} {st} {axes}", {0: shape}
    )


@ov("pad")
def pad(d: Draw) -> Spec | None:
    shape = d.shape(1, 5, sizes=(3, 6))
    mode = d.one("constant", "edge", "reflect", "symmetric")
    b, e = [d.one(0, 0, d.integer(-1, 2)) for _ in shape], [d.one(0, 0, d.integer(-1, 2)) for _ in shape]
    t = d.one(np.float32, np.float32, np.int32, np.int64)
    return case(
        [d.array(shape, t)], lambda x: op12.pad(x, const(*b), const(*e), mode, op13.constant(np.array(2, t))), f"{mode} {b} {e}", {0: shape}
    )


@ov("gather_8")
def gather_8(d: Draw) -> Spec | None:
    shape = d.shape(1, 4)
    bd = d.integer(0, len(shape) - 1) if d.chance(0.5) else 0
    axis = d.integer(bd, len(shape) - 1)
    lead = (*shape[:bd], *d.shape(0, 2, sizes=(1, 3)))
    if len(lead) < bd:
        return None
    idx = d.rng.integers(-int(shape[axis]), int(shape[axis]), [int(s) for s in lead]).astype(d.one(np.int32, np.int64))
    ax = axis - len(shape) if d.chance(0.3) else axis
    bdx = bd - len(lead) if d.chance(0.2) and bd else bd
    return case(
        [d.array(shape, d.one(np.float32, np.int32)), idx],
        lambda x, i: op8.gather(x, i, const(ax), bdx),
        f"axis {ax} batch {bdx}",
        {0: shape, 1: lead},
        bound={1: shape},
    )


@ov("gather_nd_8", "gather_nd_5")
def gather_nd(d: Draw) -> Spec | None:
    shape = d.shape(1, 4)
    bd = d.integer(0, len(shape) - 1) if d.chance(0.5) else 0
    depth = d.integer(1, len(shape) - bd)
    lead = (*shape[:bd], *d.shape(0, 2, sizes=(1, 3)))
    idx = np.stack([d.rng.integers(0, int(shape[bd + k]), [int(s) for s in lead]) for k in range(depth)], -1).astype(np.int32)
    f = op8.gather_nd if d.op.endswith("8") else op5.gather_nd
    return case([d.array(shape), idx], lambda x, i: f(x, i, bd), f"batch {bd}", {0: shape, 1: (*lead, depth)}, bound={1: shape})


@ov("scatter_elements_12")
def scatter_elements(d: Draw) -> Spec | None:
    shape = d.shape(1, 3)
    axis = d.axis(len(shape))
    where = [d.size(1, 3) if k == axis % len(shape) else s for k, s in enumerate(shape)]
    red, init = d.one("none", "sum", "prod", "min", "max", "mean"), d.one(True, False)
    n = int(shape[axis])
    if red == "none":
        m = min(n, int(where[axis]))
        where[axis] = m
        idx = np.moveaxis(
            np.argsort(d.rng.random((*[int(s) for k, s in enumerate(where) if k != axis % len(shape)], n)), -1)[..., :m], -1, axis
        )
    else:
        idx = d.rng.integers(-n, n, [int(s) for s in where])
    t = d.one(np.float32, np.int32)
    return case(
        [d.array(shape, t), idx.astype(np.int32), d.array(where, t)],
        lambda x, i, u: op12.scatter_elements_update(x, i, u, const(axis), red, init),
        f"axis {axis} {red} init {init}",
        {0: shape, 1: where, 2: where},
        bound={1: shape},
    )


@ov("scatter_nd_15")
def scatter_nd(d: Draw) -> Spec | None:
    shape = d.shape(1, 3)
    depth, lead = d.integer(1, len(shape)), d.shape(1, 2, sizes=(1, 3))
    red = d.one("none", "sum", "prod", "min", "max", "sub")
    count, total = math.prod(int(s) for s in lead), math.prod(int(s) for s in shape[:depth])
    if red == "none" and count > total:
        return None
    flat = d.rng.permutation(total)[:count] if red == "none" else d.rng.integers(0, total, count)
    idx = np.stack(np.unravel_index(flat, [int(s) for s in shape[:depth]]), -1).reshape(*[int(s) for s in lead], depth).astype(np.int32)
    t = d.one(np.float32, np.int32)
    up = (*lead, *shape[depth:])
    return case(
        [d.array(shape, t), idx, d.array(up, t)],
        lambda x, i, u: op15.scatter_nd_update(x, i, u, red),
        f"{red}",
        {0: shape, 1: (*lead, depth), 2: up} if not d.run else {},
        bound={1: shape},
    )


@ov("scatter_update")
def scatter_update(d: Draw) -> Spec | None:
    shape = d.shape(1, 3)
    axis = d.axis(len(shape))
    m = d.integer(1, int(shape[axis]))
    idx = d.rng.permutation(int(shape[axis]))[:m].astype(np.int32)
    a = axis % len(shape)
    up = (*shape[:a], m, *shape[a + 1 :])
    return case(
        [d.array(shape), idx, d.array(up)],
        lambda x, i, u: op3.scatter_update(x, i, u, const(axis)),
        f"{axis}",
        {0: tuple(int(s) if k == a else s for k, s in enumerate(shape)), 2: up},
    )


@ov("topk")
def topk(d: Draw) -> Spec | None:
    shape = d.shape(1, 4, sizes=(3, 7))
    axis, mode, sort, k = d.axis(len(shape)), d.one("max", "min"), d.one("value", "index"), d.integer(1, 3)
    kind = d.one("i32", "i64")
    t = d.one(np.float32, np.int32)
    x = d.rng.permutation(math.prod(int(s) for s in shape)).reshape([int(s) for s in shape]).astype(t)

    def build(v):
        n = op11.topk(v, op13.constant(np.array(k, np.int64)), axis, mode, sort, kind)
        return [n.output(0), n.output(1)]

    return case([x], build, f"axis {axis} {mode} {sort} {k}", {0: shape})
