"""Patches that are put together out of strided slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nchw2nhwc.emit.tflite.rules_merging import MERGING
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.binary import Mul, Sub
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Concat, Slice
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, node_of

MERGE = rule_pass("merging", MERGING)
SWIN = ((0, 0), (1, 0), (0, 1), (1, 1))


def _patches(net: Net, x: Value, starts: Sequence[tuple[int, int]], block: int = 2) -> Value:
    parts = [net(Slice((None, row or None, column or None, None), (None,) * 4, (1, block, block, 1)), x) for row, column in starts]
    return net(Concat(3), *parts)


@pytest.mark.parametrize(("batch", "block"), [(1, 2), (2, 3)])
def test_patches_in_order(batch: int, block: int) -> None:
    net = Net(np.float32)
    starts = [divmod(k, block) for k in range(block * block)]
    net.output(net(Neg(), _patches(net, net(Exp(), net.input(batch, 6, 6, 3)), starts, block)))
    assert check_pass(net, MERGE, 1e-6) == ["Exp", "SpaceToDepth", "Neg"]


def test_a_layer_follows_their_order() -> None:
    """As in Swin, where columns come before rows, behind a normalisation."""
    net = Net(np.float32)
    y = _patches(net, net(Exp(), net.input(1, 4, 6, 3)), SWIN)
    centred = net(Sub(), y, net(ReduceMean((3,), True), y))
    scaled = net(Mul(), centred, net(ReduceMean((3,), True), net(Mul(), centred, centred)))
    net.output(net(FullyConnected(), scaled, net.random_const(5, 12)), net(FullyConnected(), net(Exp(), scaled), net.random_const(2, 12)))
    assert "Concat" not in check_pass(net, MERGE, 1e-5)
    assert node_of(net.graph, "SpaceToDepth").op.block == 2  # type: ignore[attr-defined]


def test_what_stays() -> None:
    """Pixels that are left out or there twice, several images, and an order that an output, a constant or another op depends on."""
    net = Net(np.float32)
    x, other = net(Exp(), net.input(1, 4, 6, 3)), net(Exp(), net.input(1, 4, 6, 3))
    mixed = net(Concat(3), *(net(Slice((None, r or None, c or None, None), (None,) * 4, (1, 2, 2, 1)), x if c else other) for r, c in SWIN))
    swin = [_patches(net, x, SWIN) for _ in range(4)]
    net.output(net(Neg(), _patches(net, x, [(0, 0), (0, 1), (1, 0), (1, 0)])), net(Neg(), _patches(net, x, SWIN[:3])), net(Neg(), mixed),
               swin[0], net(Mul(), swin[1], net.random_const(12)), net(ReduceMean((2, 3), True), swin[2]),
               net(FullyConnected(), swin[3], net.input(5, 12)))
    check_untouched(net, MERGE)
