"""Channel shuffles between convolutions: gone where every reader can follow, untouched where one cannot."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Mul
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Concat, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.routing import ROUTE_CHANNELS

SIZE = 4


class Net:
    """A graph with shorthands; all convolutions keep the 4x4 image."""

    def __init__(self) -> None:
        self.graph = Graph("shuffled")
        self.rng = np.random.default_rng(0)
        self.x = self.graph.add_input("x", TensorType(np.dtype(np.float32), (2, 3, SIZE, SIZE)))

    def __call__(self, op: Op, *inputs: Value) -> Value:
        return self.graph.add1(op, inputs)

    def weights(self, *shape: int) -> Value:
        return self.graph.constant(self.rng.uniform(-1, 1, shape).astype(np.float32))

    def conv(self, x: Value, channels: int, groups: int = 1) -> Value:
        op = Conv((1, 1), (1, 1), (0, 0), (0, 0), groups)
        y = self(op, x, self.weights(channels, int(x.shape[1]) // groups, 1, 1), self.weights(channels))  # type: ignore[arg-type]
        return self(Relu(), y)

    def shuffle(self, x: Value, groups: int = 2) -> Value:
        n, c, *image = x.shape
        assert isinstance(c, int)
        y = self(Reshape((n, groups, c // groups, *image)), x)
        return self(Reshape(x.shape), self(Transpose((0, 2, 1, 3, 4)), y))

    def halves(self, x: Value) -> tuple[Value, ...]:
        half = int(x.shape[1]) // 2  # type: ignore[arg-type]
        return self.graph.add(Split(1, (half, half)), [x])

    def unit(self, x: Value) -> Value:
        """ShuffleNet v2's unit: half of the channels pass, the other half is convolved, then all are shuffled."""
        passing, used = self.halves(x)
        made = self.conv(self.conv(used, 6, groups=6), 6)
        return self.shuffle(self(Concat(1), passing, made))


def result(graph: Graph) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    x = np.random.default_rng(1).uniform(-1, 1, (2, 3, SIZE, SIZE)).astype(np.float32)
    return run(graph, {"x": x})["y"]


def count(graph: Graph, *kinds: type[Op]) -> int:
    return sum(isinstance(n.op, kinds) for n in graph.nodes)


def routed(net: Net, output: Value) -> int:
    """Route the finished network, which has to mean the same afterwards."""
    net.graph.add_output(output, "y")
    before = result(net.graph)
    rewrites = ROUTE_CHANNELS(net.graph)
    verify(net.graph)
    np.testing.assert_allclose(result(net.graph), before, rtol=1e-4, atol=1e-5)
    return rewrites


def start(net: Net) -> Value:
    return net.shuffle(net(Concat(1), net.conv(net.x, 6), net.conv(net.x, 6)))


def test_units_in_a_row() -> None:
    net = Net()
    x = net.unit(net.unit(start(net)))
    x = net(MaxPool((2, 2), (1, 1), (1, 1), (0, 0), (0, 0)), net.conv(x, 5))
    assert routed(net, net(FullyConnected(), net(ReduceMean((2, 3), False), x), net.weights(3, 5))) == 1
    assert count(net.graph, Transpose, Reshape) == 0
    assert count(net.graph, Concat) == 3  # one before each reader: two branches and the end


def test_readers_that_hand_the_order_on() -> None:
    """A depthwise convolution, a pool, a mean and a classifier in a row."""
    net = Net()
    x = net.conv(start(net), 12, groups=12)
    x = net(MaxPool((2, 2), (1, 1), (1, 1), (0, 0), (0, 0)), x)
    assert routed(net, net(FullyConnected(), net(ReduceMean((2, 3), False), x), net.weights(3, 12))) == 1
    assert count(net.graph, Transpose, Reshape, Split) == 0


@pytest.mark.parametrize("kind", ["slice", "gather"])
def test_other_ways_to_take_channels(kind: str) -> None:
    net = Net()
    x = start(net)
    keep = (None, None, None, None)
    if kind == "slice":
        x = net(Slice((None, 1, None, None), keep, (1, 2, 1, 1)), x)
    else:
        x = net(Gather(1), x, net.graph.constant(np.array([3, -1, 0, 7])))
    assert routed(net, net.conv(x, 4)) == 1
    assert count(net.graph, Transpose, Reshape, Slice, Gather) == 0


def test_what_reads_in_a_fixed_order_stays() -> None:
    """A product with a constant per channel, a grouped convolution, and an output of the graph."""
    for fixed in ("scale", "grouped", "output"):
        net = Net()
        x = start(net)
        y = {"scale": lambda net=net, x=x: net(Mul(), x, net.weights(12, 1, 1)), "grouped": lambda net=net, x=x: net.conv(x, 4, groups=2),
             "output": lambda x=x: x}[fixed]()
        assert routed(net, y) == 0
        assert count(net.graph, Transpose) == 1


def test_sources_that_something_else_reads_stay() -> None:
    net = Net()
    a, b = net.conv(net.x, 6), net.conv(net.x, 6)
    x = net.conv(net.shuffle(net(Concat(1), a, b)), 6)
    assert routed(net, net(Concat(1), x, a)) == 0


def test_plain_concatenations_stay() -> None:
    net = Net()
    x = net(Concat(1), net.conv(net.x, 6), net.conv(net.x, 6))
    assert routed(net, net.conv(x, 4)) == 0


def test_sources_that_no_convolution_makes_stay() -> None:
    net = Net()
    x = net.shuffle(net(Concat(1), net.conv(net.x, 3), net(Relu(), net.x)))
    assert routed(net, net.conv(x, 4)) == 0
