"""Operators along axes."""

from __future__ import annotations

import numpy as np

from benchmarks.operators.draw import Draw, Spec, draws


@draws(
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
)
def reduce(d: Draw) -> Spec:
    shape, dtype = d.shape(0, 5), d.dtype(among=(np.float32, np.float16, np.float64, np.int32, np.int64))
    attributes: dict[str, object] = d.one({}, {"keepdims": 0}, {"keepdims": 1})
    axes = d.axes(len(shape)) if d.opset >= 11 else [a % len(shape) for a in d.axes(len(shape))] if shape else []
    low, high = (
        (0.1, 3) if d.op == "ReduceLogSum" and dtype.kind == "f" else (1, 9) if dtype.kind in "iu" and "Log" in d.op else (None, None)
    )
    special = 0.3 if d.op in ("ReduceMax", "ReduceMin") else 0.0
    x = d.array(shape, dtype, low, high, special=special)
    as_input = d.opset >= 18 or (d.op == "ReduceSum" and d.opset >= 13)
    none = not axes or d.chance(0.2)
    if as_input:
        if none and d.chance(0.5):
            attributes["noop_with_empty_axes"] = d.integer(0, 1)
            return Spec([x, *d.one([], [np.zeros(0, np.int64)])], attributes, shapes={0: shape})
        return Spec([x, *([] if none else [d.ints(axes)])], attributes, shapes={0: shape})
    return Spec([x], attributes | ({} if none else {"axes": axes}), shapes={0: shape})


@draws("ArgMax", "ArgMin")
def arg(d: Draw) -> Spec:
    shape, dtype = d.shape(1, 5), d.dtype()
    axis = d.axis(len(shape)) if d.opset >= 11 else d.integer(0, len(shape) - 1)
    attributes: dict[str, object] = d.one({}, {"keepdims": 0}, {"keepdims": 1}) | d.one({"axis": axis}, {"axis": axis}, {})
    if d.opset >= 12:
        attributes |= d.one({}, {"select_last_index": 1}, {"select_last_index": 0})
    return Spec([d.array(shape, dtype)], attributes, shapes={0: shape})


@draws("Softmax", "LogSoftmax", "Hardmax")
def softmax(d: Draw) -> Spec:
    shape = d.shape(1, 5)
    axis = d.axis(len(shape)) if d.opset >= 11 else d.integer(0, len(shape) - 1)
    attributes = {} if d.chance(0.2) and (len(shape) > 1 or d.opset >= 13) else {"axis": axis}
    return Spec([d.array(shape, d.dtype(), -40 if d.chance(0.2) else None, 40)], attributes, shapes={0: shape})


@draws("CumSum", "CumProd")
def cumulate(d: Draw) -> Spec:
    shape = d.shape(1, 5)
    dtype = np.dtype(d.one(np.float32, np.float32, np.float64, np.int32, np.int64))
    attributes = d.one({}, {"exclusive": 1}) | d.one({}, {"reverse": 1})
    axis = np.array(d.axis(len(shape)), d.one(np.int64, np.int32))
    return Spec(
        [d.array(shape, dtype), axis if d.chance(0.8) else axis.reshape(1)] if d.op == "CumSum" else [d.array(shape, dtype), axis],
        attributes,
        shapes={0: shape},
    )


@draws("TopK")
def topk(d: Draw) -> Spec:
    shape, dtype = d.shape(1, 4, sizes=(3, 9)), d.dtype()
    axis = d.axis(len(shape)) if d.opset >= 11 else d.integer(0, len(shape) - 1)
    attributes: dict[str, object] = {} if d.chance(0.2) else {"axis": axis}
    if d.opset >= 11:
        attributes |= d.one({}, {"largest": 0}, {"largest": 1}) | d.one({}, {"sorted": 1})
    x = d.array(shape, dtype)
    if d.opset < 10:
        return Spec([x], attributes | {"k": d.integer(1, 3)}, 2, shapes={0: shape})
    return Spec([x, d.ints([d.integer(1, 3)])], attributes, 2, shapes={0: shape})


@draws("LpNormalization", "MeanVarianceNormalization", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def normalize(d: Draw) -> Spec:
    if d.op.startswith("Global"):
        shape = (d.size(), d.size(), *d.shape(1, 3))
        attributes: dict[str, object] = d.one({}, {"p": 1}, {"p": 3}) if d.op == "GlobalLpPool" else {}
        return Spec([d.array(shape, d.dtype())], attributes, shapes={0: shape})
    if d.op == "LpNormalization":
        shape = d.shape(1, 5)
        return Spec([d.array(shape, d.dtype())], d.one({}, {"axis": d.axis(len(shape))}) | d.one({}, {"p": 1}, {"p": 2}), shapes={0: shape})
    shape = (d.size(2), d.size(), d.size(2), d.size())
    return Spec([d.array(shape)], d.one({}, {"axes": d.axes(4)}), shapes={0: shape}, tolerance=1e-3)


@draws("LayerNormalization", "RMSNormalization")
def layer_norm(d: Draw) -> Spec:
    shape = d.shape(1, 5, sizes=(2, 7))
    axis = d.axis(len(shape))
    tail = shape[axis:]
    scale = tail if d.chance(0.6) else d.broadcast(tail)
    attributes = d.one({"axis": axis}, {"axis": axis} if axis % len(shape) != len(shape) - 1 else {}) | d.one({}, {"epsilon": 1e-2})
    inputs, shapes = [d.array(shape), d.array(scale)], {0: shape, 1: scale}
    outputs = 1
    if d.op == "LayerNormalization":
        if d.chance(0.6):
            inputs.append(d.array(scale))
            shapes[2] = scale
        outputs = d.integer(1, 3)
    return Spec(inputs, attributes, outputs, shapes=shapes, tolerance=1e-3)


@draws("InstanceNormalization", "GroupNormalization", "BatchNormalization")
def channel_norm(d: Draw) -> Spec:
    c, groups = d.integer(1, 4), d.integer(1, 3)
    channels = c * groups if d.op == "GroupNormalization" else d.size()
    low = 0 if d.op == "BatchNormalization" else 1
    shape = (d.size(), channels, *(d.size(2) for _ in range(d.integer(low, 3))))
    eps = d.one({}, {"epsilon": 1e-2})
    if d.op == "BatchNormalization":
        xs = [d.array(shape), d.array((channels,)), d.array((channels,)), d.array((channels,)), d.array((channels,), np.float32, 0.3, 2)]
        training = d.opset >= 14 and d.chance(0.35)
        return Spec(
            xs,
            eps | ({"training_mode": 1, "momentum": 0.7} if training else d.one({}, {"momentum": 0.8})),
            3 if training else 1,
            shapes={0: shape, **dict.fromkeys(range(1, 5), (channels,))},
            tolerance=1e-3,
        )
    width = groups if d.op == "GroupNormalization" and d.opset < 21 else channels
    attributes = eps | ({"num_groups": groups} if d.op == "GroupNormalization" else {})
    return Spec(
        [d.array(shape), d.array((width,)), d.array((width,))], attributes, shapes={0: shape, 1: (width,), 2: (width,)}, tolerance=1e-3
    )


@draws("LRN")
def lrn(d: Draw) -> Spec:
    shape = (d.size(), d.size(), d.size(), d.size())
    attributes: dict[str, object] = {"size": d.one(1, 3, 5)} | d.one({}, {"alpha": 0.1, "beta": 0.6, "bias": 2.0})
    return Spec([d.array(shape, d.dtype())], attributes, shapes={0: shape})
