"""Cutting a graph at named tensors and layers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nchw2nhwc.errors import OptionError
from nchw2nhwc.ir import Graph
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.parse.cut import cut
from tests.parse.onnx.models import Dims, data, model, node, ops, read, tensor

NODES = [node("Relu", "x", "a", name="first"), node("Neg", "a", "b", name="second"), node("Add", "b z", "c", name="sum"),
         node("Split", "c", "d e", name="halves", axis=0), node("Exp", "d", "y", name="last"), node("Abs", "a", "s", name="side")]


def graph(shape: Dims = (2, 3)) -> Graph:
    return read(model(NODES, [tensor("x", shape), tensor("z", shape)], ["y", "s"]))


def after(inputs: list[str], outputs: list[str], shape: Dims = (2, 3)) -> Graph:
    found = graph(shape)
    cut(found, inputs, outputs)
    verify(found)
    return found


@pytest.mark.parametrize(("inputs", "outputs", "wanted"), [
    ([], ["b"], (["x"], ["b"], ["Relu", "Neg"])),
    ([], ["second"], (["x"], ["b"], ["Relu", "Neg"])),
    ([], ["halves"], (["x", "z"], ["d", "e"], ["Relu", "Neg", "Add", "Split"])),
    ([], ["e", "a"], (["x", "z"], ["e", "a"], ["Relu", "Neg", "Add", "Split"])),
    (["c"], ["y"], (["c"], ["y"], ["Split", "Exp"])),
    (["sum"], ["last"], (["c"], ["y"], ["Split", "Exp"])),
    (["z", "b"], ["e"], (["z", "b"], ["e"], ["Add", "Split"])),
    (["c", "a"], [], (["c", "a"], ["y", "s"], ["Split", "Exp", "Abs"])),
    (["d"], ["d"], (["d"], ["d"], [])),
    (["x"], ["s"], (["x"], ["s"], ["Relu", "Abs"])),
    ([], [], (["x", "z"], ["y", "s"], ["Relu", "Neg", "Add", "Split", "Exp", "Abs"])),
])
def test_cut(inputs: list[str], outputs: list[str], wanted: tuple[list[str], list[str], list[str]]) -> None:
    found = after(inputs, outputs)
    assert ([v.name for v in found.inputs], found.output_names, ops(found)) == wanted
    assert [v.origin for v in found.inputs] == [v.name for v in found.inputs]


def test_parts_compute_what_the_whole_does() -> None:
    whole = graph()
    given = data(whole)
    front, back = after([], ["c", "s"]), after(["c"], ["y"])
    middle = run(front, given)
    wanted = run(whole, given)
    assert np.array_equal(run(back, {"c": middle["c"]})["y"], wanted["y"])
    assert np.array_equal(middle["s"], wanted["s"])


@pytest.mark.parametrize(("inputs", "outputs", "message"), [
    ([], ["nothing"], "no tensor or layer 'nothing'"), ([], ["secnd"], "Did you mean 'second'"), (["secnd"], [], "Did you mean 'second'"),
    (["d"], ["b"], r"no output needs the input 'd'"), (["b"], ["y"], r"also need the input z"),
    (["c"], [], r"also need the input x"),
])
def test_cuts_that_do_not_fit(inputs: list[str], outputs: list[str], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        after(inputs, outputs)
    assert re.search(message, str(caught.value))


def test_symbolic_sizes_stay_known() -> None:
    found = after(["b", "z"], ["c"], (2, "W"))
    assert [str(v.type) for v in found.inputs] == ["float32[2, W]", "float32[2, W]"]
    assert run(found, data(found, unknown=5))["c"].shape == (2, 5)


def test_a_size_that_nothing_says_any_more() -> None:
    source = model([node("Concat", "x x", "a", axis=0), node("Relu", "a")], [tensor("x", ("N", 3))])
    graph = read(source)
    cut(graph, ["a"], [])
    assert str(graph.inputs[0].type) == "float32[2*N, 3]"
    nodes = [node("Mul", "x z", "m"), node("Reshape", "m s", "a"), node("Relu", "a")]
    squared = model(nodes, [tensor("x", ("N", 1)), tensor("z", (1, "M"))], constants={"s": np.array([-1])})
    with pytest.raises(OptionError, match="how large the dimension 'M' is"):
        cut(read(squared), ["a"], [])
    fixed = read(source, batch=2)
    cut(fixed, ["a"], [])
    assert str(fixed.inputs[0].type) == "float32[4, 3]"


def test_an_input_that_only_says_a_size_stays() -> None:
    source = model([node("Shape", "z", "s"), node("Expand", "x s", "a"), node("Relu", "a"), node("Neg", "w", "v")],
                   [tensor("x", (1, 3)), tensor("w"), tensor("z", ("N", 3))], ["y", "v"])
    found = read(source)
    cut(found, [], ["a"])
    assert [v.name for v in found.inputs] == ["x", "z"]


def test_constants_can_be_outputs() -> None:
    found = read(model([node("Add", "x w")], constants={"w": np.ones(3, np.float32)}))
    cut(found, [], ["w"])
    assert (found.inputs, found.output_names) == ([], ["w"])


def test_other_values_make_room_for_the_names_of_inputs() -> None:
    """Inside a layer called c there is a value c; the tensor that becomes an input has that name in the source."""
    found = graph()
    named = {v.origin: v for v in found.values()}
    named["c"].name, named["d"].name = "c_1", "c"
    cut(found, ["c"], ["y"])
    verify(found)
    assert [v.name for v in found.inputs] == ["c"]
