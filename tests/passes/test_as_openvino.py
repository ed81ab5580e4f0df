"""Layers of quantized networks as OpenVINO computes them."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.binary import Add, FakeQuantize, Mul
from nchw2nhwc.passes.as_openvino import as_openvino
from tests.passes.nets import Net, check_untouched


def _net(low: float, high: float, levels: int = 256) -> Net:
    """y = FakeQuantize(x) * c."""
    net = Net(np.float32)
    bounds = (np.float32(low), np.float32(high))
    x = net.input(1, 3, 4, 4)
    y = net(FakeQuantize(levels), x, *bounds, *bounds)
    net.output(net(Mul(), y, np.float32([0.3, 1.7, 1e-3]).reshape(1, 3, 1, 1)))
    return net


def _layers(net: Net) -> dict[type, str]:
    return {type(node.op): net.graph.where(node).layer for node in net.graph.nodes}


def test_a_rounding_is_left_out() -> None:
    """Zero is level 127.5 + 0.02 of the range; what is not rounded is moved by as much as levels are."""
    low, high = -1.275 - 0.0052, 1.275 - 0.0052
    net = _net(low, high)
    assert as_openvino([_layers(net)[FakeQuantize]])(net.graph)
    made = {type(node.op): node for node in net.graph.nodes}
    assert set(made) == {Add, Clip, Mul}
    step = (high - low) / 255
    shift = -low / step - 128
    assert abs(shift) > 0.01
    np.testing.assert_allclose(made[Add].input(1).const, shift * step, rtol=1e-3)
    clip = made[Clip].op
    assert isinstance(clip, Clip)
    np.testing.assert_allclose((clip.min, clip.max), (-128 * step, 127 * step), rtol=1e-6)


def test_factors_have_half_precision() -> None:
    net = _net(-2.0, 1.984375)
    factors = np.float32([0.3, 1.7, 1e-3])
    assert as_openvino([_layers(net)[Mul]])(net.graph)
    made = {type(node.op): node for node in net.graph.nodes}
    ends = [np.float16(np.float32(end) * factors).astype(np.float64) for end in (-2.0, 1.984375)]
    np.testing.assert_allclose(made[Mul].input(1).const.reshape(-1), (ends[1] - ends[0]) / 3.984375, rtol=1e-6)
    assert (np.abs(made[Mul].input(1).const.reshape(-1) / factors - 1) > 1e-6).any()


@pytest.mark.parametrize("levels", [256, 70000])
def test_other_layers_stay(levels: int) -> None:
    """Also those that are named, where they do not become integers."""
    net = _net(-2.0, 1.984375, levels)
    check_untouched(net, as_openvino(["elsewhere"] if levels == 256 else list(_layers(net).values())))
