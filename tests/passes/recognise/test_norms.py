"""Normalisations in the spellings of exporters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Maximum, Mul, Pow, SquaredDifference, Sub
from nchw2nhwc.ops.elementwise import Exp, Reciprocal, Rsqrt, Sqrt
from nchw2nhwc.ops.movement import Concat, Expand, Reshape
from nchw2nhwc.ops.norm import MVN, NormalizeL2
from nchw2nhwc.ops.reduce import ReduceL2, ReduceMean, ReduceSum, ReduceSumSquare
from nchw2nhwc.passes.constants import MERGE_EQUAL
from nchw2nhwc.passes.identities import CANONICAL, IDENTITIES
from nchw2nhwc.passes.recognise import LENGTHS, NORMS
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, node_of, ops_of

Build = Callable[[Net, Value], Value]
SIMPLIFY = rule_pass("simplify", IDENTITIES, CANONICAL)
RECOGNISE = rule_pass("recognise", NORMS, LENGTHS)
LAST = ReduceMean((2,), True)
GAMMA, BETA = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.2, 0.3, 0.4])


def _torch(net: Net, x: Value, mean: ReduceMean = LAST, power: float = 2.0, eps: float = 1e-5) -> Value:
    centred = net(Sub(), x, net(mean, x))
    other = net(Sub(), x, net(mean, x))
    return net(Div(), centred, net(Sqrt(), net(Add(), net(mean, net(Pow(), other, power)), eps)))


def _keras_terms(net: Net, x: Value, *, gamma: bool) -> tuple[Value, Value, Value]:
    """The mean, gamma / sqrt(variance + epsilon), and x times that."""
    mu = net(LAST, x)
    r = net(Rsqrt(), net(Add(), net(LAST, net(SquaredDifference(), x, mu)), 1e-3))
    r = net(Mul(), r, GAMMA) if gamma else r
    return mu, r, net(Mul(), x, r)


def _keras(net: Net, x: Value, *, gamma: bool) -> Value:
    mu, r, scaled = _keras_terms(net, x, gamma=gamma)
    return net(Add(), scaled, net(Sub(), BETA, net(Mul(), mu, r)))


def _keras_3(net: Net, x: Value, *, beta: bool, number: float = -1.0) -> Value:
    mu, r, scaled = _keras_terms(net, x, gamma=True)
    shift = net(Mul(), net(Mul(), mu, number), r)
    return net(Add(), scaled, net(Add(), shift, BETA) if beta else shift)


def _keras_difference(net: Net, x: Value, *, swapped: bool = False) -> Value:
    mu, r, scaled = _keras_terms(net, x, gamma=False)
    shift = net(Mul(), mu, r)
    return net(Sub(), shift, scaled) if swapped else net(Sub(), net(Add(), BETA, scaled), shift)


def _outside(net: Net, x: Value) -> Value:
    centred = net(Sub(), x, net(LAST, x))
    return net(Div(), centred, net(Add(), net(Sqrt(), net(LAST, net(Mul(), centred, centred))), 1e-6))


def _rsqrt(net: Net, x: Value) -> Value:
    mean = net(LAST, x)
    return net(Mul(), net(Rsqrt(), net(Add(), 1e-5, net(LAST, net(SquaredDifference(), x, mean)))), net(Sub(), x, mean))


def _gamma_first(net: Net, x: Value) -> Value:
    centred = net(Sub(), x, net(LAST, x))
    return net(Div(), net(Mul(), centred, GAMMA), net(Sqrt(), net(Add(), net(LAST, net(Mul(), centred, centred)), 1e-5)))


def _flax(net: Net, x: Value, *, keepdims: bool = False, floor: bool = True, axis: int = 2, gamma: bool = True) -> Value:
    """The variance as the mean of squares less the square of the mean; means as sums times 1 / n."""
    size, kept = (2, 3, 4)[axis], tuple(1 if k == axis else s for k, s in enumerate((2, 3, 4)))
    def mean(value: Value) -> Value:
        return net(Mul(), net(ReduceSum((axis,), keepdims), value), 1 / size)

    def restored(value: Value) -> Value:
        return value if keepdims else net(Reshape(kept), value)

    mu = mean(x)
    variance = net(Sub(), mean(net(Mul(), x, x)), net(Mul(), mu, mu))
    variance = restored(net(Maximum(), 0.0, variance) if floor else variance)
    r = net(Reciprocal(), net(Sqrt(), net(Add(), variance, 1e-6)))
    r = net(Mul(), r, GAMMA) if gamma else r
    return net(Mul(), net(Sub(), x, restored(mu)), r)


FOUND: list[tuple[str, list[str], Op, Build]] = [
    ("flax", ["MVN", "Mul"], MVN((2,), 1e-6), _flax),
    ("flax, axes kept", ["MVN", "Mul"], MVN((2,), 1e-6), lambda net, x: _flax(net, x, keepdims=True)),
    ("flax, first axis", ["MVN"], MVN((0,), 1e-6), lambda net, x: _flax(net, x, axis=0, gamma=False)),
    ("flax, no least variance", ["MVN"], MVN((2,), 1e-6), lambda net, x: _flax(net, x, floor=False, gamma=False)),
    ("torch", ["MVN"], MVN((2,), 1e-5), _torch),
    ("torch, two axes", ["MVN"], MVN((1, 2), 1e-5), lambda net, x: _torch(net, x, ReduceMean((1, 2), True))),
    ("times reciprocal", ["MVN"], MVN((2,), 1e-5), lambda net, x: net(Mul(), net(Sub(), x, net(LAST, x)), net(Reciprocal(), net(Sqrt(), net(
        Add(), net(LAST, net(SquaredDifference(), net(LAST, x), x)), 1e-5))))),
    ("rsqrt", ["MVN"], MVN((2,), 1e-5), _rsqrt),
    ("power -0.5", ["MVN"], MVN((2,), 1e-5), lambda net, x: net(Mul(), net(Sub(), x, net(LAST, x)), net(Pow(), net(Add(), net(LAST, net(
        Pow(), net(Sub(), x, net(LAST, x)), 2.0)), 1e-5), -0.5))),
    ("epsilon outside", ["MVN"], MVN((2,), 1e-6, inside_sqrt=False), _outside),
    ("gamma first", ["MVN", "Mul"], MVN((2,), 1e-5), _gamma_first),
    ("keras", ["MVN", "Mul", "Add"], MVN((2,), 1e-3), lambda net, x: _keras(net, x, gamma=True)),
    ("keras without scale", ["MVN", "Add"], MVN((2,), 1e-3), lambda net, x: _keras(net, x, gamma=False)),
    ("keras 3", ["MVN", "Mul", "Add"], MVN((2,), 1e-3), lambda net, x: _keras_3(net, x, beta=True)),
    ("keras 3 without beta", ["MVN", "Mul"], MVN((2,), 1e-3), lambda net, x: _keras_3(net, x, beta=False)),
    ("keras, a difference", ["MVN", "Add"], MVN((2,), 1e-3), _keras_difference),
    ("torch normalize", ["NormalizeL2"], NormalizeL2((2,), 1e-4, "max"), lambda net, x: net(
        Div(), x, net(Expand((2, 3, 4)), net(Maximum(), net(ReduceL2((2,), True), x), 1e-2)))),
    ("tf normalize", ["NormalizeL2"], NormalizeL2((2,), 1e-3, "max"), lambda net, x: net(
        Mul(), x, net(Rsqrt(), net(Maximum(), net(ReduceSum((2,), True), net(Mul(), x, x)), 1e-3)))),
    ("root of sum", ["NormalizeL2"], NormalizeL2((1,), 1e-3), lambda net, x: net(
        Div(), x, net(Sqrt(), net(Add(), 1e-3, net(ReduceSumSquare((1,), True), x))))),
    ("least root", ["NormalizeL2"], NormalizeL2((1,), 1e-4, "max"), lambda net, x: net(
        Div(), x, net(Maximum(), net(Sqrt(), net(ReduceSum((1,), True), net(Pow(), x, 2.0))), 1e-2))),
    ("length", ["NormalizeL2"], NormalizeL2((1, 2), 0.0), lambda net, x: net(Div(), x, net(ReduceL2((1, 2), True), x))),
]


def _net(build: Build) -> Net:
    net = Net()
    x = net(Concat(1), *[net.input(2, 1, 4) for _ in range(3)])
    y = build(net, x)
    net.output(net(Concat(0), y, y))
    SIMPLIFY(net.graph)
    MERGE_EQUAL(net.graph)
    return net


@pytest.mark.parametrize(("ops", "op", "build"), [f[1:] for f in FOUND], ids=[f[0] for f in FOUND])
def test_spellings(ops: list[str], op: Op, build: Build) -> None:
    net = _net(build)
    assert check_pass(net, RECOGNISE, 1e-9) == ["Concat", *ops, "Concat"]
    found = node_of(net.graph, op.name).op
    assert vars(found)["epsilon"] == pytest.approx(vars(op)["epsilon"])
    assert replace(found, epsilon=0.0) == replace(op, epsilon=0.0)  # type: ignore[call-arg]


def _uncentred(net: Net, x: Value) -> Value:
    return net(Div(), x, net(Sqrt(), net(Add(), net(LAST, net(Mul(), x, x)), 1e-5)))


def _shifted(net: Net, x: Value) -> Value:
    return net(Div(), net(Sub(), x, 0.5), net(Sqrt(), net(LAST, net(SquaredDifference(), x, net(LAST, x)))))


def _other_axis(net: Net, x: Value) -> Value:
    centred = net(Sub(), x, net(LAST, x))
    return net(Div(), centred, net(Sqrt(), net(ReduceMean((1,), True), net(Mul(), centred, centred))))


def _two_epsilons(net: Net, x: Value) -> Value:
    centred = net(Sub(), x, net(LAST, x))
    return net(Div(), centred, net(Add(), net(Sqrt(), net(Add(), net(LAST, net(Mul(), centred, centred)), 1e-3)), 1e-3))


def _squares(net: Net, x: Value, above: Callable[[Value, Value], Value], axis: int = 2) -> Value:
    """x - mean over a root of what `above` makes of the mean of squares and the mean."""
    mu, squares = net(LAST, x), net(ReduceMean((axis,), True), net(Mul(), x, x))
    return net(Div(), net(Sub(), x, mu), net(Sqrt(), net(Add(), above(squares, mu), 1e-5)))


WRONG: list[tuple[str, Build]] = [
    ("square less squares", lambda net, x: _squares(net, x, lambda squares, mu: net(Sub(), net(Mul(), mu, mu), squares))),
    ("squares less mean", lambda net, x: _squares(net, x, lambda squares, mu: net(Sub(), squares, net(Mul(), mu, net(Exp(), mu))))),
    ("squares over another axis", lambda net, x: _squares(net, x, lambda squares, mu: net(Sub(), squares, net(Mul(), mu, mu)), 1)),
    ("the mean added", lambda net, x: _keras_3(net, x, beta=True, number=1.0)),
    ("a part of the mean", lambda net, x: _keras_3(net, x, beta=False, number=-0.5)),
    ("mean less x", lambda net, x: _keras_difference(net, x, swapped=True)),
    ("cubed", lambda net, x: _torch(net, x, power=3.0)),
    ("negative epsilon", lambda net, x: _torch(net, x, eps=-1e-5)),
    ("no mean taken off", _uncentred),
    ("another mean", _shifted),
    ("another axis", _other_axis),
    ("two epsilons", _two_epsilons),
    ("length plus epsilon", lambda net, x: net(Div(), x, net(Add(), net(ReduceL2((2,), True), x), 1e-3))),
    ("another's length", lambda net, x: net(Div(), x, net(ReduceL2((2,), True), net(Exp(), x)))),
    ("product of two", lambda net, x: net(Div(), x, net(Sqrt(), net(ReduceSum((2,), True), net(Mul(), x, net(Exp(), x)))))),
]


@pytest.mark.parametrize("build", [w[1] for w in WRONG], ids=[w[0] for w in WRONG])
def test_near_misses_stay(build: Build) -> None:
    net = _net(build)
    before = ops_of(net.graph)
    assert RECOGNISE(net.graph) == 0
    assert ops_of(net.graph) == before


@pytest.mark.parametrize("name", ["ReduceMean", "Sub", "Sqrt"])
def test_an_inner_value_with_other_readers_stays(name: str) -> None:
    net = _net(_torch)
    net.output(next(n.output for n in net.graph.nodes if n.op.name == name))
    assert RECOGNISE(net.graph) == 0


def test_a_variance_from_means_of_squares_is_not_computed_that_way() -> None:
    """Values far from 0 that differ little: in float32 the difference of squares keeps no digit of the variance."""
    net = Net(np.float32)
    net.output(_flax(net, net.input(2, 3, 4), gamma=False))
    x = (1000 + np.random.default_rng(0).normal(0, 0.01, (2, 3, 4))).astype(np.float32)
    exact = x - x.mean(2, keepdims=True, dtype=np.float64)
    exact /= np.sqrt(np.square(exact).mean(2, keepdims=True) + 1e-6)
    spelled = run(net.graph, {"x0": x})["y0"]
    for step in (SIMPLIFY, RECOGNISE):
        step(net.graph)
    assert np.abs(spelled - exact).max() > 0.1
    assert np.abs(run(net.graph, {"x0": x})["y0"] - exact).max() < 1e-5


def test_reduced_axes_that_are_dropped_do_not_match() -> None:
    net = Net()
    x = net.input(4, 4)
    net.output(net(Div(), x, net(ReduceL2((1,), False), x)))
    assert RECOGNISE(net.graph) == 0


@pytest.mark.parametrize(("shape", "middle", "axes", "wanted"), [
    ((2, 4, 3, 5), (2, 1, 60), (2,), (1, 2, 3)), ((2, 4, 3, 5), (2, 4, 15), (2,), (2, 3)), ((2, 4, 3, 5), (8, 3, 5), (0, 2), (0, 1, 3)),
    ((2, 4, 1, 5), (2, 4, 5), (2,), (3,))])
def test_over_merged_axes(shape: tuple[int, ...], middle: tuple[int, ...], axes: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    net = Net()
    net.output(net(Reshape(shape), net(MVN(axes, 1e-3), net(Reshape(middle), net.input(*shape)))))
    assert check_pass(net, RECOGNISE) == ["MVN"]
    assert net.graph.nodes[0].op == MVN(wanted, 1e-3)


def test_groups_of_channels_stay_reshaped() -> None:
    net = Net()
    net.output(net(Reshape((2, 4, 3, 5)), net(MVN((2,), 1e-3), net(Reshape((2, 2, 30)), net.input(2, 4, 3, 5)))),
               net(Reshape((4, 2, 15)), net(MVN((2,), 1e-3), net(Reshape((2, 4, 15)), net.input(2, 4, 3, 5)))))
    assert RECOGNISE(net.graph) == 0
