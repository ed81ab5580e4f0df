"""Convolutions of one value that are added up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.elementwise import Exp
from nchw2nhwc.ops.norm import BatchNorm
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.affine import AFFINE
from nchw2nhwc.passes.linear import LINEAR
from nchw2nhwc.passes.parallel import PARALLEL
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched

MERGE = rule_pass("merge", LINEAR, PARALLEL, AFFINE)
WIDE = Conv((1, 1), (1, 1), (1, 1), (1, 1))
SINGLE = Conv((1, 1), (1, 1), (0, 0), (0, 0))
C = 4


def _conv(net: Net, x: Value, op: Conv, kernel: tuple[int, int], *, bias: bool = True, out: int = C) -> Value:
    return net(op, x, net.random_const(out, C // op.groups, *kernel), net.random_const(out) if bias else None)


def _batch_norm(net: Net, x: Value) -> Value:
    return net(BatchNorm(), x, *(net.const(net.random.uniform(0.5, 2, C)) for _ in range(4)))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_repvgg_block(groups: int) -> None:
    net = Net()
    x = net(Exp(), net.input(2, C, 5, 6))
    wide = _batch_norm(net, _conv(net, x, replace(WIDE, groups=groups), (3, 3), bias=False))
    single = _batch_norm(net, _conv(net, x, replace(SINGLE, groups=groups), (1, 1), bias=False))
    net.output(net(Add(), net(Add(), wide, single), _batch_norm(net, x)))
    assert check_pass(net, MERGE) == ["Exp", "Conv"]
    assert net.graph.nodes[-1].output.origin


def test_differences_and_scaled_residuals() -> None:
    """As FastViT mixes tokens: x + scale * (conv(x) - norm(x))."""
    net = Net()
    x = net(Exp(), net.input(2, C, 5, 6))
    depthwise = replace(WIDE, groups=C)
    mixed = net(Sub(), _conv(net, x, depthwise, (3, 3)), _batch_norm(net, x))
    mixed = net(Sub(), _conv(net, x, replace(SINGLE, groups=C), (1, 1)), mixed)
    net.output(net(Add(), x, net(Mul(), mixed, net.random_const(C, 1, 1))))
    assert check_pass(net, MERGE) == ["Exp", "Conv"]


@pytest.mark.parametrize(("large", "small", "kernels"), [
    (replace(WIDE, strides=(2, 2)), replace(SINGLE, strides=(2, 2)), ((3, 3), (1, 1))),
    (replace(WIDE, dilations=(2, 2), pads_begin=(2, 2), pads_end=(2, 2)), SINGLE, ((3, 3), (1, 1))),
    (replace(WIDE, pads_begin=(2, 2), pads_end=(2, 2)), WIDE, ((5, 5), (3, 3))),
    (replace(WIDE, pads_begin=(2, 1), pads_end=(0, 1)), Conv((1, 1), (1, 1), (1, 0), (0, 0)), ((3, 3), (2, 1))),
    (replace(WIDE, pads_begin=(0, 0), pads_end=(2, 2)), SINGLE, ((3, 3), (1, 1)))])
def test_kernels_of_different_sizes(large: Conv, small: Conv, kernels: tuple[tuple[int, int], tuple[int, int]]) -> None:
    for order in (1, -1):
        net = Net()
        x = net(Exp(), net.input("n", C, 8, 8))
        net.output(net(Sub(), *[_conv(net, x, op, k) for op, k in zip((large, small), kernels)][::order]))
        assert check_pass(net, MERGE) == ["Exp", "Conv"]


STAY: list[tuple[str, Callable[[Net, Value], Value]]] = [
    ("different operands", lambda net, x: net(Add(), _conv(net, x, WIDE, (3, 3)), _conv(net, net(Exp(), x), WIDE, (3, 3)))),
    ("neither inside", lambda net, x: net(Add(), _conv(net, x, replace(WIDE, pads_begin=(1, 0), pads_end=(1, 0)), (3, 1)),
                                          _conv(net, x, replace(WIDE, pads_begin=(0, 1), pads_end=(0, 1)), (1, 3)))),
    ("different dilations", lambda net, x: net(Add(), _conv(net, x, WIDE, (3, 3)), _conv(
        net, x, Conv((1, 1), (2, 2), (2, 2), (2, 2)), (3, 3)))),
    ("different groups", lambda net, x: net(Add(), _conv(net, x, WIDE, (3, 3)), _conv(net, x, replace(SINGLE, groups=2), (1, 1)))),
    ("activation", lambda net, x: net(Add(), _conv(net, x, WIDE, (3, 3)), _conv(
        net, x, replace(SINGLE, activation=Activation.RELU), (1, 1)))),
    ("another value beside", lambda net, x: net(Add(), net(Exp(), x), _conv(net, x, WIDE, (3, 3)))),
    ("one channel", lambda net, x: net(Add(), x, _conv(net, x, SINGLE, (1, 1), out=1))),
    ("between the taps", lambda net, x: net(Add(), x, _conv(net, x, Conv((1, 1), (2, 2), (1, 1), (1, 1)), (2, 2)))),
    ("scaled along another axis", lambda net, x: net(Add(), net(Mul(), x, net.random_const(8)), _conv(net, x, WIDE, (3, 3)))),
    ("same node twice", lambda net, x: net(Add(), *[_conv(net, x, WIDE, (3, 3))] * 2)),
]


@pytest.mark.parametrize("build", [s[1] for s in STAY], ids=[s[0] for s in STAY])
def test_what_cannot_be_one_convolution_stays(build: Callable[[Net, Value], Value]) -> None:
    net = Net()
    net.output(build(net, net(Exp(), net.input(2, C, 8, 8))))
    check_untouched(net, rule_pass("parallel", PARALLEL))


def test_results_with_other_readers_stay() -> None:
    net = Net()
    x = net(Exp(), net.input(2, C, 8, 8))
    a, b = _conv(net, x, WIDE, (3, 3)), _conv(net, x, SINGLE, (1, 1))
    net.output(net(Add(), a, b), a, net(Add(), x, net.graph.nodes[-1].output))
    net.output(b)
    check_untouched(net, MERGE)
