"""Queries, keys and values from one tensor are one layer."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.layout import solve_layout
from nchw2nhwc.ops.elementwise import Exp
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.quantized import Grid, QuantizeDequantize
from nchw2nhwc.ops.reduce import Softmax
from nchw2nhwc.passes.heads import HEADS
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, count_ops

JOIN = rule_pass("heads", HEADS)


def _cut(net: Net, x: Value, columns: int = 6, heads: int = 2, *, bias: bool = True) -> Value:
    weights = [net.random_const(columns, 6), *([net.random_const(columns)] if bias else [])]
    return net(Reshape((*x.shape[:-1], heads, columns // heads)), net(FullyConnected(), x, *weights))


@pytest.mark.parametrize("batch", [1, "n"])
def test_three_layers(batch: int | str) -> None:
    net = Net()
    x = net(Exp(), net.input(batch, 5, 6))
    net.output(_cut(net, x), _cut(net, x, bias=False), _cut(net, x))
    check_pass(net, JOIN)
    assert count_ops(net.graph)["FullyConnected"] == count_ops(net.graph)["Split"] == 1


def test_without_biases() -> None:
    net = Net()
    x = net(Exp(), net.input(1, 5, 6))
    net.output(_cut(net, x, bias=False), _cut(net, x, bias=False))
    check_pass(net, JOIN)
    assert [len(node.inputs) for node in net.graph.nodes if isinstance(node.op, FullyConnected)] == [3]


def test_layers_that_stay() -> None:
    """Of other sizes, cut into other heads or into one, read otherwise, or with computed weights."""
    net = Net()
    x = net(Exp(), net.input(1, 5, 6))
    plain = net(FullyConnected(), x, net.random_const(6, 6), net.random_const(6))
    net.output(_cut(net, x), _cut(net, x, 8), _cut(net, x, 6, 3), _cut(net, x, 6, 1), plain, net(Reshape((5, 2, 3)), plain),
               net(Reshape((5, 2, 3)), net(FullyConnected(), x, net.input(6, 6))))
    check_untouched(net, JOIN)


@pytest.mark.parametrize("chosen", [False, True])
def test_integers_stay_apart(chosen: bool) -> None:
    """Each result is rounded to a grid of its own, which one layer could not do."""
    net = Net(np.float32)
    x = net(QuantizeDequantize(Grid(0.05, 3, -128, 127)), net.input(1, 5, 6))
    x = net(Transpose((0, 2, 1)), net(Transpose((0, 2, 1)), x)) if chosen else x
    net.output(*(net(QuantizeDequantize(Grid(scale, 0, -128, 127)), _cut(net, x)) for scale in (0.1, 0.2, 0.3)))
    check_untouched(net, JOIN)


def test_attention_moves_less() -> None:
    """Queries, keys and values are brought to heads by one move, and the result back by another."""
    net = Net(np.float32)
    x = net(Exp(), net.input(1, 5, 6))
    q, k, v = (net(Transpose((0, 2, 1, 3)), _cut(net, x)) for _ in range(3))
    mixed = net(MatMul(), net(Softmax(3), net(MatMul(adjoint_b=True), q, k)), v)
    net.output(net(FullyConnected(), net(Reshape((1, 5, 6)), net(Transpose((0, 2, 1, 3)), mixed)), net.random_const(6, 6)))
    check_pass(net, JOIN, 1e-5)
    result = solve_layout(net.graph)
    assert result.proven
    assert len(result.transposes) == 2
