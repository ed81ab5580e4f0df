"""Moves of many axes become moves of few, with blocks of images taken apart before or put together behind."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nchw2nhwc.emit.tflite.rules_blocks import BLOCKS
from nchw2nhwc.emit.tflite.rules_moves import MOVES
from nchw2nhwc.ir import Dim, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.elementwise import Neg
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Expand, Reshape, Transpose
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, count_ops, feeds, node_of

MOVE = rule_pass("move", BLOCKS, MOVEMENT)
TIDY = rule_pass("tidy", MOVES, MOVEMENT)


def net32() -> Net:
    return Net(np.float32)


def moved(net: Net, image: Value, cut: tuple[int, ...], perm: tuple[int, ...], seen: tuple[int, ...]) -> Value:
    return net(Neg(), net(Reshape(seen), net(Transpose(perm), net(Reshape(cut), image))))


def test_windows_for_heads() -> None:
    """Swin: windows, and queries, keys and values of several heads, from an image."""
    net = net32()
    net.output(moved(net, net(Neg(), net.input(1, 8, 8, 18)), (2, 4, 2, 4, 3, 2, 3), (4, 5, 0, 2, 1, 3, 6), (24, 16, 3)))
    assert check_pass(net, MOVE) == ["Neg", "SpaceToDepth", "Reshape", "Transpose", "Reshape", "Neg"]
    assert node_of(net.graph, "SpaceToDepth").input(0).shape == (1, 8, 8, 18)
    assert node_of(net.graph, "Transpose").input(0).shape == (64, 6, 3)


def test_an_image_from_windows() -> None:
    net = net32()
    net.output(moved(net, net(Neg(), net.input(8, 16, 3)), (2, 2, 2, 4, 4, 3), (1, 3, 2, 4, 0, 5), (1, 8, 8, 6)))
    assert check_pass(net, MOVE) == ["Neg", "Reshape", "Transpose", "Reshape", "DepthToSpace", "Neg"]


def test_nothing_but_blocks() -> None:
    net = net32()
    net.output(moved(net, net(Neg(), net.input(3, 4, 6, 5)), (3, 2, 2, 3, 2, 5), (0, 1, 3, 2, 4, 5), (18, 20)))
    assert check_pass(net, MOVE) == ["Neg", "SpaceToDepth", "Reshape", "Neg"]
    assert node_of(net.graph, "SpaceToDepth").input(0).shape == (3, 4, 6, 5)


def test_a_batch_of_any_size() -> None:
    net, n = net32(), Dim.symbol("n")
    x = net(Neg(), net.input("n", 4, 4, 12))
    y = net(Transpose((5, 0, 1, 3, 2, 4, 6)), net(Reshape((n, 2, 2, 2, 2, 4, 3)), x))
    net.output(net(Neg(), net(Reshape((n * 16, 4, 3)), y)))
    assert count_ops(net.graph)["SpaceToDepth"] == 0
    check_pass(net, MOVE)
    assert count_ops(net.graph)["SpaceToDepth"] == 1
    assert node_of(net.graph, "Transpose").input(0).rank <= 4


def test_axes_that_stay_together() -> None:
    net = net32()
    net.output(net(Neg(), net(Transpose((3, 4, 0, 1, 2)), net.input(2, 3, 1, 5, 7))))
    assert check_pass(net, MOVE) == ["Reshape", "Transpose", "Reshape", "Neg"]
    assert node_of(net.graph, "Transpose").input(0).shape == (6, 35)


def test_moves_that_stay() -> None:
    for shape, dtype in (((2, 3, 4, 5, 6), np.float32), ((2, 4, 3, 4, 6), np.float64), ((2, 0, 3, 4, 6), np.float32)):
        net = Net(dtype)
        net.output(net(Neg(), net(Transpose((4, 2, 0, 3, 1)), net.input(*shape))))
        check_untouched(net, MOVE)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.sampled_from([1, 2, 2, 2, 3]), min_size=5, max_size=7), data=st.data())
def test_any_move(sizes: list[int], data: st.DataObject) -> None:
    """Whatever moves, and in whatever shape it is seen before and behind, the same comes out."""
    net, elements = net32(), int(np.prod(sizes))
    views = [(elements,), (1, elements), tuple(sizes), tuple(sizes[::-1]), (sizes[0], elements // sizes[0])]
    x = net(Reshape(tuple(sizes)), net.input(*data.draw(st.sampled_from(views))))
    y = net(Transpose(tuple(data.draw(st.permutations(range(len(sizes)))))), x)
    net.output(net(Neg(), net(Reshape(data.draw(st.sampled_from(views))), y)))
    inputs = feeds(net.graph)
    before = run(net.graph, inputs)
    rule_pass("all", BLOCKS, MOVES, MOVEMENT)(net.graph)
    verify(net.graph)
    np.testing.assert_array_equal(run(net.graph, inputs)["y0"], before["y0"])


# ---- axes of what is around a move -------------------------------------------------------------------------------------
def test_axes_of_the_operand() -> None:
    net = net32()
    y = net(Transpose((1, 0, 2)), net(Reshape((3, 20, 2)), net(Neg(), net.input(3, 4, 5, 2))))
    net.output(net(Neg(), net(Reshape((4, 30)), y)))
    assert check_pass(net, TIDY) == ["Neg", "Transpose", "Reshape", "Neg"]
    assert node_of(net.graph, "Transpose").op == Transpose((1, 2, 0, 3))


def test_axes_of_the_result() -> None:
    net = net32()
    y = net(Transpose((1, 0, 2)), net(Reshape((20, 3, 2)), net(Neg(), net.input(4, 30))))
    net.output(net(Neg(), net(Reshape((3, 4, 5, 2)), y)))
    assert check_pass(net, TIDY) == ["Neg", "Reshape", "Transpose", "Neg"]
    assert node_of(net.graph, "Transpose").op == Transpose((2, 0, 1, 3))


def test_a_move_that_others_see_stays() -> None:
    net = net32()
    y = net(Transpose((1, 0, 2)), net(Reshape((3, 20, 2)), net(Neg(), net.input(3, 4, 5, 2))))
    net.output(net(Neg(), net(Reshape((4, 30)), y)), net(Neg(), y))
    check_untouched(net, TIDY)


def test_rows_that_a_layer_counts_itself() -> None:
    """Heads of attention go on to a fully connected layer in whatever shape."""
    net = net32()
    y = net(Transpose((1, 0, 2)), net(Reshape((3, 5, 2)), net(Neg(), net.input(1, 3, 5, 2))))
    weights = net.const(np.ones((4, 6)))
    net.output(net(FullyConnected(False), y, weights), net(FullyConnected(False), net(Reshape((15, 2)), y), weights))
    assert check_pass(net, TIDY) == ["Neg", "Transpose", "FullyConnected", "FullyConnected"]


def test_two_values_that_repeat_each_other() -> None:
    net = net32()
    a, b = net(Expand((2, 3, 4)), net.input(2, 1, 4)), net(Expand((2, 3, 4)), net.input(2, 3, 1))
    net.output(net(Add(), a, b))
    assert check_pass(net, TIDY) == ["Add"]


def test_arithmetic_of_views_without_leading_ones() -> None:
    net = net32()
    a, b = net(Reshape((1, 2, 3, 1, 4)), net.input(6, 4)), net(Reshape((1, 2, 3, 5, 1)), net.input(6, 5))
    net.output(net(Neg(), net(Reshape((6, 20)), net(Mul(), net(Add(), a, b), net.const(np.ones((5, 4)))))))
    assert check_pass(net, TIDY) == ["Reshape", "Reshape", "Add", "Mul", "Reshape", "Neg"]
    assert node_of(net.graph, "Mul").output.rank == 4


def test_rows_of_a_view_that_is_moved() -> None:
    """Queries per head as an image, of which layers make relative positions, and as rows: nothing needs the image's axes."""
    net = net32()
    x = net(Reshape((4, 5, 2, 3)), net(Neg(), net.input(20, 2, 3)))
    y = net(Transpose((2, 0, 1, 3)), x)
    relative = net(FullyConnected(), y, net.random_const(7, 3))
    net.output(net(Neg(), net(Reshape((2, 20, 3)), y)), net(Neg(), net(Reshape((2, 140)), relative)))
    assert check_pass(net, TIDY) == ["Neg", "Transpose", "FullyConnected", "Neg", "Reshape", "Neg"]
    assert node_of(net.graph, "Transpose").op == Transpose((1, 0, 2))


def test_rows_of_a_view_that_are_read_in_their_shape_stay() -> None:
    net = net32()
    layer = net(FullyConnected(), net(Reshape((4, 5, 3)), net(Neg(), net.input(20, 3))), net.random_const(7, 3))
    net.output(net(Neg(), net(Reshape((140,)), layer)), layer)
    check_untouched(net, TIDY)


def test_leading_axes_that_broadcasting_adds() -> None:
    net = net32()
    x, y = net(Neg(), net.input(4, 5)), net(Neg(), net.input(1, 4, 5))
    row = net(Mul(), net(Reshape((1, 1, 1, 5)), net(Neg(), net.input(1, 5))), 2.0)
    net.output(net(Neg(), net(Add(), net(Reshape((1, 4, 5)), x), y)), net(Neg(), net(Add(), net.input(1, 3, 4, 5), row)))
    assert "Reshape" not in check_pass(net, TIDY)


def test_leading_axes_that_the_result_needs_stay() -> None:
    net = net32()
    x, y = net(Neg(), net.input(4, 5)), net(Neg(), net.input(4, 5))
    inserted = net(Add(), net(Reshape((4, 1, 5)), y), net.input(4, 3, 5))
    net.output(net(Neg(), net(Add(), net(Reshape((1, 4, 5)), x), y)), net(Neg(), inserted))
    check_untouched(net, TIDY)
