"""The passes together: random graphs keep their results, whole blocks of networks come out as they should, and it is quick."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from nchw2nhwc.emit.tflite import native
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation_functions import Clip, Mish, Relu, Sigmoid, Softplus
from nchw2nhwc.ops.binary import Add, Div, Maximum, Mul, Pow, Sub
from nchw2nhwc.ops.elementwise import Abs, Cast, Erf, Exp, Identity, Neg, Sqrt, Tanh
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Transpose
from nchw2nhwc.ops.norm import MVN, BatchNorm
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.reduce import ReduceMean, ReduceSum, Softmax
from nchw2nhwc.ops.windowed import Conv, DepthToSpace
from nchw2nhwc.passes import run_passes
from nchw2nhwc.passes.pipeline import source_passes
from tests.passes.nets import Net, assert_close, count_ops, feeds, named_tensors, ops_of

FLOAT32 = np.dtype(np.float32)


def _check(graph: Graph, tolerance: float = 2e-5, takes: Callable[..., bool] = native) -> list[str]:
    """Results and named tensors before and after all passes, the graph verified after each of them."""
    inputs = feeds(graph)
    before, source = run(graph, inputs), dict(named_tensors(graph, inputs))
    run_passes(graph, source_passes(takes), check=verify)
    after = run(graph, inputs)
    for name, array in before.items():
        assert_close(after[name], array.astype(FLOAT32) if array.dtype.kind == "f" else array, tolerance, name)
    for name, array in named_tensors(graph, inputs):
        assert_close(array, source[name].astype(array.dtype), tolerance, f"tensor {name} of the source")
    assert [n for n in graph.nodes if not takes(n)] == []
    return ops_of(graph)


# ---- random graphs -----------------------------------------------------------------------------------------------------
def _step(draw: DrawFn, net: Net, x: Value, others: list[Value]) -> Value:
    """One more node or little pattern on data (2, C, H, W)."""
    n, c, h, w = (s for s in x.shape if isinstance(s, int))
    vector = net.const(net.random.uniform(0.5, 2, draw(st.sampled_from([(c, 1, 1), (1, c, 1, 1), (), (w,), (1, 1, 1, 1)]))))
    match draw(st.integers(0, 15)):
        case 0:
            out, groups = draw(st.sampled_from([(4, 1), (c, c)]))
            op = Conv((1, 1), (1, 1), (1, 1), (1, 1), groups) if draw(st.booleans()) else Conv((1, 1), (1, 1), (0, 0), (0, 0), groups)
            size = 3 if op.pads_begin == (1, 1) else 1
            return net(op, x, net.const(net.random.normal(size=(out, c // groups, size, size)) / c), net.random_const(out))
        case 1 | 2:
            return net(draw(st.sampled_from([Add(), Mul(), Sub(), Div()])), x, vector)
        case 3:
            return net(BatchNorm(), x, *(net.const(net.random.uniform(0.5, 2, c)) for _ in range(4)))
        case 4:
            return net(draw(st.sampled_from([Relu(), Clip(0.0, 6.0), Tanh(), Sigmoid(), Neg(), Identity(), Mish(), Cast(FLOAT32)])), x)
        case 5:
            return net(Mul(), x, net(Sigmoid(), x))
        case 6:
            return net(Div(), net(Mul(), x, net(Clip(0.0, 6.0), net(Add(), x, 3.0))), 6.0)
        case 7:
            return net(Mul(), net(Mul(), x, 0.5), net(Add(), net(Erf(), net(Div(), x, 1.4142135)), 1.0))
        case 8:
            other = draw(st.sampled_from([o for o in others if o.shape == x.shape]))
            return net(draw(st.sampled_from([Add(), Mul(), Maximum()])), x, other)
        case 9:
            return net(Reshape((n, c, h, w)), net(Reshape((n, c * h, w)), x))
        case 10:
            return net(Transpose((0, 1, 3, 2)), x) if draw(st.booleans()) else net(Transpose((0, 1, 3, 2)), net(Transpose((0, 1, 3, 2)), x))
        case 11:
            halves = [net(Slice((None, a, None, None), (None, b, None, None), (1,) * 4), x) for a, b in ((0, c // 2), (c // 2, c))]
            return net(Concat(1), *(halves if draw(st.booleans()) else halves[::-1])) if c > 1 else x
        case 12:
            return net(MaxPool((2, 2), (1, 1), (1, 1), (1, 0), (0, 1)), x)
        case 13:
            return net(Mul(), x, net(Expand((n, c, h, w)), net(ReduceMean((2, 3), True), x)))
        case 14:
            return net(MatMul(), x, net.random_const(w, w))
        case _:
            return net(MVN((1, 2, 3), 1e-3), x)


@st.composite
def _graphs(draw: DrawFn) -> Net:
    net = Net(draw(st.sampled_from([np.float32, np.float32, np.float16, np.float64])))
    x = net.input(2, draw(st.sampled_from([2, 4])), draw(st.sampled_from([2, 3])), 3)
    values = [x]
    for _ in range(draw(st.integers(1, 12))):
        source = draw(st.sampled_from(values[-3:]))
        if source.type.dtype != x.type.dtype:
            source = net(Cast(x.type.dtype), source)
        values.append(_step(draw, net, source, [v for v in values if v.type.dtype == x.type.dtype] + [source]))
    net.output(values[-1])
    if draw(st.booleans()):
        net.output(draw(st.sampled_from(values)))
    return net


@settings(max_examples=120)
@given(_graphs())
def test_random_graphs_keep_their_results(net: Net) -> None:
    _check(net.graph, 5e-2 if net.dtype == np.float16 else 1e-4)


@settings(max_examples=40)
@given(_graphs())
def test_random_graphs_for_a_target_that_takes_everything(net: Net) -> None:
    _check(net.graph, 5e-2 if net.dtype == np.float16 else 1e-4, lambda node: True)


# ---- blocks ------------------------------------------------------------------------------------------------------------
def test_a_residual_block() -> None:
    net = Net(np.float32)
    x = net.input(1, 8, 6, 6)

    def conv_bn(v: Value) -> Value:
        y = net(Conv((1, 1), (1, 1), (1, 1), (1, 1)), v, net.random_const(8, 8, 3, 3))
        return net(BatchNorm(), y, *(net.const(net.random.uniform(0.5, 2, 8)) for _ in range(4)))
    net.output(net(Relu(), net(Add(), conv_bn(net(Relu(), conv_bn(x))), x)))
    assert _check(net.graph) == ["Conv", "Relu", "Conv", "Add", "Relu"]


def test_a_classifier_head() -> None:
    net = Net(np.float32)
    x = net(ReduceMean((2, 3), True), net.input("n", 8, 6, 6))
    y = net(Add(), net(MatMul(), net(Reshape((x.shape[0], 8)), x), net.random_const(8, 5)), net.random_const(5))
    net.output(net(Softmax(1), y))
    assert _check(net.graph) == ["ReduceMean", "FullyConnected", "Softmax"]


def test_a_transformer_block() -> None:
    """Layer norm's scale and shift go into the layer behind it, and so does the scale of the queries."""
    net = Net(np.float32)
    x = net.input(1, 5, 8)
    centred = net(Sub(), x, net(ReduceMean((2,), True), x))
    deviation = net(Sqrt(), net(Add(), net(ReduceMean((2,), True), net(Pow(), centred, 2.0)), 1e-5))
    normal = net(Add(), net(Mul(), net(Div(), centred, deviation), net.random_const(8)), net.random_const(8))
    qkv = net(Add(), net(MatMul(), normal, net.random_const(8, 24)), net.random_const(24))
    heads = net(Transpose((2, 0, 3, 1, 4)), net(Reshape((1, 5, 3, 2, 4)), qkv))
    q, k, v = (net(Gather(0), heads, net.const(i, np.int64)) for i in range(3))
    scores = net(Softmax(3), net(MatMul(adjoint_b=True), net(Mul(), q, 0.5), k))
    mixed = net(Reshape((1, 5, 8)), net(Transpose((0, 2, 1, 3)), net(MatMul(), scores, v)))
    net.output(net(Add(), x, net(MatMul(), mixed, net.random_const(8, 8))))
    _check(net.graph)
    counts = count_ops(net.graph)
    assert counts["FullyConnected"] == 2
    assert (counts["SquaredDifference"], counts["Mul"], counts["Add"]) == (1, 1, 1)  # the variance, the normalisation, the residual


def test_preprocessing_goes_into_the_first_convolution() -> None:
    net = Net(np.float32)
    x = net(Sub(), net(Mul(), net.input(1, 3, 8, 8), 255.0), net.random_const(3, 1, 1))
    x = net(Div(), x, net.const(net.random.uniform(1, 2, (3, 1, 1))))
    net.output(net(Conv((2, 2), (1, 1), (0, 0), (0, 0)), x, net.random_const(4, 3, 3, 3)))
    assert _check(net.graph) == ["Conv"]


def test_super_resolution() -> None:
    net = Net(np.float32)
    y = net(Relu(), net(Conv((1, 1), (1, 1), (1, 1), (1, 1)), net.input(1, 3, 4, 4), net.random_const(12, 3, 3, 3)))
    blocks = net(Transpose((0, 1, 4, 2, 5, 3)), net(Reshape((1, 3, 2, 2, 4, 4)), y))
    net.output(net(Reshape((1, 3, 8, 8)), blocks))
    assert _check(net.graph) == ["Conv", "Relu", "DepthToSpace"]
    assert net.graph.nodes[-1].op == DepthToSpace(2)


def test_spelled_out_mish_behind_a_convolution() -> None:
    """It is found, and then said in a way that cannot overflow; the sign that this takes is the convolution's."""
    net = Net(np.float32)
    x = net(Conv((1, 1), (1, 1), (0, 0), (0, 0)), net.input(1, 3, 4, 4), net.const(net.random.normal(0, 40, (4, 3, 1, 1))))
    net.output(net(Mul(), x, net(Tanh(), net(Softplus(), x))))
    assert _check(net.graph) == ["Conv", "Sigmoid", "Log", "Tanh", "Mul"]


def test_weighted_sums_of_stacked_values() -> None:
    net = Net(np.float32)
    parts = [net(Reshape((1, 4, 3, 3, 1)), net(Div(), net(Exp(), net.input(1, 4, 3, 3)), 2.0001)) for _ in range(2)]
    net.output(net(Abs(), net(ReduceSum((4,), False), net(Concat(4), *parts))))
    assert _check(net.graph) == ["Exp", "Exp", "Add", "Mul", "Abs"]


def test_asymmetric_padding_before_a_convolution_and_a_pool() -> None:
    net = Net(np.float32)
    x = net(Pad((0, 0, 0, 0), (0, 0, 1, 1)), net.input(1, 3, 8, 8))
    y = net(Conv((2, 2), (1, 1), (0, 0), (0, 0)), x, net.random_const(4, 3, 3, 3))
    net.output(net(AvgPool((4, 4), (1, 1), (1, 1), (0, 0), (0, 0)), y))
    assert _check(net.graph) == ["Conv", "ReduceMean"]


def test_outputs_that_are_inputs_constants_or_twice_the_same() -> None:
    net = Net(np.float32)
    x = net.input(2, 3)
    y = net(Exp(), x)
    net.output(x, y, y, net.const(np.ones(3)), net(Identity(), x), net(Add(), 1.0, np.ones(3)))
    _check(net.graph)


@pytest.mark.parametrize("length", [1000])
def test_a_thousand_nodes(length: int) -> None:
    """Everything around the convolutions goes into them."""
    net = Net(np.float32)
    x = net.input(1, 4, 4, 4)
    for k in range(length // 5):
        y = net(Conv((1, 1), (1, 1), (0, 0), (0, 0)), x, net.const(np.eye(4).reshape(4, 4, 1, 1)))
        y = net(Add(), net(Mul(), y, net.const(np.full((4, 1, 1), 0.5))), net.const(np.full((4, 1, 1), 0.1)))
        x = net(Add(), net(Relu(), y), x) if k % 2 else net(Relu(), y)
    net.output(x)
    run_passes(net.graph, source_passes(native))
    assert count_ops(net.graph)["Conv"] == length // 5
