"""A network of any size in which no two stages are alike: convolutions, inverted residuals, squeeze and excite, branches, window and global
attention. Deterministic: the same number of nodes gives the same file."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = tuple[int, ...]


class Varied:
    """Grows an ONNX graph on images (1, channels, side, side) until it has enough nodes."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    # ---- small parts -----------------------------------------------------------------------------------------------
    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: object) -> str:
        """A node; its first result's name (the others are called the same with _1, _2, ... behind it)."""
        name = f"{kind.lower()}{len(self.nodes)}"
        names = [name, *(f"{name}_{k}" for k in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, **attributes))
        return name

    def constant(self, array: np.ndarray[Shape, np.dtype[np.generic]]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def uniform(self, *shape: int) -> str:
        scale = 1 / max(1.0, prod(shape[1:]) ** 0.5)
        return self.constant(self.random.uniform(-scale, scale, shape).astype(np.float32))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def reshape(self, x: str, *shape: int) -> str:
        return self.node("Reshape", x, self.ints(*shape))

    def transpose(self, x: str, *perm: int) -> str:
        return self.node("Transpose", x, perm=perm)

    def conv(self, x: str, inputs: int, outputs: int, kernel: int = 1, groups: int = 1, activation: str = "") -> str:
        y = self.node("Conv", x, self.uniform(outputs, inputs // groups, kernel, kernel), self.uniform(outputs),
                      pads=[kernel // 2] * 4, group=groups, kernel_shape=[kernel, kernel])
        return self.node(activation, y) if activation else y

    def norm(self, x: str, channels: int) -> str:
        ones = self.constant(self.random.uniform(0.5, 1.5, channels).astype(np.float32))
        return self.node("LayerNormalization", x, ones, self.uniform(channels), axis=-1, epsilon=1e-5)

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        return self.node("Add", self.node("MatMul", x, self.uniform(inputs, outputs)), self.uniform(outputs))

    # ---- stages: images in, images of the same shape out -------------------------------------------------------------------
    def residual(self, x: str, c: int, side: int) -> str:
        y = self.conv(self.conv(x, c, c, 3, activation="Relu"), c, c, 3)
        return self.node("Relu", self.node("Add", x, y))

    def inverted(self, x: str, c: int, side: int) -> str:
        y = self.conv(x, c, 3 * c, activation="HardSwish")
        y = self.excite(self.conv(y, 3 * c, 3 * c, 5, groups=3 * c, activation="HardSwish"), 3 * c, side)
        return self.node("Add", x, self.conv(y, 3 * c, c))

    def excite(self, x: str, c: int, side: int) -> str:
        pooled = self.node("GlobalAveragePool", x)
        scale = self.node("Sigmoid", self.conv(self.conv(pooled, c, c // 2, activation="Relu"), c // 2, c))
        return self.node("Mul", x, scale)

    def branches(self, x: str, c: int, side: int) -> str:
        half = c // 2
        first = self.node("Split", x, self.ints(half, half), outputs=2, axis=1)
        parts = [self.conv(first, half, half, 3, activation="Relu"), self.conv(f"{first}_1", half, half, 1, activation="Sigmoid"), x]
        return self.conv(self.node("Concat", *parts, axis=1), 2 * c, c, activation="Relu")

    def shuffled(self, x: str, c: int, side: int) -> str:
        y = self.conv(x, c, c, 3, groups=c)
        y = self.reshape(self.transpose(self.reshape(y, 1, 2, c // 2, side, side), 0, 2, 1, 3, 4), 1, c, side, side)
        return self.node("Add", self.conv(y, c, c), x)

    def windows(self, x: str, c: int, side: int) -> str:
        """Attention within windows of 4 x 4, on tokens (1, side, side, c)."""
        n, w = side // 4, 4
        tokens = self.transpose(x, 0, 2, 3, 1)
        y = self.norm(tokens, c)
        y = self.reshape(self.transpose(self.reshape(y, 1, n, w, n, w, c), 0, 1, 3, 2, 4, 5), n * n, w * w, c)
        y = self.attention(y, n * n, w * w, c, 2)
        y = self.reshape(self.transpose(self.reshape(y, 1, n, n, w, w, c), 0, 1, 3, 2, 4, 5), 1, side, side, c)
        return self.transpose(self.mixed(self.node("Add", tokens, y), c), 0, 3, 1, 2)

    def tokens(self, x: str, c: int, side: int) -> str:
        """Attention between all tokens (1, side * side, c)."""
        count = side * side
        sequence = self.transpose(self.reshape(x, 1, c, count), 0, 2, 1)
        y = self.node("Add", sequence, self.attention(self.norm(sequence, c), 1, count, c, 4))
        return self.reshape(self.transpose(self.mixed(y, c), 0, 2, 1), 1, c, side, side)

    def attention(self, x: str, batch: int, count: int, c: int, heads: int) -> str:
        width = c // heads
        stacked = self.transpose(self.reshape(self.linear(x, c, 3 * c), batch, count, 3, heads, width), 2, 0, 3, 1, 4)
        q, k, v = (self.node("Gather", stacked, self.constant(np.array(i, np.int64)), axis=0) for i in range(3))
        scores = self.node("MatMul", q, self.transpose(k, 0, 1, 3, 2))
        scores = self.node("Softmax", self.node("Mul", scores, self.constant(np.array(width ** -0.5, np.float32))), axis=-1)
        mixed = self.reshape(self.transpose(self.node("MatMul", scores, v), 0, 2, 1, 3), batch, count, c)
        return self.linear(mixed, c, c)

    def mixed(self, x: str, c: int) -> str:
        """The second half of a transformer block, on tokens."""
        y = self.linear(self.norm(x, c), c, 2 * c)
        half = self.node("Mul", y, self.constant(np.array(0.5, np.float32)))
        root = self.constant(np.array(2 ** 0.5, np.float32))
        gelu = self.node("Mul", half, self.node("Add", self.node("Erf", self.node("Div", y, root)), self.constant(np.array(1, np.float32))))
        return self.node("Add", x, self.linear(gelu, 2 * c, c))


STAGES = (Varied.residual, Varied.inverted, Varied.branches, Varied.windows, Varied.shuffled, Varied.tokens, Varied.excite)
WIDTHS, SIDES = (8, 16, 24), (16, 8)


def varied_network(nodes: int) -> onnx.ModelProto:
    """A model of about so many nodes: stages in random order, with skips over several of them, and changes of width and size in between."""
    v = Varied()
    x, c, side = v.conv("image", 3, WIDTHS[0], 3, activation="Relu"), WIDTHS[0], 16
    skips: dict[Shape, str] = {}
    while len(v.nodes) < nodes - 4:
        for _ in range(int(v.random.integers(2, 7))):
            x = STAGES[int(v.random.integers(len(STAGES)))](v, x, c, side)
        if (c, side) in skips and v.random.random() < 0.5:
            x = v.node("Add", x, skips[c, side])
        skips[c, side] = x
        wider, other = int(v.random.choice(WIDTHS)), int(v.random.choice(SIDES))
        if other < side:
            x = v.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        elif other > side:
            x = v.node("Resize", x, "", v.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest",
                       coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        if wider != c:
            x = v.conv(x, c, wider, activation="Relu")
        c, side = wider, other
    x = v.node("Flatten", v.node("GlobalAveragePool", x))
    x = v.node("Softmax", v.node("Gemm", x, v.uniform(10, c), v.uniform(10), transB=1), axis=1)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 16, 16))
    out = helper.make_tensor_value_info(x, TensorProto.FLOAT, (1, 10))
    graph = helper.make_graph(v.nodes, "varied", [image], [out], v.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
