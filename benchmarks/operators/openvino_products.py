"""Products, recurrent layers, attention, transforms, and suppression of boxes."""

from __future__ import annotations

import numpy as np
import openvino.opset1 as op1
import openvino.opset3 as op3
import openvino.opset5 as op5
import openvino.opset7 as op7
import openvino.opset9 as op9
import openvino.opset13 as op13
import openvino.opset15 as op15

from benchmarks.operators.draw import Draw, Spec
from benchmarks.operators.openvino_operations import case, const, ov


@ov("matmul")
def matmul(d: Draw) -> Spec | None:
    m, k, n, lead = d.size(1, 5), d.size(1, 5), d.size(1, 5), d.shape(0, 3, sizes=(1, 3))
    ta, tb = d.chance(0.5), d.chance(0.5)
    a, b = (*lead, *((k, m) if ta else (m, k))), (*d.broadcast(lead), *((n, k) if tb else (k, n)))
    if d.chance(0.15):
        a = (k,)
    elif d.chance(0.15):
        b = (k,)
    t = d.one(np.float32, np.float32, np.int32)
    return case([d.array(a, t), d.array(b, t)], lambda x, y: op1.matmul(x, y, ta, tb), f"{ta} {tb}", {0: a, 1: b})


@ov("rnn_sequence", "gru_sequence", "lstm_sequence")
def sequence(d: Draw) -> Spec | None:
    n, t, i, h = d.size(1, 3), d.size(1, 4), d.integer(1, 3), d.integer(1, 3)
    direction = d.one("forward", "reverse", "bidirectional")
    dirs = 2 if direction == "bidirectional" else 1
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[d.op.split("_")[0]]
    lbr = d.op.startswith("gru") and d.chance(0.5)
    lengths = d.rng.integers(1, int(t), int(n), endpoint=True).astype(np.int32) if d.chance(0.5) else np.full(int(n), int(t), np.int32)
    xs = [d.array((n, t, i)), d.array((n, dirs, h))] + ([d.array((n, dirs, h))] if gates == 4 else [])
    xs += [lengths, d.array((dirs, gates * h, i)), d.array((dirs, gates * h, h)), d.array((dirs, (gates + lbr) * h))]
    clip = d.one(0.0, 0.0, 1.0)
    acts = {1: ["tanh"], 3: ["sigmoid", "tanh"], 4: ["sigmoid", "tanh", "tanh"]}[gates]
    if d.chance(0.3):
        acts = [d.one("tanh", "sigmoid", "relu") for _ in acts]

    def build(*p):
        if gates == 4:
            node = op5.lstm_sequence(*p, h, direction, acts, [], [], clip)
        elif gates == 3:
            node = op5.gru_sequence(*p, h, direction, acts, [], [], clip, lbr)
        else:
            node = op5.rnn_sequence(*p, h, direction, acts, [], [], clip)
        return [node.output(k) for k in range(len(node.outputs()))]

    count = len(xs)
    shapes = {0: (n, t, i), 1: (n, dirs, h)}
    shapes |= {2: (n, dirs, h), 3: (n,)} if gates == 4 else {2: (n,)}
    return case(
        xs,
        build,
        f"{direction} clip {clip} {acts} lbr {lbr} lengths {lengths}",
        shapes,
        always=frozenset(range(count - 3, count)),
        tolerance=1e-3,
    )


@ov("sdpa")
def sdpa(d: Draw) -> Spec | None:
    n, h, q, k, e, v = d.size(1, 3), d.size(1, 3), d.size(1, 4), d.size(1, 4), d.integer(1, 4), d.integer(1, 4)
    three = d.chance(0.3)
    lead = (n,) if three else (n, h)
    xs = [(*lead, q, e), (*lead, k, e), (*lead, k, v)]
    causal, masked, scaled = d.chance(0.3), d.chance(0.5), d.chance(0.3)
    arrays = [d.array(s) for s in xs]
    if masked:
        ms = d.one((q, k), (*lead, q, k), (1,) * len(lead) + (q, k))
        boolean = d.chance(0.4)
        m = d.array(ms, bool if boolean else np.float32)
        if boolean:
            m[..., 0] = True
        arrays.append(m)
        xs.append(ms)

    def build(*p):
        scale = op13.constant(np.float32(0.3)) if scaled and masked else None
        return op13.scaled_dot_product_attention(*p[:3], p[3] if masked else None, scale, causal)

    return case(arrays, build, f"causal {causal} masked {masked} scaled {scaled}", dict(enumerate(xs)), tolerance=1e-3)


@ov("dft")
def dft(d: Draw) -> Spec | None:
    kind = d.one("dft", "idft", "rdft")
    rank = d.integer(1, 3)
    shape = (d.size(1, 3), *(d.size(2, 5) for _ in range(rank)))
    axes = sorted(d.choice.sample(range(1, rank + 1), d.integer(1, rank)))
    sizes = [d.one(-1, -1, d.integer(2, 6)) for _ in axes] if d.chance(0.4) else None
    f = {"dft": op7.dft, "idft": op7.idft, "rdft": op9.rdft}[kind]
    full = shape if kind == "rdft" else (*shape, 2)
    return case(
        [d.array(full)],
        lambda x: f(x, const(*axes), None if sizes is None else const(*sizes)),
        f"{kind} {axes} {sizes}",
        {0: full},
        tolerance=1e-3,
    )


@ov("nms_5", "nms_9")
def nms(d: Draw) -> Spec | None:
    n, boxes, classes = d.size(1, 2), d.size(2, 8), d.size(1, 3)
    corners, sides = d.rng.uniform(0, 10, (int(n), int(boxes), 2)), d.rng.uniform(1, 6, (int(n), int(boxes), 2))
    center, sort, soft = d.chance(0.4), d.one(True, False), d.one(0.0, 0.0, 0.5)
    b = np.concatenate([corners, sides] if center else [corners, corners + sides], -1).astype(np.float32)
    s = d.rng.permutation(int(n * classes * boxes)).reshape(int(n), int(classes), int(boxes)).astype(np.float32) / int(n * classes * boxes)
    most, iou, score = d.integer(1, 4), d.one(0.3, 0.5), d.one(0.0, 0.3)
    f = op5.non_max_suppression if d.op.endswith("5") else op9.non_max_suppression

    def build(x, y):
        c = op13.constant
        node = f(
            x,
            y,
            c(np.array(most, np.int64)),
            c(np.float32(iou)),
            c(np.float32(score)),
            c(np.float32(soft)),
            "center" if center else "corner",
            sort,
        )
        return [node.output(k) for k in range(3)]

    return case([b, s], build, f"center {center} sort {sort} soft {soft} {most} {iou} {score}", {0: (n, boxes, 4), 1: (n, classes, boxes)})


@ov("bucketize_searchsorted")
def bucketize(d: Draw) -> Spec | None:
    shape = d.shape(1, 3)
    right = d.one(True, False)
    t = d.one(np.float32, np.int32)
    if d.chance(0.5):
        b = np.sort(d.rng.permutation(20)[: d.integer(1, 6)]).astype(t) - 9
        return case([d.array(shape, t), b.astype(t)], lambda x, y: op3.bucketize(x, y, "i32", right), f"bucketize {right}", {0: shape})
    rows = (*shape[:-1], d.size(2, 5))
    s = np.sort(d.array(rows, t), -1)
    return case([s, d.array(shape, t)], lambda x, y: op15.search_sorted(x, y, right), f"search {right}", {0: rows, 1: shape})
