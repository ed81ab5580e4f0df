"""Biases that are larger than their integers."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

import nchw2nhwc
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize.accuracy import output_accuracy
from tests.quantize.models import network, samples


@pytest.mark.parametrize("rounding", ["nearest", "samples"])
@pytest.mark.parametrize(("mode", "least"), [("int8", 28), ("int16x8", 40)])
@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense"])
def test_channels_without_weights(kind: str, mode: str, least: float, rounding: str) -> None:
    """In steps of weights of 1e-8 a bias of 2 is more than 2^31."""
    rng = np.random.default_rng(1)
    shape = {"conv": (8, 8, 3, 3), "depthwise": (8, 1, 3, 3), "dense": (8, 8)}[kind]
    weights = rng.normal(0, 0.3, shape)
    weights[2:4] *= 1e-8
    bias = np.where(np.arange(8) < 4, 2.0, 0.1)
    if kind == "dense":
        nodes = [helper.make_node("GlobalAveragePool", ["c"], ["g"]), helper.make_node("Flatten", ["g"], ["f"]),
                 helper.make_node("Gemm", ["f", "k", "l"], ["y"], "dense", transB=1)]
    else:
        nodes = [helper.make_node("Conv", ["c", "k", "l"], ["y"], kind, pads=[1, 1, 1, 1], group=8 if kind == "depthwise" else 1)]
    converted, drawn = nchw2nhwc.convert(network(nodes, k=weights, l=bias)), samples(30)
    content = converted.tflite(quantize=QuantizeOptions([mode], calibration=drawn[:24], rounding=rounding))
    for plain in (False, True):
        expected, made = ([LoadedFile(file, converted.inputs, plain=plain).run(converted.outputs, sample) for sample in drawn[24:]]
                          for file in (converted.tflite(), content))
        assert output_accuracy(expected, made)["y"].sqnr > least
