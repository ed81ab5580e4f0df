"""Scales and shifts merged with one another."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Mul, Sub
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.norm import BatchNorm
from nchw2nhwc.passes.affine import AFFINE
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched

MERGE = rule_pass("merge", AFFINE)
C = (3, 1, 1)


def _batch_norm(net: Net, x: Value, channels: int = 3, epsilon: float = 1e-3) -> Value:
    return net(BatchNorm(epsilon), x, net.random_const(channels), net.random_const(channels), net.random_const(channels),
               net.const(net.random.uniform(0.5, 2, channels)))


def _chain(*steps: tuple[Op, float | Array]) -> Net:
    """exp of one op with a constant after the other."""
    net = Net()
    x = net.input(2, 3, 2, 2)
    for op, constant in steps:
        x = net(op, x, constant)
    return net.output(net(Exp(), x))


def _c(seed: float, shape: tuple[int, ...] = C) -> Array:
    return np.cos(np.arange(np.prod(shape)).reshape(shape) + seed) + 1.5


def test_batch_norm_is_a_scale_and_a_shift() -> None:
    net = Net()
    net.output(_batch_norm(net, net.input(2, 3, 2, 2)))
    assert check_pass(net, MERGE) == ["Mul", "Add"]
    assert net.graph.nodes[1].output.origin == "t1"


def test_batch_norm_along_another_axis() -> None:
    net = Net()
    parameters = [net.const(net.random.uniform(0.5, 2, 4)) for _ in range(4)]
    net.output(net(BatchNorm(1e-3, axis=2), net.input(2, 3, 4), *parameters))
    assert check_pass(net, MERGE) == ["Mul", "Add"]


def test_batch_norm_with_computed_or_bad_parameters_stays() -> None:
    net = Net()
    p = net.input(3)
    x = net.input(2, 3, 2)
    bad = [net.const(v) for v in (np.ones(3), np.zeros(3), np.zeros(3), np.full(3, -1.0))]
    net.output(net(BatchNorm(), x, p, p, p, p), net(Exp(), net(BatchNorm(), x, *bad)))
    check_untouched(net, MERGE)


def test_chains_take_as_few_nodes_as_they_can() -> None:
    for steps, ops in (
            ([(Mul(), _c(1)), (Mul(), 2.0)], ["Mul"]),
            ([(Add(), _c(1)), (Sub(), _c(2))], ["Add"]),
            ([(Mul(), _c(1)), (Add(), 1.0), (Div(), _c(2)), (Add(), _c(3, (1, 1, 1)))], ["Mul", "Add"]),
            ([(Div(), 4.0), (Mul(), 4.0)], []),
            ([(Sub(), 1.0), (Add(), 1.0)], [])):
        assert check_pass(_chain(*steps), MERGE) == [*ops, "Exp"], steps


def test_negation_and_differences_from_a_constant_join_in() -> None:
    net = Net()
    x = net(Neg(), net(Sub(), 1.0, net.input(2, 3)))
    net.output(net(Mul(), x, 2.0))
    assert sorted(check_pass(net, MERGE)) == ["Add", "Mul"]


def test_nothing_to_gain() -> None:
    shared = Net()
    y = shared(Mul(), shared.input(2, 3), 2.0)
    shared.output(shared(Mul(), y, 3.0), y)
    for net in (_chain((Mul(), _c(1)), (Add(), _c(2))), _chain((Add(), _c(1)), (Mul(), _c(2))),
                _chain((Mul(Activation.RELU), 2.0), (Mul(), 3.0)), _chain((Mul(), 2.0), (Mul(), _c(1, (5, 1, 1, 1, 1)))), shared):
        check_untouched(net, MERGE)


def test_constants_along_different_axes_are_not_multiplied_out() -> None:
    check_untouched(_chain((Mul(), _c(1)), (Mul(), _c(1, (1, 2)))), MERGE)
    assert check_pass(_chain((Mul(), _c(1)), (Mul(), _c(1, (1, 3, 2, 2)))), MERGE) == ["Mul", "Exp"]


def test_division_by_zero_stays() -> None:
    check_untouched(_chain((Div(), 0.0), (Mul(), 2.0)), MERGE)


def test_integers_stay() -> None:
    net = Net(np.int64)
    net.output(net(Mul(), net(Div(), net.input(4), 2), 2))
    check_untouched(net, MERGE)


def test_constants_are_rounded_once() -> None:
    net = Net(np.float32)
    x = net.input(1)
    thirds = [net(Mul(), x, np.float32(1) / np.float32(3))]
    for _ in range(20):
        thirds.append(net(Mul(), thirds[-1], np.float32(1.1)))
    net.output(thirds[-1])
    assert MERGE(net.graph) > 0
    (node,) = net.graph.nodes
    exact = float(np.float32(1) / np.float32(3)) * float(np.float32(1.1)) ** 20
    assert node.input(1).const == np.float32(exact)


def test_an_output_inside_of_the_chain_stays() -> None:
    net = Net()
    a = net(Mul(), net.input(3), 2.0)
    b = net(Mul(), a, 3.0)
    net.output(a, net(Mul(), b, 4.0))
    assert check_pass(net, MERGE) == ["Mul", "Mul"]


def test_a_chain_that_is_nothing_keeps_outputs_apart() -> None:
    net = Net()
    net.output(net(Mul(), net(Div(), net.input(3), 4.0), 4.0))
    check_untouched(net, MERGE)


def test_common_factors() -> None:
    net = Net()
    a, b, c = (net(Exp(), net.input(2, 3)) for _ in range(3))
    net.output(net(Sub(), net(Add(), net(Div(), a, 3.5), net(Div(), b, 3.5)), net(Mul(), c, 1 / 3.5)))
    assert check_pass(net, MERGE).count("Mul") == 1


def test_different_or_shared_factors_stay() -> None:
    net = Net()
    x, y = net.input(2, 3), net.input(2, 3)
    a, b = net(Mul(), x, 2.0), net(Mul(), y, 2.0)
    net.output(net(Add(), a, b), a, net(Add(), net(Mul(), x, 2.0), net(Mul(), y, 3.0)), net(Add(), net(Mul(), x, [1.0, 2.0, 3.0]), b))
    check_untouched(net, MERGE)

