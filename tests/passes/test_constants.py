"""Constant folding and common subexpressions."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.elementwise import Cast, Exp
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Expand, Split, Transpose
from nchw2nhwc.ops.sizes import Sizes
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.constants import FOLDING, GROWTH_BYTES, MERGE_EQUAL
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, ops_of

FOLD = rule_pass("fold", FOLDING)


def test_chains_of_constants() -> None:
    net = Net()
    c = net(Exp(), net(Add(), [1.0, 2.0], 0.5))
    net.output(net(Mul(), net.input(2), c), c)
    assert check_pass(net, FOLD) == ["Mul"]
    np.testing.assert_allclose(net.graph.outputs[1].const, np.exp([1.5, 2.5]))
    assert net.graph.outputs[1].origin == "t2"


def test_all_results_of_a_node() -> None:
    net = Net()
    a, b = net.all(Split(0, (1, 2)), [1.0, 2.0, 3.0])
    net.output(net(Add(), net.input(1), a), net(Add(), net.input(2), b))
    assert check_pass(net, FOLD) == ["Add", "Add"]


def test_results_have_the_inferred_type() -> None:
    net = Net()
    net.output(net(Gather(0), net.const([1, 2], np.int8), net.const([1], np.int64)), net(Cast(np.dtype(np.float16)), [1.0, 2.0]))
    FOLD(net.graph)
    verify(net.graph)
    assert [v.type.dtype.name for v in net.graph.outputs] == ["int8", "float16"]


def test_large_results_of_small_operands_stay_computed_unless_they_are_weights() -> None:
    many = GROWTH_BYTES // 8 // 9 + 1
    net = Net()
    x = net.input(1, 1, 4, 4)
    filters = net(Expand((many, 1, 3, 3)), net.random_const(1, 1, 3, 3))
    other = net(Expand((many, 9)), 1.5)
    net.output(net(Conv((1, 1), (1, 1), (0, 0), (0, 0)), x, filters), net(Mul(), net.input(9), other))
    assert FOLD(net.graph) == 1
    assert ops_of(net.graph) == ["Expand", "Conv", "Mul"]
    assert net.graph.nodes[1].input(1).is_const


def test_large_results_of_large_operands_are_folded() -> None:
    net = Net()
    weights = net.const(np.zeros((GROWTH_BYTES // 64, 16)))
    net.output(net(Add(), net.input(1), net(Transpose((1, 0)), weights)))
    assert check_pass(net, FOLD) == ["Add"]


def test_sizes_are_folded_when_they_are_numbers() -> None:
    net = Net()
    n = Dim.symbol("n")
    net.output(net(Sizes((2, 3), np.dtype(np.int64))), net(Sizes((n, 3), np.dtype(np.int64))))
    assert FOLD(net.graph) == 1
    assert [v.is_const for v in net.graph.outputs] == [True, False]


def test_equal_nodes_merge() -> None:
    net = Net()
    x = net.input(2, 3)
    a, b, c = (net(Add(), x, np.full(3, 0.5)) for _ in range(3))
    net.output(net(Mul(), net(Relu(), a), net(Relu(), b)), c)
    assert check_pass(net, MERGE_EQUAL) == ["Add", "Relu", "Mul"]


def test_different_operands_attributes_and_large_constants_do_not_merge() -> None:
    net = Net()
    x = net.input(100)
    large = np.arange(100.0)
    values = [net(Add(), x, large), net(Add(), x, large.copy()), net(Clip(0.0, 1.0), x), net(Clip(0.0, 2.0), x), net(Relu(), x),
              net(Add(), x, np.float64(0.0)), net(Add(), x, np.float64(-0.0))]
    net.output(net(Add(), values[0], values[1]), *values[2:])
    check_untouched(net, MERGE_EQUAL)


def test_views_of_the_same_memory_are_the_same() -> None:
    net = Net()
    x = net.input(100)
    memory = np.arange(100.0)
    values = [net(Add(), x, net.graph.constant(memory[:], "v")) for _ in range(2)]
    net.output(net(Mul(), *values))
    assert check_pass(net, MERGE_EQUAL) == ["Add", "Mul"]


def test_two_outputs_stay_two_tensors() -> None:
    net = Net()
    x = net.input(3)
    net.output(net(Relu(), x), net(Relu(), x))
    check_untouched(net, MERGE_EQUAL)
    assert list(run(net.graph, {"x0": np.ones(3)})) == ["y0", "y1"]
