"""The machinery: what a rule returns takes the node's place, names live on, what is dead goes, reasons are told."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation_functions import Relu, Sigmoid
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.elementwise import Abs, Exp, Neg, Tanh
from nchw2nhwc.ops.movement import Split
from nchw2nhwc.passes import Pass, run_passes
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet, rule_pass
from tests.passes.nets import Net, ops_of


def _rules() -> RuleSet:
    rules = RuleSet()

    @rules.on(Abs)
    def abs_as_two(rw: Rewriter, node: Node, op: Abs) -> Value:
        return rw.add(Tanh(), rw.add(Exp(), node.input(0)))
    return rules


def test_the_result_takes_name_origin_and_place() -> None:
    net = Net()
    x = net.input(2, 3)
    y = net(Abs(), x)
    z = net(Neg(), y)
    net.output(z, y)
    assert rule_pass("p", _rules())(net.graph) == 1
    verify(net.graph)
    assert ops_of(net.graph) == ["Exp", "Tanh", "Neg"]
    tanh = net.graph.nodes[1]
    assert (tanh.output.name, tanh.output.origin) == ("t1", "t1")
    assert net.graph.nodes[0].output.origin == ""
    assert tanh.origin.layer == "layer1"
    assert tanh.origin.passes == ("p",)
    assert net.graph.outputs == [z, tanh.output]


def test_an_existing_value_keeps_its_own_origin() -> None:
    rules = RuleSet()

    @rules.on(Neg)
    def drop(rw: Rewriter, node: Node, op: Neg) -> Value:
        return node.input(0)
    net = Net()
    net.output(net(Relu(), net(Neg(), net(Exp(), net.input(2)))))
    assert rule_pass("p", rules)(net.graph) == 1
    assert [n.output.origin for n in net.graph.nodes] == ["t1", "t3"]


def test_what_a_rule_built_in_vain_goes_and_the_reason_is_told() -> None:
    rules, told = RuleSet(), []

    @rules.on(Neg)
    def hesitant(rw: Rewriter, node: Node, op: Neg) -> Value:
        rw.add(Exp(), rw.add(Abs(), node.input(0)))
        raise Mismatch("{!r} is {}", node.input(0), "wrong")
    net = Net()
    net.output(net(Neg(), net.input(2)))
    assert rule_pass("p", rules, explain=lambda node, name, reason: told.append((node.op.name, name, reason)))(net.graph) == 0
    verify(net.graph)
    assert ops_of(net.graph) == ["Neg"]
    assert told == [("Neg", "hesitant", "%x0: float64[2] is wrong")]


def test_new_nodes_are_visited_and_rules_are_tried_in_order() -> None:
    first, second = RuleSet(), RuleSet()

    @first.on(Neg)
    def never(rw: Rewriter, node: Node, op: Neg) -> Value:
        raise Mismatch("never")

    @second.on(Neg)
    def to_abs(rw: Rewriter, node: Node, op: Neg) -> Value:
        return rw.add(Abs(), node.input(0))
    net = Net()
    net.output(net(Neg(), net.input(2)))
    assert rule_pass("p", first, second, _rules())(net.graph) == 2
    assert ops_of(net.graph) == ["Exp", "Tanh"]


def test_dead_chains_go_with_their_last_reader_and_shared_ones_stay() -> None:
    rules = RuleSet()

    @rules.on(Mul)
    def left_only(rw: Rewriter, node: Node, op: Mul) -> Value:
        return node.input(0)
    net = Net()
    x = net.input(2)
    shared = net(Exp(), x)
    dead = net(Sigmoid(), net(Tanh(), shared))
    net.output(net(Mul(), net(Neg(), x), dead), shared)
    rule_pass("p", rules)(net.graph)
    verify(net.graph)
    assert sorted(ops_of(net.graph)) == ["Exp", "Neg"]


def test_several_results_and_siblings() -> None:
    rules = RuleSet()

    @rules.on(Split)
    def halves(rw: Rewriter, node: Node, op: Split) -> tuple[Value, ...]:
        if len(op.sizes) == 2:
            raise Mismatch("two already")
        outer = rw.add_all(Split(0, (2, 1)), node.input(0))
        return (*rw.add_all(Split(0, (1, 1)), outer[0]), outer[1])

    @rules.on(Neg)
    def with_sibling(rw: Rewriter, node: Node, op: Neg) -> Value:
        others = [n for n in node.input(0).users if isinstance(n.op, Neg) and n is not node]
        if not others:
            raise Mismatch("alone")
        result = rw.add(Abs(), node.input(0))
        for other in others:
            rw.replace(other, [result])
        return result
    net = Net()
    a, b, c = net.all(Split(0, (1, 1, 1)), net.input(3))
    net.output(net(Neg(), a), net(Add(), b, c), net(Neg(), a))
    assert rule_pass("p", rules)(net.graph) == 2
    verify(net.graph)
    assert ops_of(net.graph) == ["Split", "Split", "Abs", "Add"]
    assert net.graph.outputs[0] is net.graph.outputs[2]


def test_a_rule_that_never_rests_is_a_defect() -> None:
    rules = RuleSet()

    @rules.on(Neg)
    def forever(rw: Rewriter, node: Node, op: Neg) -> Value:
        return rw.add(Neg(), node.input(0))
    net = Net()
    net.output(net(Neg(), net.input(2)))
    with pytest.raises(AssertionError, match="does not come to rest"):
        rule_pass("p", rules)(net.graph)


def test_a_result_of_another_type_is_a_defect() -> None:
    rules = RuleSet()

    @rules.on(Neg)
    def wrong(rw: Rewriter, node: Node, op: Neg) -> Value:
        return rw.constant(np.zeros(5))
    net = Net()
    net.output(net(Neg(), net.input(2)))
    with pytest.raises(AssertionError, match="would become"):
        rule_pass("p", rules)(net.graph)


def test_run_passes_tells_and_checks() -> None:
    told: list[tuple[str, int]] = []
    checked: list[Graph] = []
    net = Net()
    net.output(net(Abs(), net.input(2)))
    nothing = Pass("nothing", lambda graph: 0)
    total = run_passes(net.graph, [nothing, rule_pass("p", _rules()), nothing],
                       lambda name, seconds, count: told.append((name, count)), checked.append)
    assert total == 1
    assert told == [("nothing", 0), ("p", 1), ("nothing", 0)]
    assert checked == [net.graph]
