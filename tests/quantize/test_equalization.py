"""Channels that are made equally large."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import nchw2nhwc
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize import flatfile
from nchw2nhwc.quantize.accuracy import output_accuracy
from nchw2nhwc.quantize.equalization import LARGEST, SHARE, equalized
from nchw2nhwc.quantize.run import Quantization
from tests.quantize.models import network, pixel_weights, samples

CHANNELS = np.geomspace(1, 0.1, 8)


def uneven(nodes: list[onnx.NodeProto], **constants: np.ndarray) -> onnx.ModelProto:
    """A first layer whose channels become smaller and smaller, and layers that make up for it."""
    rng = np.random.default_rng(4)
    return network(nodes, **{"w": rng.normal(0, 0.3, (8, 4, 3, 3)) * CHANNELS[:, None, None, None], "b": rng.normal(0, 0.1, 8) * CHANNELS,
                             "k": rng.normal(0, 0.3, (8, 1, 3, 3)) / CHANNELS[:, None, None, None],
                             "v": pixel_weights(5, 8) / CHANNELS[:, None, None], **constants})


def between(*nodes: onnx.NodeProto) -> list[onnx.NodeProto]:
    """These from `c` to `d`, and a depthwise layer behind."""
    return [*nodes, helper.make_node("Conv", ["d", "k"], ["y"], "depthwise", pads=[1, 1, 1, 1], strides=[2, 2], group=8)]


CASES = {
    "relu, padded": between(helper.make_node("Relu", ["c"], ["d"])),
    "slopes": between(helper.make_node("PRelu", ["c", "s"], ["d"])),
    "one slope": between(helper.make_node("LeakyRelu", ["c"], ["d"], alpha=0.1)),
    "pooling": between(helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2])),
    "two readers": [helper.make_node("Relu", ["c"], ["d"]), helper.make_node("Conv", ["d", "l"], ["z"], "one", strides=[2, 2], group=8),
                    helper.make_node("Conv", ["d", "k"], ["y"], "other", group=8)]}
APART = {
    "other layers": [helper.make_node("Conv", ["c", "v"], ["y"], "one"), helper.make_node("Conv", ["c", "k"], ["z"], "other", group=8)],
    "sum": [helper.make_node("Add", ["c", "t"], ["d"]), helper.make_node("Conv", ["d", "k"], ["y"], group=8)],
    "given out": [helper.make_node("Conv", ["c", "k"], ["y"], group=8), helper.make_node("Identity", ["c"], ["z"])],
    "bounded": between(helper.make_node("Clip", ["c", "lowest", "highest"], ["d"])),
    "curved": between(helper.make_node("HardSwish", ["c"], ["d"]))}
EXTRA = {"s": np.linspace(0.1, 0.4, 8).reshape(8, 1, 1), "t": np.random.default_rng(5).normal(0, 1, (8, 8, 8)), "lowest": np.array(0.0),
         "highest": np.array(6.0), "l": np.random.default_rng(6).normal(0, 1, (8, 1, 3, 3))}


def made(nodes: list[onnx.NodeProto]) -> tuple[nchw2nhwc.Converted, bytes, bytes]:
    """The conversion, its file, and that with channels made equally large."""
    outputs = [name for name in ("y", "z") if any(name in node.output for node in nodes)]
    used = {name for node in nodes for name in node.input}
    model = uneven(nodes, **{name: value for name, value in EXTRA.items() if name in used})
    while len(model.graph.output) > 0:
        model.graph.output.pop()
    model.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs)
    converted = nchw2nhwc.convert(model)
    content = converted.flatbuffer().tobytes()
    loaded = LoadedFile(content, converted.inputs, inside=True)
    return converted, content, equalized(content, lambda wanted: (loaded.tensors(sample, wanted) for sample in samples()))


@pytest.mark.parametrize("name", CASES)
def test_channels_become_equally_large_and_results_stay(name: str) -> None:
    converted, content, equal = made(CASES[name])
    assert equal != content
    before, after = (LoadedFile(each, converted.inputs, inside=True) for each in (content, equal))
    model = flatfile.read(content)
    part = flatfile.Part(model, model.subgraphs[0])
    first = next(op for op in part.graph.operators if part.code(op) == "CONV_2D")
    tensor = part.graph.tensors[first.outputs[0]].name.decode()
    sizes = [np.max([np.abs(file.tensors(sample, {tensor})[tensor]).max((0, 1, 2)) for sample in samples()], 0) for file in (before, after)]
    assert sizes[0].max() > 2.5 * sizes[0].min()
    wanted = np.maximum(sizes[0], np.minimum(sizes[0] * LARGEST, sizes[0].max() * SHARE))
    np.testing.assert_allclose(sizes[1], wanted, rtol=1e-5)
    for info in converted.outputs:
        expected, actual = (file.run(converted.outputs, samples()[0])[info.name] for file in (before, after))
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", APART)
def test_what_is_read_otherwise_stays(name: str) -> None:
    _, content, equal = made(APART[name])
    assert equal == content


def bounded(count: int) -> list[dict[str, np.ndarray]]:
    """Inputs whose largest values are in the first few already."""
    return [{"x": np.random.default_rng(seed).uniform(-1, 1, (1, 4, 8, 8)).astype(np.float32)} for seed in range(count)]


def test_int8_files_are_better_and_layers_compared_with_the_same() -> None:
    converted, drawn = nchw2nhwc.convert(uneven(CASES["relu, padded"])), bounded(200)
    given, tested = drawn[:160], drawn[160:]
    float32 = LoadedFile(converted.tflite(), converted.inputs)
    expected = [float32.run(converted.outputs, sample) for sample in tested]
    found = {}
    for rounding in ("nearest", "samples"):
        options = QuantizeOptions(["int8"], calibration=given, rounding=rounding, ranges="minmax")
        quantized = Quantization(converted, options, tested)
        content = quantized.content("int8")
        file = LoadedFile(content, converted.inputs)
        found[rounding] = output_accuracy(expected, [file.run(converted.outputs, sample) for sample in tested])["y"].sqnr
        assert min(layer.sqnr for layer in quantized.accuracy("int8", content).layers) > 25
    assert found["samples"] > found["nearest"] + 2, found
