"""Scales and shifts folded into the convolutions and fully connected layers around them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Mul, Sub
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Pad, Reshape, Transpose
from nchw2nhwc.ops.norm import BatchNorm
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.passes.affine import AFFINE
from nchw2nhwc.passes.linear import LINEAR
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, feeds

FOLD = rule_pass("fold", LINEAR, AFFINE)
CONV = Conv((1, 1), (1, 1), (0, 0), (0, 0))
PADDED = replace(CONV, pads_begin=(1, 0), pads_end=(0, 1))
TRANSPOSED = ConvTranspose((2, 2), (1, 1), (1, 1), (1, 1), (0, 1))


def linear(net: Net, kind: str, bias: bool, x: Value | None = None) -> Value:
    """A layer with 4 channels in and 6 out; data (2, 4, 5, 5), or (2, 5, 4) for a fully connected one."""
    b = net.random_const(6) if bias else None
    if kind == "fc":
        return net(FullyConnected(), x or net.input(2, 5, 4), net.random_const(6, 4), b)
    x = x or net.input(2, 4, 5, 5)
    if kind.startswith("transposed"):
        groups = 2 if kind.endswith("grouped") else 1
        return net(replace(TRANSPOSED, groups=groups), x, net.random_const(4, 6 // groups, 3, 3), b)
    groups = {"conv": 1, "grouped": 2, "padded": 1}[kind]
    return net(replace(PADDED if kind == "padded" else CONV, groups=groups), x, net.random_const(6, 4 // groups, 3, 3), b)


KINDS = ["conv", "grouped", "padded", "transposed", "transposed grouped", "fc"]


def _vector(net: Net, kind: str, size: int) -> Value:
    return net.random_const(*((size,) if kind == "fc" else (1, size, 1, 1)))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_scales_and_shifts_behind(kind: str, bias: bool) -> None:
    net = Net()
    y = linear(net, kind, bias)
    y = net(Sub(), net(Add(), net(Mul(), y, _vector(net, kind, 6)), _vector(net, kind, 6)), 0.5)
    y = net(Neg(), net(Div(), y, _vector(net, kind, 6)))
    net.output(net(Sub(), 1.0, y))
    assert len(check_pass(net, FOLD)) == 1
    assert net.graph.nodes[0].output.origin.startswith("t")
    assert net.graph.nodes[0].origin.layer == "layer1"  # the layer is the convolution's, the tensor the last one's


@pytest.mark.parametrize("kind", ["conv", "transposed grouped"])
def test_batch_norm_behind(kind: str) -> None:
    net = Net()
    y = linear(net, kind, False)
    parameters = [net.const(net.random.uniform(0.5, 2, 6)) for _ in range(4)]
    net.output(net(Relu(), net(BatchNorm(1e-5), y, *parameters)))
    assert len(check_pass(net, FOLD)) == 2


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_scale_before(kind: str, bias: bool) -> None:
    net = Net()
    x = net.input(2, 5, 4) if kind == "fc" else net.input(2, 4, 5, 5)
    net.output(linear(net, kind, bias, net(Mul(), x, _vector(net, kind, 4))))
    assert len(check_pass(net, FOLD)) == 1


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["conv", "grouped", "fc"])
def test_a_scale_and_a_shift_before_what_pads_nothing(kind: str, bias: bool) -> None:
    net = Net()
    x = net.input(2, 5, 4) if kind == "fc" else net.input(2, 4, 5, 5)
    x = net(Sub(), net(Div(), net(Add(), x, _vector(net, kind, 4)), 3.0), _vector(net, kind, 4))
    net.output(linear(net, kind, bias, x))
    assert len(check_pass(net, FOLD)) == 1


@pytest.mark.parametrize("kind", ["padded", "transposed"])
def test_before_padding_only_the_scale_goes(kind: str) -> None:
    net = Net()
    x = net.input(2, 4, 5, 5)
    parameters = [net.const(net.random.uniform(0.5, 2, 4)) for _ in range(4)]
    net.output(linear(net, kind, True, net(BatchNorm(), x, *parameters)))
    assert check_pass(net, FOLD)[:-1] == ["Add"]
    net = Net()
    net.output(linear(net, kind, True, net(Add(), net.input(2, 4, 5, 5), 1.0)))
    check_untouched(net, FOLD)


@pytest.mark.parametrize(("pad", "left"), [(Pad((0, 0, 1, 1), (0, 0, 1, 1)), ["Add"]), (Pad((0, 0, 1, 1), (0, 0, 1, 1), "reflect"), []),
                                           (Pad((0, 0, 0, 1), (0, 0, 2, 1), "edge"), [])])
def test_through_padding(pad: Pad, left: list[str]) -> None:
    net = Net()
    x = net(Add(), net(Mul(), net.input(2, 4, 5, 5), net.const(net.random.uniform(0.5, 2, (4, 1, 1)))), net.random_const(4, 1, 1))
    net.output(linear(net, "conv", True, net(pad, x)))
    assert check_pass(net, FOLD) == [*left, "Pad", "Conv"]


@pytest.mark.parametrize("views", [[Transpose((1, 0, 2))], [Reshape((10, 4))],
                                   [Reshape((5, 2, 4)), Transpose((1, 0, 2)), Reshape((2, 5, 1, 4))]])
def test_through_views_with_the_same_last_axis(views: list[Op]) -> None:
    net = Net()
    x = net(Add(), net(Mul(), net.input(2, 5, 4), net.random_const(4)), net.random_const(4))
    for view in views:
        x = net(view, x)
    net.output(linear(net, "fc", True, x))
    assert check_pass(net, FOLD) == [*(view.name for view in views), "FullyConnected"]


@pytest.mark.parametrize("view", [Transpose((0, 2, 1)), Reshape((2, 4, 5)), Reshape((2, 5, 2, 2))])
def test_not_through_other_views(view: Op) -> None:
    net = Net()
    x = net(view, net(Mul(), net.input(2, 5, 4), net.random_const(4)))
    net.output(net(FullyConnected(), x, net.random_const(3, int(str(x.shape[-1]))), net.random_const(3)))
    check_untouched(net, FOLD)


@pytest.mark.parametrize("pad", [Pad((0, 0, 1, 1), (0, 0, 1, 1), value=1.0), Pad((0, 1, 0, 0), (0, 0, 0, 0))])
def test_not_through_other_padding(pad: Pad) -> None:
    net = Net()
    x = net(pad, net(Mul(), net.input(2, 4 - pad.pads_begin[1], 5, 5), 2.0))
    net.output(linear(net, "conv", True, x))
    check_untouched(net, FOLD)


def _blocked(name: str) -> Net:
    net = Net()
    x = net.input(2, 4, 5, 5)
    y = linear(net, "conv", True, x)
    match name:
        case "other reader":
            net.output(net(Mul(), y, 2.0), y)
        case "activation":
            weights = net.random_const(6, 4, 1, 1)
            net.output(net(Mul(), net(replace(CONV, activation=Activation.RELU), x, weights), 2.0))
        case "another axis":
            net.output(net(Mul(), y, net.random_const(3)))
        case "whole map":
            net.output(net(Add(), y, net.random_const(6, 3, 3)))
        case "broadcasts":
            net.output(net(Mul(), y, net.random_const(3, 1, 1, 1, 1)))
        case "computed weights":
            net.output(net(Mul(), net(CONV, x, net.input(6, 4, 1, 1)), 2.0))
        case "computed factor":
            net.output(net(Mul(), y, net.input(6, 1, 1)))
        case "scale before, other reader":
            z = net(Mul(), x, 2.0)
            net.output(linear(net, "conv", True, z), z)
        case _:
            z = net(Mul(), x, net.random_const(5, 1))
            net.output(linear(net, "conv", True, z))
    return net


@pytest.mark.parametrize("name", ["other reader", "activation", "another axis", "whole map", "broadcasts", "computed weights",
                                  "computed factor", "scale before, other reader", "scale before, another axis"])
def test_what_cannot_be_folded_stays(name: str) -> None:
    net = _blocked(name)
    net.graph.prune()
    check_untouched(net, FOLD)


def test_shared_weights_are_copied() -> None:
    net = Net()
    w, b = net.random_const(4, 4, 1, 1), net.random_const(4)
    x = net.input(1, 4, 3, 3)
    net.output(net(Mul(), net(CONV, x, w, b), 2.0), net(Add(), net(CONV, net(Exp(), x), w, b), net.random_const(4, 1, 1)),
               net(CONV, net(Relu(), x), w, b))
    before = w.const.copy()  # type: ignore[union-attr]
    check_pass(net, FOLD)
    np.testing.assert_array_equal(w.const, before)  # type: ignore[arg-type]
    assert len({id(n.inputs[1]) for n in net.graph.nodes if isinstance(n.op, Conv)}) == 2


def test_a_symbolic_batch() -> None:
    net = Net()
    y = net(Mul(), linear(net, "grouped", True, net(Mul(), net.input("n", 4, 5, 5), 2.0)), net.random_const(6, 1, 1))
    net.output(y)
    assert len(check_pass(net, FOLD)) == 1


def test_float32_stays_accurate_through_a_long_chain() -> None:
    net = Net(np.float32)
    y = net(CONV, net.input(1, 8, 6, 6), net.random_const(16, 8, 3, 3))
    for _ in range(6):
        y = net(Add(), net(Mul(), y, net.const(net.random.uniform(0.5, 2, (16, 1, 1)))), net.random_const(16, 1, 1))
    net.output(y)
    x = feeds(net.graph)
    exact = {name: array.astype(np.float64) for name, array in run(net.graph, x).items()}["y0"]
    FOLD(net.graph)
    assert [n.op.name for n in net.graph.nodes] == ["Conv"]
    assert np.abs(run(net.graph, x)["y0"] - exact).max() < 1e-6 * np.abs(exact).max()


def test_a_scale_that_is_not_finite_in_float32_is_not_folded() -> None:
    net = Net(np.float32)
    conv = net(CONV, net.input(1, 1, 2, 2), net.const(np.ones((1, 1, 1, 1))), net.const([1e30]))
    net.output(net(Mul(), conv, 1e20))
    check_untouched(net, FOLD)


def test_a_fully_connected_layer_that_changes_the_rank_is_left_alone() -> None:
    net = Net()
    net.output(net(Mul(), net(FullyConnected(keep_num_dims=False), net.input(2, 2, 2), net.random_const(3, 4)), 2.0))
    check_untouched(net, FOLD)
