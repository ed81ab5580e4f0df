"""The passes over a stored graph: what they change, what they leave alone, and that the graph computes the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nchw2nhwc.emit.tflite.passes import target_passes
from nchw2nhwc.emit.tflite.ranges import is_never_negative
from nchw2nhwc.ir import Graph, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, Relu, Sigmoid
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.elementwise import Abs, Exp, Neg, Tanh
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Pad, Reshape, Split, Transpose
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.reduce import LogSoftmax, ReduceMax, ReduceMean, Softmax
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes import run_passes
from tests.emit.tflite.graphs import conv, graph_with_input, random
from tests.emit.tflite.runs import check_file, codes, prepared


def finished(graph: Graph, *outputs: Value) -> Graph:
    """Declares the outputs, runs the passes, and checks that the results stay what they were."""
    for k, value in enumerate(outputs):
        graph.add_output(value, f"y{k}")
    inputs = {v.name: random(*(int(str(s)) for s in v.shape), seed=5) for v in graph.inputs}
    before = run(graph, inputs)
    prepared(graph)
    for name, want in run(graph, inputs).items():
        np.testing.assert_allclose(want, before[name], rtol=1e-5, atol=1e-5)
    return graph


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def pool(cls: type[MaxPool | AvgPool], pads: tuple[int, int], *, kernel: int = 3, stride: int = 2, **more: bool) -> Op:
    return cls((kernel,) * 2, (stride,) * 2, (1, 1), (pads[0],) * 2, (pads[1],) * 2, channels_last=True, **more)


# ---- activations -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("op", "activation"), [
    (Relu(), Activation.RELU), (Clip(0.0, 6.0), Activation.RELU6), (Clip(-1.0, 1.0), Activation.RELU_N1_TO_1),
    (Clip(0.0, None), Activation.RELU)])
def test_activation_is_fused(op: Op, activation: Activation) -> None:
    graph, x = graph_with_input(1, 6, 6, 3)
    finished(graph, graph.add1(op, [conv(graph, x)]))
    (node,) = graph.nodes
    assert isinstance(node.op, Conv)
    assert node.op.activation is activation
    assert (node.origin.layer, node.origin.passes) == ("conv", ("fuse_activations",))


@pytest.mark.parametrize("producer", [Add(), Sub(), Mul()])
def test_arithmetic_takes_an_activation(producer: Op) -> None:
    graph, x = graph_with_input(2, 3)
    finished(graph, graph.add1(Relu(), [graph.add1(producer, [x, graph.constant(random(3))])]))
    assert ops(graph) == [producer.name]


def test_a_bound_besides_zero_stays() -> None:
    graph, x = graph_with_input(1, 6, 6, 3)
    finished(graph, graph.add1(Clip(0.0, 1.0), [conv(graph, x)]))
    assert [str(n.op) for n in graph.nodes][1] == "Clip(max=1)"
    assert graph.nodes[0].op.activation is Activation.RELU  # type: ignore[attr-defined]


@pytest.mark.parametrize("op", [Tanh(), Clip(-2.0, 2.0), Clip(None, 6.0)])
def test_other_activations_stay(op: Op) -> None:
    graph, x = graph_with_input(1, 6, 6, 3)
    finished(graph, graph.add1(op, [conv(graph, x)]))
    assert ops(graph) == ["Conv", op.name]


def test_a_value_that_others_read_keeps_its_activation_apart() -> None:
    graph, x = graph_with_input(1, 6, 6, 3)
    y = conv(graph, x)
    finished(graph, graph.add1(Relu(), [y]), y)
    assert ops(graph) == ["Conv", "Relu"]


# ---- padding ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("size", "stride", "pads", "expected"), [
    (7, 1, (1, 1), ["CONV_2D"]), (7, 2, (1, 1), ["CONV_2D"]), (8, 2, (1, 1), ["PAD", "CONV_2D"]), (8, 2, (0, 1), ["CONV_2D"]),
    (8, 1, (2, 0), ["PAD", "CONV_2D"]), (8, 2, (0, 0), ["CONV_2D"])])
def test_convolution_padding(size: int, stride: int, pads: tuple[int, int], expected: list[str]) -> None:
    graph, x = graph_with_input(1, size, size, 3)
    graph.add_output(conv(graph, x, stride=stride, pads=pads), "y")
    inputs = {"x": random(1, size, size, 3)}
    wanted = list(run(graph, inputs).values())
    assert codes(check_file(prepared(graph), inputs, wanted)) == expected


def test_only_padding_that_is_read_is_added() -> None:
    graph, x = graph_with_input(1, 8, 8, 3)
    finished(graph, conv(graph, x, stride=2, pads=(1, 1)))
    assert graph.nodes[0].op == Pad((0, 1, 1, 0), (0, 0, 0, 0))


def test_a_maximum_is_padded_with_nothing_that_wins() -> None:
    """-inf, unless the data is never negative: PAD, unlike PADV2, runs in XNNPACK."""
    graph, x = graph_with_input(1, 8, 8, 3)
    signed = graph.add1(pool(MaxPool, (1, 1)), [x])
    rectified = graph.add1(pool(MaxPool, (1, 1)), [graph.add1(Relu(), [x])])
    inputs = {"x": random(1, 8, 8, 3) - 5}
    for k, value in enumerate((signed, rectified)):
        graph.add_output(value, f"y{k}")
    wanted = list(run(graph, inputs).values())
    assert sorted(codes(check_file(prepared(graph), inputs, wanted))) == ["MAX_POOL_2D", "MAX_POOL_2D", "PAD", "PADV2", "RELU"]


@pytest.mark.parametrize(("pads", "options", "expected"), [
    ((1, 1), {"count_include_pad": True}, ["PAD", "AVERAGE_POOL_2D"]),
    ((0, 1), {}, ["AVERAGE_POOL_2D"]),
    ((0, 0), {"ceil_mode": True}, ["AVERAGE_POOL_2D"]),
    ((0, 1), {"count_include_pad": True}, ["DEPTHWISE_CONV_2D"])])
def test_average_padding(pads: tuple[int, int], options: dict[str, bool], expected: list[str]) -> None:
    graph, x = graph_with_input(1, 8, 8, 3)
    graph.add_output(graph.add1(pool(AvgPool, pads, **options), [x]), "y")
    inputs = {"x": random(1, 8, 8, 3)}
    wanted = list(run(graph, inputs).values())
    assert codes(check_file(prepared(graph), inputs, wanted)) == expected


def test_a_shared_pad_becomes_same() -> None:
    """Both convolutions can pad by themselves, so the Pad goes."""
    graph, x = graph_with_input(1, 7, 7, 3)
    padded = graph.add1(Pad((0, 1, 1, 0), (0, 1, 1, 0)), [x])
    finished(graph, conv(graph, padded), conv(graph, padded, stride=2, layer="other"))
    assert ops(graph) == ["Conv", "Conv"]


def test_convolutions_of_one_operand_share_a_pad() -> None:
    graph, x = graph_with_input(1, 8, 8, 3)
    finished(graph, conv(graph, x, stride=2, pads=(1, 1)), conv(graph, x, stride=2, pads=(1, 1), layer="other"))
    assert sorted(ops(graph)) == ["Conv", "Conv", "Pad"]


@pytest.mark.parametrize(("make", "expected"), [
    (lambda g, x: g.add1(Relu(), [x]), True),
    (lambda g, x: g.add1(Neg(), [x]), False),
    (lambda g, x: g.add1(Clip(0.0, 6.0), [x]), True),
    (lambda g, x: g.add1(Clip(-1.0, 1.0), [x]), False),
    (lambda g, x: g.add1(Mul(), [x, x]), True),
    (lambda g, x: g.add1(Concat(0), [g.add1(Exp(), [x]), g.add1(Sigmoid(), [x])]), True),
    (lambda g, x: g.add1(Concat(0), [g.add1(Exp(), [x]), x]), False),
    (lambda g, x: g.add1(Reshape((6,)), [g.add1(Abs(), [x])]), True),
    (lambda g, x: g.add1(Sub(), [g.add1(Abs(), [x]), g.add1(Exp(), [x])]), False),
    (lambda g, x: g.add1(Add(Activation.RELU6), [x, x]), True),
    (lambda g, x: g.add1(Add(), [g.add1(Relu(), [x]), g.constant(random(3))]), False)])
def test_never_negative(make: Callable[[Graph, Value], Value], expected: bool) -> None:
    graph, x = graph_with_input(2, 3)
    assert is_never_negative(make(graph, x)) is expected


# ---- ranks -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("op", [
    Pad((0, 0, 1, 0, 0, 0, 2), (0, 0, 0, 0, 0, 0, 1)), ReduceMean((1, 2, 5), True), ReduceMax((1, 2, 5), False), Softmax(6), LogSoftmax(6),
    Split(1, (1, 1, 1))], ids=lambda op: op.name)
def test_high_ranks_are_lowered(op: Op) -> None:
    graph, x = graph_with_input(2, 3, 2, 1, 2, 3, 2)
    for k, value in enumerate(graph.add(op, [x])):
        graph.add_output(value, f"y{k}")
    inputs = {"x": random(2, 3, 2, 1, 2, 3, 2)}
    wanted = list(run(graph, inputs).values())
    check_file(prepared(graph), inputs, wanted)


def test_high_rank_concat_and_products() -> None:
    graph, x = graph_with_input(2, 3, 2, 2, 1, 3, 4)
    other = graph.add_input("other", x.type)
    graph.add_output(graph.add1(Concat(3), [x, other]), "concat")
    graph.add_output(graph.add1(MatMul(adjoint_b=True), [x, other]), "matmul")
    graph.add_output(graph.add1(FullyConnected(), [x, graph.constant(random(5, 4))]), "connected")
    inputs = {"x": random(2, 3, 2, 2, 1, 3, 4), "other": random(2, 3, 2, 2, 1, 3, 4, seed=1)}
    wanted = list(run(graph, inputs).values())
    check_file(prepared(graph), inputs, wanted)


# ---- tidying ---------------------------------------------------------------------------------------------------------------
def test_moves_that_change_nothing_go() -> None:
    graph, x = graph_with_input(2, 3, 4)
    y = graph.add1(Reshape((6, 4)), [graph.add1(Reshape((24,)), [x])])
    y = graph.add1(Transpose((0, 1)), [graph.add1(Transpose((1, 0)), [graph.add1(Transpose((1, 0)), [y])])])
    finished(graph, graph.add1(Relu(), [graph.add1(Reshape((6, 4)), [y])]))
    assert ops(graph) == ["Reshape", "Relu"]


def test_equal_nodes_and_constants_become_one() -> None:
    graph, x = graph_with_input(100, 3)
    a, b = (graph.add1(Mul(), [x, graph.constant(random(100, 3))]) for _ in range(2))
    finished(graph, graph.add1(Add(), [a, b]))
    assert ops(graph) == ["Mul", "Add"]


def test_concats_build_on_each_other() -> None:
    graph, x = graph_with_input(2, 3)
    parts = [graph.add1(op, [x]) for op in (Relu(), Neg(), Abs(), Exp(), Tanh(), Sigmoid())]
    concats = [graph.add1(Concat(axis), parts[:count]) for axis, count in ((0, 3), (0, 5), (0, 6), (1, 6))]
    finished(graph, *concats)
    assert [len(n.inputs) for n in graph.nodes if n.op.name == "Concat"] == [3, 3, 2, 6]


def test_passes_come_to_rest() -> None:
    graph, x = graph_with_input(1, 8, 8, 3)
    y = graph.add1(Relu(), [conv(graph, x, stride=2, pads=(1, 1))])
    finished(graph, graph.add1(pool(MaxPool, (1, 1)), [y]))
    assert run_passes(graph, target_passes()) == 0
