"""Single positions along one axis, taken by one operator."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.ir import Graph, TensorType
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.elementwise import Exp
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.selection import Compress
from nchw2nhwc.targets import Target
from nchw2nhwc.targets.edgetpu import EDGETPU
from nchw2nhwc.targets.gpu import GPU
from nchw2nhwc.targets.micro import MICRO
from tests.emit.tflite.graphs import graph_with_input, random
from tests.emit.tflite.runs import RESOLVERS, run_file


def _picked(*positions: int, axis: int = 1, dtype: str = "float32") -> Graph:
    graph = Graph("test", "test.onnx")
    x = graph.add_input("x", TensorType(np.dtype(dtype), (3, 5, 2)))
    for k, position in enumerate(positions):
        part = graph.add1(Gather(axis), (x, graph.constant(np.array(position))))
        graph.add_output(graph.add1(Exp(), (part,)) if dtype == "float32" else part, f"y{k}")
    return graph


@pytest.mark.parametrize(("graph", "codes"), [
    (_picked(0, 1, 2, 3, 4), {"UNPACK": 1, "EXP": 5}), (_picked(4, 0, -2), {"UNPACK": 1, "EXP": 3}),
    (_picked(2, 0, axis=0), {"UNPACK": 1, "EXP": 2}), (_picked(0, 1, axis=2, dtype="int32"), {"UNPACK": 1}),
    (_picked(0, 3), {"GATHER": 2, "EXP": 2}), (_picked(0, 1, 1), {"GATHER": 3, "EXP": 3}),
    (_picked(0, 1, axis=2, dtype="int64"), {"GATHER": 2}),
], ids=["all", "most", "another axis", "integers", "few", "few, one of them twice", "no kernel"])
def test_more_than_half(graph: Graph, codes: dict[str, int]) -> None:
    made = emit(graph)
    assert Counter(op.code for op in made.model.subgraphs[0].operators) == codes
    x = (random(3, 5, 2) * 9).astype(graph.inputs[0].type.dtype)
    wanted = run(graph, {"x": x})
    for resolver in RESOLVERS:
        for name, found in zip(graph.output_names, run_file(made.tobytes(), [x], resolver), strict=True):
            np.testing.assert_allclose(found, wanted[name], rtol=1e-6)


@pytest.mark.parametrize(("device", "dtype", "codes"), [
    (GPU, "float32", {"UNPACK", "EXP"}), (EDGETPU, "float32", {"UNPACK", "EXP"}), (MICRO, "float32", {"GATHER", "EXP"}),
    (MICRO, "bool", {"UNPACK"})])
def test_devices(device: Target, dtype: str, codes: set[str]) -> None:
    """One that has the other operator, for the element type, takes that; of one that has neither, one operator is left, not several."""
    made = emit(_picked(0, 1, 2, 3, 4, dtype=dtype), available=device.computes)
    assert {op.code for op in made.model.subgraphs[0].operators} == codes


def test_open_sizes_stay() -> None:
    graph, x = graph_with_input(3, 5, 2)
    y = graph.add1(Gather(1), (x, graph.add_input("i", TensorType(np.dtype(np.int32), ()))))
    graph.add_output(y, "y")
    assert {op.code for op in emit(graph).model.subgraphs[0].operators} >= {"GATHER"}


def test_not_of_what_may_have_no_elements() -> None:
    graph = Graph("test", "test.onnx")
    x = graph.add_input("x", TensorType(np.dtype(np.float32), (3, 2)))
    condition = graph.add_input("c", TensorType(np.dtype(np.bool_), (3,)))
    kept = graph.add1(Compress(0, "count"), (x, condition))
    for k in range(2):
        graph.add_output(graph.add1(Exp(), (graph.add1(Gather(1), (kept, graph.constant(np.array(k)))),)), f"y{k}")
    made = emit(graph)
    assert "UNPACK" not in {op.code for op in made.model.subgraphs[0].operators}
