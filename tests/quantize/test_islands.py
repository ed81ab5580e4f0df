"""Operators that ai-edge-quantizer does not know compute in integers all the same."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import helper

import nchw2nhwc
from nchw2nhwc.quantize import flatfile
from tests.quantize.models import conv, network, pixel_weights, samples

_OPS = {
    "LEAKY_RELU": ([helper.make_node("LeakyRelu", ["c"], ["l"], "l", alpha=0.1), conv("l", "y", "last")], {"v": pixel_weights(4, 8)}),
    "PRELU": ([helper.make_node("PRelu", ["c", "s"], ["l"], "l"), conv("l", "y", "last")],
              {"v": pixel_weights(4, 8), "s": np.linspace(-0.5, 0.5, 8).reshape(8, 1, 1)}),
    "DEPTH_TO_SPACE": ([helper.make_node("DepthToSpace", ["c"], ["l"], "l", blocksize=2), conv("l", "y", "last")],
                       {"v": pixel_weights(4, 2)}),
    "SPLIT_V": ([helper.make_node("Split", ["c", "s"], ["l", "m"], "l", axis=1), conv("l", "o", "o", "v"), conv("m", "p", "p", "u"),
                 helper.make_node("Add", ["o", "p"], ["y"], "add")],
                {"v": pixel_weights(4, 3), "u": pixel_weights(4, 5), "s": np.array([3, 5])}),
    "REDUCE_MAX": ([helper.make_node("ReduceMax", ["c"], ["l"], "l", axes=[2], keepdims=1), conv("l", "y", "last")],
                   {"v": pixel_weights(4, 8)}),
}


def operators(content: bytes) -> list[str]:
    """The operators of a file in order."""
    model = flatfile.read(content)
    part = flatfile.Part(model, model.subgraphs[0])
    return [part.code(op) for op in model.subgraphs[0].operators]


def run(content: bytes, x: np.ndarray, *, xnnpack: bool) -> np.ndarray:
    """The only output for the only input."""
    kind = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def quantized(model: onnx.ModelProto, mode: str) -> tuple[nchw2nhwc.Converted, bytes]:
    converted = nchw2nhwc.convert(model)
    return converted, converted.tflite(quantize=nchw2nhwc.QuantizeOptions([mode], calibration=samples()))


@pytest.mark.parametrize("mode", ["int8", "int16x8"])
@pytest.mark.parametrize("code", _OPS)
def test_no_float_between_integers(code: str, mode: str) -> None:
    nodes, constants = _OPS[code]
    converted, content = quantized(network(nodes, **constants), mode)
    codes = operators(content)
    assert code in codes
    if (code, mode) not in {("PRELU", "int16x8"), ("DEPTH_TO_SPACE", "int16x8")}:  # whose kernels take no int16
        assert codes[0] == "QUANTIZE"
        assert codes[-1] == "DEQUANTIZE"
        assert Counter(codes)["DEQUANTIZE"] == 1
    x = converted.inputs[0].to_result(samples()[5]["x"])
    expected = run(converted.tflite(), x, xnnpack=False)
    for xnnpack in (False, True):
        error = np.abs(run(content, x, xnnpack=xnnpack) - expected).max() / np.abs(expected).max()
        assert error < (0.03 if mode == "int8" else 0.012), (code, xnnpack)


def test_a_scale_is_made_where_it_is_needed() -> None:
    """Operands of a concatenation have its scale without being rounded twice."""
    nodes = [conv("c", "p", "p"), helper.make_node("Relu", ["c"], ["r"], "r"), conv("r", "q", "q", "u"),
             helper.make_node("MaxPool", ["q"], ["m"], "m", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
             helper.make_node("Concat", ["p", "m"], ["y"], "cat", axis=1)]
    _, content = quantized(network(nodes, v=pixel_weights(4, 8), u=3 * pixel_weights(4, 8)), "int8")
    assert Counter(operators(content))["QUANTIZE"] == 1


def test_equal_vectors_are_written_once() -> None:
    """The zero points of all channels are zeros: 8 bytes for each of 8 channels and another 8 would be 128 bytes."""
    _, content = quantized(network([conv("c", "y", "last")], v=pixel_weights(8, 8)), "int8")
    assert content.count(bytes(64)) <= 1
    assert flatfile.write(flatfile.read(content)) == content


def test_depthwise_convolutions_of_dynamic_files_are_float() -> None:
    """On int8 weights that are made float32 again; LiteRT has no fast kernel that quantizes their data while it runs."""
    nodes = [conv("c", "d", "wide"), helper.make_node("Conv", ["d", "k"], ["e"], "depthwise", pads=[1, 1, 1, 1], group=128),
             conv("e", "y", "last", "l")]
    weights = {"k": np.random.default_rng(0).normal(0, 0.3, (128, 1, 3, 3)), "l": pixel_weights(8, 128)[::-1]}
    for method in ("minmax", "mse"):
        converted = nchw2nhwc.convert(network(nodes, v=pixel_weights(128, 8), **weights))
        content = converted.tflite(quantize=nchw2nhwc.QuantizeOptions(["dynamic"], weights=method))
        assert operators(content) == ["CONV_2D", "CONV_2D", "DEQUANTIZE", "DEPTHWISE_CONV_2D", "CONV_2D"]
        assert len(content) < 0.6 * len(converted.tflite())


@pytest.mark.parametrize("mode", ["dynamic", "int8"])
def test_weights_of_the_same_bytes_have_scales_of_their_own(mode: str) -> None:
    """They are stored once in the float32 file, but have channels of other sizes."""
    wide = pixel_weights(128, 8)
    nodes = [conv("c", "d", "wide"), conv("d", "y", "last", "l")]
    converted, content = quantized(network(nodes, v=wide, l=wide.reshape(8, 128, 1, 1)), mode)
    x = converted.inputs[0].to_result(samples()[5]["x"])
    expected = run(converted.tflite(), x, xnnpack=True)
    assert np.abs(run(content, x, xnnpack=True) - expected).max() < 0.05 * np.abs(expected).max()
