"""Moves of many axes as several of few."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from nchw2nhwc.emit.tflite.rules_rank import RANK
from nchw2nhwc.ops.elementwise import Neg
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.passes.rank import neighbours, orders_between
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched

LOWER = rule_pass("lower_rank", RANK)


@given(st.integers(0, 10).flatmap(lambda rank: st.permutations(range(rank))), st.integers(3, 6))
def test_moves_in_steps(wanted: list[int], most: int) -> None:
    most = max(most, 4) if len(wanted) > 7 else most
    at: tuple[int, ...] = tuple(range(len(wanted)))
    for order in orders_between(wanted, most):
        assert 2 <= len(neighbours(at, order)) <= most
        at = order
    assert list(at) == wanted


def test_moves_are_the_fewest() -> None:
    assert all(len(orders_between(order, 4)) == (order != (0, 1, 2, 3)) for order in permutations(range(4)))
    assert len(orders_between((0, 2, 1, 3), 4)) == 1
    assert max(len(orders_between(order, 4)) for order in permutations(range(5))) == 2
    assert len(orders_between((6, 5, 4, 3, 2, 1, 0), 6)) == 2


def test_a_move_of_nine_axes() -> None:
    """Hiera: windows within windows within windows."""
    net = Net()
    cut = net(Reshape((7, 2, 2, 2, 7, 2, 2, 2, 3)), net.input(56, 56, 3))
    net.output(net(Neg(), net(Reshape((64, 49, 3)), net(Transpose((3, 7, 2, 6, 1, 5, 0, 4, 8)), cut))))
    assert check_pass(net, LOWER).count("Transpose") == 3
    assert all(node.input(0).rank <= 7 for node in net.graph.nodes if isinstance(node.op, Transpose))


def test_a_move_of_eight_axes_stays() -> None:
    net = Net()
    net.output(net(Transpose((7, 6, 5, 4, 3, 2, 1, 0)), net.input(*(2,) * 8)))
    check_untouched(net, LOWER)
