"""Running graphs in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir import Dim, Graph, TensorType
from nchw2nhwc.ir.interpreter import bind_dims, run, steps
from nchw2nhwc.ops.elementwise import Neg
from nchw2nhwc.ops.movement import Reshape, Split
from nchw2nhwc.ops.sizes import Sizes
from tests.ir.graphs import F32, N, diamond

X = np.array([[1, -2], [3, 4], [-5, 6]], np.float32)


def test_results_by_interface_name() -> None:
    results = run(diamond()[0], {"x": X})
    assert list(results) == ["out"]
    np.testing.assert_array_equal(results["out"], [[1, 2]] * 3)


def test_every_value_is_shown_as_it_is_made() -> None:
    graph, _ = diamond()
    seen = [(value.name, array.shape) for value, array in steps(graph, {"x": X})]
    assert seen == [("r", (3, 2)), ("n", (3, 2)), ("s", (3, 2)), ("y", (3, 2))]


def test_inputs_are_converted_to_the_declared_type() -> None:
    assert run(diamond()[0], {"x": X.astype(np.float64)})["out"].dtype == F32


def test_inputs_and_constants_as_outputs() -> None:
    graph, v = diamond()
    graph.add_output(v["x"], "same")
    graph.add_output(v["bias"], "fixed")
    results = run(graph, {"x": X})
    np.testing.assert_array_equal(results["same"], X)
    np.testing.assert_array_equal(results["fixed"], [1, 2])


def test_a_value_that_is_output_twice_and_ops_with_several_results() -> None:
    graph = Graph()
    x = graph.add_input("x", TensorType(F32, (3, 2)))
    left, right = graph.add(Split(0, (1, 2)), [x])
    graph.add_output(right, "a")
    graph.add_output(right, "b")
    graph.add_output(graph.add1(Neg(), [left]), "c")
    results = run(graph, {"x": X})
    np.testing.assert_array_equal(results["a"], X[1:])
    np.testing.assert_array_equal(results["b"], X[1:])
    np.testing.assert_array_equal(results["c"], -X[:1])


def test_named_sizes_are_bound_in_attributes() -> None:
    graph = Graph()
    x = graph.add_input("x", TensorType(F32, (N, 2)))
    graph.add_output(graph.add1(Reshape((N * 2,)), [x]), "flat")
    graph.add_output(graph.add1(Sizes((N, 2 * N), np.dtype(np.int64)), []), "sizes")
    results = run(graph, {"x": X})
    assert results["flat"].shape == (6,)
    np.testing.assert_array_equal(results["sizes"], [3, 6])


def test_sizes_that_follow_from_named_ones_are_checked() -> None:
    graph = Graph()
    graph.add_input("x", TensorType(F32, (N, N * 2)))
    graph.add_input("y", TensorType(F32, (N, Dim.symbol("M"))))
    fine = {"x": np.zeros((2, 4)), "y": np.zeros((2, 7))}
    assert bind_dims(graph, fine) == {"N": 2, "M": 7}
    for wrong in ({**fine, "x": np.zeros((2, 5))}, {**fine, "y": np.zeros((3, 7))}, {**fine, "y": np.zeros((2, 7, 1))}):
        with pytest.raises(ShapeError, match=r"input '[xy]' has shape .*, expected"):
            bind_dims(graph, wrong)


def test_an_input_that_is_missing() -> None:
    with pytest.raises(ShapeError, match="no data for input 'x'") as caught:
        run(diamond()[0], {"z": X})
    assert caught.value.advice == "The inputs are: x."
