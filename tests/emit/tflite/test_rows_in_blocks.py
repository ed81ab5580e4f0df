"""Pixels in the order of the blocks that surround what is computed of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nchw2nhwc.emit.tflite.rows_in_blocks import ROWS_IN_BLOCKS
from nchw2nhwc.ir import Graph, Value
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.reduce import ReduceMean, Softmax
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, count_ops

TIDY = rule_pass("tidy", MOVEMENT)
C = 3


def order(graph: Graph) -> int:
    """The pass, and the Reshapes that it leaves side by side put together."""
    count = ROWS_IN_BLOCKS(graph)
    TIDY(graph)
    return count


def attention(net: Net, x: Value, block: int = 2, factor: object = 2.0) -> Value:
    """Layers around something that is done with the patches of an image."""
    y = net(SpaceToDepth(block, channels_last=True), net(FullyConnected(), net(Mul(), x, net.const(factor)), net.random_const(2 * C, C)))
    y = net(DepthToSpace(block, channels_last=True), net(Softmax(2), y))
    return net(Add(), x, net(FullyConnected(), y, net.random_const(C, 2 * C)))


def test_patches_of_several_layers() -> None:
    """One move before all of them, and one behind."""
    net = Net()
    x = net(ReduceMean((3,), False), net.input(2, 4, 6, 5, C))
    net.output(net(ReduceMean((1, 2)), net(Neg(), attention(net, attention(net, net(Neg(), x))))))
    found = check_pass(net, order)
    assert found.count("SpaceToDepth") == found.count("DepthToSpace") == 1


@pytest.mark.parametrize("read", [True, False])
def test_results_have_their_own_order(read: bool) -> None:
    """Outputs, and what reads them besides."""
    net = Net()
    y = attention(net, attention(net, attention(net, net.input(1, 4, 6, C))))
    net.output(y, *([net(ReduceMean((2,)), y)] if read else []))
    assert check_pass(net, order).count("DepthToSpace") == 1


def _alone(net: Net, x: Value) -> Value:
    return attention(net, x)


def _of_two_sizes(net: Net, x: Value) -> Value:
    return attention(net, attention(net, attention(net, x), 1), 3)


def _with_positions(net: Net, x: Value) -> Value:
    return attention(net, attention(net, x, factor=np.arange(36.0).reshape(6, 6, 1)))


def _of_rows_of_other_axes(net: Net, x: Value) -> Value:
    y = attention(net, attention(net, x))
    return net(Add(), y, net(Reshape((1, 6, 6, C)), net(Neg(), net.input(36, C))))


@pytest.mark.parametrize("make", [_alone, _of_two_sizes, _with_positions, _of_rows_of_other_axes])
def test_what_stays(make: Callable[[Net, Value], Value]) -> None:
    """Where as many ends have pixels otherwise, where constants or other rows have their places."""
    net = Net()
    net.output(net(ReduceMean((1, 2)), make(net, net(Exp(), net.input(1, 6, 6, C)))))
    check_untouched(net, ROWS_IN_BLOCKS)


def test_the_rest_of_the_network_stays() -> None:
    net = Net()
    y = attention(net, attention(net, net.input(1, 4, 6, C)))
    net.output(net(ReduceMean((1,)), net(Reshape((4, 18)), y)), net(ReduceMean((1, 2)), y))
    before = count_ops(net.graph)
    check_pass(net, order)
    after = count_ops(net.graph)
    assert {name: after[name] for name in ("FullyConnected", "Add", "Mul", "Softmax", "ReduceMean")} == {
        name: before[name] for name in ("FullyConnected", "Add", "Mul", "Softmax", "ReduceMean")}
