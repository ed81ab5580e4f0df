"""Small networks in source order, each with one thing that a converter can get wrong about layout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.activation_functions import Relu, Sigmoid
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Reshape, Slice, Transpose
from nchw2nhwc.ops.norm import MVN
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.reduce import ReduceMean, Softmax
from nchw2nhwc.ops.windowed import Conv


class Network:
    """A graph with shorthands."""

    def __init__(self, name: str, *shape: Size) -> None:
        self.graph = Graph(name)
        self.rng = np.random.default_rng(0)
        self.x = self.graph.add_input("image", TensorType(np.dtype(np.float32), shape))

    def __call__(self, op: Op, *inputs: Value) -> Value:
        return self.graph.add1(op, inputs)

    def weights(self, *shape: int) -> Value:
        return self.graph.constant(self.rng.uniform(-0.5, 0.5, shape).astype(np.float32), "weights")

    def conv(self, x: Value, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Value:
        pad = ((kernel - 1) // 2,) * 2
        inputs = x.shape[1]
        assert isinstance(inputs, int)
        op = Conv((stride, stride), (1, 1), pad, pad, groups)
        return self(op, x, self.weights(channels, inputs // groups, kernel, kernel), self.weights(channels))

    def dense(self, x: Value, columns: int) -> Value:
        inner = x.shape[-1]
        assert isinstance(inner, int)
        return self(FullyConnected(), x, self.weights(columns, inner), self.weights(columns))

    def view(self, x: Value, *shape: Size) -> Value:
        return self(Reshape(shape), x)

    def swap(self, x: Value, *perm: int) -> Value:
        return self(Transpose(perm), x)

    def done(self, *outputs: Value) -> Graph:
        for k, value in enumerate(outputs):
            self.graph.add_output(value, f"y{k}")
        return self.graph


def classifier() -> Graph:
    """Convolution, residual, pooling, flatten, classifier; every dimension is equal, so shapes tell nothing."""
    n = Network("classifier", 4, 4, 4, 4)
    x = n(Relu(), n.conv(n.x, 4, 3))
    x = n(Add(), x, n.conv(x, 4, 1))
    x = n(MaxPool((2, 2), (2, 2), (1, 1), (0, 0), (0, 0)), x)
    return n.done(n.dense(n.view(x, 4, 16), 10))


def squeeze_excite() -> Graph:
    """A channel gate through a global average, by way of a flat vector."""
    n = Network("squeeze_excite", 1, 3, 8, 8)
    x = n.conv(n.x, 6, 3)
    gate = n.view(n(ReduceMean((2, 3), True), x), 1, 6)
    gate = n(Sigmoid(), n.dense(n(Relu(), n.dense(gate, 2)), 6))
    return n.done(n.conv(n(Mul(), x, n.view(gate, 1, 6, 1, 1)), 4))


def channel_shuffle() -> Graph:
    """Grouped convolutions with the channel shuffle between them: channels-last, the shuffle is real work."""
    n = Network("channel_shuffle", 1, 4, 6, 6)
    x = n.conv(n.x, 8, 1)
    x = n.view(n.swap(n.view(x, 1, 2, 4, 6, 6), 0, 2, 1, 3, 4), 1, 8, 6, 6)
    return n.done(n.conv(x, 8, 3, groups=2))


def window_attention() -> Graph:
    """Window partition, self-attention, window reverse: ten Transposes in the source; q, k, v and the result have to move once."""
    n = Network("window_attention", 1, 3, 8, 8)
    x = n.swap(n.conv(n.x, 8, 1), 0, 2, 3, 1)
    x = n(MVN((3,), 1e-5), x)
    x = n.view(n.swap(n.view(x, 1, 2, 4, 2, 4, 8), 0, 1, 3, 2, 4, 5), 4, 16, 8)
    q, k, v = (n.swap(n.view(n.dense(x, 8), 4, 16, 2, 4), 0, 2, 1, 3) for _ in range(3))
    attention = n(Softmax(3), n(MatMul(), q, n.swap(k, 0, 1, 3, 2)))
    x = n.view(n.swap(n(MatMul(), attention, v), 0, 2, 1, 3), 4, 16, 8)
    x = n.view(n.swap(n.view(n.dense(x, 8), 1, 2, 2, 4, 4, 8), 0, 1, 3, 2, 4, 5), 1, 8, 8, 8)
    return n.done(n.conv(n.swap(x, 0, 3, 1, 2), 4))


def pyramid() -> Graph:
    """Features stacked along a new axis and averaged, as in a feature pyramid's weighted fusion."""
    n = Network("pyramid", 1, 3, 4, 4)
    levels = [n.view(n.conv(n.x, 4, k), 1, 4, 4, 4, 1) for k in (1, 3)]
    return n.done(n.conv(n(ReduceMean((4,), False), n(Concat(4), *levels)), 2))


def sequence() -> Graph:
    """A feature map whose columns become a sequence, as text recognizers have it, with any batch size.

    The second output is flattened channels first, which an output has to stay: that takes a Transpose.
    """
    n = Network("sequence", Dim.symbol("N"), 1, 8, 16)
    batch = n.x.shape[0]
    x = n(ReduceMean((2,), False), n.conv(n.x, 6, 3))
    return n.done(n(Softmax(2), n.dense(n.swap(x, 0, 2, 1), 5)), n.view(n.conv(n.x, 2, 1), batch, 2 * 8 * 16))


def detection_heads() -> Graph:
    """Boxes of two scales, spelled the usual way: transpose, reshape, concat."""
    n = Network("detection_heads", 1, 3, 8, 8)
    fine = n(Relu(), n.conv(n.x, 8, 3))
    coarse = n(Relu(), n.conv(fine, 8, 3, stride=2))
    flat = [n.view(n.swap(n.conv(x, 8, 1), 0, 2, 3, 1), 1, int(x.shape[2]) * int(x.shape[3]) * 2, 4) for x in (fine, coarse)]
    joined = n(Concat(1), *flat)
    keep = (None,) * 3
    return n.done(joined, n(Slice(keep, (None, None, 2), (1, 1, 1)), joined))


NETWORKS: dict[str, Callable[[], Graph]] = {
    f.__name__: f for f in (classifier, squeeze_excite, channel_shuffle, window_attention, pyramid, sequence, detection_heads)
}
TRANSPOSES = {"classifier": 0, "squeeze_excite": 0, "channel_shuffle": 1, "window_attention": 4, "pyramid": 0, "sequence": 1,
              "detection_heads": 0}
"""How many Transposes each network needs, by hand."""
