"""Known branches, and what bodies need of the graph around them."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Graph, Origin, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.printer import to_text
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.control import If, Loop
from nchw2nhwc.ops.elementwise import Sqrt
from nchw2nhwc.passes import Pass, run_passes
from nchw2nhwc.passes.constants import FOLDING
from nchw2nhwc.passes.control import CONTROL
from nchw2nhwc.passes.pipeline import PROMOTE_FLOATS
from nchw2nhwc.passes.rewrite import rule_pass

TYPE = TensorType(np.dtype(np.float32), (3,))
NUMBER = TensorType(np.dtype(np.int64))
PASS = rule_pass("control", FOLDING, CONTROL)


def body(op: Add | Mul, type: TensorType = TYPE, *first: TensorType) -> Graph:
    """Takes two tensors, and gives `op` of them."""
    graph = Graph("body")
    *_, x, y = [graph.add_input(f"in{k}", t) for k, t in enumerate((*first, type, type))]
    graph.add_output(graph.add1(op, [x, y], origin=Origin("inner", op.name)), "out")
    return graph


def around(type: TensorType = TYPE) -> tuple[Graph, Value]:
    graph = Graph("around")
    return graph, graph.add_input("x", type)


def returning(graph: Graph, value: Value) -> Graph:
    graph.add_output(value, "y")
    return graph


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def test_the_branch_of_a_condition_that_folds_takes_the_place_of_the_if() -> None:
    for condition, name in ((True, "Add"), (False, "Mul")):
        graph, x = around()
        value = graph.add1(If(body(Add()), body(Mul())), [graph.constant(np.asarray(condition)), x, x], origin=Origin("if", "If"))
        run_passes(returning(graph, value), [PASS], check=verify)
        assert names(graph) == [name]
        assert graph.nodes[0].origin == Origin("inner", name, ("control",))


def test_constants_go_into_bodies() -> None:
    graph, x = around()
    number = graph.constant(np.arange(3, dtype=np.float32), "number")
    value = graph.add1(Loop(body(Add(), TYPE, NUMBER), 1, 6), [x, number])
    data = {"x": np.ones(3, np.float32)}
    wanted = run(returning(graph, value), data)["y"]
    run_passes(graph, [PASS], check=verify)
    (node,) = graph.nodes
    assert node.inputs == (x,)
    assert len(node.op.bodies[0].inputs) == 2
    np.testing.assert_array_equal(run(graph, data)["y"], wanted)


def test_what_no_branch_reads_is_no_operand() -> None:
    graph, x = around()
    condition = graph.add_input("c", TensorType(np.dtype(np.bool_)))
    first, second = body(Add()), body(Add())
    for branch in (first, second):
        branch.replace_uses(branch.inputs[1], branch.inputs[0])
    value = graph.add1(If(first, second), [condition, x, graph.add1(Relu(), [x])])
    run_passes(returning(graph, value), [PASS, Pass("prune", Graph.prune)], check=verify)
    assert names(graph) == ["If"]
    assert graph.nodes[0].inputs == (condition, x)


def test_a_body_that_two_nodes_share_is_changed_for_each() -> None:
    """One of them has a constant to take inside."""
    graph, x = around()
    shared = If(body(Add()), body(Mul()))
    condition = graph.add_input("c", TensorType(np.dtype(np.bool_)))
    a = graph.add1(shared, [condition, x, graph.constant(np.ones(3, np.float32))])
    returning(graph, graph.add1(shared, [condition, a, x]))
    run_passes(graph, [PASS], check=verify)
    assert [len(node.inputs) for node in graph.nodes] == [2, 3]


def test_passes_run_on_bodies() -> None:
    """The types of a body's inputs and results change with those around it."""
    half = TensorType(np.dtype(np.float16), (3,))
    graph, x = around(half)
    condition = graph.add_input("c", TensorType(np.dtype(np.bool_)))
    value = graph.add1(If(body(Add(), half), body(Mul(), half)), [condition, x, graph.add1(Sqrt(), [x])])
    run_passes(returning(graph, value), [PROMOTE_FLOATS], check=verify)
    verify(graph)
    assert {str(v.type) for g in graph.graphs() for v in g.values()} == {"bool[]", "float32[3]"}


def test_bodies_are_printed_behind_their_nodes() -> None:
    graph, x = around()
    loop = returning(graph, graph.add1(Loop(body(Add(), TYPE, NUMBER), 1, 6), [x, x]))
    assert to_text(loop) == """graph around(%x: float32[3]) {
  %loop: float32[3] = Loop(body=graph body, carried=1, steps=6)(%x, %x)
    graph body(%in0: int64[], %in1: float32[3], %in2: float32[3]) {
      %inner: float32[3] = Add(%in1, %in2)
      return out=%inner
    }
  return y=%loop
}
"""
