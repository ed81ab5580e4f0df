"""The verifier finds every kind of contradiction that a faulty pass could leave behind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nchw2nhwc.ir import Graph, TensorType, Value
from nchw2nhwc.ir.verify import VerificationError, verify
from nchw2nhwc.ops.elementwise import Exp, Unary
from tests.ir.graphs import F32, N, diamond

Values = dict[str, Value]


def wrong_type(graph: Graph, v: Values) -> None:
    v["n"].type = TensorType(F32, (N, 3))


def wrong_order(graph: Graph, v: Values) -> None:
    first, second, *rest = graph.nodes
    graph.reorder([second, first, *rest])


def same_name(graph: Graph, v: Values) -> None:
    v["n"].name = "s"


def constant_of_another_shape(graph: Graph, v: Values) -> None:
    v["bias"].const = np.zeros(3, np.float32)


def constant_with_a_producer(graph: Graph, v: Values) -> None:
    v["bias"].producer = graph.nodes[0]


def result_of_another_node(graph: Graph, v: Values) -> None:
    v["n"].producer = graph.nodes[0]


def output_that_is_never_made(graph: Graph, v: Values) -> None:
    graph.outputs = [Value("ghost", TensorType(F32, (1,)))]


def output_without_name(graph: Graph, v: Values) -> None:
    graph.output_names.clear()


def reader_outside_of_the_graph(graph: Graph, v: Values) -> None:
    stray = Graph()
    stray.add1(Exp(), [v["x"]])


def operand_from_nowhere(graph: Graph, v: Values) -> None:
    graph.nodes[1].set_input(0, Value("ghost", TensorType(F32, (N, 2))))


def lost_use(graph: Graph, v: Values) -> None:
    v["n"]._uses.clear()


def stale_use(graph: Graph, v: Values) -> None:
    v["x"]._uses[graph.nodes[1], 0] = None


def missing_result(graph: Graph, v: Values) -> None:
    graph.nodes[1].outputs = ()


def abstract_op(graph: Graph, v: Values) -> None:
    graph.nodes[1].op = Unary()


@pytest.mark.parametrize(("spoil", "message"), [
    (wrong_type, r"%n: float32\[N, 3\] of <Neg minus>: infer says float32\[N, 2\]"), (wrong_order, "reads %r.* before it is made"),
    (same_name, "two values are called 's'"), (constant_of_another_shape, r"constant %bias: float32\[2\] holds float32\[3\]"),
    (constant_with_a_producer, "constant %bias.* has a producer"), (result_of_another_node, "does not name <Neg minus> as its producer"),
    (output_that_is_never_made, "output %ghost.* is never made"), (output_without_name, "differ in number"),
    (reader_outside_of_the_graph, "is not in the graph"), (operand_from_nowhere, "reads %ghost.* before it is made"),
    (lost_use, "use-list of %n.* lacks operand 1"), (stale_use, "use-list of %x.* names operand 0 of <Neg minus>"),
    (missing_result, "has 0 results, infer says 1"), (abstract_op, "is of an abstract op"),
], ids=lambda v: getattr(v, "__name__", ""))
def test_contradictions(spoil: Callable[[Graph, Values], None], message: str) -> None:
    graph, values = diamond()
    verify(graph)
    spoil(graph, values)
    with pytest.raises(VerificationError, match=message):
        verify(graph)


def test_a_constant_and_an_input_may_be_outputs() -> None:
    graph, v = diamond()
    graph.add_output(v["x"], "same")
    graph.add_output(graph.constant(np.zeros(1, np.float32)), "fixed")
    verify(graph)
