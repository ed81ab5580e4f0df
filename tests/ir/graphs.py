"""Small graphs for the tests of the intermediate representation."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir import Dim, Graph, Origin, TensorType, Value
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.elementwise import Neg

F32 = np.dtype(np.float32)
N = Dim.symbol("N")


def diamond() -> tuple[Graph, dict[str, Value]]:
    """`y = relu(x) + neg(relu(x)) + constant`, batch N; also its values by name."""
    graph = Graph("diamond", source="model.onnx")
    x = graph.add_input("x", TensorType(F32, (N, 2)))
    relu = graph.add1(Relu(), [x], origin=Origin("act", "Relu"), name="r", source="r")
    neg = graph.add1(Neg(), [relu], origin=Origin("minus", "Neg"), name="n")
    total = graph.add1(Add(), [relu, neg], origin=Origin("sum", "Add"), name="s")
    bias = graph.constant(np.array([1, 2], np.float32), "bias")
    y = graph.add1(Add(), [total, bias], name="y")
    graph.add_output(y, "out")
    return graph, {"x": x, "r": relu, "n": neg, "s": total, "bias": bias, "y": y}
