"""Weights that ai-edge-quantizer rounds in pieces."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import nchw2nhwc
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize.run import Quantization


@pytest.mark.parametrize("per_tensor", [False, True])
def test_convolution_of_1024_to_1024_channels(per_tensor: bool) -> None:
    """36 MB of weights."""
    weights = np.random.default_rng(0).normal(0, 0.02, (1024, 1024, 3, 3)).astype(np.float32)
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"], "conv", pads=[1] * 4)], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1024, 2, 2])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(weights, "w")])
    converted = nchw2nhwc.convert(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    quantization = Quantization(converted, QuantizeOptions(["int8"], calibration="random", per_tensor=per_tensor))
    content = quantization.content("int8")
    assert len(content) < 1.01 * weights.size
    assert quantization.accuracy("int8", content).outputs["y"].sqnr > 33
