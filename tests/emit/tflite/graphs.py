"""Small stored graphs that several tests use."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir import Array, Graph, Origin, Shape, TensorType, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.windowed import Conv

FLOAT = np.dtype(np.float32)


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def graph_with_input(*shape: int, name: str = "x") -> tuple[Graph, Value]:
    return with_input(shape, name)


def with_input(shape: Shape, name: str = "x") -> tuple[Graph, Value]:
    graph = Graph("test", "test.onnx")
    return graph, graph.add_input(name, TensorType(FLOAT, shape))


def conv(graph: Graph, x: Value, filters: int = 4, kernel: int = 3, *, stride: int = 1, pads: tuple[int, int] = (0, 0), layer: str = "conv",
         activation: Activation = Activation.NONE, bias: bool = True) -> Value:
    """A stored convolution with square kernel and the same stride and pads along both axes."""
    assert isinstance(x.shape[-1], int)
    w = graph.constant(random(filters, kernel, kernel, x.shape[-1], seed=len(graph)), f"{layer}/w")
    op = Conv((stride, stride), (1, 1), (pads[0],) * 2, (pads[1],) * 2, activation=activation, channels_last=True)
    operands = [x, w, graph.constant(random(filters, seed=7), f"{layer}/b")] if bias else [x, w]
    return graph.add1(op, operands, origin=Origin(layer, "Conv"))
