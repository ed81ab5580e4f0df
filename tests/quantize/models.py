"""Small networks to quantize."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def network(nodes: Sequence[onnx.NodeProto], channels: int = 4, *, outputs: Sequence[str] = ("y",), size: int = 8,
            **constants: np.ndarray) -> onnx.ModelProto:
    """`x` [1, channels, size, size], a convolution to `c`, then `nodes`. Constants are by name."""
    rng = np.random.default_rng(7)
    weights = {"w": rng.normal(0, 0.3, (8, channels, 3, 3)), "b": rng.normal(0, 0.1, 8), **constants}
    tensors = [numpy_helper.from_array(np.asarray(v, v.dtype if v.dtype.kind == "i" else np.float32), k) for k, v in weights.items()]
    first = helper.make_node("Conv", ["x", "w", "b"], ["c"], "first", pads=[1, 1, 1, 1])
    graph = helper.make_graph([first, *nodes], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, size, size])],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def conv(source: str, target: str, name: str, weights: str = "v") -> onnx.NodeProto:
    """A convolution over `source` with kernels of one pixel."""
    return helper.make_node("Conv", [source, weights], [target], name)


def pixel_weights(out: int, into: int) -> np.ndarray:
    """Weights for `conv`."""
    return np.random.default_rng(3).normal(0, 0.4, (out, into, 1, 1))


def samples(count: int = 6, channels: int = 4, size: int = 8) -> list[dict[str, np.ndarray]]:
    """Inputs for `network`."""
    rng = np.random.default_rng(11)
    return [{"x": rng.normal(0, 1, (1, channels, size, size)).astype(np.float32)} for _ in range(count)]
