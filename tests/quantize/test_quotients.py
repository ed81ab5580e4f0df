"""Quotients by constants, which integer kernels of DIV get wrong next to 0."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import nchw2nhwc
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize import flatfile
from tests.quantize.models import network, samples

SINE = helper.make_node("Sin", ["c"], ["s"], "sine")
"""Quotients right behind a convolution are its weights."""


def quantized(model: onnx.ModelProto, mode: str) -> tuple[list[str], float]:
    """The operators of the file, and the largest error of any sample, relative to the largest value."""
    converted = nchw2nhwc.convert(model)
    drawn = samples(12)
    content = converted.tflite(quantize=QuantizeOptions([mode], calibration=drawn))
    runs = [[LoadedFile(file, converted.inputs).run(converted.outputs, sample)["y"] for sample in drawn]
            for file in (converted.tflite(), content)]
    made = flatfile.read(content)
    part = flatfile.Part(made, made.subgraphs[0])
    return [part.code(op) for op in part.graph.operators], float(np.abs(np.subtract(*runs)).max() / np.abs(runs[0]).max())


@pytest.mark.parametrize("mode", ["int8", "int16x8"])
def test_values_next_to_zero(mode: str) -> None:
    """Of channels with divisors from 1 to 300; the numbers that are 1 as integers became the largest that there are."""
    nodes = [SINE, helper.make_node("Div", ["s", "d"], ["y"], "quotient")]
    operators, error = quantized(network(nodes, d=np.geomspace(1, 300, 8).reshape(8, 1, 1)), mode)
    assert "DIV" not in operators
    assert error < 0.1


@pytest.mark.parametrize("mode", ["int8", "int16x8"])
def test_scale_of_a_larger_operand(mode: str) -> None:
    """A concatenation has one scale for what it joins."""
    nodes = [SINE, helper.make_node("Div", ["s", "d"], ["q"], "quotient"),
             helper.make_node("Concat", ["s", "q"], ["y"], "joined", axis=1)]
    operators, error = quantized(network(nodes, d=np.array(12.92)), mode)
    assert "DIV" not in operators
    assert error < 0.1


def test_what_is_rounded_down_stays_a_quotient() -> None:
    """6 times the float32 number next to 1/3 need not be 2."""
    nodes = [SINE, helper.make_node("Div", ["s", "d"], ["q"], "quotient"), helper.make_node("Floor", ["q"], ["y"], "floor")]
    operators, _ = quantized(network(nodes, d=np.array(3.0)), "int8")
    assert "DIV" in operators


@pytest.mark.parametrize("divisor", [np.array(1e-40), np.array([np.inf] + [1.0] * 7).reshape(8, 1, 1)])
def test_divisors_without_a_reciprocal(divisor: np.ndarray) -> None:
    """They divide floats: as an integer, the first is 0."""
    nodes = [SINE, helper.make_node("Div", ["s", "d"], ["q"], "quotient"), helper.make_node("Clip", ["q", "low", "high"], ["y"], "clip")]
    operators, _ = quantized(network(nodes, d=divisor, low=np.array(-1.0), high=np.array(1.0)), "int8")
    assert "DIV" in operators
