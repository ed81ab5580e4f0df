"""What stays in float because integers are too coarse for it."""

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
from nchw2nhwc.quantize.coarse import made_by_softmax
from tests.quantize.models import conv, network, pixel_weights, samples


def quantized(model: onnx.ModelProto, mode: str, **more: object) -> tuple[flatfile.Part, float]:
    """The file, and its SQNR on samples that are not calibrated with."""
    converted = nchw2nhwc.convert(model)
    drawn = samples(24, size=converted.inputs[0].source_type.shape[-1])
    content = converted.tflite(quantize=QuantizeOptions([mode], calibration=drawn[:16], **more))  # type: ignore[arg-type]
    pairs = [[LoadedFile(file, converted.inputs).run(converted.outputs, sample) for sample in drawn[16:]]
             for file in (converted.tflite(), content)]
    made = flatfile.read(content)
    return flatfile.Part(made, made.subgraphs[0]), min(each.sqnr for each in output_accuracy(*pairs).values())


def kinds(part: flatfile.Part, code: str) -> list[str]:
    """The element types of what operators of this kind make."""
    return [flatfile.NUMPY[part.graph.tensors[op.outputs[0]].type] for op in part.graph.operators if part.code(op) == code]


def attention(tokens: int, gain: float, size: int = 8) -> onnx.ModelProto:
    """A softmax over so many numbers, and a layer behind it."""
    nodes = [helper.make_node("Mul", ["c", "gain"], ["s"], "scores"), helper.make_node("Reshape", ["s", "rows"], ["r"], "rows"),
             helper.make_node("Softmax", ["r"], ["p"], "softmax", axis=1), helper.make_node("MatMul", ["p", "m"], ["y"], "dense")]
    return network(nodes, gain=np.array(gain), rows=np.array([8 * size**2 // tokens, tokens]), size=size,
                   m=np.random.default_rng(1).normal(0, 1, (tokens, 4)))


def test_softmaxes_that_are_nowhere_large() -> None:
    part, sqnr = quantized(attention(512, 0.3), "int8")
    assert kinds(part, "SOFTMAX") == ["float32"]
    assert sqnr > 15
    part, _ = quantized(attention(16, 4.0), "int8")
    assert kinds(part, "SOFTMAX") == ["int8"]


def test_softmaxes_over_much_in_int16() -> None:
    """The kernel takes exp(-10) for everything that is smaller."""
    part, sqnr = quantized(attention(8192, 12.0, size=32), "int16x8")
    assert kinds(part, "SOFTMAX") == ["float32"]
    assert sqnr > 25
    part, _ = quantized(attention(16, 4.0), "int16x8")
    assert kinds(part, "SOFTMAX") == ["int16"]


@pytest.mark.parametrize(("mode", "wanted"), [("int8", "float32"), ("int8-full", "int8")])
def test_sigmoids_that_are_results(mode: str, wanted: str) -> None:
    nodes = [helper.make_node("Sigmoid", ["c"], ["g"], "inside"), conv("g", "h", "last"),
             helper.make_node("Sigmoid", ["h"], ["y"], "result")]
    part, _ = quantized(network(nodes, v=pixel_weights(4, 8)), mode)
    assert kinds(part, "LOGISTIC") == ["int8", wanted]


@pytest.mark.parametrize("mode", ["int8", "int8-full"])
@pytest.mark.parametrize(("op", "code"), [("Sigmoid", "LOGISTIC"), ("Tanh", "TANH")])
def test_functions_that_are_small_throughout(op: str, code: str, mode: str) -> None:
    """Kernels have steps of 1/256 and 1/128, whatever the results are."""
    nodes = [helper.make_node("Mul", ["c", "gain"], ["s"]), helper.make_node("Add", ["s", "low"], ["a"]),
             helper.make_node(op, ["a"], ["g"]), conv("g", "y", "last")]
    low = np.array(-4.0 if op == "Sigmoid" else 0.0)
    part, sqnr = quantized(network(nodes, gain=np.array(0.01), low=low, v=pixel_weights(4, 8)), mode)
    assert kinds(part, code) == ["float32"]
    assert sqnr > 20


def test_layers_that_a_logarithm_reads() -> None:
    """A spectrum: its small values are what a logarithm is for."""
    nodes = [helper.make_node("Mul", ["c", "c"], ["q"], "power"), helper.make_node("Add", ["q", "e"], ["p"], "eps"),
             helper.make_node("Log", ["p"], ["l"], "log"), conv("l", "y", "last")]
    part, _ = quantized(network(nodes, v=pixel_weights(4, 8), e=np.array(1e-6)), "int8")
    assert kinds(part, "CONV_2D") == ["float32", "int8"]


def test_what_is_made_by_softmax() -> None:
    nodes = [helper.make_node("Flatten", ["c"], ["f"], "flat"), helper.make_node("Softmax", ["f"], ["s"], "soft", axis=-1),
             helper.make_node("Reshape", ["s", "whole"], ["y"], "whole"), helper.make_node("Reshape", ["s", "split"], ["z"], "split"),
             helper.make_node("Relu", ["f"], ["r"], "relu")]
    model = network(nodes, outputs=("y", "z", "r"), whole=np.array([1, 1, 512]), split=np.array([1, 8, 64]))
    assert made_by_softmax(flatfile.read(nchw2nhwc.convert(model).tflite())) == {"y"}


@pytest.mark.parametrize("mode", ["int8", "int8-full", "int16x8"])
def test_error_function_of_large_values(mode: str) -> None:
    """A polynomial of degree 13 with a tanh behind, in integers, is of the other sign."""
    nodes = [helper.make_node("Mul", ["c", "gain"], ["s"], "scaled"), helper.make_node("Erf", ["s"], ["e"], "erf"),
             helper.make_node("Conv", ["e", "v"], ["y"], "last")]
    part, sqnr = quantized(network(nodes, gain=np.array(20.0), v=pixel_weights(8, 8)), mode)
    assert kinds(part, "TANH") == ["float32"]
    assert set(kinds(part, "CONV_2D")) == {"int16" if mode == "int16x8" else "int8"}
    assert sqnr > 15


def test_sums_of_products_that_are_no_polynomials() -> None:
    """A gate and a residual, and the square of a sum."""
    nodes = [helper.make_node("Sigmoid", ["c"], ["s"], "gate"), helper.make_node("Mul", ["c", "s"], ["m"], "gated"),
             helper.make_node("Add", ["m", "one"], ["a"], "residual"), helper.make_node("Mul", ["a", "a"], ["y"], "square")]
    part, _ = quantized(network(nodes, one=np.array(1.0)), "int8")
    assert set(kinds(part, "MUL")) == set(kinds(part, "ADD")) == {"int8"}
