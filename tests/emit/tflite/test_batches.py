"""Products and what surrounds them agree on the axes of their batch."""

from __future__ import annotations

import pytest

from nchw2nhwc.emit.tflite.batches import CHOOSE_BATCHES
from nchw2nhwc.emit.tflite.rules_moves import MOVES
from nchw2nhwc.ir import Dim, Graph, Value
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.elementwise import Neg
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Reshape, Split, Transpose
from nchw2nhwc.ops.reduce import ReduceMean, Softmax
from nchw2nhwc.ops.windowed import SpaceToDepth
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, count_ops, node_of

TIDY = rule_pass("tidy", MOVEMENT)


def choose(graph: Graph) -> int:
    """The pass, and the Reshapes that it leaves side by side put together."""
    count = CHOOSE_BATCHES(graph)
    TIDY(graph)
    return count


def attention(net: Net, parts: tuple[Value, ...], *masks: Value, heads: tuple[int, ...], matrix: tuple[int, int]) -> Value:
    """Queries, keys and values of one batch, with masks for another form of it."""
    queries, keys, values = parts
    scores = net(Reshape((*heads, matrix[0], matrix[0])), net(MatMul(adjoint_b=True), queries, keys))
    for mask in masks:
        scores = net(Add(), scores, mask)
    weights = net(Softmax(scores.rank - 1), scores)
    return net(MatMul(), net(Reshape((*queries.shape[:-2], matrix[0], matrix[0])), weights), values)


def test_windows_with_a_bias() -> None:
    """The batch is split into heads and windows for the bias; the parts have them already when they are split."""
    net = Net()
    whole = net(Reshape((72, 4, 3)), net(Transpose((1, 0, 2)), net.input(32, 9, 3)))
    y = attention(net, net.all(Split(0, (24, 24, 24)), whole), net.random_const(3, 1, 4, 4), net.random_const(1, 8, 4, 4),
                  heads=(3, 8), matrix=(4, 3))
    net.output(net(Transpose((1, 0, 2)), net(Reshape((3, 32, 3)), y)))
    assert check_pass(net, choose, reshaped=True) == [
        "Transpose", "Reshape", "Split", "MatMul", "Add", "Add", "Softmax", "MatMul", "Reshape", "Transpose"]
    assert node_of(net.graph, "Split").op == Split(0, (3, 3, 3))


def test_parts_along_an_inner_axis() -> None:
    """Maxvit: windows first, then the parts and their heads."""
    net = Net()
    whole = net(Reshape((1, 2, 2, 9, 3, 4)), net(Transpose((0, 2, 1)), net.input(4, 4, 27)))
    parts = [net(Reshape((12, 3, 4)), part) for part in net.all(Split(3, (3, 3, 3)), whole)]
    scores = net(Reshape((4, 3, 4, 4)), net(MatMul(adjoint_a=True), parts[0], parts[1]))
    weights = net(Reshape((12, 4, 4)), net(Softmax(3), net(Add(), scores, net.random_const(3, 4, 4))))
    net.output(net(Transpose((0, 2, 1, 3)), net(Reshape((4, 3, 4, 3)), net(MatMul(adjoint_b=True), weights, parts[2]))))
    assert check_pass(net, choose, reshaped=True) == ["Transpose", "Reshape", "Split", "MatMul", "Add", "Softmax", "MatMul", "Transpose"]
    assert node_of(net.graph, "Split").op == Split(1, (3, 3, 3))


def test_a_form_that_is_there_on_both_sides() -> None:
    net = Net()
    whole = net(Reshape((3, 4, 5, 2)), net(Transpose((1, 0, 2, 3)), net.input(2, 6, 5, 2)))
    parts = net.all(Split(0, (1, 1, 1)), whole)
    scores = net(Softmax(3), net(MatMul(adjoint_b=True), parts[0], parts[1]))
    net.output(net(Transpose((1, 0, 2, 3)), net(Reshape((2, 2, 5, 2)), net(MatMul(), scores, parts[2]))))
    assert check_pass(net, choose, reshaped=True) == ["Transpose", "Split", "MatMul", "Softmax", "MatMul", "Transpose"]


@pytest.mark.parametrize(("heads", "mask"), [((4, 6), (4, 1, 4, 4)), ((6, 4), (1, 4, 4, 4))], ids=str)
def test_a_mask_that_needs_its_own_axes(heads: tuple[int, ...], mask: tuple[int, ...]) -> None:
    """24 as 4 times 6 is no finer form of 3 times 8, and the two Reshapes cost no more on one side than on the other."""
    net = Net()
    parts = tuple(net(Neg(), net.input(3, 8, 4, 3)) for _ in range(3))
    net.output(net(Neg(), attention(net, parts, net.random_const(*mask), heads=heads, matrix=(4, 3))))
    check_untouched(net, CHOOSE_BATCHES)


def test_what_others_read_keeps_its_shape() -> None:
    net = Net()
    x = net(Neg(), net.input(6, 4, 3))
    scores = net(MatMul(adjoint_b=True), x, net(Neg(), net.input(6, 4, 3)))
    seen = net(Softmax(3), net(Reshape((2, 3, 4, 4)), scores))
    net.output(net(MatMul(), net(Reshape((6, 4, 4)), seen), net(Neg(), net.input(6, 4, 3))), scores)
    assert check_pass(net, choose, reshaped=True) == ["Neg", "Neg", "MatMul", "Softmax", "Neg", "MatMul"]


def test_sizes_that_are_not_known_stay() -> None:
    net = Net()
    a, b = net.input("n", 4, 3), net.input("n", 4, 3)
    y = net(Reshape((Dim.symbol("n"), 1, 4, 4)), net(MatMul(adjoint_b=True), a, b))
    net.output(net(Softmax(3), y))
    check_untouched(net, CHOOSE_BATCHES)


def test_a_whole_that_is_read_besides_its_parts() -> None:
    net = Net()
    x = net(Reshape((6, 4, 4)), net(Neg(), net.input(2, 3, 4, 4)))
    a, b = net.all(Split(0, (3, 3)), x)
    square = net(Reshape((2, 3, 4, 4)), net(MatMul(), x, x))
    net.output(net(MatMul(), net(MatMul(), a, b), a), net(Softmax(3), square))
    check_pass(net, choose, reshaped=True)
    assert count_ops(net.graph) == {"Neg": 1, "Reshape": 1, "Split": 1, "MatMul": 3, "Softmax": 1}


# ---- rows --------------------------------------------------------------------------------------------------------------
def norm(net: Net, x: Value) -> Value:
    mean = net(ReduceMean((x.rank - 1,)), x)
    return net(Mul(), net(Sub(), x, mean), net.random_const(1, x.shape[-1]))  # type: ignore[arg-type]


def test_rows_of_an_image() -> None:
    """What is computed between windows, that slide over an image, takes the image's axes, whatever the axes of a residual were."""
    net = Net()
    x = net(Reshape((1, 16, 5)), net(SpaceToDepth(1, channels_last=True), net.input(1, 4, 4, 5)))
    y = net(FullyConnected(), norm(net, x), net.random_const(6, 5), net.random_const(6))
    y = net(Reshape((1, 16, 6)), net(SpaceToDepth(1, channels_last=True), net(Neg(), net(Reshape((1, 4, 4, 6)), y))))
    y = net(Add(), x, net(Reshape((1, 16, 5)), net(FullyConnected(False), y, net.random_const(5, 6))))
    net.output(net(SpaceToDepth(1, channels_last=True), net(Reshape((1, 4, 4, 5)), y)))
    assert "Reshape" not in check_pass(net, choose, reshaped=True)
    assert [node.op for node in net.graph.nodes if isinstance(node.op, FullyConnected)] == [FullyConnected(), FullyConnected()]


def test_rows_that_lack_leading_axes() -> None:
    net = Net()
    x = net(Neg(), net.input(6, 5))
    y = net(Reshape((6, 5)), net(Softmax(2), net(Add(), x, net(Reshape((1, 6, 5)), net(Neg(), net.input(6, 5))))))
    parts = net.all(Split(1, (2, 3)), y)
    net.output(net(Concat(1), parts[1], parts[0]))
    assert check_pass(net, choose, reshaped=True) == ["Neg", "Neg", "Add", "Softmax", "Split", "Concat"]


def test_what_reads_several_rows_stays() -> None:
    net = Net()
    x = net(Neg(), net.input(1, 6, 5))
    flat = net(FullyConnected(False), net(Reshape((1, 2, 3, 5)), x), net.random_const(4, 10))
    net.output(net(ReduceMean((1,)), net(Reshape((1, 6, 5)), net(Neg(), net(Reshape((2, 3, 5)), x)))), net(Neg(), flat))
    check_pass(net, choose, reshaped=True)
    assert count_ops(net.graph)["Reshape"] == 1


def test_rows_that_layers_count() -> None:
    """Layers read heads of tokens as rows, whatever axes both have, so that all around them is rows."""
    net = Net()
    x = net(Neg(), net.input(4, 2, 6))
    for _ in range(2):
        heads = net(Transpose((1, 0, 2)), net(Neg(), net.input(2, 8, 3)))
        x = net(Add(), x, net(FullyConnected(), net(Reshape((4, 2, 6)), heads), net.random_const(6, 6)))
    net.output(net(Neg(), net(Transpose((1, 0)), net(Reshape((8, 6)), x))))
    both = rule_pass("both", MOVES, MOVEMENT)
    assert check_pass(net, lambda graph: choose(graph) + both(graph), reshaped=True).count("Reshape") == 1
    assert all(node.op.keep_num_dims is False for node in net.graph.nodes if isinstance(node.op, FullyConnected))
