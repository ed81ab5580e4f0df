"""Ops between Reshapes take the axes of one of them."""

from __future__ import annotations

import pytest

from nchw2nhwc.emit.tflite.rules_between_views import BETWEEN_VIEWS
from nchw2nhwc.ops.binary import Mul, Sub
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.movement import Pad, Reshape
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, node_of

BETWEEN = rule_pass("between", BETWEEN_VIEWS, MOVEMENT)


@pytest.mark.parametrize("first", [True, False])
def test_arithmetic_that_is_seen_as_an_operand(first: bool) -> None:
    net = Net()
    rows = net(Reshape((1, 6, 1, 4)), net(Exp(), net.input(6, 2, 2)))
    image = net(Reshape((1, 6, 1, 4)), net(Exp(), net.input(1, 2, 3, 4)))
    y = net(Sub(), *((rows, image) if first else (image, rows)))
    net.output(net(Neg(), net(Reshape((6, 2, 2)), y)))
    assert check_pass(net, BETWEEN) == ["Exp", "Exp", "Reshape", "Sub", "Neg"]


@pytest.mark.parametrize("axis", [0, 1, 3])
def test_padding_along_an_axis_that_both_have(axis: int) -> None:
    """Relative positions of all tokens but the first."""
    net = Net()
    shape, wide = (2, 6, 1, 4), tuple(size + 3 * (k == axis) for k, size in enumerate((2, 6, 1, 4)))
    seen = [size for size in wide if size != 1]
    before = [size for size in shape if size != 1]
    parts = [net(Reshape(shape), net(Exp(), net.input(*sizes))) for sizes in (before, (2, 2, 3, 4))]
    y = net(Pad(tuple(int(k == axis) for k in range(4)), tuple(2 * (k == axis) for k in range(4)), value=1.5), net(Mul(), *parts))
    net.output(net(Neg(), net(Reshape(tuple(seen)), y)))
    assert check_pass(net, BETWEEN) == ["Exp", "Exp", "Reshape", "Mul", "Pad", "Neg"]
    assert node_of(net.graph, "Pad").output.shape == tuple(seen)


def test_arithmetic_that_stays() -> None:
    """Where something repeats, is padded along a divided axis or several, is seen otherwise, or is read in its own shape."""
    net = Net()

    def views(*shapes: tuple[int, ...]) -> list[object]:
        return [net(Reshape(shape), net(Exp(), net.input(6, 4))) for shape in shapes]

    repeated = net(Reshape((6, 4)), net(Mul(), *views((2, 3, 4)), net(Reshape((3, 1)), net.input(3))))
    divided = net(Reshape((8, 4)), net(Pad((1, 0, 0), (0, 0, 0)), net(Mul(), *views((3, 2, 4), (3, 2, 4)))))
    several = net(Reshape((12, 4)), net(Pad((1, 1, 0), (0, 0, 0)), net(Mul(), *views((3, 2, 4), (3, 2, 4)))))
    otherwise = net(Reshape((12, 2)), net(Mul(), *views((3, 2, 4), (3, 2, 4))))
    read = net(Mul(), *views((3, 2, 4), (3, 2, 4)))
    net.output(*(net(Neg(), y) for y in (repeated, divided, several, otherwise, net(Reshape((6, 4)), read), read)))
    check_untouched(net, rule_pass("between", BETWEEN_VIEWS))
