"""Streams of sums that are only read less their mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.elementwise import Exp, Rsqrt
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.centred import CENTRE
from tests.passes.nets import Net, check_pass, check_untouched, count_ops

C = 6


def _norm(net: Net, x: Value, axis: int = 2) -> Value:
    mean = ReduceMean((axis,), True)
    d = net(Sub(), x, net(mean, x))
    return net(Mul(), d, net(Rsqrt(), net(Add(), net(mean, net(Mul(), d, d)), 1e-3)))


def _layer(net: Net, x: Value, columns: int = C, activation: Activation = Activation.NONE) -> Value:
    return net(FullyConnected(True, activation), x, net.random_const(columns, int(str(x.shape[-1]))), net.random_const(columns))


def _block(net: Net, x: Value) -> Value:
    """x + layer(exp(layer(norm(x))))."""
    return net(Add(), x, _layer(net, net(Exp(), _layer(net, _norm(net, x), 4))))


def _centred(net: Net, subtractions: int) -> None:
    check_pass(net, CENTRE, 1e-11)
    assert count_ops(net.graph)["Sub"] == subtractions


def test_a_transformer() -> None:
    """Tokens from patches, a token and positions that are constant, blocks, and the norm of one token at the end."""
    net = Net()
    patches = net(Conv((2, 2), (1, 1), (0, 0), (0, 0)), net.input(2, 3, 4, 4), net.random_const(C, 3, 2, 2), net.random_const(C))
    tokens = net(Transpose((0, 2, 1)), net(Reshape((2, C, 4)), patches))
    token = net(Expand((2, 1, C)), net.random_const(1, 1, C))
    x = net(Add(), net(Concat(1), token, tokens), net.random_const(1, 5, C))
    for _ in range(3):
        x = _block(net, x)
    net.output(net(Gather(1), _norm(net, x), net.const(0, np.int64)))
    _centred(net, 0)
    assert count_ops(net.graph)["ReduceMean"] == 4


def test_channels_first() -> None:
    net = Net()
    conv, w = Conv((1, 1), (1, 1), (0, 0), (0, 0)), (C, C, 1, 1)
    x = net(conv, net.input(2, C, 3, 2), net.random_const(*w), net.random_const(C))
    for _ in range(2):
        x = net(Add(), x, net(conv, _norm(net, x, 1), net.random_const(*w)))
    net.output(_norm(net, x, 1))
    _centred(net, 0)


@pytest.mark.parametrize(("moves", "axis"), [
    ((Reshape((2, 2, 2, C)), Transpose((0, 2, 1, 3))), 3), ((Transpose((2, 0, 1)),), 0),
    ((Slice((None, 1, None), (None, 3, None), (1, 1, 1)),), 2), ((Pad((0, 1, 0), (0, 0, 0)),), 2), ((ReduceMean((1,), True),), 2),
    ((ReduceMean((1,), False),), 1)], ids=str)
def test_movement_on_the_way(moves: tuple[Op, ...], axis: int) -> None:
    net = Net()
    x = _layer(net, net.input(2, 4, 3))
    for move in moves:
        x = net(move, x)
    net.output(_norm(net, x, axis))
    _centred(net, 0)


def test_parts_of_a_stream() -> None:
    net = Net()
    a, b = net.all(Split(1, (1, 3)), _layer(net, net.input(2, 4, 3)))
    net.output(_norm(net, a), _norm(net, net(Add(), b, a)))
    _centred(net, 0)


def test_what_comes_from_elsewhere_is_centred_once() -> None:
    net = Net()
    x = net(Exp(), net.input(2, 4, C))
    for _ in range(3):
        x = _block(net, x)
    net.output(_norm(net, x), _norm(net, net(Add(), x, _layer(net, net.input(2, 4, 3)))))
    _centred(net, 1)


def test_what_is_normalised_has_no_mean() -> None:
    net = Net()
    x = _norm(net, net(Exp(), net.input(2, 4, C)))
    y = net(Add(), x, _layer(net, net(Exp(), x)))
    net.output(_norm(net, y))
    _centred(net, 1)


def test_two_subtractions_are_no_gain() -> None:
    net = Net()
    net.output(_norm(net, _block(net, net(Exp(), net.input(2, 4, C)))))
    check_untouched(net, CENTRE)


def _read_by(op: Op) -> Net:
    net = Net()
    x = _layer(net, net.input(2, 4, 3))
    return net.output(_norm(net, x), net(op, x))


@pytest.mark.parametrize("op", [Exp(), ReduceMean((2,), True), Split(2, (C,)), Reshape((2, 4, 3, 2)), Pad((0, 0, 1), (0, 0, 0)),
                                Pad((0, 1, 0), (0, 0, 0), "constant", 1.0)], ids=str)
def test_other_readers_need_the_mean(op: Op) -> None:
    check_untouched(_read_by(op), CENTRE)


def test_outputs_keep_their_mean() -> None:
    net = Net()
    x = _layer(net, net.input(2, 4, 3))
    check_untouched(net.output(x, _norm(net, x)), CENTRE)


@pytest.mark.parametrize("made", [
    lambda net: _layer(net, net.input(2, 4, 3), activation=Activation.RELU),
    lambda net: net(FullyConnected(), net.input(2, 4, 3), net.input(C, 3)),
    lambda net: net(Add(), _layer(net, net.input(2, 4, 3)), net.input(1, 4, 1)),
    lambda net: net(Add(activation=Activation.RELU), _layer(net, net.input(2, 4, 3)), 1.0),
], ids=["activation", "computed weights", "broadcast", "activation of a sum"])
def test_what_cannot_be_centred(made: object) -> None:
    assert callable(made)
    net = Net()
    check_untouched(net.output(_norm(net, made(net))), CENTRE)


@pytest.mark.parametrize("added", [lambda net: net.const(-0.5), lambda net: net.input(2, 4, 1)], ids=["number", "computed"])
def test_what_is_the_same_along_the_axis_is_in_no_stream(added: Callable[[Net], Value]) -> None:
    """A layer whose result is read beyond a sum with that: its mean is needed, whatever else reads it."""
    net = Net()
    x = _layer(net, net.input(2, 4, 3))
    shifted = net(Add(), x, added(net))
    check_untouched(net.output(_norm(net, x), _norm(net, shifted), net(Exp(), net(Add(), shifted, shifted))), CENTRE)


def test_groups_of_channels_mix_nothing() -> None:
    net = Net()
    conv = Conv((1, 1), (1, 1), (0, 0), (0, 0), groups=2)
    check_untouched(net.output(_norm(net, net(conv, net.input(2, 4, 3, 2), net.random_const(C, 2, 1, 1)), 1)), CENTRE)


def test_weights_shared_with_another_layer_are_copied() -> None:
    net = Net()
    w, b = net.random_const(C, 3), net.random_const(C)
    x = net(FullyConnected(), net.input(2, 4, 3), w, b)
    net.output(_norm(net, x), net(Exp(), net(FullyConnected(), net.input(2, 4, 3), w, b)))
    _centred(net, 0)
