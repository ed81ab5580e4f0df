"""Operators that pick elements by index, or order them by value."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from onnx import NodeProto

from nchw2nhwc import convert
from nchw2nhwc.errors import ConversionError, SourceError
from nchw2nhwc.ir import Dim
from nchw2nhwc.ops.selection import NonMaxSuppression
from tests.parse.onnx.models import assert_as_runtime, model, node, ops, read, runtime, tensor

INT64 = np.dtype(np.int64)
ROWS = {"i": np.array([[0, -1], [1, 0]]), "u": np.ones((2, 2), np.float32)}


@pytest.mark.parametrize(("indices", "axis", "opset", "expected"), [
    ([[0, -1, 1], [1, 1, 0]], 0, 11, "GatherElements"), ([[2, 0], [-1, 1]], 1, 13, "GatherElements"),
    ([[2, 0]], -1, 13, "Slice GatherElements")])
def test_gather_elements(indices: list[list[int]], axis: int, opset: int, expected: str) -> None:
    """Fewer indices than elements along another axis come first."""
    constants = {"i": np.array(indices)}
    assert ops(assert_as_runtime(model([node("GatherElements", "x i", axis=axis)], constants=constants, opset=opset))) == expected.split()


@pytest.mark.parametrize(("indices", "attributes", "opset"), [
    ([[0, 1], [-1, -1]], {}, 11), ([[1]], {}, 12), ([[[0]], [[2]]], {"batch_dims": 1}, 12), ([[1, 2]], {"batch_dims": 0}, 13)])
def test_gather_nd(indices: object, attributes: dict[str, object], opset: int) -> None:
    inputs = [tensor("x", (2, 3, 4))]
    assert_as_runtime(model([node("GatherND", "x i", **attributes)], inputs, constants={"i": np.array(indices)}, opset=opset))


# ---- the other way round ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("op", "attributes", "opset"), [
    ("Scatter", {}, 9), ("ScatterElements", {"axis": -1}, 11), ("ScatterElements", {}, 13),
    *(("ScatterElements", {"reduction": reduction, "axis": 1}, 18) for reduction in ("none", "add", "mul", "max", "min"))])
def test_scatter_elements(op: str, attributes: dict[str, object], opset: int) -> None:
    """Fewer indices than elements along the other axis leave what is behind them alone."""
    source = model([node(op, "x i u", **attributes)], [tensor("x", (3, 4))], constants=ROWS, opset=opset)
    assert ops(assert_as_runtime(source)) == ["Slice", "ScatterElements", "Slice", "Concat"]


@pytest.mark.parametrize(("attributes", "opset"),
                         [({}, 11), ({}, 13), *(({"reduction": r}, 18) for r in ("none", "add", "mul", "max", "min"))])
def test_scatter_nd(attributes: dict[str, object], opset: int) -> None:
    constants = {"i": np.array([[0, -1], [1, 0]]), "u": np.array([[3, -3, 0.5, 1]] * 2, np.float32)}
    source = model([node("ScatterND", "x i u", **attributes)], [tensor("x", (2, 3, 4))], constants=constants, opset=opset)
    assert ops(assert_as_runtime(source)) == ["ScatterND"]


def test_a_batch_that_is_open() -> None:
    """`x[:, 1] = 0` as exporters spell it for any size of batch: the axis to be changed comes first, and its positions are constant."""
    nodes = [node("Transpose", "x", "t", perm=[1, 0]), node("Shape", "x", "s"), node("Slice", "s zero one", "n"),
             node("ConstantOfShape", "n", "u"), node("Unsqueeze", "u zero", "r"), node("ScatterND", "t i r", "w"),
             node("Transpose", "w", perm=[1, 0])]
    constants = {"zero": np.array([0]), "one": np.array([1]), "i": np.array([[1]])}
    assert "ScatterND" in ops(assert_as_runtime(model(nodes, [tensor("x", ("N", 3))], constants=constants)))


@pytest.mark.parametrize("op", ["ScatterElements", "ScatterND"])
def test_a_reduction_that_does_not_exist(op: str) -> None:
    with pytest.raises(SourceError, match="no reduction 'avg'"):
        read(model([node(op, "x i u", reduction="avg")], [tensor("x", (2, 2))], constants=ROWS, opset=18))


# ---- by value, and by length -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("attributes", "opset"), [
    ({"k": 2}, 7), ({}, 10), ({"axis": 0}, 11), ({"largest": 0}, 11), ({"largest": 0, "sorted": 1, "axis": -2}, 24)])
def test_top_k(attributes: dict[str, object], opset: int) -> None:
    constants = {} if "k" in attributes else {"k": np.array([2])}
    source = model([node("TopK", "x k" if constants else "x", "y z", **attributes)], [tensor("x", (4, 5))], ("y", "z"), constants, opset)
    assert ops(assert_as_runtime(source)) == ["TopK"]


@pytest.mark.parametrize("attributes", [{}, {"batch_axis": 0, "time_axis": 1}])
def test_reverse_sequence(attributes: dict[str, object]) -> None:
    source = model([node("ReverseSequence", "x n", **attributes)], [tensor("x", (3, 3, 2))], constants={"n": np.array([2, 3, 1])})
    assert ops(assert_as_runtime(source)) == ["ReverseSequence"]


# ---- results whose size depends on the data --------------------------------------------------------------------------
VALUES = np.array([[2, 0, 1], [2, 0, 1], [0, 0, 3]], np.float32)


@pytest.mark.parametrize(("nodes", "outputs"), [
    ([node("NonZero", "v")], "y"), ([node("NonZero", "s")], "y"),
    *(([node("Unique", "v", "y i r n", **attributes)], "y i r n")
      for attributes in ({}, {"sorted": 0}, {"axis": 0}, {"axis": -1}, {"axis": 1, "sorted": 0}))])
def test_of_constants(nodes: list[NodeProto], outputs: str) -> None:
    source = model(nodes, outputs=outputs.split(), constants={"v": VALUES, "s": np.array(3.0, np.float32)})
    graph = read(source)
    assert not graph.nodes
    for value, wanted in zip(graph.outputs, runtime(source, {"x": np.zeros((2, 3), np.float32)}), strict=True):
        assert value.const is not None
        assert value.type.dtype == wanted.dtype
        np.testing.assert_array_equal(value.const, wanted)


@pytest.mark.parametrize(("condition", "attributes"), [([True, False, True], {"axis": 1}), ([False, True], {"axis": 0}),
                                                       ([True, False, True], {"axis": -1}), ([False, True, True, False, True], {})])
def test_compress(condition: list[bool], attributes: dict[str, object]) -> None:
    assert_as_runtime(model([node("Compress", "x c", **attributes)], constants={"c": np.array(condition)}))


@pytest.mark.parametrize("attributes", [{}, {"sorted": 0}, {"axis": 1}])
def test_unique_of_what_depends_on_an_input(attributes: dict[str, int]) -> None:
    assert_as_runtime(model([node("Relu", "x", "r"), node("Unique", "r", "y i v n", **attributes)], [tensor("x", (3, 4))]))


@pytest.mark.parametrize("nodes", [
    [node("NonZero", "x")], [node("Relu", "x", "r"), node("NonZero", "r")], [node("Greater", "x z", "c"), node("NonZero", "c")],
    [node("Greater", "x z", "c"), node("Reshape", "c n", "f"), node("Compress", "x f")],
    [node("ReduceMax", "x", "m", axes=[0], keepdims=0), node("Greater", "m z", "c"), node("Compress", "x c", axis=1)],
    [node("ReduceMax", "x", "m", axes=[0], keepdims=0), node("Greater", "m z", "c"), node("Slice", "c zero two", "d"),
     node("Compress", "x d", axis=1)]])
def test_parts_that_depend_on_an_input(nodes: list[NodeProto]) -> None:
    """Their number is a dimension of its own."""
    constants = {"z": np.array(0, np.float32), "n": np.array([-1]), "zero": np.array([0]), "two": np.array([2])}
    graph = assert_as_runtime(model(nodes, [tensor("x", (3, 4))], constants=constants))
    assert not graph.outputs[0].type.is_static
    assert "Compress" in ops(graph)


@pytest.mark.parametrize(("operands", "center", "score"), [
    ("b s m i t", 0, 0.4), ("b s m i t", 1, 0.4), ("b s m", 0, 0), ("b s m i", 0, 0)])
def test_non_max_suppression(operands: str, center: int, score: float) -> None:
    constants = {"m": np.array([4]), "i": np.array([0.3], np.float32), "t": np.array([score], np.float32)}
    source = model([node("NonMaxSuppression", operands, center_point_box=center)], [tensor("b", (2, 30, 4)), tensor("s", (2, 3, 30))],
                   constants={k: v for k, v in constants.items() if k in operands.split()})
    assert_as_runtime(source)


@pytest.mark.parametrize("most", [(1 << 31) - 1, (1 << 63) - 1])
def test_as_many_boxes_as_there_are(most: int) -> None:
    """The largest integer stands for all of an open number of boxes, as in YOLO with open sizes; TFLite's sizes do not hold it."""
    source = model([node("NonMaxSuppression", "b s m i")], [tensor("b", (1, "N", 4)), tensor("s", (1, 1, "N"))],
                   constants={"m": np.array([most]), "i": np.array([0.3], np.float32)})
    graph = assert_as_runtime(source, unknown=9)
    assert [n.op.most for n in graph.nodes if isinstance(n.op, NonMaxSuppression)] == [Dim.symbol("N")]
    assert convert(source).check().passed


def test_no_boxes_at_all() -> None:
    graph = read(model([node("NonMaxSuppression", "b s")], [tensor("b", (1, 3, 4)), tensor("s", (1, 1, 3))]))
    assert graph.outputs[0].shape == (0, 3)


def test_large_constants_that_are_computed() -> None:
    """Positions in a mask that is put together from constants, too large to be folded as it is read."""
    nodes = [node("ConstantOfShape", "n", "z"), node("Cos", "z", "o"), node("NonZero", "o", "p"), node("Shape", "p", "q"),
             node("Cast", "q", "f", to=1), node("Add", "x f")]
    source = model(nodes, [tensor("x", (2,))], constants={"n": np.array([70, 80])})
    assert ops(assert_as_runtime(source)) == ["Add"]


@pytest.mark.parametrize(("nodes", "constants", "message"), [
    ([node("GatherElements", "x i", axis=2)], ROWS, "axis 2 does not exist"),
    ([node("GatherElements", "x i", axis=0)], {"i": np.zeros((2, 9), INT64)}, "must have the shape of"),
    ([node("GatherND", "x i")], {"i": np.zeros((2, 3), INT64)}, "do not fit"),
    ([node("GatherND", "x i")], {"i": np.array(0)}, "need an axis"),
    ([node("ScatterElements", "x i u")], {**ROWS, "i": np.zeros((2, 9), INT64)}, "more indices than elements along axis 1"),
    ([node("ScatterND", "x i u")], {**ROWS, "u": np.zeros(3, np.float32)}, "do not fit"),
    ([node("TopK", "x k", "y z")], {"k": np.array([4])}, "the top 4 of axis 1"),
    ([node("TopK", "x k", "y z")], {"k": np.array([-1])}, "the top -1"),
    ([node("ReverseSequence", "x n")], {"n": np.array([1, 1])}, "need the shape"),
])
def test_operands_that_do_not_fit(nodes: list[NodeProto], constants: Mapping[str, object], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        read(model(nodes, constants=constants))


def test_elements_chosen_by_one_condition_have_one_size() -> None:
    """As torchvision's detection heads choose the best of them: TopK of at most as many as there are."""
    nodes = [node("Greater", "x zero", "keep"), node("NonZero", "keep", "p"), node("Transpose", "p", "rows"),
             node("GatherND", "x rows", "s"),
             node("NonZero", "keep", "q"), node("Shape", "q", "shape"), node("Gather", "shape one", "n"), node("Min", "n three", "k1"),
             node("Reshape", "k1 column", "k"), node("TopK", "s k", "y z")]
    constants = {"zero": np.float32(0), "one": np.array(1), "three": np.array(3), "column": np.array([1])}
    graph = assert_as_runtime(model(nodes, [tensor("x", (12,))], ("y", "z"), constants))
    assert ops(graph).count("Compress") == 1


@pytest.mark.parametrize(("dtype", "reduction"), [(np.int64, "mul"), (np.int64, "max"), (np.uint8, "min"), (np.int8, "mul")])
def test_scatters_of_integers_into_any_number_of_rows(dtype: type[np.integer], reduction: str) -> None:
    """Kernels combine int32 alone; that int64 is computed in it is noted."""
    operands = [tensor("x", ("N", 3), dtype), tensor("i", (5, 1), np.int64), tensor("u", (5, 3), dtype)]
    converted = convert(model([node("ScatterND", "x i u", reduction=reduction)], operands, opset=18))
    rng = np.random.default_rng(0)
    for rows in (4, 7):
        data = {"x": rng.integers(0, 5, (rows, 3)).astype(dtype), "u": rng.integers(0, 5, (5, 3)).astype(dtype),
                "i": np.array([[0], [1], [1], [3], [-1]])}
        assert converted.check(data).max_rel_error == 0
    assert ("int32 instead of int64" in " ".join(converted.report["notes"])) == (dtype == np.int64)
