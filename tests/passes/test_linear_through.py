"""Scales and shifts that reach a layer through functions that keep them, movement and products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import Clip, LeakyRelu, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Mul, PRelu
from nchw2nhwc.ops.elementwise import Exp
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.norm import BatchNorm
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.ops.windowed import Conv
from tests.passes.nets import Net, check_pass, check_untouched, node_of
from tests.passes.test_linear import CONV, FOLD, linear

POOL = ((2, 2), (1, 1), (1, 1), (0, 1), (0, 0))


@pytest.mark.parametrize("steps", [[Relu()], [LeakyRelu(0.1)], [Relu(), MaxPool(*POOL)], [AvgPool(*POOL), Relu()], [PRelu()]], ids=str)
def test_a_positive_scale_before_relu_and_pools(steps: list[Op]) -> None:
    net = Net()
    parameters = [net.const(net.random.uniform(0.5, 2, 4)) for _ in range(4)]
    x = net(BatchNorm(), net.input(2, 4, 5, 5), *parameters)
    for op in steps:
        x = net(op, x, *([net.random_const(4, 1, 1)] if isinstance(op, PRelu) else []))
    net.output(linear(net, "padded", True, x))
    assert check_pass(net, FOLD) == ["Add", *(op.name for op in steps), "Conv"]


@pytest.mark.parametrize("keepdims", [False, True])
def test_a_positive_scale_before_a_global_mean(keepdims: bool) -> None:
    net = Net()
    x = net(Relu(), net(Add(), net(Mul(), net.input(2, 4, 5, 3), net.const(net.random.uniform(0.5, 2, (4, 1, 1)))), 1.0))
    x = net(ReduceMean((2, 3), keepdims), x)
    net.output(net(CONV, x, net.random_const(6, 4, 1, 1)) if keepdims else net(FullyConnected(), x, net.random_const(6, 4)))
    assert check_pass(net, FOLD)[:-1] == ["Add", "Relu", "ReduceMean"]


def test_scales_that_relu_does_not_keep_stay() -> None:
    net = Net()
    x = net.input(2, 4, 5, 5)
    scales = [np.array([1.0, 2.0, -1.0, 1.0]).reshape(4, 1, 1), np.array([1.0, 2.0, 0.0, 1.0]).reshape(4, 1, 1), np.arange(1.0, 6)]
    net.output(*(linear(net, "conv", True, net(Relu(), net(Mul(), x, s))) for s in scales))
    net.output(linear(net, "conv", True, net(Clip(0.0, 6.0), net(Mul(), x, 2.0))))
    net.output(net(FullyConnected(), net(MaxPool(*POOL), net(Mul(), x, np.arange(1.0, 6))), net.random_const(2, 5)))
    shared = net(Mul(), x, 2.0)
    net.output(linear(net, "conv", True, net(Relu(), shared)), shared)
    net.output(linear(net, "conv", True, net(Relu(), net(Add(), net(Mul(), x, 1e-6), 1.0))))
    check_untouched(net, FOLD)


# ---- through movement ------------------------------------------------------------------------------------------------
def _moved(steps: Callable[[Net, Value], Value], *, rows: int = 6) -> Net:
    net = Net()
    x = net(FullyConnected(), net.input(2, 5, 4), net.random_const(rows, 4))
    return net.output(net(Exp(), steps(net, x)))


@pytest.mark.parametrize("steps", [
    lambda net, x: net(Mul(), net(Transpose((0, 2, 1)), x), np.arange(1.0, 7)[:, None]),
    lambda net, x: net(Add(), net(Reshape((2, 5, 2, 3)), x), np.arange(6.0).reshape(2, 3)),
    lambda net, x: net(Mul(), net(Transpose((0, 2, 1, 3)), net(Reshape((2, 5, 2, 3)), x)), np.arange(1.0, 3).reshape(2, 1, 1)),
    lambda net, x: net(Mul(), net(Reshape((10, 6)), x), 3.0),
    lambda net, x: net(Add(), net(Mul(), net(Reshape((10, 6)), x), 3.0), np.arange(6.0)),
    lambda net, x: net(Mul(), net(Reshape((2, 30)), net(Transpose((0, 2, 1)), x)), 0.5)])
def test_through_reshapes_and_transposes(steps: Callable[[Net, Value], Value]) -> None:
    net = _moved(steps)
    assert not {"Mul", "Add"} & set(check_pass(net, FOLD))


def test_a_convolution_through_a_reshape_and_a_symbolic_batch() -> None:
    net = Net()
    y = linear(net, "conv", True, net.input("n", 4, 5, 5))
    net.output(net(Mul(), net(Reshape((Dim.symbol("n"), 2, 3, 9)), y), net.random_const(2, 3, 1)))
    assert check_pass(net, FOLD) == ["Conv", "Reshape"]
    assert [n.output.origin for n in net.graph.nodes] == ["", "t3"]


@pytest.mark.parametrize("kind", ["gather", "slice", "split"])
def test_parts_of_one_result(kind: str) -> None:
    """Query, key and value out of one layer, two of them scaled."""
    net = Net()
    x = net(FullyConnected(), net.input(2, 5, 4), net.random_const(12, 4), net.random_const(12))
    if kind == "split":
        q, k, v = net.all(Split(2, (4, 4, 4)), x)
    elif kind == "slice":
        q, k, v = (net(Slice((None, None, 4 * i), (None, None, 4 * i + 4), (1, 1, 1)), x) for i in range(3))
    else:
        heads = net(Transpose((2, 0, 3, 1, 4)), net(Reshape((2, 5, 3, 2, 2)), x))
        q, k, v = (net(Gather(0), heads, net.const(i, np.int64)) for i in range(3))
    net.output(net(Concat(1), net(Mul(), q, 0.5), net(Add(), net(Mul(), k, 0.25), 1.0), v))
    assert not {"Mul", "Add"} & set(check_pass(net, FOLD))
    assert node_of(net.graph, "FullyConnected").output.origin == ""


@pytest.mark.parametrize("steps", [
    lambda net, x: net(Mul(), net(Reshape((2, 5, 2, 3)), x), np.arange(1.0, 11).reshape(5, 2, 1)),
    lambda net, x: net(Mul(), net(Reshape((3, 20)), x), np.arange(1.0, 21)),
    lambda net, x: net(Concat(0), net(Mul(), net(Transpose((0, 2, 1)), x), 2.0), net(Transpose((0, 2, 1)), x)),
    lambda net, x: net(Concat(1), net(Mul(), net(Slice((None, None, 0), (None, None, 3), (1, 1, 1)), x), 2.0),
                       net(Slice((None, None, 2), (None, None, 5), (1, 1, 1)), x)),
    lambda net, x: net(Concat(2), net(Mul(), net(Slice((None, None, 0), (None, None, 3), (1, 1, 1)), x), 2.0), x),
    lambda net, x: net(Mul(), net(Slice((None, 1, 0), (None, None, 3), (1, 1, 1)), x), 2.0),
    lambda net, x: net(Mul(), net(Gather(2), x, net.const([0, 0, 1], np.int64)), [1.0, 2.0, 3.0])])
def test_what_would_change_other_values_stays(steps: Callable[[Net, Value], Value]) -> None:
    check_untouched(_moved(steps), FOLD)


@pytest.mark.parametrize("side", [0, 1])
def test_a_number_behind_a_product_of_two_values(side: int) -> None:
    """The scale of attention's scores goes into the layer of the queries, or of the keys."""
    net = Net()
    x = net(FullyConnected(), net.input(2, 5, 4), net.random_const(6, 4))
    operands = [net(Transpose((0, 2, 1, 3)), net(Reshape((2, 5, 2, 3)), x)), net.input(2, 2, 5, 3)]
    y = net(MatMul(adjoint_b=True), *operands[::-1 if side else 1])
    net.output(net(Exp(), net(Div(), y, 8.0)))
    assert check_pass(net, FOLD) == ["FullyConnected", "Reshape", "Transpose", "MatMul", "Exp"]


def test_a_product_of_anything_else_keeps_its_scale() -> None:
    net = Net()
    a, b = net.input(2, 5, 4), net(Exp(), net.input(2, 4, 5))
    layer = net(FullyConnected(), a, net.random_const(4, 4))
    net.output(net(Mul(), net(MatMul(), a, b), 2.0), net(Mul(), net(MatMul(), layer, b), np.arange(1.0, 6)),
               net(Mul(), net(MatMul(), layer, b), 2.0))
    check_untouched(net, FOLD)


# ---- before a product --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("scale", [(), (1,), (6, 1, 1), (1, 6, 1, 1)], ids=str)
def test_a_scale_in_a_product_before(scale: tuple[int, ...], side: int) -> None:
    """As in squeeze and excite with a HardSigmoid: what is left of its sixth goes into the convolution behind."""
    net = Net()
    x, gate = net(Exp(), net.input(2, 6, 3, 3)), net(Clip(0.0, 6.0), net.input(2, 6, 1, 1))
    gate = net(Mul(), gate, net.const(net.random.uniform(0.1, 1, scale)))
    product = net(Mul(), x, gate) if side else net(Mul(), gate, x)
    net.output(net(Conv((1, 1), (1, 1), (1, 1), (1, 1)), product, net.random_const(4, 6, 3, 3), net.random_const(4)))
    assert check_pass(net, FOLD) == ["Exp", "Clip", "Mul", "Conv"]


def test_a_scale_in_a_product_that_stays() -> None:
    """Others read it, or it is not the same for all elements of a channel."""
    net = Net()
    conv, w = Conv((1, 1), (1, 1), (0, 0), (0, 0)), net.random_const(4, 6, 1, 1)
    x = net(Exp(), net.input(2, 6, 3, 3))
    scaled, shared, read = (net(Mul(), net(Clip(0.0, 6.0), net.input(2, 6, 3, 3)), net.random_const(*s)) for s in ((3, 3), (6, 1, 1), (1,)))
    product = net(Mul(), x, read)
    net.output(net(conv, net(Mul(), x, scaled), w), net(conv, net(Mul(), x, shared), w), net(Exp(), shared), net(conv, product, w), product)
    check_untouched(net, FOLD)
