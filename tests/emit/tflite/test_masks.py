"""Masks of minus infinity."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.emit.tflite.rules_masks import MASKS
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Add, Greater, Where
from nchw2nhwc.passes.rewrite import rule_pass
from tests.emit.tflite.runs import RESOLVERS, run_file
from tests.passes.nets import Net, check_pass, check_untouched

PASS = rule_pass("masks", MASKS)
MASK = np.where(np.tri(3, 3, dtype=np.bool_), 0, -np.inf).astype(np.float32)


def _chosen(net: Net, x: Value, *sides: float) -> Value:
    return net(Where(), net(Greater(), x, net.const(0)), *(net.const(s) for s in sides))


@pytest.mark.parametrize("first", [False, True])
def test_constant_masks(first: bool) -> None:
    net = Net(np.float32)
    x, mask = net.input(2, 3, 3), net.const(MASK)
    net.output(net(Add(), *((mask, x) if first else (x, mask))))
    assert check_pass(net, PASS) == ["Minimum"]
    data = np.random.default_rng(0).standard_normal((2, 3, 3)).astype(np.float32)
    for kind in RESOLVERS:
        np.testing.assert_array_equal(run_file(emit(net.graph).tobytes(), [data], kind)[0], data + MASK)


@pytest.mark.parametrize("sides", [(0, -np.inf), (-np.inf, 0)])
def test_chosen_masks(sides: tuple[float, float]) -> None:
    net = Net(np.float32)
    x = net.input(2, 3)
    net.output(net(Add(), x, _chosen(net, net.input(2, 3), *sides)))
    assert check_pass(net, PASS) == ["Greater", "Where"]


def test_what_is_no_mask_stays() -> None:
    net = Net(np.float32)
    x = net.input(3, 3)
    net.output(net(Add(), x, net.const(np.where(MASK == 0, 1, MASK))), net(Add(), x, net.const(np.zeros((3, 3)))),
               net(Add(Activation.RELU), x, net.const(MASK)), net(Add(), x, _chosen(net, x, 0, -1e9)))
    check_untouched(net, PASS)
