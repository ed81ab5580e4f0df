"""The graph keeps its use-lists, names and order true through every change."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import Location, ShapeError
from nchw2nhwc.ir import Graph, Origin, TensorType
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.elementwise import Abs, Exp, Identity, Neg
from tests.ir.graphs import F32, N, diamond


def test_uses_are_in_the_order_in_which_they_were_made() -> None:
    graph, v = diamond()
    relu, neg, total, last = graph.nodes
    assert v["r"].uses == ((neg, 0), (total, 0))
    assert v["n"].uses == ((total, 1),)
    assert v["r"].users == (neg, total)
    assert v["y"].uses == ()
    assert v["r"].producer is relu
    assert last.output is v["y"]
    assert last.input(1) is v["bias"]
    assert v["bias"].is_const
    verify(graph)


def test_an_operand_used_twice_has_two_uses_and_one_user() -> None:
    graph = Graph()
    x = graph.add_input("x", TensorType(F32, (2,)))
    y = graph.add1(Mul(), [x, x])
    assert y.producer is not None
    assert x.uses == ((y.producer, 0), (y.producer, 1))
    assert x.users == (y.producer,)


def test_replace_uses_moves_readers_interface_and_source_name() -> None:
    graph, v = diamond()
    fresh = graph.add1(Abs(), [v["x"]], before=graph.nodes[1])
    graph.replace_uses(v["r"], fresh)
    assert v["r"].uses == ()
    assert [n.op.name for n, _ in fresh.uses] == ["Neg", "Add"]
    assert fresh.origin == "r"
    graph.replace_uses(v["y"], v["s"])
    assert graph.outputs == [v["s"]]
    assert graph.output_names == ["out"]
    assert graph.prune() == 2
    assert [n.op.name for n in graph.nodes] == ["Abs", "Neg", "Add"]
    verify(graph)


def test_a_value_keeps_the_source_name_it_has() -> None:
    graph, v = diamond()
    named = graph.add1(Identity(), [v["x"]], source="mine", before=graph.nodes[1])
    graph.replace_uses(v["r"], named)
    assert named.origin == "mine"


def test_set_inputs_updates_use_lists() -> None:
    graph, v = diamond()
    total = graph.nodes[2]
    total.set_input(0, v["n"])
    assert v["r"].uses == ((graph.nodes[1], 0),)
    assert set(v["n"].uses) == {(total, 0), (total, 1)}
    total.set_inputs([v["r"]])
    assert v["n"].uses == ()
    assert total.inputs == (v["r"],)


def test_prune_removes_dead_chains_and_keeps_inputs() -> None:
    graph, v = diamond()
    extra = graph.add1(Exp(), [v["x"]])
    graph.add1(Neg(), [extra])
    unused = graph.add_input("unused", TensorType(F32, (1,)))
    assert graph.prune() == 2
    assert len(graph) == 4
    assert unused in graph.inputs
    assert [n.op.name for n in v["x"].users] == ["Relu"]
    assert graph.prune() == 0


def test_a_node_in_use_cannot_be_removed() -> None:
    graph, _ = diamond()
    with pytest.raises(AssertionError, match="still in use"):
        graph.remove(graph.nodes[0])


def test_nodes_can_be_removed_together_with_their_readers() -> None:
    graph, v = diamond()
    graph.outputs = [v["s"]]
    graph.remove(graph.nodes[3])
    graph.outputs = [v["x"]]
    graph.remove_all(graph.nodes)
    assert len(graph) == 0
    assert v["x"].uses == ()


def test_names_stay_unique_and_are_made_in_order() -> None:
    graph = Graph()
    assert [graph.unique_name(n) for n in ("a", "a", "a_1", "a", "")] == ["a", "a_1", "a_1_1", "a_2", "value"]


def test_a_result_is_called_after_the_wish_the_layer_or_the_op() -> None:
    graph = Graph()
    x = graph.add_input("x", TensorType(F32, (2,)))
    assert graph.add1(Relu(), [x], name="wish", origin=Origin("layer", "Relu")).name == "wish"
    assert graph.add1(Relu(), [x], origin=Origin("layer", "Relu")).name == "layer"
    assert graph.add1(Relu(), [x]).name == "relu"


def test_insertion_before_a_node() -> None:
    graph, v = diamond()
    graph.add1(Exp(), [v["x"]], before=graph.nodes[1])
    assert [n.op.name for n in graph.nodes] == ["Relu", "Exp", "Neg", "Add", "Add"]


def test_reorder_takes_the_same_nodes_only() -> None:
    graph, _ = diamond()
    first, *rest = graph.nodes
    graph.reorder([first, *rest])
    with pytest.raises(AssertionError):
        graph.reorder(rest)


def test_a_wrong_operand_is_reported_with_its_place() -> None:
    graph, v = diamond()
    other = graph.add_input("other", TensorType(F32, (5, 3)))
    before = (len(graph), v["x"].uses)
    with pytest.raises(ShapeError, match=r"model\.onnx: layer 'bad' \(Add\): shapes \[N, 2\], \[5, 3\] do not broadcast") as caught:
        graph.add(Add(), [v["x"], other], origin=Origin("bad", "Add"))
    assert caught.value.where == Location("model.onnx", "bad", "Add")
    assert (len(graph), v["x"].uses) == before


def test_every_value_once() -> None:
    graph, v = diamond()
    assert [value.name for value in graph.values()] == ["x", "r", "n", "s", "bias", "y"]
    alone = graph.constant(np.zeros(2, np.float32), "alone")
    graph.add_output(alone, "second")
    assert list(graph.values())[-1] is alone
    assert graph.is_output(alone)
    assert not graph.is_output(v["x"])


def test_origins_collect_the_passes_they_went_through() -> None:
    origin = Origin("layer", "Conv").through("fold").through("fold").through("fuse")
    assert origin == Origin("layer", "Conv", ("fold", "fuse"))


def test_type_text_and_bytes() -> None:
    assert str(TensorType(F32, (N, 3))) == "float32[N, 3]"
    assert TensorType(F32, (2, 3)).size_bytes == 24
    assert TensorType(F32, (N, 3)).size_bytes is None
    assert TensorType(F32, (N, 0)).size_bytes is None
    assert TensorType(F32).rank == 0
