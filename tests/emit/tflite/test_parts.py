"""Parts with which the same is done."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite.rules_parts import PARTS_ALIKE
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.activation_functions import LeakyRelu
from nchw2nhwc.ops.binary import Add, Maximum, Mul
from nchw2nhwc.ops.elementwise import Exp, Neg, Rsqrt
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Pad, Reshape, Split
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.reduce import ReduceSum, Softmax
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, count_ops

JOIN = rule_pass("parts", PARTS_ALIKE)


def _normalised(net: Net, x: Value, least: float = 1e-6) -> Value:
    total = net(ReduceSum((x.rank - 1,), True), net(Mul(), x, x))
    return net(Mul(), x, net(Rsqrt(), net(Maximum(), total, net.const(least))))


@pytest.mark.parametrize("batch", [4, "n"])
def test_all_are_normalised(batch: int | str) -> None:
    net = Net()
    q, k = net.all(Split(0, (1, 1)), net.input(2, batch, 5))
    net.output(net(MatMul(adjoint_b=True), _normalised(net, q), _normalised(net, k)))
    check_pass(net, JOIN)
    assert count_ops(net.graph) == {"Split": 1, "Mul": 2, "ReduceSum": 1, "Maximum": 1, "Rsqrt": 1, "MatMul": 1}


def test_all_are_padded() -> None:
    net = Net()
    pad = Pad((0, 1, 0, 0), (0, 0, 1, 0))
    net.output(*(net(Neg(), net(MaxPool((3, 3), (2, 2), (1, 1), (0, 0), (0, 0), channels_last=True), net(pad, part)))
                 for part in net.all(Split(3, (2, 1, 2)), net.input(1, 4, 4, 5))))
    assert check_pass(net, JOIN)[:2] == ["Pad", "Split"]


def test_constants_of_equal_content() -> None:
    net = Net()
    sums = [net(Exp(), net(Add(), part, net.const([1.0, 2.0]))) for part in net.all(Split(1, (2, 1)), net.input(3, 3, 2))]
    net.output(*(net(MatMul(), each, net.random_const(2, 2)) for each in sums))
    assert check_pass(net, JOIN) == ["Add", "Exp", "Split", "MatMul", "MatMul"]


def test_what_stays() -> None:
    """All but one part; other constants, constants for each position, other attributes, along the axis, and parts that
    others read."""
    net = Net()
    chain = [net.all(Split(1, (2, 2)), net.input(3, 4, 2)) for _ in range(5)]
    one = net.all(Split(1, (1, 1, 2)), net.input(3, 4, 2))
    net.output(net(Exp(), one[0]), net(Exp(), one[1]), net(Neg(), one[2]),
               *(net(Add(), part, net.const([number])) for part, number in zip(chain[0], (1.0, 2.0))),
               *(net(Add(), part, net.const([[1.0], [2.0]])) for part in chain[1]),
               *(net(LeakyRelu(slope), part) for part, slope in zip(chain[2], (0.1, 0.2))),
               *(net(Softmax(1), part) for part in chain[3]),
               *(net(MatMul(), part, net.random_const(2, 2)) for part in chain[4]), *(net(Exp(), part) for part in chain[4]))
    check_untouched(net, JOIN)


def test_what_is_read_inside() -> None:
    """Only what comes before is joined."""
    net = Net(np.float32)
    parts = net.all(Split(0, (1, 1)), net.input(2, 4))
    first = [net(Exp(), part) for part in parts]
    net.output(*(net(Neg(), each) for each in first), *(net(Reshape((4,)), each) for each in first))
    check_pass(net, JOIN, 1e-6)
    assert count_ops(net.graph) == {"Exp": 1, "Split": 1, "Neg": 2, "Reshape": 2}
