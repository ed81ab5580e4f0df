"""Moves of many axes as several of few."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nchw2nhwc.emit.tflite.rules_rank import RANK
from nchw2nhwc.ops.elementwise import Neg
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.passes.rank import neighbours, steps_of
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched

LOWER = rule_pass("lower_rank", RANK)


@given(st.integers(1, 10).flatmap(lambda rank: st.permutations(range(rank))))
def test_steps_together_are_the_move(perm: list[int]) -> None:
    shape = [k % 3 + 1 for k in range(len(perm))]
    data = np.arange(np.prod(shape)).reshape(shape)
    result = data
    for step in steps_of(perm, 6):
        assert len(neighbours(range(len(step)), step)) <= 6
        result = result.transpose(step)
    np.testing.assert_array_equal(result, data.transpose(perm))


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
