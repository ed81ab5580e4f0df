"""The epsilon of normalisations."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.elementwise import Exp, Rsqrt
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.passes.rewrite import rule_pass
from nchw2nhwc.passes.variance import variances
from tests.passes.nets import Net, check_pass, check_untouched

SHIFT = rule_pass("variances", variances(lambda node: True))
LAST = ReduceMean((2,), True)


def _norm(net: Net, x: Value, mean: ReduceMean = LAST, second: ReduceMean | None = None, epsilon: float = 1e-3) -> Value:
    d = net(Sub(), x, net(mean, x))
    return net(Mul(), d, net(Rsqrt(), net(Add(), net(second or mean, net(Mul(), d, d)), epsilon)))


@pytest.mark.parametrize("mean", [LAST, ReduceMean((1,), True), ReduceMean((1, 2), True), ReduceMean((0, 1, 2), True)])
def test_no_addition(mean: ReduceMean) -> None:
    net = Net()
    net.output(_norm(net, net.input(2, 3, 5), mean))
    assert check_pass(net, SHIFT) == ["ReduceMean", "Sub", "SquaredDifference", "ReduceMean", "Rsqrt", "Mul"]


@pytest.mark.parametrize("scale", [1e-4, 1e-3, 1.0, 1e4])
@pytest.mark.parametrize("epsilon", [1e-12, 1e-5, 1e-3])
def test_as_exact_as_an_addition(scale: float, epsilon: float) -> None:
    """In float32, of any magnitude, with a mean many times the deviation."""
    graphs = []
    for dtype, apply in ((np.float64, False), (np.float32, False), (np.float32, True)):
        net = Net(dtype)
        net.output(_norm(net, net.input(4, 8, 64), epsilon=epsilon))
        if apply:
            SHIFT(net.graph)
        graphs.append(net.graph)
    x = (np.random.default_rng(0).normal(3, 1, (4, 8, 64)) * scale).astype(np.float32)
    exact, summed, shifted = (run(g, {"x0": x.astype(g.inputs[0].type.dtype)})["y0"] for g in graphs)
    assert np.abs(shifted - exact).max() <= 2 * np.abs(summed - exact).max() + 1e-7


def test_devices_without_squared_differences() -> None:
    net = Net()
    check_untouched(net.output(_norm(net, net.input(2, 3, 5))), rule_pass("variances", variances(lambda node: False)))


def _no_mean_subtracted() -> Net:
    net = Net()
    x = net.input(2, 3, 5)
    return net.output(net(Mul(), x, net(Rsqrt(), net(Add(), net(LAST, net(Mul(), x, x)), 1e-3))))


def _along_other_axes() -> Net:
    net = Net()
    return net.output(_norm(net, net.input(2, 3, 5), LAST, ReduceMean((1,), True)))


def _without_epsilon() -> Net:
    net = Net()
    return net.output(_norm(net, net.input(2, 3, 5), epsilon=0.0))


def _variance_is_read() -> Net:
    net = Net()
    x = net.input(2, 3, 5)
    d = net(Sub(), x, net(LAST, x))
    variance = net(LAST, net(Mul(), d, d))
    return net.output(net(Rsqrt(), net(Add(), variance, 1e-3)), net(Exp(), variance))


@pytest.mark.parametrize("made", [_no_mean_subtracted, _along_other_axes, _without_epsilon, _variance_is_read])
def test_what_stays(made: object) -> None:
    assert callable(made)
    check_untouched(made(), SHIFT)
