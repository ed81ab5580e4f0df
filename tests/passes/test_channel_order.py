"""Pixel shuffles in the order of channels that all targets know."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ops.activation_functions import Clip, Relu, Sigmoid
from nchw2nhwc.ops.binary import PRelu
from nchw2nhwc.ops.movement import Split
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace, SpaceToDepth
from nchw2nhwc.passes.channel_order import CHANNEL_ORDER
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, node_of

ORDER = rule_pass("order", CHANNEL_ORDER)
CONV = Conv((1, 1), (1, 1), (1, 1), (1, 1))


@pytest.mark.parametrize("bias", [False, True])
def test_behind_a_convolution(bias: bool) -> None:
    net = Net()
    y = net(CONV, net.input(1, 2, 3, 3), net.random_const(12, 2, 3, 3), net.random_const(12) if bias else None)
    net.output(net(DepthToSpace(2, "CRD"), y))
    assert check_pass(net, ORDER) == ["Conv", "DepthToSpace"]
    assert node_of(net.graph, "DepthToSpace").op == DepthToSpace(2)
    assert node_of(net.graph, "Conv").output.origin == ""


@pytest.mark.parametrize("slope", [(12, 1, 1), (1, 12, 1, 1), (1,), (3, 3), (1, 1, 1, 1)])
def test_behind_functions_of_single_elements(slope: tuple[int, ...]) -> None:
    net = Net()
    conv = ConvTranspose((1, 1), (1, 1), (1, 1), (1, 1), (0, 0))
    y = net(conv, net.input(1, 2, 3, 3), net.random_const(2, 12, 3, 3), net.random_const(12))
    y = net(Sigmoid(), net(PRelu(), net(Clip(-1.0, 5.0), y), net.random_const(*slope)))
    net.output(net(DepthToSpace(2, "CRD"), y))
    assert check_pass(net, ORDER) == ["ConvTranspose", "Clip", "PRelu", "Sigmoid", "DepthToSpace"]
    assert node_of(net.graph, "DepthToSpace").op == DepthToSpace(2)


def test_one_spatial_axis_and_before_a_convolution() -> None:
    net = Net()
    y = net(SpaceToDepth(3, "CRD"), net.input(1, 2, 6))
    net.output(net(Conv((1,), (1,), (0,), (0,)), y, net.random_const(4, 6, 2)))
    assert check_pass(net, ORDER) == ["SpaceToDepth", "Conv"]
    assert node_of(net.graph, "SpaceToDepth").op == SpaceToDepth(3)


def test_what_cannot_be_permuted_stays() -> None:
    net = Net()
    x = net.input(1, 4, 4, 4)
    conv = net(CONV, x, net.random_const(4, 4, 3, 3))
    grouped = net(Conv((1, 1), (1, 1), (1, 1), (1, 1), groups=2), x, net.random_const(4, 2, 3, 3))
    deep = net(SpaceToDepth(2, "CRD"), x)
    net.output(net(DepthToSpace(2, "CRD"), conv), conv, net(DepthToSpace(2, "CRD"), net(Relu(), x)), net(DepthToSpace(2, "CRD"), grouped),
               net(DepthToSpace(2), net(CONV, x, net.random_const(4, 4, 3, 3))), net(CONV, deep, net.random_const(1, 16, 1, 1)), deep,
               net(DepthToSpace(2, "CRD"), net(CONV, x, net.input(4, 4, 1, 1))))
    check_untouched(net, ORDER)


def test_behind_an_op_with_several_results() -> None:
    net = Net()
    parts = net.all(Split(1, (4, 4)), net.input(1, 8, 2, 2))
    net.output(net(DepthToSpace(2, "CRD"), parts[0]), parts[1])
    check_untouched(net, ORDER)


def test_weights_shared_with_another_layer_are_copied() -> None:
    net = Net()
    w = net.random_const(8, 1, 1, 1)
    x = net.input(1, 1, 2, 2)
    net.output(net(DepthToSpace(2, "CRD"), net(CONV, x, w)), net(CONV, x, w))
    before = np.array(w.const)
    check_pass(net, ORDER)
    np.testing.assert_array_equal(w.const, before)  # type: ignore[arg-type]
