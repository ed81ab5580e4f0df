"""Inputs and outputs of every kind go through a whole conversion and its check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from nchw2nhwc import convert
from nchw2nhwc.ir import Array

FLOAT, DOUBLE, HALF, INT64, UINT8, BOOL = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.UINT8,
                                           TensorProto.BOOL)
RNG = np.random.default_rng(0)
W: dict[str, Array] = {"w": RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)}
node = helper.make_node
Tensors = Sequence[tuple[str, int, Sequence[int | str] | None]]


def model(nodes: Sequence[NodeProto], inputs: Tensors, outputs: Tensors, constants: Mapping[str, Array] | None = None) -> onnx.ModelProto:
    infos = [[helper.make_tensor_value_info(*t) for t in tensors] for tensors in (inputs, outputs)]
    graph = helper.make_graph(nodes, "g", *infos,
                              [numpy_helper.from_array(a, name) for name, a in (constants or {}).items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


IMAGE = ("x", FLOAT, [1, 3, 4, 4])
MODELS = {
    "an output that is an input": model([node("Identity", ["x"], ["y"])], [IMAGE], [("y", FLOAT, None)]),
    "an output that is a constant": model([node("Relu", ["x"], ["y"])], [IMAGE], [("y", FLOAT, None), ("c", FLOAT, None)],
                                          {"c": np.ones((2, 3), np.float32)}),
    "an input that nobody reads": model([node("Relu", ["x"], ["y"])], [IMAGE, ("z", FLOAT, [2, "Q"])], [("y", FLOAT, None)]),
    "one tensor under two names": model([node("Relu", ["x"], ["y"]), node("Identity", ["y"], ["z"])], [IMAGE],
                                        [("y", FLOAT, None), ("z", FLOAT, None)]),
    "integers, truth values, any batch": model(
        [node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), node("ArgMax", ["c"], ["a"], axis=1), node("Greater", ["c", "zero"], ["b"])],
        [("x", FLOAT, ["N", 3, 4, 4])], [("a", INT64, None), ("b", BOOL, None), ("c", FLOAT, None)], {**W, "zero": np.float32([0])}),
    "images of any size": model(
        [node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]), node("GlobalAveragePool", ["c"], ["g"]),
         node("Flatten", ["g"], ["f"])],
        [("x", FLOAT, ["N", 3, "H", "W"])], [("f", FLOAT, None), ("c", FLOAT, None)], W),
    "a scalar": model([node("ReduceMean", ["x"], ["y"], keepdims=0)], [("x", FLOAT, [2, 3])], [("y", FLOAT, [])]),
    "scalars in and out": model([node("Add", ["x", "y"], ["z"])], [("x", FLOAT, []), ("y", FLOAT, [])], [("z", FLOAT, [])]),
    "indices into a table": model([node("Gather", ["t", "i"], ["y"])], [("i", INT64, ["N", 7])], [("y", FLOAT, None)],
                                  {"t": RNG.standard_normal((11, 5)).astype(np.float32)}),
    "float64": model([node("Relu", ["x"], ["y"])], [("x", DOUBLE, [1, 3])], [("y", DOUBLE, None)]),
    "float16": model([node("Relu", ["x"], ["y"])], [("x", HALF, [1, 3])], [("y", HALF, None)]),
    "bytes": model([node("Cast", ["x"], ["f"], to=FLOAT), node("Conv", ["f", "w"], ["c"])], [("x", UINT8, [1, 3, 6, 6])],
                   [("c", FLOAT, None)], W),
    "odd names": model([node("Relu", ["a b/c:0,d"], ["é\n\"y"])], [("a b/c:0,d", FLOAT, [1, 3])], [("é\n\"y", FLOAT, None)]),
}


@pytest.mark.parametrize("keep_layout", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_whole_conversion(name: str, keep_layout: bool) -> None:
    source = MODELS[name]
    converted = convert(source, keep_layout=keep_layout)
    assert [info.name for info in converted.inputs] == [value.name for value in source.graph.input]
    assert [info.name for info in converted.outputs] == [value.name for value in source.graph.output]
    for info in (*converted.inputs, *converted.outputs):
        assert info.shape == tuple(info.source_shape[axis] for axis in info.perm)
        assert not keep_layout or info.perm == tuple(range(len(info.perm)))
    result = converted.check()
    assert result.max_rel_error < 1e-5


def test_a_scalar_stays_one() -> None:
    converted = convert(MODELS["scalars in and out"])
    assert converted.inputs[0].to_result(np.array(2.0)).shape == ()


def test_interfaces_without_elements() -> None:
    """A result, beside one that has some; an operand of another."""
    nodes = [node("Slice", ["x", "a", "a"], ["y"]), node("Relu", ["x"], ["z"]), node("Neg", ["e"], ["n"])]
    inputs = [("x", FLOAT, [2, 3]), ("e", FLOAT, [0, 3])]
    source = model(nodes, inputs, [(name, FLOAT, None) for name in "yzn"], {"a": np.array([1], np.int64)})
    converted = convert(source)
    assert [info.shape for info in converted.outputs] == [(0, 3), (2, 3), (0, 3)]
    assert converted.check().passed
