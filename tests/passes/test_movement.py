"""Data movement that moves nothing, or that one op can say."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Tile, Transpose
from nchw2nhwc.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool
from nchw2nhwc.ops.reduce import ArgMax, ReduceMax, ReduceMean, ReduceProd, ReduceSum
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.recognise import STACKS
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, node_of

MOVE = rule_pass("move", MOVEMENT)
N = Dim.symbol("n")


def _inside(*ops: Op, shape: tuple[int | str, ...] = (2, 3, 4)) -> Net:
    """exp(ops(-x)), so that what goes is inside."""
    net = Net()
    x = net(Neg(), net.input(*shape))
    for op in ops:
        x = net(op, x)
    return net.output(net(Exp(), x))


def _sliced(rank: int, axis: int, start: int | None, stop: int | None, step: int = 1) -> Slice:
    return Slice(tuple(start if k == axis else None for k in range(rank)), tuple(stop if k == axis else None for k in range(rank)),
                 tuple(step if k == axis else 1 for k in range(rank)))


@pytest.mark.parametrize("op", [
    Reshape((2, 3, 4)), Expand((2, 3, 4)), Tile((1, 1, 1)), Pad((0, 0, 0), (0, 0, 0)), Transpose((0, 1, 2)), Concat(1), Split(1, (3,)),
    _sliced(3, 1, 0, 3), _sliced(3, 1, -3, 99), AdaptiveAvgPool((4,)), AdaptiveMaxPool((4,)),
    AvgPool((1,), (1,), (2,), (0,), (0,)), MaxPool((1,), (1,), (1,), (0,), (0,))])
def test_what_moves_nothing_goes(op: Op) -> None:
    assert check_pass(_inside(op), MOVE) == ["Neg", "Exp"]


@pytest.mark.parametrize("op", [
    Reshape((3, 2, 4)), Expand((2, 2, 3, 4)), Tile((1, 2, 1)), Pad((0, 0, 1), (0, 0, 0)), Transpose((0, 2, 1)),
    _sliced(3, 1, None, None, -1), _sliced(3, 1, 1, None), AdaptiveAvgPool((2,)), AvgPool((1,), (2,), (1,), (0,), (0,)),
    AvgPool((1,), (1,), (1,), (1,), (0,)), MaxPool((1,), (1,), (1,), (0,), (0,), activation=Activation.RELU)])
def test_what_moves_something_stays(op: Op) -> None:
    check_untouched(_inside(op), MOVE)


def test_symbolic_shapes() -> None:
    assert check_pass(_inside(Reshape((N, 3, 4)), shape=("n", 3, 4)), MOVE) == ["Neg", "Exp"]
    check_untouched(_inside(Reshape((N * 3, 4)), shape=("n", 3, 4)), MOVE)


def test_chains_merge() -> None:
    assert check_pass(_inside(Reshape((6, 4)), Reshape((24,)), Reshape((4, 6))), MOVE) == ["Neg", "Reshape", "Exp"]
    assert check_pass(_inside(Reshape((6, 4)), Reshape((2, 3, 4))), MOVE) == ["Neg", "Exp"]
    assert check_pass(_inside(Transpose((2, 0, 1)), Transpose((1, 2, 0))), MOVE) == ["Neg", "Exp"]
    net = _inside(Transpose((2, 0, 1)), Transpose((2, 0, 1)))
    assert check_pass(net, MOVE) == ["Neg", "Transpose", "Exp"]
    assert node_of(net.graph, "Transpose").op == Transpose((1, 2, 0))
    assert check_pass(_inside(Pad((0, 1, 0), (0, 0, 2)), Pad((0, 0, 1), (3, 0, 0))), MOVE) == ["Neg", "Pad", "Exp"]


def test_pads_with_different_contents_stay() -> None:
    for other in (Pad((0, 1, 0), (0, 0, 0), value=1.0), Pad((0, 1, 0), (0, 0, 0), "edge")):
        check_untouched(_inside(Pad((0, 0, 1), (0, 0, 0)), other), MOVE)


def test_concats() -> None:
    net = Net()
    x, y, z = (net(Neg(), net.input(2, k)) for k in (1, 2, 0))
    inner = net(Concat(1), x, y)
    net.output(net(Exp(), net(Concat(1), inner, z, x)), net(Exp(), net(Concat(1), z, y)))
    assert check_pass(net, MOVE).count("Concat") == 1
    assert len(node_of(net.graph, "Concat").inputs) == 3


def test_a_concat_with_other_readers_or_another_axis_is_not_taken_apart() -> None:
    net = Net()
    x = net.input(2, 2)
    shared = net(Concat(1), x, x)
    net.output(net(Concat(1), shared, x), shared, net(Concat(0), net(Concat(1), x, x), net(Concat(1), x, x)))
    check_untouched(net, MOVE)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_pad_of_zeros_before_a_convolution(value: float) -> None:
    net = Net()
    padded = net(Pad((0, 0, 1, 0), (0, 0, 2, 1), value=value), net.input(1, 2, 5, 5))
    net.output(net(Conv((2, 1), (1, 1), (0, 1), (0, 1)), padded, net.random_const(3, 2, 3, 3), net.random_const(3)))
    if value:
        check_untouched(net, MOVE)
        return
    assert check_pass(net, MOVE) == ["Conv"]
    op = net.graph.nodes[0].op
    assert op == Conv((2, 1), (1, 1), (1, 1), (2, 2))


def test_a_pad_of_channels_or_with_other_readers_stays() -> None:
    net = Net()
    x = net(Pad((0, 1, 0, 0), (0, 0, 0, 0)), net.input(1, 1, 5, 5))
    y = net(Pad((0, 0, 1, 1), (0, 0, 1, 1)), x)
    weights = net.random_const(3, 2, 3, 3)
    conv = Conv((1, 1), (1, 1), (0, 0), (0, 0))
    net.output(net(conv, x, weights), net(conv, y, weights), y)
    check_untouched(net, MOVE)


def test_negative_indices_wrap() -> None:
    net = Net()
    net.output(net(Gather(1), net.input(2, 5), net.const([[0, -1], [-5, 2]], np.int64)))
    assert check_pass(net, MOVE) == ["Gather"]
    np.testing.assert_array_equal(net.graph.nodes[0].input(1).const, [[0, 4], [0, 2]])


@pytest.mark.parametrize("indices", [[1, 2, 3], [0, 2, 4], [4, 3, 2, 1, 0], [3, 1], [2], [-2, -1]])
def test_evenly_spaced_indices_are_a_slice(indices: list[int]) -> None:
    net = Net()
    net.output(net(Gather(1), net.input(2, 5, 2), net.const(indices, np.int64)))
    assert check_pass(net, MOVE) == ["Slice"]


@pytest.mark.parametrize("indices", [[0, 1, 3], [1, 1], 2, [[0, 1]], []])
def test_other_indices_stay(indices: object) -> None:
    net = Net()
    net.output(net(Gather(1), net.input(2, 5, 2), net.const(indices, np.int64)))
    check_untouched(net, MOVE)


@pytest.mark.parametrize("op", [ReduceMean((2,), True), ReduceMax((0, 2), True), ArgMax(1, True)])
def test_reduced_axes_are_dropped_and_restored_by_the_reduction(op: Op) -> None:
    net = Net()
    x = net(Neg(), net.input(2, 3, 4))
    y = net(op, x)
    shape = tuple(s for k, s in enumerate(y.shape) if k not in op.axes)  # type: ignore[attr-defined]
    net.output(net(Reshape(shape), y))
    assert check_pass(net, MOVE) == ["Neg", op.name]
    back = net(Reshape(y.shape), net.graph.nodes[1].output)
    net.graph.outputs[0] = back
    assert check_pass(net, MOVE) == ["Neg", op.name]


def test_a_reduction_with_other_readers_or_another_reshape_stays() -> None:
    net = Net()
    x = net.input(2, 3, 4)
    shared = net(ReduceMean((2,), True), x)
    net.output(net(Reshape((2, 3)), shared), shared, net(Reshape((3, 2)), net(ReduceMean((2,), True), x)))
    check_untouched(net, MOVE)


def test_picks_from_an_axis_of_any_size_stay() -> None:
    """A Slice takes fewer where there are fewer; a Gather does not."""
    net = Net()
    net.output(net(Gather(0), net.input("n", 3), net.const([0, 1], np.int64)))
    check_untouched(net, MOVE)


def test_global_pools() -> None:
    net = Net()
    x = net(Neg(), net.input(2, 3, 4, 5))
    one, none = (1, 1), (0, 0)
    net.output(net(AvgPool((4, 5), (4, 5), one, none, none), x), net(MaxPool((4, 5), one, one, none, none), x),
               net(AdaptiveAvgPool(one), x), net(AdaptiveMaxPool(one), x))
    assert sorted(check_pass(net, MOVE)) == ["Neg", "ReduceMax", "ReduceMax", "ReduceMean", "ReduceMean"]


def test_pools_that_are_not_global() -> None:
    net = Net()
    x = net(Neg(), net.input(2, 3, 4, 5))
    one, none = (1, 1), (0, 0)
    net.output(net(AvgPool((4, 4), one, one, none, none), x), net(AvgPool((4, 5), one, one, (1, 0), none), x),
               net(AvgPool((4, 5), (1, 1), one, none, (0, 1), count_include_pad=True), x),
               net(MaxPool((4, 5), one, one, none, none, activation=Activation.RELU), x))
    check_untouched(net, MOVE)


def test_expands_and_tiles_of_single_elements() -> None:
    net = Net()
    x = net.input(1, 3)
    net.output(net(Exp(), net(Expand((1, 1, 3)), x)), net(Add(), net(Tile((2, 1)), x), net.input(2, 3)))
    assert check_pass(net, MOVE) == ["Reshape", "Exp", "Expand", "Add"]


def test_a_split_has_no_empty_results() -> None:
    net = Net()
    a, nothing, b = net.all(Split(1, (1, 0, 3)), net.input(2, 4))
    net.output(net(Concat(1), b, nothing, a))
    check_pass(net, MOVE)
    assert node_of(net.graph, "Split").op == Split(1, (1, 3))


def test_slices_that_share_out_a_value_are_a_split() -> None:
    net = Net()
    x = net(Neg(), net.input(2, 6))
    parts = [net(_sliced(2, 1, *ends), x) for ends in ((4, 99), (0, 2), (-4, 4), (None, 2))]
    net.output(net(Concat(1), *parts))
    assert check_pass(net, MOVE) == ["Neg", "Split", "Concat"]
    assert node_of(net.graph, "Split").op == Split(1, (2, 2, 2))


@pytest.mark.parametrize("ends", [[(0, 2), (3, 6)], [(0, 3), (2, 6)], [(0, 3)], [(0, 3), (0, 4)], [(1, 3), (3, 6)]])
def test_slices_with_gaps_or_overlaps_stay(ends: list[tuple[int, int]]) -> None:
    net = Net()
    x = net.input(2, 6)
    net.output(*(net(_sliced(2, 1, *e), x) for e in ends))
    check_untouched(net, MOVE)


def test_equal_slices_that_are_outputs_stay_two() -> None:
    net = Net()
    x = net.input(2, 6)
    net.output(*(net(_sliced(2, 1, *ends), x) for ends in ((0, 3), (0, 3), (3, 6))))
    check_untouched(net, MOVE)


@pytest.mark.parametrize("first", [(None, None, 2), (1, 8, 1), (None, None, -1), (-2, None, -3), (8, 1, -2)], ids=str)
@pytest.mark.parametrize("second", [(1, None, 2), (None, None, -1), (-2, None, 1), (2, 0, -1)], ids=str)
def test_a_slice_of_a_slice(first: tuple[int | None, int | None, int], second: tuple[int | None, int | None, int]) -> None:
    net = Net()
    y = net(_sliced(3, 1, *second), net(_sliced(3, 1, *first), net(Neg(), net.input(2, 9, "n"))))
    net.output(net(Exp(), net(Slice((None, None, 1), (None,) * 3, (1, 1, 1)), y)))
    assert check_pass(net, MOVE) == ["Neg", "Slice", "Exp"]


def test_slices_of_what_others_read_stay() -> None:
    net = Net()
    y = net(_sliced(2, 0, 1, None), net(Neg(), net.input(4, 6)))
    net.output(net(Exp(), net(_sliced(2, 1, 1, None), y)), net(Exp(), y))
    check_untouched(net, MOVE)


def test_all_elements_in_order() -> None:
    net = Net()
    net.output(net(Gather(1), net.input(2, 6), net.const([[[0, 1, 2], [3, 4, 5]]], np.int64)))
    assert check_pass(net, MOVE) == ["Reshape"]


# ---- stacks ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("op", "name"), [(ReduceSum, "Add"), (ReduceMean, "Add"), (ReduceMax, "Maximum"), (ReduceProd, "Mul")])
def test_a_reduced_stack(op: type[ReduceSum], name: str, keepdims: bool) -> None:
    net = Net()
    parts = [net(Reshape((2, 3, 1)), net(Exp(), net.input(2, 3))) for _ in range(3)]
    y = net(op((2,), keepdims), net(Concat(2), *parts))
    net.output(net(Neg(), y))
    after = check_pass(net, rule_pass("stacks", STACKS, MOVEMENT))
    assert after.count(name) >= 2
    assert not {"Concat", op.__name__} & set(after)
    assert after.count("Reshape") == (3 if keepdims else 0)


def test_other_stacks_stay() -> None:
    stacks = rule_pass("stacks", STACKS)
    net = Net()
    x = net.input(2, 3, 1)
    shared = net(Concat(2), x, x)
    net.output(net(ReduceSum((2,)), shared), shared, *(net(ReduceSum(axes), net(Concat(2), x, x)) for axes in ((1,), (1, 2))),
               net(ReduceSum((2,)), net(Concat(2), x, shared)), net(ReduceSum((2,)), net(Concat(2), *[x] * 9)))
    check_untouched(net, stacks)
    net = Net()
    net.output(net(Mul(), net.input(1), 2.0))
    check_untouched(net, stacks)
