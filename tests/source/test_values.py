"""Inputs that are given a value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from openvino import opset13 as ops

from nchw2nhwc import convert
from nchw2nhwc.cli import main
from nchw2nhwc.debug.check import check
from nchw2nhwc.errors import OptionError, ShapeError
from nchw2nhwc.source import identify
from nchw2nhwc.source.values import with_values
from tests.parse.onnx.models import model, node, tensor
from tests.parse.onnx.test_control import body
from tests.parse.openvino.harness import saved


def rated() -> onnx.ModelProto:
    """A number says whether x is twice or half as long."""
    twice = body([node("Concat", "x x", "t", axis=1)], [], ["t"])
    half = body([node("AveragePool", "x", "t", kernel_shape=[2], strides=[2])], [], ["t"])
    nodes = [node("Equal", "rate high", "c"), node("If", "c", "y", then_branch=twice, else_branch=half)]
    return model(nodes, [tensor("x", (1, 2, 8)), tensor("rate", (), np.int64)], constants={"high": np.array(16000)})


@pytest.mark.parametrize(("rate", "shape"), [(16000, (1, 4, 8)), (8000, (1, 2, 4))])
def test_the_branch_that_is_left(rate: int, shape: tuple[int, ...]) -> None:
    converted = convert(rated(), input_value={"rate": [rate]})
    assert [i.name for i in converted.inputs] == ["x"]
    assert converted.outputs[0].source_shape == shape
    assert "IF" not in converted.operator_counts()
    assert converted.check().passed


def ir(folder: Path) -> Path:
    x, factor = ops.parameter([1, 3], np.float32, name="x"), ops.parameter([1, -1], np.float32, name="factor")
    return saved(openvino.Model([ops.result(ops.multiply(x, factor))], [x, factor], "net"), folder)


@pytest.mark.parametrize("values", [[2.0], [1.0, 2.0, -3.0]])
def test_openvino(tmp_path: Path, values: list[float]) -> None:
    path = ir(tmp_path)
    converted = convert(path, input_value={"factor": values})
    assert [i.name for i in converted.inputs] == ["x"]
    assert converted.check().passed
    x = np.array([[1, 2, 3]], np.float32)
    expected = converted.reference({"x": x}).expected
    np.testing.assert_array_equal(next(iter(expected.values())), x * np.array(values, np.float32))


def test_command_line(tmp_path: Path) -> None:
    """The result knows what it was made with."""
    source = tmp_path / "m.onnx"
    onnx.save(rated(), source)
    assert main([str(source), "--input-value", "rate=8000", "-o", str(tmp_path), "--quiet"]) == 0
    assert check(source, tmp_path / "m_float32.tflite").max_rel_error < 1e-6


@pytest.mark.parametrize(("values", "reason"), [
    ({"speed": [1]}, "there is no input 'speed'"), ({"rate": [1, 2]}, "2 values are given"), ({"rate": [0.5]}, "whole numbers"),
    ({"rate": []}, "at least one finite number"), ({"rate": [float("nan")]}, "at least one finite number"),
])
def test_values_that_do_not_fit(values: dict[str, list[float]], reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        convert(rated(), input_value=values)


def test_the_file_keeps_its_name(tmp_path: Path) -> None:
    path = ir(tmp_path)
    fixed = with_values(identify(path), {"factor": [2]})
    assert (fixed.name, fixed.stem) == ("case.xml", "case")
    assert with_values(fixed, {"factor": [3]}) is fixed


def test_errors_name_the_file(tmp_path: Path) -> None:
    """What has become a constant is in memory alone."""
    nodes = [node("Mul", "x gain", "a"), node("MatMul", "a square", "y")]
    inputs = [tensor("x", (1, 2, 8)), tensor("gain", ())]
    onnx.save(model(nodes, inputs, constants={"square": np.ones((7, 7), np.float32)}), str(tmp_path / "loud.onnx"))
    with pytest.raises(ShapeError) as caught:
        convert(tmp_path / "loud.onnx", input_value={"gain": [2.0]})
    assert caught.value.where.file == "loud.onnx"
