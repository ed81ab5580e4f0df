"""Layers of whose results single numbers are picked are one layer."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite.rules_picked_layers import PICKED_LAYERS
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, node_of

PICK = rule_pass("picked", PICKED_LAYERS)
BATCH, ROWS, FEATURES = 2, 6, 3


def picked(net: Net, x: Value, columns: int, *, count: int = BATCH, bias: bool = False, keep: bool = True) -> Value:
    """Some elements of a layer's result, from anywhere in each part of the batch, as the shape of the indices has them."""
    layer = net(FullyConnected(keep), x, net.random_const(columns, FEATURES), *([net.random_const(columns)] if bias else []))
    size = BATCH * ROWS * columns // count
    return net(Gather(1), net(Reshape((count, size)), layer), net.const(net.random.integers(-size, size, (4, 1, 5)), np.int32))


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_layers_of_which_elements_are_picked(bias: bool, keep: bool) -> None:
    net = Net()
    x = net(Exp(), net.input(BATCH, 2, 3, FEATURES))
    net.output(*(net(Neg(), picked(net, x, columns, bias=bias and columns != 7, keep=keep)) for columns in (5, 7, 4)))
    assert sorted(check_pass(net, PICK)) == sorted(["Exp", "FullyConnected", "Reshape", *["Gather"] * 3, *["Neg"] * 3])
    assert node_of(net.graph, "FullyConnected").output.shape[-1] == 16


def test_layers_that_stay() -> None:
    """One alone, others of other rows, and what is read whole."""
    net = Net()
    x, y = (net(Exp(), net.input(BATCH, ROWS, FEATURES)) for _ in range(2))
    whole = net(FullyConnected(), y, net.random_const(5, FEATURES))
    net.output(*(net(Neg(), v) for v in (picked(net, x, 5), picked(net, x, 5, count=4), picked(net, y, 5), whole)))
    check_untouched(net, PICK)
