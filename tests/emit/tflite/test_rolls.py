"""Images that are rolled."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite.rules_rolls import ROLLS
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Concat, Split
from nchw2nhwc.ops.windowed import DepthToSpace
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, node_of

ROLL = rule_pass("rolls", ROLLS)


def _rolled(net: Net, x: Value, axis: int, by: int) -> Value:
    size = x.shape[axis]
    assert isinstance(size, int)
    return net(Concat(axis), *reversed(net.all(Split(axis, (size - by, by)), x)))


@pytest.mark.parametrize(("batch", "axis"), [(1, 1), (2, 1), ("n", 2), (1, 2)])
def test_a_roll(batch: int | str, axis: int) -> None:
    net = Net(np.float32)
    net.output(net(Neg(), _rolled(net, net(Exp(), net.input(batch, 4, 4, 16)), axis, 1)))
    assert check_pass(net, ROLL, 1e-5) == ["Exp", "Gather", "Neg"]


def test_three_parts() -> None:
    net = Net(np.float32)
    a, b, c = net.all(Split(0, (1, 2, 1)), net.input(4, 16))
    net.output(net(Neg(), net(Concat(0), b, a, c)))
    assert check_pass(net, ROLL, 1e-5) == ["Gather", "Neg"]


def test_what_stays() -> None:
    """Short rows, parts that others read, parts that are left out or put together along another axis."""
    net = Net(np.float32)
    x = net.input(4, 4, 16)
    read, whole, left = (net.all(Split(0, (2, 2)), net(Exp(), x)) for _ in range(3))
    most = net.all(Split(0, (1, 1, 2)), x)
    net.output(_rolled(net, net.input(4, 4, 15), 2, 1), _rolled(net, net.input(4, 15), 0, 1), net(Concat(0), read[1], read[0]),
               net(Neg(), read[0]), net(Concat(1), whole[1], whole[0]), net(Concat(0), left[1], left[1]), net(Concat(0), most[1], most[0]))
    check_untouched(net, ROLL)


def test_rows_of_a_layer() -> None:
    """Rolled along both axes behind a layer: one Gather of its rows."""
    net = Net(np.float32)
    y = net(FullyConnected(), net(Exp(), net.input(1, 3, 4, 5)), net.random_const(16, 5), net.random_const(16))
    net.output(net(Neg(), _rolled(net, _rolled(net, y, 1, 1), 2, 3)))
    assert check_pass(net, ROLL, 1e-5) == ["Exp", "FullyConnected", "Gather", "Neg"]


def test_several_images_are_rolled_one_by_one() -> None:
    net = Net(np.float32)
    y = net(FullyConnected(), net(Exp(), net.input(2, 3, 4, 5)), net.random_const(16, 5))
    net.output(net(Neg(), _rolled(net, _rolled(net, y, 1, 1), 2, 3)))
    assert check_pass(net, ROLL, 1e-5) == ["Exp", "FullyConnected", "Gather", "Gather", "Neg"]


@pytest.mark.parametrize(("height", "width"), [(3, 2), (2, 2)])
def test_windows_that_are_put_together(height: int, width: int) -> None:
    """The layer computes on the windows' rows, and nothing but the Gather puts them together."""
    net = Net(np.float32)
    image = net(DepthToSpace(2, channels_last=True), net(Exp(), net.input(1, height, width, 4 * 5)))
    y = net(FullyConnected(), image, net.random_const(16, 5), net.random_const(16))
    net.output(net(Neg(), _rolled(net, _rolled(net, y, 1, 1), 2, 3)))
    assert check_pass(net, ROLL, 1e-5) == ["Exp", "Reshape", "FullyConnected", "Gather", "Neg"]


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_windows_that_stay(mode: str) -> None:
    """Blocks behind their channels, and an image that others read as well."""
    net = Net(np.float32)
    image = net(DepthToSpace(2, mode, channels_last=True), net(Exp(), net.input(1, 2, 2, 4 * 5)))
    y = net(FullyConnected(), image, net.random_const(16, 5))
    net.output(net(Neg(), _rolled(net, _rolled(net, y, 1, 1), 2, 3)), *([] if mode == "CRD" else [net(Neg(), image)]))
    check_pass(net, ROLL, 1e-5)
    assert node_of(net.graph, "DepthToSpace")
    assert np.prod(node_of(net.graph, "Gather").input(1).shape) == 16
