"""Operations of elements, along axes, and norms."""

from __future__ import annotations

import numpy as np
import openvino
import openvino.opset1 as op1
import openvino.opset4 as op4
import openvino.opset5 as op5
import openvino.opset6 as op6
import openvino.opset7 as op7
import openvino.opset8 as op8
import openvino.opset9 as op9
import openvino.opset13 as op13

from benchmarks.operators.draw import Draw, Spec
from benchmarks.operators.openvino_operations import case, const, ov

UNARY = {
    "abs": op13.abs,
    "ceiling": op13.ceiling,
    "floor": op13.floor,
    "exp": op13.exp,
    "negative": op13.negative,
    "sign": op13.sign,
    "sqrt": op13.sqrt,
    "relu": op13.relu,
    "sigmoid": op13.sigmoid,
    "tanh": op13.tanh,
    "erf": op13.erf,
    "hswish": op4.hswish,
    "mish": op4.mish,
    "softplus": op4.softplus,
    "hsigmoid": op5.hsigmoid,
    "softsign": op9.softsign,
    "sin": op13.sin,
    "cos": op13.cos,
    "sinh": op13.sinh,
    "cosh": op13.cosh,
    "asinh": op4.asinh,
    "atan": op13.atan,
}


@ov("unary")
def unary(d: Draw) -> Spec | None:
    name = d.one(*UNARY)
    dtype = (
        d.one(np.float32, np.float32, np.float16, np.int32, np.int64)
        if name in ("abs", "negative", "sign", "relu")
        else d.one(np.float32, np.float16)
    )
    shape = d.shape(0, 6)
    x = d.array(shape, dtype)
    x = np.abs(x) if name == "sqrt" else x
    return case([x], UNARY[name], f"{name} {np.dtype(dtype)}", {0: shape}, tolerance=1e-3)


BINARY = {
    "add": op1.add,
    "subtract": op1.subtract,
    "multiply": op1.multiply,
    "divide": op1.divide,
    "maximum": op1.maximum,
    "minimum": op1.minimum,
    "mod": op1.mod,
    "floor_mod": op1.floor_mod,
    "squared_difference": op1.squared_difference,
    "power": op1.power,
    "less": op1.less,
    "less_equal": op1.less_equal,
    "greater": op1.greater,
    "equal": op1.equal,
    "not_equal": op1.not_equal,
}


@ov("binary")
def binary(d: Draw) -> Spec | None:
    name, dtype = d.one(*BINARY), d.one(np.float32, np.float32, np.int32, np.int64, np.float16, np.uint8, np.int8)
    full = d.shape(0, 5, sizes=(1, 5))
    a, b = full, d.broadcast(full)
    mode = d.one("numpy", "numpy", "none")
    if mode == "none":
        b = full
    elif d.chance(0.4):
        a, b = b, a
    kind = np.dtype(dtype).kind
    x, y = (
        d.array(a, dtype, *((0, 9) if kind == "u" or name == "power" else (None, None))),
        d.array(b, dtype, *((0, 3) if name == "power" else (None, None))),
    )
    if kind == "u":
        y = np.minimum(y, 9).astype(dtype)
        if name == "subtract":
            return None
        if name == "squared_difference":
            return None
    if name in ("divide", "mod", "floor_mod"):
        y = np.where(y == 0, np.array(2, dtype), y).astype(dtype)
    return case([x, y], lambda p, q: BINARY[name](p, q, mode), f"{name} {mode} {np.dtype(dtype)}", {0: a, 1: b}, tolerance=1e-3)


@ov("select")
def select(d: Draw) -> Spec | None:
    full = d.shape(0, 4)
    c, a, b = (d.one(full, d.broadcast(full)) for _ in range(3))
    shapes = [full, a, b] if d.chance(0.5) else [c, full, b]
    t = d.one(np.float32, np.int32)
    return case([d.array(shapes[0], bool), d.array(shapes[1], t), d.array(shapes[2], t)], op1.select, "", dict(enumerate(shapes)))


@ov("activations")
def activations(d: Draw) -> Spec | None:
    shape = d.shape(1, 5)
    kind = d.one("prelu", "elu", "hard_sigmoid", "selu", "clamp", "swish", "gelu", "softmax", "log_softmax", "round", "convert")
    x = d.array(shape, d.one(np.float32, np.float32, np.float16))

    def c(number: float) -> openvino.Node:
        return op13.constant(np.array(number, x.dtype))

    if kind == "prelu":
        slope = d.one((shape[1] if len(shape) > 1 else shape[0],), (1,), tuple(d.broadcast(shape)) or (1,))
        return case([x, d.array(slope, x.dtype)], op1.prelu, f"prelu {slope}", {0: shape, 1: slope})
    if kind == "convert":
        a, b = (
            d.one(np.float32, np.int32, np.int64, np.uint8, np.bool_, np.int8),
            d.one("f32", "i32", "i64", "u8", "boolean", "i8", "f16", "u16"),
        )
        return case([d.array(shape, a, 0, 9)], lambda v: op1.convert(v, b), f"convert {a} {b}", {0: shape})
    alpha, axis = d.one(0.1, 1.0, 1.5), d.axis(len(shape))
    form, rounding = d.one("tanh", "erf"), d.one("half_to_even", "half_away_from_zero")
    lo, hi = d.one((-1.0, 1.0), (0.0, 6.0), (-0.5, float("inf")), (0.5, 0.5))
    build = {
        "elu": lambda v: op1.elu(v, alpha),
        "hard_sigmoid": lambda v: op1.hard_sigmoid(v, c(0.3), c(0.4)),
        "selu": lambda v: op1.selu(v, c(1.5), c(0.8)),
        "clamp": lambda v: op1.clamp(v, lo, hi),
        "swish": lambda v: op4.swish(v, c(alpha)),
        "gelu": lambda v: op7.gelu(v, form),
        "softmax": lambda v: op8.softmax(v, axis),
        "log_softmax": lambda v: op5.log_softmax(v, axis),
        "round": lambda v: op5.round(v, rounding),
    }[kind]
    return case(
        [np.round(x * 2) / 2 if kind == "round" else x],
        build,
        f"{kind} {alpha} {axis} {lo} {hi} {form} {rounding}",
        {0: shape},
        tolerance=2e-3,
    )


REDUCE = {
    "sum": op1.reduce_sum,
    "mean": op1.reduce_mean,
    "max": op1.reduce_max,
    "min": op1.reduce_min,
    "prod": op1.reduce_prod,
    "l1": op4.reduce_l1,
    "l2": op4.reduce_l2,
    "and": op1.reduce_logical_and,
    "or": op1.reduce_logical_or,
}


@ov("reduce")
def reduce(d: Draw) -> Spec | None:
    name, shape, keep = d.one(*REDUCE), d.shape(1, 5), d.one(True, False)
    axes = d.axes(len(shape))
    t = np.bool_ if name in ("and", "or") else d.one(np.float32, np.float32, np.int32, np.int64)
    return case([d.array(shape, t)], lambda x: REDUCE[name](x, const(*axes), keep), f"{name} {axes} {keep}", {0: shape}, tolerance=1e-3)


@ov("mvn", "normalize_l2", "lrn", "grn")
def norms(d: Draw) -> Spec | None:
    shape = (d.size(1, 3), d.size(2, 5), d.size(2, 5), d.size(2, 5))
    axes, eps, mode = d.axes(4), d.one(1e-6, 1e-2), d.one("inside_sqrt", "outside_sqrt")
    if d.op == "mvn":
        nv = d.one(True, False)
        return case(
            [d.array(shape)], lambda x: op6.mvn(x, const(*axes), nv, eps, mode), f"{axes} {nv} {eps} {mode}", {0: shape}, tolerance=2e-3
        )
    if d.op == "normalize_l2":
        m = d.one("add", "max")
        ax = [a % 4 for a in axes]
        return case([d.array(shape)], lambda x: op1.normalize_l2(x, const(*ax), eps, m), f"{ax} {eps} {m}", {0: shape}, tolerance=1e-3)
    if d.op == "grn":
        return case([d.array(shape)], lambda x: op1.grn(x, eps), f"{eps}", {0: shape}, tolerance=1e-3)
    ax, size = d.one([1], [2, 3], [1]), d.one(1, 3, 5)
    return case([d.array(shape)], lambda x: op1.lrn(x, const(*ax), 0.1, 0.7, 1.0, size), f"{ax} {size}", {0: shape}, tolerance=1e-3)


@ov("fake_quantize")
def fake_quantize(d: Draw) -> Spec | None:
    shape = (d.size(1, 3), d.size(1, 4), d.size(1, 5), d.size(1, 5))
    per = (1, shape[1], 1, 1) if d.chance(0.5) else d.one((), (1,), (1, 1, 1, 1))
    levels = d.one(2, 16, 255, 256, 65536)
    il = d.array(per, np.float32, -3, -0.5) if d.chance(0.6) else np.zeros([int(s) for s in per], np.float32)
    ih = (il + d.rng.uniform(1, 5, il.shape)).astype(np.float32)
    ol, oh = (il, ih) if d.chance(0.6) else (d.array(per), d.array(per))
    return case(
        [d.array(shape), il, ih, ol, oh],
        lambda *p: op1.fake_quantize(*p, levels),
        f"{levels} {per}",
        {0: shape, **dict.fromkeys(range(1, 5), per)},
        tolerance=2e-3,
    )
