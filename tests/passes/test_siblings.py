"""Convolutions of one tensor with one activation are one convolution."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import Mish, Relu, Swish
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.elementwise import Exp
from nchw2nhwc.ops.quantized import Grid, QuantizeDequantize
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.rewrite import rule_pass
from nchw2nhwc.passes.siblings import SIBLINGS
from tests.passes.nets import Net, check_pass, check_untouched, count_ops

JOIN = rule_pass("siblings", SIBLINGS)
PLAIN = Conv((1, 1), (1, 1), (0, 0), (0, 0), 1)


def _conv(net: Net, x: Value, channels: int, behind: Op | None = None, *, op: Conv = PLAIN, taps: int = 1, bias: bool = True) -> Value:
    weights = [net.random_const(channels, 3, taps, taps), *([net.random_const(channels)] if bias else [])]
    y = net(op, x, *weights)
    return y if behind is None else net(behind, y)


@pytest.mark.parametrize("batch", [1, "n"])
@pytest.mark.parametrize("behind", [Mish(), Swish(1.0)])
def test_two_with_an_activation(batch: int | str, behind: Op) -> None:
    net = Net()
    x = net.input(batch, 3, 4, 4)
    net.output(_conv(net, x, 2, behind), net(Exp(), _conv(net, x, 3, behind, bias=False)))
    check_pass(net, JOIN)
    assert count_ops(net.graph) == {"Conv": 1, behind.name: 1, "Split": 1, "Exp": 1}


def test_three_of_different_sizes() -> None:
    net = Net()
    x = net.input(1, 3, 4, 4)
    wide = Conv((2, 1), (1, 1), (1, 0), (0, 1), 1)
    net.output(*(_conv(net, x, channels, Swish(1.0), op=wide, taps=2, bias=False) for channels in (1, 2, 2)))
    check_pass(net, JOIN)
    assert count_ops(net.graph) == {"Conv": 1, "Swish": 1, "Split": 1}


def test_what_stays() -> None:
    """No activation or one that kernels apply, other windows, other activations, groups, computed weights, and what is read before its
    activation."""
    net = Net()
    x, other, groups = net.input(1, 3, 4, 4), net.input(1, 3, 4, 4), Conv((1, 1), (1, 1), (0, 0), (0, 0), 3)
    read = _conv(net, x, 2, op=Conv((2, 2), (1, 1), (0, 0), (0, 0), 1))
    net.output(_conv(net, x, 2), _conv(net, x, 2), _conv(net, x, 2, Mish()), _conv(net, x, 2, Swish(1.0)), _conv(net, x, 2, Swish(2.0)),
               _conv(net, other, 2, Mish(), taps=2), _conv(net, other, 2, Mish()), _conv(net, x, 2, Relu()), _conv(net, x, 2, Relu()),
               net(Mish(), net(groups, x, net.random_const(3, 1, 1, 1))), net(Mish(), net(groups, x, net.random_const(3, 1, 1, 1))),
               net(Mish(), net(PLAIN, other, net.input(2, 3, 1, 1))), read, net(Mish(), read))
    check_untouched(net, JOIN)


def test_integers_stay_apart() -> None:
    """Each result is rounded to a grid of its own, which one convolution could not do."""
    net = Net(np.float32)
    x = net(QuantizeDequantize(Grid(0.05, 3, -128, 127)), net.input(1, 3, 4, 4))
    net.output(_conv(net, x, 2, Mish()), _conv(net, x, 2, Mish()))
    check_untouched(net, JOIN)
