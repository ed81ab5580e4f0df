"""Operators that take every element for itself."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from benchmarks.operators.draw import Draw, Spec, attribute_type, draws

RANGES = {
    "Acos": (-1, 1),
    "Asin": (-1, 1),
    "Atanh": (-0.95, 0.95),
    "Acosh": (1, 9),
    "Log": (0.01, 9),
    "Sqrt": (0, 9),
    "Reciprocal": (0.1, 4),
    "Tan": (-1.4, 1.4),
    "Sinh": (-4, 4),
    "Cosh": (-4, 4),
    "Exp": (-5, 5),
}
ALPHA = ("Elu", "LeakyRelu", "Celu", "ThresholdedRelu", "HardSigmoid", "Selu", "Swish")


@draws(
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "BitwiseNot",
    "Ceil",
    "Celu",
    "Cos",
    "Cosh",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "IsInf",
    "IsNaN",
    "LeakyRelu",
    "Log",
    "Mish",
    "Neg",
    "Not",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
)
def unary(d: Draw) -> Spec:
    dtype = (
        d.dtype({"IsInf": "T1", "IsNaN": "T1", "Identity": "V" if d.opset >= 14 else "T"}.get(d.op, "T"))
        if d.op != "Not"
        else np.dtype(bool)
    )
    if d.op == "Identity" and d.opset >= 14:
        dtype = np.dtype(d.one(np.float32, np.int64, np.bool_, np.uint16))
    low, high = RANGES.get(d.op, (None, None)) if dtype.kind == "f" else (None, None)
    shape = d.shape(0, 6, sizes=(1, 5))
    attributes: dict[str, object] = {}
    if d.op in ALPHA and d.chance(0.7):
        attributes["alpha"] = d.one(0.1, 0.5, 1.0, 2.0, 1.702)
    if d.op == "Selu" and d.chance(0.5):
        attributes["gamma"] = 1.5
    if d.op == "HardSigmoid" and d.chance(0.5):
        attributes["beta"] = d.one(0.3, 0.5, -0.2)
    if d.op == "Gelu" and d.chance(0.7):
        attributes["approximate"] = d.one("none", "tanh")
    if d.op == "Shrink":
        attributes |= {"lambd": d.one(0.5, 1.0), "bias": d.one(0.0, 0.5)}
    if d.op == "IsInf":
        attributes |= d.one({}, {"detect_negative": 0}, {"detect_positive": 0}, {"detect_negative": 0, "detect_positive": 0})
    bounded = dtype.kind == "f" and d.op not in ("Abs", "Ceil", "Floor", "Identity", "LeakyRelu", "Neg", "Relu", "Round", "Sign")
    special = 1.0 if d.op in ("IsInf", "IsNaN") else 0.0 if bounded or d.op == "Shrink" else 0.25
    return Spec([d.array(shape, dtype, low, high, special=special)], attributes, shapes={0: shape}, tolerance=1e-3)


@draws(
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Mod",
    "And",
    "Or",
    "Xor",
    "Equal",
    "Less",
    "Greater",
    "LessOrEqual",
    "GreaterOrEqual",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "BitShift",
    "PRelu",
)
def binary(d: Draw) -> Spec | None:
    dtype = d.dtype()
    full = d.shape(0, 5, sizes=(1, 5))
    left, right = full, d.broadcast(full)
    if d.op != "PRelu" and d.chance(0.3):
        left, right = d.broadcast(full), full
    elif d.op != "PRelu" and d.chance(0.2):
        left = d.broadcast(full)
    attributes: dict[str, object] = {}
    low, high, special = None, None, 0.2
    other = dtype
    if d.op == "Pow":
        special, low, high = 0.0, 0 if dtype.kind != "f" else 0.1, 3
        if d.opset >= 12:
            other = d.dtype("T1")
    if d.op in ("Equal", "Less", "Greater"):
        special = 0.3
    x, y = d.array(left, dtype, low, high, special=special), d.array(right, other, low, high, special=special)
    if d.op == "Pow" and dtype.kind == "f" and d.chance(0.3):
        x = d.array(left, dtype)
        y = np.asarray(d.rng.integers(0, 4, y.shape), y.dtype)
    if d.op == "Mod":
        if dtype.kind == "f" or d.chance(0.4):
            attributes["fmod"] = 1
        x, y = d.array(left, dtype), d.array(right, dtype)
    if d.op in ("Mod", "Div"):
        y = np.where(y == 0, np.asarray(3, dtype), y).astype(dtype) if dtype.kind in "iu" or d.op == "Mod" else y
        if dtype.kind == "i":
            y = np.where((y == -1) & (x.size > 0), np.asarray(2, dtype), y).astype(dtype)
    if d.op == "BitShift":
        attributes["direction"] = d.one("LEFT", "RIGHT")
        y = np.asarray(d.rng.integers(0, np.iinfo(dtype).bits, y.shape), dtype)
    return Spec([x, y], attributes, shapes={0: left, 1: right})


@draws("Max", "Min", "Mean", "Sum")
def variadic(d: Draw) -> Spec:
    dtype, full = d.dtype(), d.shape(0, 5, sizes=(1, 4))
    shapes = [full, *(d.broadcast(full) for _ in range(d.integer(0, 3)))]
    d.choice.shuffle(shapes)
    if d.op in ("Max", "Min", "Mean", "Sum") and d.opset < 8:
        shapes = [full] * len(shapes)
    return Spec([d.array(s, dtype, special=0.3 if d.op in ("Max", "Min") else 0.1) for s in shapes], shapes=dict(enumerate(shapes)))


@draws("Clip")
def clip(d: Draw) -> Spec:
    dtype, shape = d.dtype(), d.shape(0, 5)
    low, high = sorted(float(v) for v in d.choice.sample(range(0 if dtype.kind == "u" else -5, 9), 2))
    if d.chance(0.1):
        low, high = high, low
    x = d.array(shape, dtype, special=0.3)
    if d.opset < 11:
        return Spec([x], d.one({}, {"min": low}, {"max": high}, {"min": low, "max": high}), shapes={0: shape})
    lo, hi = np.array(low, dtype), np.array(high, dtype)
    return Spec([x, *d.one([], [lo], [None, hi], [lo, hi], [lo, hi])], shapes={0: shape})


@draws("Where")
def where(d: Draw) -> Spec:
    full, dtype = (
        d.shape(0, 5, sizes=(1, 4)),
        np.dtype(d.one(np.float32, np.float32, np.int64, np.int32, np.uint8, np.bool_, np.float16, np.float64, np.int8)),
    )
    shapes = [full, d.broadcast(full), d.broadcast(full)]
    d.choice.shuffle(shapes)
    return Spec([d.array(shapes[0], bool), *(d.array(s, dtype, special=0.3) for s in shapes[1:])], shapes=dict(enumerate(shapes)))


CASTS = (np.float32, np.float16, np.float64, np.bool_, np.int32, np.int64, np.int8, np.uint8, np.int16, np.uint16, np.uint32, np.uint64)


@draws("Cast", "CastLike")
def cast(d: Draw) -> Spec:
    source, target = np.dtype(d.one(*CASTS)), np.dtype(d.one(*CASTS, ml_dtypes.bfloat16))
    shape = d.shape(0, 5)
    low, high = (None, None)
    if source.kind in "fi" and target.kind == "u":
        low, high = 0, 100
    x = d.array(shape, source, low, high, special=0.4 if source.kind in "iu" and target.kind in "iub" else 0.0)
    if source.kind == "f" and target.kind in "f" and d.chance(0.3):
        x = d.array(shape, source, special=1.0)
    if d.op == "Cast":
        return Spec([x], {"to": attribute_type(target)}, shapes={0: shape}, tolerance=1e-2 if target == ml_dtypes.bfloat16 else 1e-3)
    return Spec([x, d.array((1,), target if target.kind != "V" else np.float32)], shapes={0: shape}, tolerance=1e-3)


@draws("BitCast")
def bit_cast(d: Draw) -> Spec:
    groups = [(np.float32, np.int32, np.uint32), (np.int64, np.float64, np.uint64), (np.int8, np.uint8), (np.int16, np.uint16, np.float16)]
    a, b = d.choice.sample(d.one(*groups), 2)
    shape = d.shape(0, 4)
    return Spec([d.array(shape, a)], {"to": attribute_type(b)}, shapes={0: shape})


@draws("Dropout")
def dropout(d: Draw) -> Spec:
    shape, outputs = d.shape(0, 5), d.integer(1, 2)
    x = d.array(shape, d.dtype())
    if d.opset < 12:
        return Spec([x], {"ratio": 0.3}, shapes={0: shape})  # what a mask says without training is not settled
    tail = d.one([], [np.float32(0.4)], [np.float32(0.0), np.bool_(True)])
    return Spec([x, *(np.asarray(t) for t in tail)], {}, outputs, shapes={0: shape})
