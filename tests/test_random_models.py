"""Random small ONNX models, drawn so that shapes say nothing about layouts, end to end: ONNX to TFLite, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx.printer
from hypothesis import given, note, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import nchw2nhwc

Shape = tuple[int, ...]


class Maker:
    """Grows an ONNX model one random node at a time. A step that does not fit the value it is given adds nothing."""

    def __init__(self, draw: Callable[..., object], dynamic: bool) -> None:
        self.draw = draw
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(self.integer(0, 2**16))
        self.shapes: dict[str, Shape] = {}
        self.dynamic = dynamic

    def integer(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))  # type: ignore[call-overload]

    def const(self, array: np.ndarray) -> str:  # type: ignore[type-arg]
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def uniform(self, *shape: int) -> str:
        return self.const(self.rng.uniform(-0.7, 0.7, shape).astype(np.float32))

    def add(self, kind: str, inputs: list[str], shape: Shape, **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{kind}_{len(self.nodes)}", **attributes))
        self.shapes[name] = shape
        return name

    # ---- steps -------------------------------------------------------------------------------------------------------
    def activation(self, x: str) -> str:
        return self.add(("Relu", "Sigmoid", "HardSwish", "Tanh")[self.integer(0, 3)], [x], self.shapes[x])

    def conv(self, x: str) -> str | None:
        n, c, *spatial = self.shapes[x] if len(self.shapes[x]) == 4 else (0, 0)
        if not spatial:
            return None
        groups = c if self.integer(0, 3) == 0 else 1
        o, k, s = c if groups > 1 else self.integer(1, 4), self.integer(1, 3), self.integer(1, 2)
        pads = [self.integer(0, 1) for _ in range(4)]
        out = [(d + pads[i] + pads[i + 2] - k) // s + 1 for i, d in enumerate(spatial)]
        if min(out) < 1:
            return None
        inputs = [x, self.uniform(o, c // groups, k, k), *([self.uniform(o)] if self.integer(0, 1) else [])]
        y = self.add("Conv", inputs, (n, o, *out), pads=pads, strides=[s, s], group=groups)
        return self.normalized(y) if self.integer(0, 2) == 0 else y

    def normalized(self, x: str) -> str:
        c = self.shapes[x][1]
        variance = self.const(self.rng.uniform(0.5, 2, c).astype(np.float32))
        return self.add("BatchNormalization", [x, self.uniform(c), self.uniform(c), self.uniform(c), variance], self.shapes[x])

    def pool(self, x: str) -> str | None:
        if len(self.shapes[x]) != 4 or min(self.shapes[x][2:]) < 2:
            return None
        n, c, h, w = self.shapes[x]
        pad = self.integer(0, 1)
        kind = ("MaxPool", "AveragePool")[self.integer(0, 1)]
        out = (n, c, (h + 2 * pad - 2) // 2 + 1, w + 2 * pad - 1)
        return self.add(kind, [x], out, kernel_shape=[2, 2], strides=[2, 1], pads=[pad] * 4)

    def residual(self, x: str) -> str:
        same = [v for v, s in self.shapes.items() if s == self.shapes[x]]
        return self.add(("Add", "Mul", "Sub")[self.integer(0, 2)], [x, same[self.integer(0, len(same) - 1)]], self.shapes[x])

    def broadcast(self, x: str) -> str:
        shape = [d if self.integer(0, 1) else 1 for d in self.shapes[x]]
        shape[0] = 1
        return self.add("Add", [self.uniform(*shape[self.integer(0, len(shape) - 1) :]), x], self.shapes[x])

    def concat(self, x: str) -> str:
        shape = self.shapes[x]
        axis = self.integer(1, len(shape) - 1)
        around = (shape[:axis], shape[axis + 1 :])
        fits = [v for v, s in self.shapes.items() if (s[:axis], s[axis + 1 :]) == around]
        other = fits[self.integer(0, len(fits) - 1)]
        total = shape[axis] + self.shapes[other][axis]
        return self.add("Concat", [x, other], (*shape[:axis], total, *shape[axis + 1 :]), axis=axis)

    def transpose(self, x: str) -> str:
        perm = [0, *(int(p) + 1 for p in self.draw(st.permutations(range(len(self.shapes[x]) - 1))))]  # type: ignore[attr-defined]
        return self.add("Transpose", [x], tuple(self.shapes[x][p] for p in perm), perm=perm)

    def reshape(self, x: str) -> str:
        batch, *rest = self.shapes[x]
        shape: list[int] = []
        for d in rest:
            for p in (2, d // 2) if d % 2 == 0 and self.integer(0, 1) else (d,):
                if shape and self.integer(0, 1):
                    shape[-1] *= p
                else:
                    shape.append(p)
        shape = [*shape[:3], int(np.prod(shape[3:]))] if len(shape) > 4 else shape
        target = np.array([0 if self.dynamic else batch, *shape], np.int64)
        return self.add("Reshape", [x, self.const(target)], (batch, *shape))

    def mean(self, x: str) -> str:
        axis, keep = self.integer(1, len(self.shapes[x]) - 1), self.integer(0, 1)
        shape = self.shapes[x]
        kept = (*shape[:axis], *((1,) if keep or len(shape) == 2 else ()), *shape[axis + 1 :])
        return self.add("ReduceMean", [x, self.const(np.array([axis], np.int64))], kept, keepdims=int(len(kept) == len(shape)))

    def softmax(self, x: str) -> str:
        return self.add("Softmax", [x], self.shapes[x], axis=self.integer(1, len(self.shapes[x]) - 1))

    def dense(self, x: str) -> str:
        m, shape = self.integer(1, 4), self.shapes[x]
        return self.add("MatMul", [x, self.uniform(shape[-1], m)], (*shape[:-1], m))

    def flip(self, x: str) -> str:
        axis = self.integer(1, len(self.shapes[x]) - 1)
        bounds = [self.const(np.array([v], np.int64)) for v in (-1, -(2**31), axis, -1)]
        return self.add("Slice", [x, *bounds], self.shapes[x])

    def pad(self, x: str) -> str:
        shape = self.shapes[x]
        pads = [0, *(self.integer(0, 1) for _ in shape[1:]), 0, *(self.integer(0, 1) for _ in shape[1:])]
        out = tuple(d + pads[i] + pads[i + len(shape)] for i, d in enumerate(shape))
        return self.add("Pad", [x, self.const(np.array(pads, np.int64))], out)


STEPS = (Maker.activation, Maker.conv, Maker.conv, Maker.pool, Maker.residual, Maker.broadcast, Maker.concat, Maker.transpose,
         Maker.reshape, Maker.mean, Maker.softmax, Maker.dense, Maker.flip, Maker.pad)


@st.composite
def models(draw: Callable[..., object], dynamic: bool) -> onnx.ModelProto:
    """A model of up to 9 nodes on one input of rank 4 whose sizes are often equal; with `dynamic`, of any batch size."""
    maker = Maker(draw, dynamic)
    shape = (2 if dynamic else maker.integer(1, 2), *((1, 2, 3, 4, 4, 4)[maker.integer(0, 5)] for _ in range(3)))
    maker.shapes["x"] = shape
    made = ["x"]
    for _ in range(maker.integer(1, 9)):
        result = STEPS[maker.integer(0, len(STEPS) - 1)](maker, made[-1 - maker.integer(0, min(1, len(made) - 1))])
        if result is not None and np.prod(maker.shapes[result]) <= 2000:
            made.append(result)
    outputs = [made[-1]] if len(made) > 1 else [maker.activation("x")]

    def info(name: str) -> onnx.ValueInfoProto:
        dims = ["N" if dynamic else maker.shapes[name][0], *maker.shapes[name][1:]]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)

    graph = helper.make_graph(maker.nodes, "random", [info("x")], [info(name) for name in outputs], maker.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def same(model: onnx.ModelProto) -> None:
    """The converted model computes what ONNX Runtime computes, through its declared layouts."""
    note(onnx.printer.to_text(model))
    converted = nchw2nhwc.convert(model)
    assert converted.layout.proven
    result = converted.check()
    assert result.passed, result.outputs


@settings(max_examples=100)
@given(model=models(dynamic=False))
def test_static_models(model: onnx.ModelProto) -> None:
    same(model)


@settings(max_examples=50)
@given(model=models(dynamic=True))
def test_models_of_any_batch_size(model: onnx.ModelProto) -> None:
    same(model)
