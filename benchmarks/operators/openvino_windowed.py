"""Poolings and convolutions."""

from __future__ import annotations

import openvino.opset1 as op1
import openvino.opset8 as op8
import openvino.opset14 as op14

from benchmarks.operators.draw import Draw, Spec
from benchmarks.operators.openvino_operations import case, const, ov


def spatial(d, rank, low=5, high=9):
    return (d.size(1, 3), d.size(1, 4), *(d.size(low, high) for _ in range(rank)))


@ov("avg_pool")
def avg_pool(d: Draw) -> Spec | None:
    rank = d.one(1, 2, 2, 3)
    k = [d.integer(1, 3) for _ in range(rank)]
    s, b, e = [d.integer(1, 3) for _ in range(rank)], [d.integer(0, v - 1) for v in k], [d.integer(0, v - 1) for v in k]
    auto, r, ex = d.one("explicit", "explicit", "same_upper", "same_lower", "valid"), d.one("floor", "ceil"), d.one(True, False)
    r = r if auto in ("explicit", "valid") else "floor"  # there are windows of nothing, of which the mean is no number
    shape = spatial(d, rank)
    return case([d.array(shape)], lambda x: op1.avg_pool(x, s, b, e, k, ex, r, auto), f"{k} {s} {b} {e} {auto} {r} {ex}", {0: shape})


@ov("max_pool_1")
def max_pool_1(d: Draw) -> Spec | None:
    rank = d.one(1, 2, 2, 3)
    k = [d.integer(1, 3) for _ in range(rank)]
    s, b, e = [d.integer(1, 3) for _ in range(rank)], [d.integer(0, v - 1) for v in k], [d.integer(0, v - 1) for v in k]
    auto, r = d.one("explicit", "explicit", "same_upper", "same_lower", "valid"), d.one("floor", "ceil")
    shape = spatial(d, rank)
    return case([d.array(shape)], lambda x: op1.max_pool(x, s, b, e, k, r, auto), f"{k} {s} {b} {e} {auto} {r}", {0: shape})


@ov("max_pool_8", "max_pool_14")
def max_pool_8(d: Draw) -> Spec | None:
    rank = d.one(1, 2, 2, 3)
    k, dil = [d.integer(1, 3) for _ in range(rank)], [d.one(1, 1, 2) for _ in range(rank)]
    s, b, e = [d.integer(1, 3) for _ in range(rank)], [d.integer(0, v - 1) for v in k], [d.integer(0, v - 1) for v in k]
    new = d.op.endswith("14")
    auto = d.one("explicit", "explicit", "same_upper", "valid")
    r, axis, both = d.one("floor", "ceil", *(["ceil_torch"] if new else [])), d.one(0, 1, 2, -1), d.chance(0.5)
    shape, module = spatial(d, rank), op14 if new else op8

    def build(x):
        node = module.max_pool(x, s, dil, b, e, k, r, auto, "i64", axis)
        return [node.output(0), node.output(1)] if both else node.output(0)

    return case([d.array(shape)], build, f"{k} {s} {dil} {b} {e} {auto} {r} axis {axis} both {both}", {0: shape})


@ov("adaptive")
def adaptive(d: Draw) -> Spec | None:
    rank = d.one(1, 2, 2, 3)
    shape = (d.size(1, 3), d.size(1, 3), *(d.size(3, 8) for _ in range(rank)))
    out = [d.integer(1, 4) for _ in range(rank)]
    if d.chance(0.5):
        return case([d.array(shape)], lambda x: op8.adaptive_avg_pool(x, const(*out)), f"avg {out}", {0: shape})
    both = d.chance(0.5)
    return case(
        [d.array(shape)],
        lambda x: (lambda n: [n.output(0), n.output(1)] if both else n.output(0))(op8.adaptive_max_pool(x, const(*out))),
        f"max {out} {both}",
        {0: shape},
    )


@ov("convolution", "group_convolution")
def convolution(d: Draw) -> Spec | None:
    rank, g = d.one(1, 2, 2, 3), d.integer(1, 3) if d.op.startswith("group") else 1
    k, dil = [d.integer(1, 3) for _ in range(rank)], [d.one(1, 1, 2) for _ in range(rank)]
    s, b, e = [d.integer(1, 3) for _ in range(rank)], [d.integer(0, 2) for v in k], [d.integer(0, 2) for v in k]
    auto = d.one("explicit", "explicit", "same_upper", "same_lower", "valid")
    c, m = d.integer(1, 3), d.integer(1, 3)
    shape = (d.size(1, 3), c * g, *(d.size(5, 9) for _ in range(rank)))
    w = (g, m, c, *k) if d.op.startswith("group") else (m, c, *k)
    f = op1.group_convolution if d.op.startswith("group") else op1.convolution
    return case([d.array(shape), d.array(w)], lambda x, y: f(x, y, s, b, e, dil, auto), f"{s} {b} {e} {dil} {auto} {w}", {0: shape})


@ov("convolution_backprop", "group_convolution_backprop")
def backprop(d: Draw) -> Spec | None:
    rank, group = d.one(1, 2, 2, 3), d.op.startswith("group")
    g = d.integer(1, 3) if group else 1
    k, dil = [d.integer(1, 3) for _ in range(rank)], [d.one(1, 1, 2) for _ in range(rank)]
    s, b, e = [d.integer(1, 3) for _ in range(rank)], [d.integer(0, 1) for v in k], [d.integer(0, 1) for v in k]
    op_ = [d.integer(0, max(0, t - 1)) for t in s]
    auto = d.one("explicit", "explicit", "same_upper", "same_lower", "valid")
    c, m = d.integer(1, 3), d.integer(1, 3)
    shape = (d.size(1, 3), c * g, *(d.size(3, 6) for _ in range(rank)))
    w = (g, c, m, *k) if group else (c, m, *k)
    target = None
    if d.chance(0.3):
        b, e = [0] * rank, [0] * rank
        full = [t * (int(n) - 1) + (q - 1) * u + 1 for t, n, q, u in zip(s, shape[2:], k, dil)]
        target = [max(1, f - d.integer(0, 1) + o) for f, o in zip(full, op_)]
        shape = tuple(int(v) if i > 1 else v for i, v in enumerate(shape))
    f = op1.group_convolution_backprop_data if group else op1.convolution_backprop_data

    def build(x, y):
        return f(x, y, s, None if target is None else const(*target), b, e, dil, auto, op_)

    return case([d.array(shape), d.array(w)], build, f"{s} {b} {e} {dil} {auto} {w} out {op_} target {target}", {0: shape})
