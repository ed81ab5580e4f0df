"""Operators that read shapes, or make tensors of a shape."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, numpy_helper

from nchw2nhwc.errors import ConversionError, UnsupportedError
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import assert_as_runtime, data, model, node, ops, read, sparse, tensor


@pytest.mark.parametrize(("attributes", "opset"), [({}, 7), ({}, 13), ({"start": 1}, 15), ({"start": -2, "end": -1}, 19), ({"end": 9}, 15),
                                                   ({"start": -9}, 15), ({"start": 2, "end": 1}, 15)])
@pytest.mark.parametrize("batch", [2, "N"])
def test_shape(attributes: dict[str, object], opset: int, batch: int | str) -> None:
    assert_as_runtime(model([node("Shape", "x", **attributes)], [tensor("x", (batch, 3, 4))], opset=opset))


@pytest.mark.parametrize("batch", [2, "N"])
def test_size(batch: int | str) -> None:
    assert_as_runtime(model([node("Size", "x")], [tensor("x", (batch, 3, 4))]))


@pytest.mark.parametrize("value", [None, np.array([7], np.int64), np.array([True])])
def test_constant_of_shape(value: np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None) -> None:
    attributes = {} if value is None else {"value": numpy_helper.from_array(value)}
    nodes = [node("Shape", "x", "s"), node("ConstantOfShape", "s", **attributes)]
    assert_as_runtime(model(nodes, [tensor("x", ("N", 3))]))
    assert_as_runtime(model([node("ConstantOfShape", "e", **attributes)], constants={"e": np.array([], np.int64)}))


@pytest.mark.parametrize(("attributes", "wanted"), [
    ({"value": numpy_helper.from_array(np.ones((2, 3), np.int32))}, np.ones((2, 3), np.int32)),
    ({"value_float": 0.5}, np.array(0.5, np.float32)), ({"value_floats": [0.5, 1.5]}, np.array([0.5, 1.5], np.float32)),
    ({"value_int": 3}, np.array(3)), ({"value_ints": [3, 4]}, np.array([3, 4])),
    ({"sparse_value": sparse("v", [2, 5], [1, 3], [2, 2])}, np.array([[0, 2], [0, 5]], np.float32)),
])
def test_constant(attributes: dict[str, object], wanted: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    graph = read(model([node("Constant", "", **attributes)]))
    assert graph.outputs[0].origin == "y"
    assert graph.outputs[0].const is not None
    assert graph.outputs[0].type.dtype == wanted.dtype
    assert np.array_equal(graph.outputs[0].const, wanted)


def test_constants_that_are_no_tensors_are_not_supported() -> None:
    for attributes, message in (({"value_string": "text"}, "strings"), ({"value_strings": ["a", "b"]}, "strings")):
        with pytest.raises(UnsupportedError, match=message):
            read(model([node("Constant", "", **attributes)]))


@pytest.mark.parametrize(("start", "limit", "delta"), [(0, 5, 1), (2, 11, 3), (5, 0, -2), (0.5, 3.0, 0.75), (3, 3, 1), (5, 2, 1)])
def test_range(start: float, limit: float, delta: float) -> None:
    dtype = np.float32 if isinstance(start, float) else np.int64
    constants = {name: np.array(value, dtype) for name, value in (("a", start), ("b", limit), ("c", delta))}
    assert_as_runtime(model([node("Range", "a b c")], constants=constants))


@pytest.mark.parametrize(("start", "delta"), [(0, 1), (2, 1), (0, 2), (1, 3)])
def test_range_up_to_a_symbolic_size(start: int, delta: int) -> None:
    nodes = [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Range", "a n c")]
    constants = {"zero": np.array(0), "a": np.array(start), "c": np.array(delta)}
    assert_as_runtime(model(nodes, [tensor("x", ("N", 3))], constants=constants), unknown=7)


def test_a_range_down_from_a_symbolic_size() -> None:
    nodes = [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Range", "n zero c")]
    assert_as_runtime(model(nodes, [tensor("x", ("N", 3))], constants={"zero": np.array(0), "c": np.array(-1)}), unknown=7)


def test_a_very_long_range_is_not_stored() -> None:
    graph = read(model([node("Range", "a b c")], constants={"a": np.array(0), "b": np.array(10**9), "c": np.array(1)}))
    assert ops(graph) == ["Expand", "CumSum"]


@pytest.mark.parametrize(("nodes", "message"), [
    ([node("Range", "one one zero")], "delta is 0"), ([node("Range", "one f one")], "different element types"),
    ([node("Range", "f inf f")], "no end"), ([node("ConstantOfShape", "minus")], "negative size"),
    ([node("ConstantOfShape", "one1", value=numpy_helper.from_array(np.ones(2)))], "one element"),
    ([node("ConstantOfShape", "huge")], "elements"), ([node("Constant", "")], "has one value"),
    ([node("Constant", "", value_int=1, value_float=1.0)], "has one value"), ([node("EyeLike", "one")], "must be a matrix"),
])
def test_operands_that_do_not_fit(nodes: list[NodeProto], message: str) -> None:
    constants = {"zero": np.array(0), "one": np.array(1), "f": np.array(1, np.float32), "inf": np.array(np.inf, np.float32),
                 "minus": np.array([-1]), "one1": np.array([1]), "huge": np.array([10**8, 10**7])}
    with pytest.raises(ConversionError, match=message):
        read(model(nodes, [tensor("x"), tensor("n", (), np.int64)], constants=constants))


@pytest.mark.parametrize(("attributes", "shape"), [({}, (3, 3)), ({"k": 1}, (2, 4)), ({"k": -9}, (2, 4)),
                                                   ({"dtype": TensorProto.INT32}, (3, 2))])
def test_eye_like(attributes: dict[str, object], shape: tuple[int, int]) -> None:
    assert_as_runtime(model([node("EyeLike", "x", **attributes)], [tensor("x", shape)]))


def test_an_identity_matrix_that_is_too_large_is_not_made() -> None:
    with pytest.raises(UnsupportedError, match="would have to be stored"):
        read(model([node("EyeLike", "x")], [tensor("x", (10**5, 10**5))]))


# ---- positions -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [None, -1, 0, 2])
def test_trilu(upper: int, k: int | None) -> None:
    constants = {} if k is None else {"k": np.array(k)}
    assert_as_runtime(model([node("Trilu", "x" if k is None else "x k", upper=upper)], [tensor("x", ("N", 3, 4))], constants=constants))


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_one_hot(axis: int, dtype: type) -> None:
    constants = {"d": np.array(4, dtype), "v": np.array([2.0, 5.0], np.float32)}
    source = model([node("OneHot", "i d v", axis=axis)], [tensor("i", (2, 3), np.int64)], constants=constants, opset=11)
    graph = assert_as_runtime(source)
    indices = np.array([[0, -1, 3], [-4, 4, -5]])
    hot = run(graph, {"i": indices})["y"] == 5
    assert hot.sum() == 4, "indices count from the end, and those out of range are nowhere"
    assert data(graph)["i"].shape == (2, 3)


def test_one_hot_needs_a_pair_of_values() -> None:
    with pytest.raises(ConversionError, match="a number and a pair"):
        read(model([node("OneHot", "i d v")], [tensor("i", (2,), np.int64)], constants={"d": np.array(4), "v": np.zeros(3, np.float32)}))
