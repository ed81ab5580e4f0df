"""Weights that are rounded together, for what they are multiplied by."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper
from scipy.signal import correlate

import nchw2nhwc
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize import flatfile
from nchw2nhwc.quantize.accuracy import output_accuracy
from nchw2nhwc.quantize.rounding import Collected, rounded_together
from nchw2nhwc.quantize.weighted import weighted
from tests.quantize.models import conv, network, pixel_weights


def smooth(count: int, channels: int = 4, size: int = 16) -> list[dict[str, np.ndarray]]:
    """Inputs whose neighbouring pixels and channels are alike, off 0, as those of trained networks are."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(count):
        noise = rng.normal(0, 1, (channels, size, size))
        spread = np.stack([correlate(plane, np.ones((5, 5)) / 5, "same") for plane in noise])
        found.append({"x": (np.einsum("ab,bhw->ahw", rng.normal(1, 0.3, (channels, channels)), spread) + 1)[None].astype(np.float32)})
    return found


def deep() -> onnx.ModelProto:
    """Strided, dilated, grouped, depthwise and fully connected layers, most with biases."""
    rng = np.random.default_rng(2)
    nodes = [helper.make_node("Conv", ["c", "k1", "b"], ["d"], "strided", pads=[1, 1, 1, 1], strides=[2, 2]),
             helper.make_node("Conv", ["d", "k2", "b"], ["e"], "dilated", pads=[2, 2, 2, 2], dilations=[2, 2]),
             helper.make_node("Conv", ["e", "k3", "b"], ["f"], "grouped", pads=[1, 1, 1, 1], group=2),
             helper.make_node("Conv", ["f", "k4", "b"], ["g"], "depthwise", pads=[1, 1, 1, 1], group=8),
             helper.make_node("Flatten", ["g"], ["h"], "flat"), helper.make_node("MatMul", ["h", "m"], ["y"], "dense")]
    kernels = {name: rng.normal(0, 0.2, shape) for name, shape in (("k1", (8, 8, 3, 3)), ("k2", (8, 8, 3, 3)), ("k3", (8, 4, 3, 3)),
                                                                   ("k4", (8, 1, 3, 3)), ("m", (512, 16)))}
    return network(nodes, size=16, **kernels)


def ratios(model: onnx.ModelProto, mode: str) -> dict[str, float]:
    """SQNR by how weights are rounded, on samples that are not calibrated with."""
    converted, drawn = nchw2nhwc.convert(model), smooth(40)
    expected = [LoadedFile(converted.tflite(), converted.inputs).run(converted.outputs, sample) for sample in drawn[24:]]
    found = {}
    for rounding in ("nearest", "samples"):
        content = converted.tflite(quantize=QuantizeOptions([mode], calibration=drawn[:24], rounding=rounding))
        made = LoadedFile(content, converted.inputs)
        found[rounding] = output_accuracy(expected, [made.run(converted.outputs, sample) for sample in drawn[24:]])["y"].sqnr
    return found


@pytest.mark.parametrize("mode", ["int16x8", "weight8", "weight4"])
def test_results_are_nearer(mode: str) -> None:
    found = ratios(deep(), mode)
    assert found["samples"] > found["nearest"] + 3


def test_every_kind_of_layer_is_seen_as_a_matrix() -> None:
    """Rows times matrices are what the operator computes."""
    converted, sample = nchw2nhwc.convert(deep()), smooth(1)[0]
    model = flatfile.read(converted.tflite())
    part = flatfile.Part(model, model.subgraphs[0])
    layers = list(weighted(part))
    assert sorted(layer.code for layer in layers) == sorted(["CONV_2D"] * 4 + ["DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
    tensors = LoadedFile(converted.tflite(), converted.inputs, inside=True).tensors(
        sample, {name for layer in layers for name in (layer.data, layer.result)})
    for layer in layers:
        rows = layer.rows(tensors[layer.data], 1 << 20)
        made = np.concatenate([r @ m.T for r, m in zip(rows, layer.matrices())], -1)
        bias = part.constant(layer.op.inputs[2]) if layer.op.inputs[2] >= 0 else None
        made = made + (0 if bias is None else bias)
        np.testing.assert_allclose(made, tensors[layer.result].reshape(made.shape), atol=1e-4)
        np.testing.assert_array_equal(layer.stored(layer.matrices()), layer.weights)
    collected = Collected(converted.tflite())
    collected.add(LoadedFile(converted.tflite(), converted.inputs, inside=True).tensors(sample, collected.wanted))
    known = collected.found
    assert {layer.result for layer in layers} == set(known)


def test_rounded_together() -> None:
    """Operands that are all the same: only the sum of the weights matters, which is kept to half a step."""
    values = np.random.default_rng(0).uniform(-3, 3, (2, 5, 40))
    second = np.full((2, 40, 40), 1.0) + 1e-3 * np.eye(40)
    whole = rounded_together(values, second, 127)
    assert (whole == np.round(whole)).all()
    assert np.abs((whole - values).sum(2)).max() < 0.6 < np.abs((np.round(values) - values).sum(2)).max()
    np.testing.assert_array_equal(rounded_together(values, np.broadcast_to(np.eye(40), (2, 40, 40)), 127), np.round(values))
    assert np.abs(rounded_together(values * 100, second, 127)).max() == 127


def test_random_samples_say_nothing_about_weights() -> None:
    converted = nchw2nhwc.convert(network([conv("c", "y", "last")], v=pixel_weights(256, 8)))
    made = {rounding: converted.tflite(quantize=QuantizeOptions(["dynamic"], calibration="random", rounding=rounding))
            for rounding in ("samples", "nearest")}
    assert made["samples"] == made["nearest"] == converted.tflite(quantize="dynamic")


def test_operands_next_to_zero() -> None:
    """Their squares are no numbers that float32 holds: nothing is known of how they vary together."""
    source = network([conv("c", "y", "last")], size=16, w=np.random.default_rng(0).normal(0, 2e-24, (8, 4, 3, 3)), b=np.zeros(8),
                     v=pixel_weights(128, 8))
    converted, drawn = nchw2nhwc.convert(source), smooth(6)
    content = converted.tflite(quantize=QuantizeOptions(["weight8"], calibration=drawn))
    expected, made = (LoadedFile(file, converted.inputs).run(converted.outputs, drawn[0]) for file in (converted.tflite(), content))
    assert output_accuracy([expected], [made])["y"].sqnr > 30
