"""Recurrent layers, attention, quantization and losses."""

from __future__ import annotations

import numpy as np

from benchmarks.operators.draw import Draw, Size, Spec, draws

NAMES = {"RNN": 1, "GRU": 3, "LSTM": 4}
PLAIN = ("Relu", "Tanh", "Sigmoid", "Softsign", "HardSigmoid", "LeakyRelu", "Elu", "ThresholdedRelu", "Affine", "ScaledTanh")


@draws("RNN", "GRU", "LSTM")
def recurrent(d: Draw) -> Spec:
    direction = d.one("forward", "reverse", "bidirectional")
    dirs, gates = 2 if direction == "bidirectional" else 1, NAMES[d.op]
    hidden, width, n, t = d.integer(1, 4), d.integer(1, 4), d.size(1, 3), d.size(1, 5)
    shape, state = (t, n, width), (dirs, n, hidden)  # layout 1 runs in no runtime
    xs = [d.array(shape), d.array((dirs, gates * hidden, width)), d.array((dirs, gates * hidden, hidden))]
    lengths = np.asarray(d.rng.integers(1, int(t), int(n), endpoint=True), np.int32)
    tail = [
        d.array((dirs, 2 * gates * hidden)) if d.chance(0.6) else None,
        lengths if d.chance(0.4) else None,
        d.array(state) if d.chance(0.5) else None,
    ]
    if d.op == "LSTM":
        tail += [d.array(state) if d.chance(0.5) else None, d.array((dirs, 3 * hidden)) if d.chance(0.3) else None]
    while tail and tail[-1] is None:
        tail.pop()
    attributes: dict[str, object] = {"hidden_size": hidden}
    if direction != "forward" or d.chance(0.3):
        attributes["direction"] = direction
    if d.chance(0.25):
        attributes["clip"] = d.one(0.5, 2.0)
    if d.chance(0.3):
        per = {"RNN": 1, "GRU": 2, "LSTM": 3}[d.op]
        names = [d.one(*PLAIN) for _ in range(per * dirs)]
        attributes["activations"] = names
        if set(names) & {"HardSigmoid", "LeakyRelu", "Elu", "ThresholdedRelu", "Affine", "ScaledTanh"}:
            attributes["activation_alpha"] = [
                a for n_ in names if n_ in ("HardSigmoid", "LeakyRelu", "Elu", "ThresholdedRelu", "Affine", "ScaledTanh") for a in [0.3]
            ]
            beta = [0.4 for n_ in names if n_ in ("HardSigmoid", "Affine", "ScaledTanh")]
            if beta:
                attributes["activation_beta"] = beta
    if d.op == "GRU" and d.chance(0.5):
        attributes["linear_before_reset"] = 1
    if d.op == "LSTM" and d.chance(0.15):
        attributes["input_forget"] = 1
    full = 3 if d.op == "LSTM" else 2
    outputs: object = d.one(1, full, full, ["", "Y_h", "Y_c"][:full])
    shapes = {0: shape}
    for k, each in ((4, (n,)), (5, state), (6, state)):
        shapes[k] = each
    return Spec(xs + tail, attributes, outputs, shapes=shapes, bound={4: (t,)})


@draws("Attention")
def attention(d: Draw) -> Spec:
    n, q, k, size, vsize = d.size(1, 3), d.size(1, 5), d.size(1, 5), d.integer(1, 4), d.integer(1, 4)
    kv = d.one(1, 2)
    heads = kv * d.one(1, 1, 2)
    flat = d.chance(0.4)
    attributes: dict[str, object] = {}
    if flat:
        shapes = [(n, q, heads * size), (n, k, kv * size), (n, k, kv * vsize)]
        attributes |= {"q_num_heads": heads, "kv_num_heads": kv}
    else:
        shapes = [(n, heads, q, size), (n, kv, k, size), (n, kv, k, vsize)]
    xs = [d.array(s) for s in shapes]
    past = d.chance(0.3)
    p = d.size(1, 4)
    total = int(k) + (int(p) if past else 0)
    total_size = Size(total, "total")
    mask = None
    if d.chance(0.5):
        mshape = d.one((q, total_size), (n, 1, q, total_size), (n, heads, q, total_size), (1, 1, q, total_size))
        boolean = d.chance(0.4)
        mask = d.array(mshape, bool if boolean else np.float32)
        if boolean:
            mask[..., 0] = True
        shapes.append(mshape)
    tail: list[object] = [mask]
    if past:
        tail += [d.array((n, kv, p, size)), d.array((n, kv, p, vsize))]
    while tail and tail[-1] is None:
        tail.pop()
    attributes |= d.one({}, {"is_causal": 1}) | d.one({}, {"scale": 0.3}) | d.one({}, {}, {"softcap": 2.0})
    outputs: object = 3 if past else 1
    if d.chance(0.2):
        attributes["qk_matmul_output_mode"] = d.integer(0, 3)
        outputs = 4 if past else ["Y", "", "", "qk"]
    named = dict(enumerate(shapes))
    if past:
        named |= {4: (n, kv, p, size), 5: (n, kv, p, vsize)}
    return Spec([*xs, *tail], attributes, outputs, shapes=named)


@draws("RotaryEmbedding")
def rotary(d: Draw) -> Spec:
    n, heads, s, size = d.size(1, 3), d.integer(1, 3), d.size(1, 5), 2 * d.integer(1, 4)
    rotated = size if d.chance(0.6) or size < 4 else 2 * d.integer(1, size // 2)
    flat = d.chance(0.4)
    shape = (n, s, heads * size) if flat else (n, heads, s, size)
    attributes = d.one({}, {"interleaved": 1}) | (
        {"rotary_embedding_dim": rotated} if rotated != size or (d.chance(0.2) and rotated != size) else {}
    )
    if flat:
        attributes["num_heads"] = heads
    if d.chance(0.6):
        cache = (9, rotated // 2)
        ids = d.rng.integers(0, 9, (int(n), int(s)))
        return Spec([d.array(shape), d.array(cache), d.array(cache), ids], attributes, shapes={0: shape, 3: (n, s)})
    cache = (n, s, rotated // 2)
    return Spec([d.array(shape), d.array(cache), d.array(cache)], attributes, shapes={0: shape, 1: cache, 2: cache})


@draws("QuantizeLinear", "DequantizeLinear")
def quantize(d: Draw) -> Spec:
    shape = d.shape(1, 4)
    t = np.dtype(d.one(np.uint8, np.int8, np.uint16, np.int16) if d.opset >= 21 else d.one(np.uint8, np.int8))
    if d.op == "DequantizeLinear" and d.chance(0.15):
        t = np.dtype(np.int32)
    mode = d.one("tensor", "axis" if d.opset >= 13 else "tensor", "block" if d.opset >= 21 else "tensor")
    attributes: dict[str, object] = {}
    scale_shape: tuple[int, ...] = ()
    axis = d.axis(len(shape))
    if mode == "axis":
        scale_shape = (shape[axis],)
        attributes["axis"] = axis
    elif mode == "block":
        block = d.integer(1, 3)
        fixed = list(shape)
        fixed[axis] = block * d.integer(1, 3)
        shape = tuple(fixed)
        reduced = list(shape)
        reduced[axis] = shape[axis] // block
        scale_shape = tuple(reduced)
        attributes |= {"axis": axis, "block_size": block}
    scale = d.array(scale_shape, np.float32, 0.02, 0.3)
    zero = np.zeros(scale.shape, t) if t == np.int32 else d.array(scale_shape, t, 0, 40)
    if d.op == "QuantizeLinear":
        source = d.one(np.float32, np.float32, np.int32 if mode == "tensor" and d.opset < 19 else np.float32)
        tail = [zero] if t != np.uint8 or d.chance(0.7) else []
        return Spec([d.array(shape, source, -30, 30), scale, *tail], attributes, shapes={0: shape, 1: scale_shape, 2: scale_shape})
    info = np.iinfo(t)
    tail = [zero] if d.chance(0.7) else []
    return Spec(
        [d.array(shape, t, max(info.min, -40000), min(info.max, 40000)), scale, *tail],
        attributes,
        shapes={0: shape, 1: scale_shape, 2: scale_shape},
    )


@draws("DynamicQuantizeLinear")
def dynamic_quantize(d: Draw) -> Spec:
    shape = d.shape(1, 4)
    return Spec([d.array(shape)], {}, 3, shapes={0: shape})


@draws("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(d: Draw) -> Spec:
    n, c, space = d.size(1, 4), d.integer(2, 5), d.shape(0, 2)
    shape, target = (n, c, *space), (n, *space)
    attributes = d.one({}, {"reduction": d.one("none", "sum", "mean")})
    labels = d.rng.integers(0, c, [int(s) for s in target]).astype(d.one(np.int64, np.int32))
    if d.chance(0.3):
        attributes["ignore_index"] = d.one(0, -1)
        if attributes["ignore_index"] == -1:
            labels = np.where(d.rng.random(labels.shape) < 0.3, -1, labels).astype(labels.dtype)
            labels.flat[0] = 0
    x = d.array(shape)
    weights = [d.array((c,), np.float32, 0.2, 2)] if d.chance(0.4) else []
    return Spec([x, labels, *weights], attributes, 2 if d.op.startswith("Soft") and d.chance(0.5) else 1, shapes={0: shape, 1: target})
