"""Operations that move elements."""

from __future__ import annotations

import math

import numpy as np
import openvino.opset1 as op1
import openvino.opset2 as op2
import openvino.opset3 as op3
import openvino.opset7 as op7
import openvino.opset13 as op13

from benchmarks.operators.draw import Draw, Size, Spec
from benchmarks.operators.openvino_operations import case, const, ov


@ov("space")
def space(d: Draw) -> Spec | None:
    kind = d.one("d2s", "s2d", "shuffle", "s2b", "b2s", "reorg", "patches")
    k, c, n = d.integer(1, 3), d.size(1, 3), d.size(1, 3)
    h, w = d.size(1, 3), d.size(1, 3)
    if kind == "d2s":
        mode, rank = d.one("blocks_first", "depth_first"), d.one(1, 2, 3)
        shape = (n, int(c) * k**rank, *(d.size(1, 3) for _ in range(rank)))
        return case([d.array(shape)], lambda x: op1.depth_to_space(x, mode, k), f"{kind} {mode} {k}", {0: shape})
    if kind == "s2d":
        mode, rank = d.one("blocks_first", "depth_first"), d.one(1, 2, 3)
        shape = (n, c, *(Size(k * d.size(1, 3), f"q{j}") for j in range(rank)))
        return case([d.array(shape)], lambda x: op1.space_to_depth(x, mode, k), f"{kind} {mode} {k}", {0: shape})
    if kind == "shuffle":
        axis, g = d.one(1, -3, 2, 0), d.integer(1, 3)
        shape = tuple(g * int(s) if j == axis % 4 else s for j, s in enumerate((n, c, h, w)))
        return case([d.array(shape)], lambda x: op3.shuffle_channels(x, axis, g), f"{kind} {axis} {g}", {0: shape})
    rank = d.one(2, 3, 4)
    block = [1, *(d.integer(1, 3) for _ in range(rank - 1))]
    if kind == "s2b":
        pb = [0, *(d.integer(0, 2) for _ in range(rank - 1))]
        inner = [d.integer(1, 4) for _ in range(rank - 1)]
        pe = [0, *(-(p + s) % b for p, s, b in zip(pb[1:], inner, block[1:]))]
        shape = (n, *inner)
        return case(
            [d.array(shape)],
            lambda x: op2.space_to_batch(x, const(*block), const(*pb), const(*pe)),
            f"{kind} {block} {pb} {pe}",
            {0: shape},
        )
    if kind == "b2s":
        inner = [d.integer(2, 4) for _ in range(rank - 1)]
        cb = [0, *(d.integer(0, 1) for _ in range(rank - 1))]
        ce = [0, *(d.integer(0, s * b - 1 - p) if s * b - 1 - p < 2 else d.integer(0, 1) for s, b, p in zip(inner, block[1:], cb[1:]))]
        shape = (Size(int(n) * math.prod(block), "nb"), *inner)
        return case(
            [d.array(shape)],
            lambda x: op2.batch_to_space(x, const(*block), const(*cb), const(*ce)),
            f"{kind} {block} {cb} {ce}",
            {0: shape},
        )
    if kind == "reorg":
        shape = (n, c, int(h) * k, int(w) * k)
        if int(c) < k * k and int(c) % (k * k):
            shape = (n, k * k, int(h) * k, int(w) * k)
        return case([d.array(shape)], lambda x: op2.reorg_yolo(x, [k]), f"{kind} {k}", {0: shape})
    shape = (n, c, d.size(5, 9), d.size(5, 9))
    s, st, r = ([d.integer(1, 2) for _ in range(2)] for _ in range(3))
    auto = d.one("valid", "same_upper", "same_lower")
    return case([d.array(shape)], lambda x: op3.extract_image_patches(x, s, st, r, auto), f"{kind} {s} {st} {r} {auto}", {0: shape})


@ov("movement")
def moves(d: Draw) -> Spec | None:
    kind = d.one("broadcast", "bidirectional", "explicit", "tile", "roll", "cumsum", "onehot", "reshape", "squeeze", "transpose", "split")
    shape = d.shape(1, 4, sizes=(1, 4))
    rank = len(shape)
    x = d.array(shape, d.one(np.float32, np.int32))
    if kind in ("broadcast", "bidirectional"):
        full = [d.integer(1, 3), *shape]
        static = [int(s) for s in full]
        mine = d.broadcast(shape)
        if kind == "bidirectional" and d.chance(0.5):
            static = [1 if d.chance(0.4) else s for s in static]
        return case(
            [d.array(mine)],
            lambda v: op3.broadcast(v, const(*static), None, "numpy" if kind == "broadcast" else "bidirectional"),
            f"{kind} {static}",
            {0: [int(s) for s in mine]},
        )
    if kind == "explicit":
        target = [d.integer(1, 3) for _ in range(rank + 1)]
        axes = sorted(d.choice.sample(range(rank + 1), rank))
        for a, s in zip(axes, shape):
            target[a] = int(s)
        return case(
            [x],
            lambda v: op3.broadcast(v, const(*target), const(*axes), "explicit"),
            f"{kind} {target} {axes}",
            {0: [int(s) for s in shape]},
        )
    if kind == "tile":
        reps = [d.integer(1, 3) for _ in range(d.integer(1, rank + 1))]
        return case([x], lambda v: op1.tile(v, const(*reps)), f"{kind} {reps}", {0: shape})
    if kind == "roll":
        axes, sh = d.axes(rank), None
        sh = [d.integer(-5, 5) for _ in axes]
        return case([x], lambda v: op7.roll(v, const(*sh), const(*axes)), f"{kind} {sh} {axes}", {0: shape})
    if kind == "cumsum":
        axis, ex, rev = d.axis(rank), d.one(True, False), d.one(True, False)
        return case([x], lambda v: op3.cum_sum(v, op13.constant(np.array(axis)), ex, rev), f"{kind} {axis} {ex} {rev}", {0: shape})
    if kind == "onehot":
        depth, axis = d.integer(2, 5), d.axis(rank + 1)
        idx = d.rng.integers(-1, depth + 1, [int(s) for s in shape]).astype(np.int32)
        return case(
            [idx],
            lambda v: op1.one_hot(v, op13.constant(np.array(depth)), op13.constant(np.float32(2)), op13.constant(np.float32(-1)), axis),
            f"{kind} {depth} {axis}",
            {0: shape},
        )
    if kind == "reshape":
        z = d.one(True, False)
        target = [0, -1] if z and rank > 1 else [-1, 1]
        return case([x], lambda v: op1.reshape(v, const(*target), z), f"{kind} {target} {z}", {0: shape})
    if kind == "squeeze":
        a = d.axis(rank + 1)
        return case([x], lambda v: op1.squeeze(op1.unsqueeze(v, const(a)), const(a)), f"{kind} {a}", {0: shape})
    if kind == "split":
        axis = d.axis(rank)
        n = d.integer(1, 3)
        shape = tuple(Size(n * d.size(1, 3), "sp") if k == axis % rank else s for k, s in enumerate(shape))
        return case(
            [d.array(shape)], lambda v: list(op1.split(v, op13.constant(np.array(axis)), n).outputs()), f"{kind} {axis} {n}", {0: shape}
        )
    perm = d.choice.sample(range(rank), rank)
    return case([x], lambda v: op1.transpose(v, const(*perm)), f"{kind} {perm}", {0: shape})
