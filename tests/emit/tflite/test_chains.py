"""Chains of moves that pad and cut the padding off again."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite.rules_chains import CHAINS
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.movement import Pad, Reshape, Slice, Transpose
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, node_of

PICK = rule_pass("chains", CHAINS, MOVEMENT)


def shifted(net: Net, x: Value, *, mode: str = "constant", kept: int | None = None) -> Value:
    """Relative positions as absolute ones: row k of the (queries, 2 * queries - 1) last axes is taken from column queries - 1 - k on."""
    *lead, queries, width = x.shape
    assert isinstance(queries, int)
    assert isinstance(width, int)
    rank, rows = x.rank, len(lead)
    y = net(Pad((0,) * rank, (0,) * (rank - 1) + (1,), mode), x)
    y = net(Reshape((*lead, queries * (width + 1))), y)
    y = net(Pad((0,) * (rank - 1), (0,) * rows + (queries - 1,)), y)
    y = net(Reshape((*lead, queries + 1, width)), y)
    stops = (*(None,) * rows, queries if kept is None else kept, None)
    return net(Slice((*(None,) * (rows + 1), queries - 1), stops, (1,) * rank), y)


@pytest.mark.parametrize("lead", [(2,), (2, 3), (1,), ()], ids=str)
def test_relative_positions(lead: tuple[int, ...]) -> None:
    net = Net(np.float32)
    net.output(net(Neg(), shifted(net, net(Exp(), net.input(*lead, 4, 7)))))
    assert [name for name in check_pass(net, PICK, 1e-6) if name != "Reshape"] == ["Exp", "Gather", "Neg"]


def test_with_transposes_around() -> None:
    """What is relative along the other axis of an image is picked from where it is."""
    net = Net(np.float32)
    x = net(Transpose((0, 2, 1, 3)), net(Exp(), net.input(2, 4, 3, 7)))
    y = net(Transpose((0, 2, 1, 3)), shifted(net, x))
    net.output(net(Neg(), net(Reshape((2, 12, 4, 1)), y)))
    assert check_pass(net, PICK, 1e-6) == ["Exp", "Reshape", "Gather", "Neg"]
    assert node_of(net.graph, "Gather").input(1).shape == (12, 4, 1)


def test_what_stays() -> None:
    """Padding that is kept, that repeats elements, that others read, sizes that are not known, few moves, and moves without padding."""
    net = Net(np.float32)
    read = net(Pad((0, 0), (1, 1)), net.input(4, 6))
    part = net(Reshape((7, 5)), read)
    moved = net(Reshape((24,)), net(Transpose((1, 0)), net(Reshape((4, 6)), net(Transpose((1, 0)), net.input(3, 8)))))
    net.output(net(Neg(), shifted(net, net.input(4, 7), kept=5)), net(Neg(), shifted(net, net.input(4, 7), mode="reflect")),
               net(Neg(), net(Slice((0,), (2,), (1,)), net(Reshape((35,)), net(Transpose((1, 0)), part)))), net(Neg(), read),
               net(Neg(), net(Slice((0, None), (4, None), (1, 1)), net(Pad((0, 0), (2, 0)), net.input(4, "n")))), net(Neg(), moved))
    check_untouched(net, rule_pass("chains", CHAINS))
