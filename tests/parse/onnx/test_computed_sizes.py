"""Sizes that are computed when the model runs: where they are the same number they are the same size."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir import Graph
from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import model, node, read, runtime, tensor


def _read(*nodes: str, **constants: object) -> Graph:
    """A model of nodes such as "y = Add a b", with s, three sizes, and x (2, 1) as inputs; it computes what ONNX Runtime does."""
    parts = [text.replace("=", " ").split() for text in nodes]
    attributes = {"Concat": {"axis": 0}, "GatherElements": {"axis": 1}}
    made = model([node(op, " ".join(inputs), out, **attributes.get(op, {})) for out, op, *inputs in parts],
                 [tensor("s", (3,), np.int64), tensor("x", (2, 1))], constants=constants, opset=18)
    graph = read(made)
    given = {"s": np.array([2, 4, 3]), "x": np.ones((2, 1), np.float32)}
    np.testing.assert_array_equal(run(graph, given)["y"], runtime(made, given)[0])
    return graph


def test_the_same_element_by_several_ways() -> None:
    """Taken out of the vector, as a part of it, and in another type."""
    constants = {"one": np.int64(1), "ones": [1], "threes": [3], "zero": np.int64(0)}
    graph = _read("n = Gather s one", "r = Range zero n one", "tail = Slice s ones threes", "z = ConstantOfShape tail",
                  "t = Transpose z", "f = CastLike r x", "y = Add t f", **constants)
    rows, columns = graph.outputs[0].shape
    assert isinstance(rows, Dim)
    assert isinstance(columns, Dim)
    assert rows != columns


def test_numbers_beside_computed_ones_are_known() -> None:
    graph = _read("n = Slice s ones twos", "all = Concat two n", "y = Expand x all", two=[2], ones=[1], twos=[2])
    assert graph.outputs[0].shape[0] == 2
    assert isinstance(graph.outputs[0].shape[1], Dim)


def test_fewer_indices_than_elements() -> None:
    """As many along another axis as is computed."""
    graph = _read("n = Gather s zero", "r = Range zero n one", "none = Mul r zero", "i = Unsqueeze none ones", "y = GatherElements x i",
                  zero=np.int64(0), one=np.int64(1), ones=[1])
    assert isinstance(graph.outputs[0].shape[0], Dim)


def test_what_is_written_into_a_slice() -> None:
    """As long as it is, or as the slice is that ends where it does."""
    graph = _read("n = Gather s zero", "r = Range zero n one", "m = Slice s ones twos", "zeros = ConstantOfShape m",
                  "end = Shape r", "part = Slice zeros first end", "shape = Shape part", "w = Expand r shape",
                  "f = CastLike w part", "y = Add f part",
                  zero=np.int64(0), one=np.int64(1), first=[0], ones=[1], twos=[2])
    (size,) = graph.outputs[0].shape
    assert "min(" in str(size)
    assert any("what is expanded has to fit" in note for note in graph.notes)


def test_a_whole_is_as_large_as_its_parts_of_known_sizes() -> None:
    """What data decides can be one number only where it is cut into so many."""
    nodes = [node("NonZero", "x", "p"), node("Split", "p parts", "a b", axis=1), node("Sub", "b a", "y")]
    source = model(nodes, [tensor("x", (6,))], constants={"parts": np.array([1, 1])}, opset=18)
    graph = read(source)
    assert graph.outputs[0].shape == (1, 1)
    assert any("is 2, the only size that fits" in size for size in graph.fixed_sizes)
    given = {"x": np.array([0, 1, 0, 0, 5, 0], np.float32)}
    np.testing.assert_array_equal(run(graph, given)["y"], runtime(source, given)[0])


def test_all_parts_together_are_the_whole() -> None:
    """The rows of a table, by computed numbers of them: put together again they are as many as before."""
    nodes = [node("Split", "v s", "a b c", axis=0), node("Neg", "b", "n"), node("Concat", "c n a", "y", axis=0)]
    values = np.arange(18, dtype=np.float32).reshape(9, 2)
    source = model(nodes, [tensor("s", (3,), np.int64)], constants={"v": values}, opset=18)
    graph = read(source)
    assert graph.outputs[0].shape == (9, 2)
    for sizes in ([2, 4, 3], [0, 9, 0], [5, 4, 0]):
        given = {"s": np.array(sizes)}
        np.testing.assert_array_equal(run(graph, given)["y"], runtime(source, given)[0])
