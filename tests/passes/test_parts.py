"""Parts that are put together and cut again."""

from __future__ import annotations

import pytest

from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.movement import Concat, Reshape, Split
from nchw2nhwc.passes.parts import PARTS
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, count_ops

APART = rule_pass("apart", PARTS)
SIZES = (3, 1, 2, 2)


def _cut(*sizes: int, axis: int = 1, outputs: bool = False) -> Net:
    """A Concat of 3, 1, 2 and 2 elements, cut into `sizes`; the interface reads the parts, or what becomes of them."""
    net = Net()
    parts = [net(Neg(), net.input(*(2 if k != axis else size for k in range(3)))) for size in SIZES]
    results = net.all(Split(axis, sizes), net(Concat(axis), *parts))
    return net.output(*(results if outputs else [net(Exp(), r) for r in results]))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_same_parts(axis: int) -> None:
    assert check_pass(_cut(*SIZES, axis=axis), APART) == ["Neg"] * 4 + ["Exp"] * 4


def test_several_parts_at_once() -> None:
    net = _cut(3, 1, 4)
    check_pass(net, APART)
    assert count_ops(net.graph) == {"Neg": 4, "Concat": 1, "Exp": 3}


@pytest.mark.parametrize("sizes", [(4, 4), (2, 1, 5), (1, 7)])
def test_cuts_elsewhere_and_what_would_take_more_nodes_stay(sizes: tuple[int, ...]) -> None:
    check_untouched(_cut(*sizes), APART)


def test_outputs_stay_apart() -> None:
    check_untouched(_cut(*SIZES, outputs=True), APART)


def test_another_axis_stays() -> None:
    net = Net()
    whole = net(Concat(1), *(net(Neg(), net.input(2, 2, 4)) for _ in range(2)))
    check_untouched(net.output(*net.all(Split(2, (2, 2)), whole)), APART)


def _together(*order: int) -> Net:
    net = Net()
    parts = net.all(Split(1, (2, 2, 2)), net(Neg(), net.input(2, 6)))
    return net.output(net(Exp(), net(Concat(1), *(parts[k] for k in order))))


def test_all_parts_in_order() -> None:
    assert check_pass(_together(0, 1, 2), APART) == ["Neg", "Exp"]


@pytest.mark.parametrize("order", [(0, 2, 1), (0, 1), (0, 0, 1), (1, 2)])
def test_other_parts_stay(order: tuple[int, ...]) -> None:
    check_untouched(_together(*order), APART)


def _stacked(count: int = 4, *, axis: int = 1, places: tuple[int, ...] = (0, 1, 2, 3), shared: bool = False) -> Net:
    """Pairs of columns of an image, each with its channels as one axis, stacked along an axis."""
    net = Net()
    parts = net.all(Split(2, (2,) * count), net.input(2, 3, 2 * count, 5))
    views = [net(Reshape((2, 3, 10)), parts[k]) for k in places]
    return net.output(net(Concat(axis), *views), *([net(Exp(), parts[0])] if shared else []))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_parts_that_are_seen_otherwise_and_stacked(axis: int) -> None:
    net = _stacked(axis=axis)
    check_pass(net, APART)
    assert {"Split", "Concat"}.isdisjoint(count_ops(net.graph))


@pytest.mark.parametrize("net", [_stacked(places=(0, 2, 1, 3)), _stacked(5), _stacked(3, places=(0, 1, 2)), _stacked(shared=True)])
def test_other_parts_than_all_in_order_stay(net: Net) -> None:
    check_untouched(net, APART)
