"""Order of nodes: sorted where it has to be, and what cannot be."""

from __future__ import annotations

import random

import pytest
from onnx import NodeProto, helper

from nchw2nhwc.errors import Location, SourceError
from nchw2nhwc.parse.onnx.order import in_order, layer_name
from tests.parse.onnx.models import assert_as_runtime, model, node, output, read

CHAIN = [node("Relu", "x", "a"), node("Sigmoid", "a", "b"), node("Add", "a b", "c"), node("Neg", "c", "y")]


def ordered(nodes: list[NodeProto], outputs: tuple[str, ...] = ("y",)) -> list[str]:
    steps = in_order(nodes, outputs, lambda name: name == "x", lambda name: name == "x", Location("m.onnx"))
    return [step.writes[0] for step in steps]


def test_a_sorted_graph_stays_as_it_is() -> None:
    assert ordered(CHAIN) == ["a", "b", "c", "y"]


@pytest.mark.parametrize("seed", range(5))
def test_an_unsorted_graph_is_sorted(seed: int) -> None:
    nodes = list(CHAIN)
    random.Random(seed).shuffle(nodes)
    assert ordered(nodes) == ["a", "b", "c", "y"]
    assert read(model(nodes)).output_names == ["y"]


def test_sorting_moves_no_more_than_needed() -> None:
    nodes = [node("Relu", "x", "a"), node("Neg", "q", "b"), node("Abs", "x", "c"), node("Exp", "x", "q"), node("Sum", "a b c", "y")]
    assert ordered(nodes) == ["a", "c", "q", "b", "y"]


def test_what_no_output_needs_is_left_out() -> None:
    dead = helper.make_node("Wonder", ["a"], ["w"], domain="nobody")
    assert ordered([CHAIN[0], dead, *CHAIN[1:]]) == ["a", "b", "c", "y"]
    steps = in_order([node("Split", "x", "a y b")], ["y"], lambda name: True, lambda name: False, Location())
    assert [step.wanted for step in steps] == [(False, True, False)]


@pytest.mark.parametrize(("nodes", "message"), [
    ([node("Relu", "nowhere")], "tensor 'nowhere' is read, but is not defined"),
    ([node("Relu", "x", "a"), node("Neg", "x", "a"), node("Abs", "a")], "tensor 'a' is defined more than once"),
    ([node("Relu", "x", "x"), node("Abs", "x")], "tensor 'x' is defined more than once"),
    ([node("Split", "x", "y y")], "tensor 'y' is defined more than once"),
    ([node("Add", "x y")], "layers form a cycle: y -> y"),
    ([node("Add", "x b", "a"), node("Neg", "a", "b"), node("Abs", "b")], "cycle: (a -> b -> a|b -> a -> b)"),
])
def test_what_cannot_be_ordered(nodes: list[NodeProto], message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        ordered(nodes)
    assert caught.value.where.file == "m.onnx"


def test_a_long_cycle_is_abbreviated() -> None:
    nodes = [node("Neg", f"t{k}", f"t{(k + 1) % 50}") for k in range(50)]
    with pytest.raises(SourceError, match=r"\.\.\.$"):
        ordered([*nodes, node("Abs", "t0")])


def test_subgraphs_read_tensors_around_them() -> None:
    """The branch needs a, which its If does not name; at two levels."""
    inner = helper.make_graph([node("Add", "a x", "r")], "i", [], [output("r")])
    outer = helper.make_graph([node("If", "yes", "q", then_branch=inner, else_branch=inner)], "o", [], [output("q")])
    nodes = [node("If", "yes", then_branch=outer, else_branch=outer), node("Relu", "x", "a")]
    steps = in_order(nodes, ["y"], lambda name: name in ("x", "yes"), lambda name: False, Location())
    assert [step.node.op_type for step in steps] == ["Relu", "If"]
    assert set(steps[1].reads) == {"yes", "a", "x"}


def test_names_of_layers() -> None:
    assert layer_name(node("Relu", "x", "t", name="n")) == "n"
    assert layer_name(node("Split", "x", "- t")) == "t"
    assert layer_name(node("Split", "x", "-")) == "Split"


def test_a_shuffled_graph_computes_the_same() -> None:
    assert_as_runtime(model(CHAIN))
    assert [n.op.name for n in read(model(CHAIN[::-1])).nodes] == ["Relu", "Sigmoid", "Add", "Neg"]
