"""Inputs for the check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from nchw2nhwc import convert
from nchw2nhwc.checking.inputs import index_limits, load_inputs, random_inputs, sample_sizes, validate_inputs
from nchw2nhwc.errors import OptionError, ShapeError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Dim, Graph, TensorType
from nchw2nhwc.ops.binary import Equal
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Slice
from tests.checking.tensors import info
from tests.parse.onnx.models import model, node, read, tensor


def test_random_inputs_fit_and_repeat() -> None:
    inputs = [info("x", (1, 3, 8, 8)), info("flag", (100,), np.bool_), info("token", (1000,), np.int64), info("mask", (100,), np.int32),
              info("pixel", (1000,), np.uint8), info("half", (5,), np.float16), info("scalar", ())]
    data = random_inputs(inputs, {"token": range(7)})
    assert {name: (a.shape, a.dtype) for name, a in data.items()} == {i.name: (i.source_shape, i.source_type.dtype) for i in inputs}
    assert set(np.unique(data["token"])) == set(range(7))
    assert set(np.unique(data["mask"])) == {0, 1}
    assert data["pixel"].max() > 200
    assert abs(float(data["x"].std()) - 1) < 0.2
    again = random_inputs(inputs, {"token": range(7)})
    assert all(np.array_equal(a, again[name]) for name, a in data.items())
    assert not np.array_equal(random_inputs(inputs, {}, seed=1)["x"], data["x"])


def test_sizes_of_named_dimensions_agree() -> None:
    inputs = [info("a", ("N", 3, "H", "W")), info("b", ("N", "T")), info("c", ("T", 2))]
    data = random_inputs(inputs, {})
    assert data["a"].shape == (2, 3, 64, 64)
    assert data["b"].shape[1] == data["c"].shape[0]
    first, second = sample_sizes(inputs)
    assert all(first[name] != second[name] for name in "NHWT")
    assert random_inputs(inputs, {}, sizes=second)["a"].shape == (3, 3, 96, 128)
    assert sample_sizes([info("a", (1, 3))]) == [{}]


def test_sizes_are_as_the_model_needs_them() -> None:
    """Multiples, an upper bound, and room for every window."""
    height, width = 32 * Dim.symbol("H/32"), Dim.symbol("W", most=80)
    x = TensorInfo("x", (1, 3, -1, -1), (1, 3, -1, -1), np.dtype(np.float32), (0, 1, 2, 3),
                   TensorType(np.dtype(np.float32), (1, 3, height, width)), "x")
    assert sample_sizes([x]) == [{"H/32": 2, "W": 64}, {"H/32": 3, "W": 80}]
    graph = Graph("deep")
    value = graph.add_input("x", TensorType(np.dtype(np.float32), (1, 3, Dim.symbol("H"), 8)))
    graph.add_output(graph.add1(Slice((None, None, 100, None), (None,) * 4, (1, 1, 1, 1)), [value]), "y")
    low, high = sample_sizes([info("x", (1, 3, "H", 8))], graph)
    assert low["H"] > 100
    assert high["H"] > 100


def test_given_inputs_are_checked() -> None:
    inputs = [info("a", ("N", 3)), info("b", ("N",), np.int64)]
    sound = {"a": np.zeros((4, 3)), "b": np.zeros(4, np.int32)}
    data = validate_inputs(inputs, sound)
    assert (data["a"].dtype, data["b"].dtype) == (np.float32, np.int64)
    with pytest.raises(OptionError, match="'c' is not an input"):
        validate_inputs(inputs, {**sound, "c": np.zeros(1)})
    with pytest.raises(ShapeError, match="no data for input 'b'"):
        validate_inputs(inputs, {"a": np.zeros((4, 3))})
    with pytest.raises(ShapeError, match=r"'b' has shape \[5\]"):
        validate_inputs(inputs, {**sound, "b": np.zeros(5, np.int64)})
    with pytest.raises(ShapeError, match="'a' has shape"):
        validate_inputs(inputs, {**sound, "a": np.zeros((4, 3, 1))})
    with pytest.raises(OptionError, match="'b' is float64, the model takes int64"):
        validate_inputs(inputs, {**sound, "b": np.zeros(4)})


def test_files_of_inputs(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **{"x:0/y": np.arange(3)})
    assert np.array_equal(load_inputs(path)["x:0/y"], np.arange(3))
    np.save(tmp_path / "one.npy", np.arange(3))
    np.savez(tmp_path / "pickled.npz", a=np.array([{}], object))
    (tmp_path / "garbage.npz").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "text.npz").write_bytes(b"hello")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:-30])
    for name in ("none.npz", "one.npy", "pickled.npz", "garbage.npz", "text.npz", "empty.npz", "cut.npz"):
        with pytest.raises(OptionError, match="check inputs"):
            load_inputs(tmp_path / name)


def test_indices_are_recognised() -> None:
    graph = Graph()
    tokens, other = (graph.add_input(name, TensorType(np.dtype(np.int32), (4,))) for name in ("tokens", "other"))
    (wide,) = graph.add(Cast(np.dtype(np.int64)), [tokens])
    for rows in (9, 5):
        graph.add(Gather(0), [graph.constant(np.zeros((rows, 2), np.float32)), wide])
    graph.add(Cast(np.dtype(np.float32)), [other])
    assert index_limits(graph) == {"tokens": range(5)}


def test_one_hot_encodings_are_recognised() -> None:
    graph = Graph()
    shuffled, byte, padding, other = (graph.add_input(name, TensorType(np.dtype(np.int32), (4, 1))) for name in ("a", "b", "c", "d"))
    graph.add(Equal(), [graph.constant(np.array([2, 0, 1], np.int32)), shuffled])
    graph.add(Equal(), [byte, graph.constant(np.arange(257, dtype=np.int32).reshape(1, 257))])
    graph.add(Equal(), [padding, graph.constant(np.zeros(1, np.int32))])
    graph.add(Equal(), [padding, graph.constant(np.array([0, 2], np.int32))])
    graph.add(Equal(), [other, padding])
    assert index_limits(graph) == {"a": range(3), "b": range(257)}


def test_sizes_are_drawn_as_sizes() -> None:
    """An image is resized to what an input says, whole floats as in Segment Anything's decoder; what is multiplied is any number."""
    nodes = [node("Cast", "size", "whole", to=TensorProto.INT64), node("Concat", "ones whole", "shape", axis=0),
             node("Resize", "x - - shape", "r", mode="linear"), node("Mul", "r factor", "y")]
    inputs = [tensor("x", (1, 3, 8, 8)), tensor("size", (2,)), tensor("factor", (1,))]
    graph = read(model(nodes, inputs, constants={"ones": np.array([1, 3])}))
    limits = index_limits(graph)
    assert list(limits) == ["size"]
    drawn = random_inputs([info("x", (1, 3, 8, 8)), info("size", (2,)), info("factor", (1,))], limits)
    assert drawn["size"].dtype == np.float32
    assert np.array_equal(drawn["size"], np.maximum(np.round(drawn["size"]), 1))
    assert not np.array_equal(drawn["factor"], np.round(drawn["factor"]))
    assert convert(model(nodes, inputs, constants={"ones": np.array([1, 3])})).check().passed
