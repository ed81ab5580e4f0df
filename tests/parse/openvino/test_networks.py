"""Small networks with what real files hold: compressed weights, shape arithmetic, residuals, several outputs, an open batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import openvino.opset13 as op
import pytest

from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import close, core

RNG = np.random.default_rng(7)


def weights(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return RNG.normal(0, 0.3, shape).astype(np.float32)


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


def conv(x: openvino.Node, filters: int, channels: int, stride: int = 1) -> openvino.Node:
    """3x3, with a bias: the weights alone are more than what is folded while a graph is built."""
    y = op.convolution(x, weights(filters, channels, 3, 3), [stride, stride], [1, 1], [1, 1], [1, 1])
    return op.add(y, weights(1, filters, 1, 1))


def network() -> openvino.Model:
    """Stem, residual block, depthwise block with squeeze and excitation, an upsampled branch, a classifier that flattens by arithmetic."""
    x = op.parameter(["?", 3, 16, 12], np.float32, name="image")
    stem = op.relu(conv(x, 24, 3, 2))
    block = op.add(stem, op.batch_norm_inference(conv(stem, 24, 24), np.ones(24, np.float32), weights(24), weights(24),
                                                 np.full(24, 0.7, np.float32), 1e-3))
    deep = op.group_convolution(block, weights(24, 1, 1, 3, 3), [2, 2], [1, 1], [1, 1], [1, 1])
    squeezed = op.sigmoid(op.convolution(op.reduce_mean(deep, i64(2, 3), True), weights(24, 24, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1]))
    excited = op.clamp(op.multiply(deep, squeezed), 0, 6)
    size = op.gather(op.shape_of(block), i64(2, 3), np.int64(0))
    up = op.interpolate(excited, size, "linear_onnx", "sizes", axes=i64(2, 3), coordinate_transformation_mode="half_pixel")
    mask = op.softmax(op.convolution(op.concat([up, block], 1), weights(5, 48, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1]), 1)
    batch = op.gather(op.shape_of(excited), i64(0), np.int64(0))
    flat = op.reshape(excited, op.concat([batch, i64(-1)], 0), False)
    scores = op.matmul(flat, weights(10, 288), False, True)
    for node, name in ((x, "image"), (scores, "scores"), (mask, "mask")):
        node.output(0).set_names({name})
        node.set_friendly_name(name)
    return openvino.Model([op.result(scores), op.result(mask)], [x], "small")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("version", [10, 11])
@pytest.mark.parametrize("batch", [1, 3, -1])
def test_a_network(compressed: bool, version: int, batch: int, tmp_path: Path) -> None:
    path = tmp_path / "small.xml"
    openvino.save_model(network(), path, compress_to_fp16=compressed)
    reference = core().compile_model(core().read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    path.write_text(path.read_text().replace('version="11"', f'version="{version}"', 1))
    graph = read_openvino(path, batch=batch)
    verify(graph)
    image = RNG.uniform(-1, 1, (2 if batch == -1 else batch, 3, 16, 12)).astype(np.float32)
    expected = reference([image])
    mine = run(graph, {"image": image})
    assert list(mine) == ["scores", "mask"]
    for k, array in enumerate(mine.values()):
        assert close(array, expected[k], 1e-5)
    assert compressed == any(node.op.name == "Cast" for node in graph.nodes)
    assert "Sizes" not in [node.op.name for node in graph.nodes]


def test_the_open_batch_of_the_file_itself(tmp_path: Path) -> None:
    path = tmp_path / "small.xml"
    openvino.save_model(network(), path)
    assert [str(v.type) for v in read_openvino(path).outputs] == ["float32[image_0, 10]", "float32[image_0, 5, 8, 6]"]
