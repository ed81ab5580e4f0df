"""Products with constant matrices."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.passes.fully_connected import FULLY_CONNECTED
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched

MAKE = rule_pass("make", FULLY_CONNECTED)


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (2, 5, 4), (2, 3, 5, 4), ("n", 5, 4)])
def test_a_constant_matrix_on_the_right(shape: tuple[int | str, ...], adjoint: bool) -> None:
    net = Net()
    b = net.random_const(*((6, 4) if adjoint else (4, 6)))
    net.output(net(MatMul(adjoint_b=adjoint), net.input(*shape), b))
    assert check_pass(net, MAKE) == ["FullyConnected"]
    weights = net.graph.nodes[0].input(1).const
    assert weights is not None
    assert b.const is not None
    assert weights.shape == (6, 4)
    assert np.shares_memory(weights, b.const)


def test_an_adjoint_left_side_and_leading_ones() -> None:
    net = Net()
    net.output(net(MatMul(adjoint_a=True), net.input(2, 4, 5), net.random_const(1, 4, 6)))
    assert check_pass(net, MAKE) == ["Transpose", "FullyConnected"]


@pytest.mark.parametrize("adjoint_a", [False, True])
@pytest.mark.parametrize("adjoint_b", [False, True])
def test_a_constant_matrix_on_the_left(adjoint_a: bool, adjoint_b: bool) -> None:
    net = Net()
    a = net.random_const(*((4, 6) if adjoint_a else (6, 4)))
    net.output(net(MatMul(adjoint_a, adjoint_b), a, net.input(*((5, 4) if adjoint_b else (4, 5)))))
    assert check_pass(net, MAKE) == [*([] if adjoint_b else ["Transpose"]), "FullyConnected", "Transpose"]


def test_what_is_no_layer_stays() -> None:
    net = Net()
    x, y = net.input(2, 5, 4), net.input(5, 4)
    net.output(net(MatMul(), x, net.random_const(2, 4, 6)), net(MatMul(), y, net.random_const(2, 4, 6)), net(MatMul(adjoint_b=True), x, y),
               net(MatMul(), net.random_const(3, 5), x), net(MatMul(), net.random_const(2, 3), net.random_const(3, 2)))
    check_untouched(net, MAKE)


def test_integers_stay() -> None:
    net = Net(np.int64)
    net.output(net(MatMul(), net.input(2, 2), np.ones((2, 2))))
    check_untouched(net, MAKE)


def test_shared_weights() -> None:
    net = Net()
    b = net.random_const(4, 4)
    net.output(net(MatMul(), net(MatMul(), net.input(3, 4), b), b))
    assert check_pass(net, MAKE) == ["FullyConnected"] * 2
    assert len({n.input(1).name for n in net.graph.nodes}) == 2
