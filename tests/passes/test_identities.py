"""Nodes that change nothing, and spellings brought to one form."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, LeakyRelu, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, FakeQuantize, Greater, LogicalAnd, LogicalOr, Maximum, Minimum, Mul, Pow, PRelu, Sub, Where
from nchw2nhwc.ops.elementwise import Abs, Cast, Exp, Identity, LogicalNot, Neg, Reciprocal, Rsqrt, Sqrt
from nchw2nhwc.ops.movement import Expand
from nchw2nhwc.ops.norm import MVN
from nchw2nhwc.ops.reduce import ReduceSum
from nchw2nhwc.passes.identities import CANONICAL, IDENTITIES
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched

IDENTITY = rule_pass("identity", IDENTITIES)
CANON = rule_pass("canon", CANONICAL)
FLOAT = np.dtype(np.float64)


def _unary(op: Op, *rest: object, shape: tuple[int, ...] = (2, 3)) -> Net:
    """exp(op(|x|)), so that what goes is inside."""
    net = Net()
    x = net(Abs(), net.input(*shape))
    return net.output(net(Exp(), net(op, x, *rest)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("op", "rest"), [
    (Identity(), ()), (Cast(FLOAT), ()), (Add(), (0.0,)), (Add(), (np.zeros(3),)), (Sub(), (np.zeros((2, 3)),)), (Mul(), (1.0,)),
    (Mul(), (np.ones((1, 3)),)), (Div(), (1.0,)), (Pow(), (1.0,)), (Clip(None, None), ())])
def test_what_changes_nothing_goes(op: Op, rest: tuple[object, ...]) -> None:
    assert check_pass(_unary(op, *rest), IDENTITY) == ["Abs", "Exp"]


@pytest.mark.parametrize(("op", "rest"), [
    (Add(), (np.array([0.0, 0.0, 1e-9]),)), (Add(), (np.zeros((1, 1, 1)),)), (Mul(), (np.ones((4, 1, 1)),)), (Mul(), (1.0 + 1e-12,)),
    (Add(Activation.RELU), (0.0,)), (Mul(Activation.RELU), (1.0,)), (Pow(), (1.5,)), (Pow(), (np.array([1.0, 2.0, 1.0]),)),
    (Pow(), (np.full((2, 1, 1), 2.0),)), (Clip(1.0, 2.0), ())])
def test_what_changes_something_stays(op: Op, rest: tuple[object, ...]) -> None:
    check_untouched(_unary(op, *rest), IDENTITY)


def test_constants_on_the_left() -> None:
    net = Net()
    x = net(Abs(), net.input(2, 3))
    net.output(net(Exp(), net(Add(), 0.0, net(Mul(), 1.0, x))))
    assert check_pass(net, IDENTITY) == ["Abs", "Exp"]
    net = Net()
    x = net(Abs(), net.input(2, 3))
    net.output(net(Sub(), 0.0, x), net(Div(), 1.0, x))
    check_untouched(net, IDENTITY)


@pytest.mark.parametrize(("exponent", "ops"), [(2, ["Mul"]), (3, ["Mul", "Mul"]), (0.5, ["Sqrt"]), (-0.5, ["Rsqrt"]), (-1, ["Reciprocal"])])
def test_simple_powers(exponent: float, ops: list[str]) -> None:
    assert check_pass(_unary(Pow(), exponent), IDENTITY) == ["Abs", *ops, "Exp"]


def test_integer_powers_only_where_exact() -> None:
    for exponent, ops in ((2, ["Mul"]), (1, [])):
        net = Net(np.int64)
        net.output(net(Neg(), net(Pow(), net.input(4), exponent)))
        assert check_pass(net, IDENTITY) == [*ops, "Neg"]
    net = Net(np.int64)
    net.output(net(Pow(), net.input(4), 3))
    check_untouched(net, IDENTITY)


@pytest.mark.parametrize("op", [MVN((2, 3), 1e-5), MVN((3,), 1e-5, inside_sqrt=False), MVN((2,), 1e-5, normalize_variance=False)])
def test_a_norm_over_one_element(op: MVN) -> None:
    assert check_pass(_unary(op, shape=(2, 3, 1, 1)), IDENTITY) == ["Abs", "Sub", "Exp"]


@pytest.mark.parametrize("op", [MVN((1, 2), 1e-5), MVN((2, 3), 0.0)])
def test_norms_that_stay(op: MVN) -> None:
    """With an epsilon of 0 the result is not a number."""
    check_untouched(_unary(op, shape=(2, 3, 1, 1)), IDENTITY)


def test_casts_that_lose_nothing_merge() -> None:
    net = Net(np.int8)
    x = net.input(4)
    net.output(net(Cast(FLOAT), net(Cast(np.dtype(np.int32)), x)))
    assert check_pass(net, IDENTITY) == ["Cast"]
    net = Net(np.int64)
    net.output(net(Cast(FLOAT), net(Cast(np.dtype(np.int8)), net.input(4))))
    check_untouched(net, IDENTITY)


def test_pairs() -> None:
    for outer, inner, ops in ((Neg(), Neg(), []), (Reciprocal(), Sqrt(), ["Rsqrt"]), (Relu(), Relu(), ["Relu"]),
                              (Relu(), Clip(1.0, 4.0), ["Clip"]), (Relu(), Clip(None, 6.0), ["Clip"]), (Clip(None, 6.0), Relu(), ["Clip"]),
                              (Clip(0.0, 3.0), Clip(-1.0, 2.0), ["Clip"]), (Clip(2.0, 3.0), Clip(0.0, 1.0), ["Clip"]),
                              (Clip(0.0, None), Clip(0.0, None), ["Relu"])):
        net = Net()
        x = net(Exp(), net.input(5))
        net.output(net(Exp(), net(outer, net(inner, net(Sub(), x, 2.0) if ops != ["Rsqrt"] else x))))
        assert [name for name in check_pass(net, IDENTITY) if name not in ("Exp", "Sub")] == ops, (outer, inner)


def test_crossing_bounds_stay() -> None:
    net = Net()
    net.output(net(Clip(3.0, 2.0), net(Clip(-1.0, 1.0), net.input(5))))
    check_untouched(net, IDENTITY)


def test_rsqrt_needs_a_root_of_its_own() -> None:
    net = Net()
    root = net(Sqrt(), net(Exp(), net.input(5)))
    net.output(net(Reciprocal(), root), root)
    check_untouched(net, IDENTITY)


def test_uniform_slopes() -> None:
    net = Net()
    net.output(net(PRelu(), net.input(2, 3, 4), np.full((3, 1), 0.25)))
    assert check_pass(net, IDENTITY) == ["LeakyRelu"]
    assert net.graph.nodes[0].op == LeakyRelu(0.25)
    net = Net()
    net.output(net(PRelu(), net.input(2, 3, 4), [[0.25], [0.25], [0.5]]))
    check_untouched(net, IDENTITY)
    net = Net()
    net.output(net(PRelu(), net.input(2, 3, dtype=np.int32), net.const(np.array([3]), np.int32)))
    check_untouched(net, IDENTITY)


def test_constant_conditions() -> None:
    for value, chosen in ((True, "Exp"), (False, "Neg")):
        net = Net()
        x = net.input(2, 3)
        net.output(net(Abs(), net(Where(), net.const(np.full(3, value), np.bool_), net(Exp(), x), net(Neg(), x))))
        assert check_pass(net, IDENTITY) == [chosen, "Abs"]


def test_an_expand_that_the_reader_does_itself() -> None:
    net = Net()
    x, y = net.input(2, 3), net.input(1, 3)
    wide = net(Expand((2, 3)), y)
    bounds = [net(Expand((2, 3)), net(Abs(), y)) for _ in range(3)]
    net.output(net(Add(), x, wide), net(Where(), net.input(2, 3, dtype=np.bool_), wide, x),
               net(FakeQuantize(4), x, -1.0, *bounds), net(PRelu(), x, wide))
    assert "Expand" not in check_pass(net, IDENTITY)


@pytest.mark.parametrize("op", [LogicalAnd(), LogicalOr()], ids=str)
def test_conditions_that_are_certain(op: Op) -> None:
    """They may repeat the other one, as in masks of attention that all queries share."""
    number = isinstance(op, LogicalAnd)
    net = Net(bool)
    x = net(LogicalNot(), net.input(1, 1, 3))
    net.output(*(net(LogicalNot(), net(op, *operands)) for operands in ((x, np.full((1, 1, 1), number)), (np.full((4, 1), number), x))))
    assert check_pass(net, IDENTITY) == ["LogicalNot", "LogicalNot", "LogicalNot", "Expand"]
    net = Net(bool)
    net.output(net(op, net.input(3), np.array([True, False, True])), net(op, net.input(3), np.array([not number])))
    check_untouched(net, IDENTITY)


def test_what_is_computed_of_an_expand() -> None:
    """Of fewer elements, until something reads it that broadcasts."""
    net = Net()
    mask = net(Expand((2, 1, 4, 3)), net(Greater(), net.input(2, 1, 1, 3), 0.0))
    y = net(Mul(), net(Neg(), net(Where(), mask, 0.0, -5.0)), 2.0)
    net.output(net(Exp(), net(Add(), net.input(2, 5, 4, 3), y)))
    assert check_pass(net, IDENTITY) == ["Greater", "Where", "Neg", "Mul", "Add", "Exp"]


def test_what_is_computed_of_an_expand_and_more_stays() -> None:
    """Another tensor that varies where it is repeated, a constant that is no number, and an Expand that something else reads."""
    net = Net()
    a, b, c = (net(Expand((4, 3)), net.input(1, 3)) for _ in range(3))
    varied = net(Where(), net(Greater(), a, net.input(3)), net.input(3), net.input(3))
    net.output(varied, net(Exp(), net(Maximum(), b, np.zeros(3))), net(Exp(), c), net(Neg(), c))
    check_untouched(net, IDENTITY)


def test_an_expand_that_makes_the_shape() -> None:
    net = Net()
    y = net.input(1, 3)
    net.output(net(Add(), net(Expand((2, 3)), y), y), net(ReduceSum((0,)), net(Expand((4, 3)), y)))
    check_untouched(net, IDENTITY)


def test_of_two_expands_one_may_be_enough() -> None:
    net = Net()
    a, b = net(Expand((4, 3)), net.input(1, 3)), net(Expand((4, 3)), net.input(4, 1))
    net.output(net(Mul(), a, b))
    assert check_pass(net, IDENTITY) == ["Mul"]


def test_outputs_stay_apart_from_inputs_constants_and_one_another() -> None:
    net = Net()
    x = net.input(2)
    y = net(Exp(), x)
    net.output(net(Identity(), x), y, net(Mul(), y, 1.0), net(Identity(), [1.0, 2.0]))
    check_untouched(net, IDENTITY)
    assert len({id(v) for v in net.graph.outputs}) == 4


def test_an_output_that_is_an_inner_value() -> None:
    net = Net()
    net.output(net(Identity(), net(Exp(), net.input(2))))
    assert check_pass(net, IDENTITY) == ["Exp"]
    assert net.graph.outputs[0].origin == "t1"


# ---- canonical spellings ---------------------------------------------------------------------------------------------
def _x(net: Net) -> Value:
    return net(Neg(), net.input(2, 3))


def test_extrema_of_numbers() -> None:
    net = Net()
    x = _x(net)
    net.output(net(Maximum(), x, 0.0), net(Minimum(), 6.0, x), net(Maximum(), x, np.full((1, 3), -1.0)))
    check_pass(net, CANON)
    assert [n.op for n in net.graph.nodes[1:]] == [Relu(), Clip(None, 6.0), Clip(-1.0, None)]


def test_extrema_of_anything_else() -> None:
    net = Net()
    x = _x(net)
    net.output(net(Maximum(), x, [0.0, 1.0, 0.0]), net(Minimum(), x, np.zeros((2, 1, 1))), net(Maximum(), x, x), net(Minimum(), x, np.nan))
    check_untouched(net, CANON)
    net = Net(np.int64)
    net.output(net(Maximum(), net.input(3), 0))
    check_untouched(net, CANON)


def test_divisions() -> None:
    net = Net()
    x = net(Exp(), net.input(2, 3))
    net.output(net(Div(), 1.0, x), net(Mul(), x, net(Reciprocal(), net(Abs(), x))), net(Mul(Activation.RELU), net(Reciprocal(), x), x))
    assert check_pass(net, CANON) == ["Exp", "Reciprocal", "Abs", "Div", "Div"]
    assert net.graph.nodes[-1].op == Div(Activation.RELU)


def test_divisions_that_stay() -> None:
    net = Net()
    x = net(Exp(), net.input(2, 3))
    r = net(Reciprocal(), x)
    net.output(net(Div(), 2.0, x), net(Div(), np.ones((4, 1, 1)), x), net(Mul(), x, r), r)
    check_untouched(net, CANON)


def test_subtractions() -> None:
    net = Net()
    x = net(Exp(), net.input(2, 3))
    net.output(net(Sub(), x, net(Neg(), net(Abs(), x))), net(Sub(), x, [1.0, 2.0, 3.0]))
    assert check_pass(net, CANON) == ["Exp", "Abs", "Add", "Add"]
    net = Net()
    net.output(net(Sub(), [1.0, 2.0], net.input(2)), net(Sub(Activation.RELU), net.input(2), 1.0))
    check_untouched(net, CANON)


def test_same_results_for_special_numbers() -> None:
    net = Net(np.float32)
    x = net.input(4)
    net.output(net(Maximum(), x, 0.5), net(Clip(None, 6.0), net(Relu(), x)), net(Rsqrt(), net(Abs(), x)))
    special = {"x0": np.array([np.inf, -np.inf, np.nan, 0], np.float32)}
    before = run(net.graph, special)
    assert rule_pass("p", IDENTITIES, CANONICAL)(net.graph) > 0
    for name, array in run(net.graph, special).items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(("op", "factor"), [(Mul(), 1 / 12), (Div(), 12.0), (Mul(), np.full(1, 1 / 12))])
def test_a_divided_sum_is_a_mean(op: Op, factor: object) -> None:
    net = Net()
    net.output(net(op, net(ReduceSum((1, 2), False), net.input("N", 3, 4)), factor))  # type: ignore[arg-type]
    assert check_pass(net, CANON) == ["ReduceMean"]


@pytest.mark.parametrize(("op", "factor"), [(Mul(), 1 / 11), (Div(), 11.0), (Mul(Activation.RELU), 1 / 12),
                                            (Mul(), np.full((5, 1), 1 / 12))])
def test_other_scaled_sums_stay(op: Op, factor: object) -> None:
    net = Net()
    net.output(net(op, net(ReduceSum((1, 2), False), net.input(1, 3, 4)), factor))  # type: ignore[arg-type]
    check_untouched(net, CANON)


def test_sums_that_are_no_mean_stay() -> None:
    net = Net()
    net.output(net(Mul(), net(ReduceSum((0,), True), net.input("N", 3)), 0.5))
    total = net(ReduceSum((0,), True), net.input(2, 3))
    net.output(net(Div(), 2.0, total), net(Mul(), total, 0.5))
    net.output(net(Mul(), net(ReduceSum((), True), net.input(2, 3)), 2.0))
    check_untouched(net, CANON)
    net = Net(np.int64)
    net.output(net(Div(), net(ReduceSum((0,), True), net.input(2, 3)), 2))
    check_untouched(net, CANON)
