"""Reshapes move down and meet: nothing of what is computed changes, and fewer of them are left."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite.rules_views import VIEWS
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.elementwise import Exp, Neg
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Reshape, Slice, Split
from nchw2nhwc.ops.reduce import ReduceMean, Softmax
from nchw2nhwc.passes.constants import FOLDING
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, node_of

JOIN = rule_pass("join", VIEWS, FOLDING, MOVEMENT)


def test_a_softmax_between_views() -> None:
    net = Net()
    y = net(Softmax(4), net(Reshape((2, 2, 2, 3, 5)), net(Exp(), net.input(1, 4, 6, 5))))
    net.output(net(Neg(), net(Reshape((4, 6, 5)), y)))
    assert check_pass(net, JOIN) == ["Exp", "Softmax", "Reshape", "Neg"]
    assert node_of(net.graph, "Softmax").op == Softmax(3)


def test_a_softmax_along_another_axis_stays() -> None:
    net = Net()
    x = net(Exp(), net.input(4, 6))
    net.output(net(Exp(), net(Softmax(0), net(Reshape((6, 4)), x))), net(Exp(), net(Softmax(1), net(Reshape((8, 3)), x))))
    check_untouched(net, JOIN)


def test_parts_that_are_seen_alike() -> None:
    """Queries, keys and values of windows: the whole takes their shape, whether they keep an axis of size 1 or not."""
    for shapes in ([(1, 2, 4, 5)] * 3, [(2, 4, 5)] * 3, [(8, 5)] * 3):
        net = Net()
        x = net(Exp(), net.input(3, 2, 2, 2, 5))
        parts = net.all(Split(1, (1, 1, 1)), net(Reshape((1, 3, 40)), x))
        net.output(*(net(Neg(), net(Reshape(shape), part)) for shape, part in zip(shapes, parts)))
        assert check_pass(net, JOIN) == ["Exp", "Reshape", "Split", "Neg", "Neg", "Neg"]


def test_unequal_parts() -> None:
    net = Net()
    parts = net.all(Split(1, (2, 1)), net.input(4, 3, 5))
    net.output(net(Neg(), net(Reshape((2, 2, 10)), parts[0])), net(Neg(), net(Reshape((2, 2, 5)), parts[1])))
    assert check_pass(net, JOIN) == ["Reshape", "Split", "Neg", "Neg"]
    assert node_of(net.graph, "Split").op == Split(2, (10, 5))


@pytest.mark.parametrize("shapes", [((4, 10), (20, 1)), ((2, 20), (4, 5)), ((40,), (20,))], ids=str)
def test_parts_that_are_not_seen_alike_stay(shapes: tuple[tuple[int, ...], ...]) -> None:
    net = Net()
    parts = net.all(Split(1, (2, 1)), net.input(4, 3, 5))
    net.output(*(net(Neg(), net(Reshape(shape), part)) for shape, part in zip(shapes, parts)))
    check_untouched(net, JOIN)


def test_every_part_is_picked() -> None:
    """One Split, and no Reshape for each part."""
    net = Net()
    x = net(Exp(), net.input(3, 2, 4, 4))
    q, k, v = (net(Gather(0), x, net.const(i, np.int64)) for i in (0, 2, -2))
    net.output(net(Neg(), net(MatMul(), net(Softmax(2), net(MatMul(adjoint_b=True), q, k)), v)))
    assert check_pass(net, JOIN) == ["Exp", "Reshape", "Split", "MatMul", "Softmax", "MatMul", "Neg"]


def test_more_axes_than_a_split_takes_are_merged() -> None:
    net = Net()
    x = net(Exp(), net.input(2, 1, 2, 2, 2, 1, 2))
    net.output(*(net(Neg(), net(Gather(3), x, net.const(i, np.int64))) for i in range(2)))
    check_pass(net, JOIN)
    assert node_of(net.graph, "Split").input(0).rank == 3


def test_not_every_part_is_picked() -> None:
    net = Net()
    x, twice = (net(Exp(), net.input(3, 2, 4)) for _ in range(2))
    net.output(*(net(Neg(), net(Gather(0), x, net.const(i, np.int64))) for i in (0, 2)),
               *(net(Neg(), net(Gather(0), twice, net.const(i, np.int64))) for i in (0, 2, 2)))
    check_untouched(net, JOIN)


def test_rows_of_windows_have_few_axes() -> None:
    """A norm and a fully connected layer on windows that a Reshape made."""
    net = Net()
    x = net(Exp(), net.input(1, 4, 6, 5))
    y = net(Reshape((1, 2, 2, 3, 2, 5)), x)
    y = net(Add(), y, net(ReduceMean((5,), True), y))
    y = net(FullyConnected(), net(Mul(), y, net.const(np.arange(5.0))), net.random_const(7, 5), net.random_const(7))
    net.output(net(Neg(), net(Reshape((4, 6, 7)), y)))
    assert check_pass(net, JOIN) == ["Exp", "ReduceMean", "Add", "Mul", "FullyConnected", "Reshape", "Neg"]


def test_a_layer_of_many_axes() -> None:
    net = Net()
    y = net(FullyConnected(False), net.input(2, 2, 2, 3, 5), net.random_const(7, 15))
    net.output(net(Neg(), net(Reshape((2, 4, 7)), y)))
    assert check_pass(net, JOIN) == ["Reshape", "FullyConnected", "Neg"]
    assert node_of(net.graph, "FullyConnected").op == FullyConnected(True)


def test_biases_of_scores() -> None:
    """By head, then by window: both in the shape of the product around them."""
    net = Net()
    scores = net(Exp(), net.input(24, 4, 4))
    biased: Value = net(Add(), net(Reshape((1, 2, 4, 3, 4, 4)), scores), net.random_const(1, 1, 3, 4, 4))
    biased = net(Add(), biased, net.random_const(1, 2, 4, 1, 4, 4))
    net.output(net(Neg(), net(Reshape((24, 4, 4)), net(Softmax(5), biased))))
    assert check_pass(net, JOIN) == ["Exp", "Reshape", "Add", "Add", "Softmax", "Reshape", "Neg"]
    assert node_of(net.graph, "Softmax").output.shape == (8, 3, 4, 4)


def test_parts_that_are_mostly_seen_alike() -> None:
    """Values that are sliced besides: one view of the whole, one behind the Slice, and none of the other parts."""
    net = Net()
    q, k, v = net.all(Split(2, (1, 1, 1)), net(Exp(), net.input(1, 5, 3, 8)))
    sliced = net(Slice((None, 1, None, None), (None,) * 4, (1,) * 4), v)
    net.output(*(net(Neg(), net(Reshape((5, 2, 4)), part)) for part in (q, k, v)), net(Neg(), net(Reshape((2, 2, 8)), sliced)))
    assert sorted(check_pass(net, JOIN)) == sorted(["Exp", "Reshape", "Split", "Neg", "Neg", "Neg", "Slice", "Reshape", "Neg"])
    assert node_of(net.graph, "Split").op == Split(1, (2, 2, 2))


def test_parts_that_are_seen_in_two_shapes_come_to_rest() -> None:
    """Queries and keys once as rows of heads and once as rows of windows, as relative positions read them, and values as they are."""
    net = Net()
    x = net(Reshape((3, 1, 512)), net(Exp(), net.input(3, 2, 2, 4, 2, 2, 8)))
    q, k, v = net.all(Split(0, (1, 1, 1)), x)
    net.output(*(net(Neg(), net(Reshape(shape), part)) for part in (q, k) for shape in ((32, 2, 8), (16, 2, 2, 8))), net(Neg(), v))
    check_pass(net, JOIN)
    assert len([node for node in net.graph.nodes if isinstance(node.op, Reshape)]) == 4


def test_parts_that_are_seen_otherwise_stay() -> None:
    """Each in a shape of its own, in one that does not have the parts side by side, unequal ones, and one that is an output."""
    net = Net()
    own, crossed, unequal, outside = (net.all(Split(1, sizes), net.input(4, 3, 5)) for sizes in ((1, 1, 1), (1, 1, 1), (2, 1), (1, 1, 1)))
    net.output(*(net(Neg(), net(Reshape(shape), part)) for shape, part in zip(((20, 1), (2, 10), (5, 4)), own)),
               *(net(Neg(), net(Reshape((2, 10)), part)) for part in crossed[:2]), net(Neg(), crossed[2]),
               net(Neg(), net(Reshape((8, 5)), unequal[0])), net(Neg(), net(Reshape((4, 5)), unequal[1])), net(Exp(), unequal[0]),
               *(net(Neg(), net(Reshape((20,)), part)) for part in outside), outside[0])
    check_untouched(net, JOIN)


def test_slices_of_views() -> None:
    net = Net()
    x = net(Reshape((4, 6, 1, 5)), net(Exp(), net.input(2, 2, 6, 5)))
    net.output(net(Neg(), net(Reshape((40,)), net(Slice((None, 1, None, None), (None, 5, None, None), (1, 2, 1, 1)), x))))
    assert check_pass(net, JOIN) == ["Exp", "Slice", "Reshape", "Neg"]
    assert node_of(net.graph, "Slice").op == Slice((None, None, 1, None), (None, None, 5, None), (1, 1, 2, 1))


def test_slices_of_views_that_stay() -> None:
    """Along an axis that is divided or joined, along two axes, and of a view that others read."""
    net = Net()
    x, read = net(Reshape((8, 3, 5)), net.input(4, 6, 5)), net(Reshape((8, 3, 5)), net.input(4, 6, 5))
    two = net(Reshape((4, 6, 1, 5)), net.input(4, 6, 5))
    net.output(net(Neg(), net(Slice((1, None, None), (None,) * 3, (1,) * 3), x)),
               net(Neg(), net(Slice((None, None, 1), (None,) * 3, (1,) * 3), read)), net(Neg(), read),
               net(Neg(), net(Slice((1, None, None, 1), (None,) * 4, (1,) * 4), two)))
    check_untouched(net, JOIN)


def test_a_layer_that_is_seen_as_rows() -> None:
    net = Net()
    y = net(FullyConnected(), net(Exp(), net.input(1, 3, 4, 5)), net.random_const(2, 5), net.random_const(2))
    net.output(net(Neg(), net(Reshape((12, 2)), y)))
    assert check_pass(net, JOIN) == ["Exp", "FullyConnected", "Neg"]


def test_a_layer_that_is_seen_otherwise_stays() -> None:
    """With other columns, with more axes, and as it is besides."""
    net = Net()
    x = net.input(1, 3, 4, 5)
    a, b, c = (net(FullyConnected(), x, net.random_const(2, 5)) for _ in range(3))
    net.output(*(net(Neg(), net(Reshape(shape), y)) for shape, y in (((6, 4), a), ((3, 4, 2), b), ((12, 2), c))), net(Exp(), c))
    check_untouched(net, JOIN)
