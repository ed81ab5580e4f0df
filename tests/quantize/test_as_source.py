"""Quantized sources nearer to what their runtimes compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nchw2nhwc
from nchw2nhwc.checking import source_tensors
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.errors import OptionError
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize.accuracy import output_accuracy
from nchw2nhwc.quantize.as_source import AsSource
from nchw2nhwc.quantize.run import Quantization
from tests.digits import ONNX, main
from tests.quantized_openvino import data, residual

CHANGES = ["branch (not rounded)", "factor (factors of half precision)", "conv (float)", "side (float)", "last (float)"]


def _noise(converted: nchw2nhwc.Converted, content: bytes, dtype: str) -> float:
    """Decibels against what OpenVINO computes by itself."""
    loaded, samples = LoadedFile(content, converted.inputs, plain=True), data(6, dtype)
    wanted = [source_tensors(converted.source, converted.inputs, ["y"], sample, by_itself=True) for sample in samples]
    return output_accuracy(wanted, [loaded.run(converted.outputs, sample) for sample in samples])["y"].sqnr


@pytest.mark.parametrize(("dtype", "factors"), [("f32", False), ("f16", True)])
def test_changes_come_nearer(dtype: str, factors: bool, tmp_path: Path) -> None:
    """With all of them, levels differ where sums are just beside a half."""
    converted = nchw2nhwc.convert(residual(tmp_path, dtype, factors=factors))
    files = AsSource(converted, ())
    order = files.order()
    assert set(order) == {each for each in CHANGES if factors or "half" not in each}
    assert order[0] == CHANGES[0]
    plain = _noise(converted, files.make(()), dtype)
    assert files.make(()) == converted.tflite()
    unrounded = _noise(converted, files.make(order[:1]), dtype)
    assert files.integers(order[:1]).convolutions == (3, 3)
    assert "not rounded in the source" in files.integers(order[:1]).remarks[-1][1]
    nearest = _noise(converted, files.make(order), dtype)
    assert files.integers(order).convolutions == (0, 3)
    assert plain + 3 < unrounded < nearest
    assert nearest > 55


def test_the_fewest(tmp_path: Path) -> None:
    converted = nchw2nhwc.convert(residual(tmp_path))
    quantization = Quantization(converted, QuantizeOptions(["source"], calibration=data(4), auto_mixed=30.0), hold_out=False)
    assert quantization.content("source") == converted.tflite()
    plain = quantization.accuracy("source", converted.tflite())
    assert (plain.kept, plain.samples, plain.layers) == ((), 4, ())
    asked = plain.outputs["y"].sqnr + 3
    quantization = Quantization(converted, QuantizeOptions(["source"], calibration=data(4), auto_mixed=asked), hold_out=False)
    found = quantization.accuracy("source", quantization.content("source"))
    assert found.outputs["y"].sqnr >= asked
    assert found.kept == ("branch (not rounded)",)
    assert found.integers is not None
    assert found.integers.convolutions == (3, 3)
    with pytest.raises(OptionError, match="cannot be reached"):
        converted.tflite(quantize=QuantizeOptions(["source"], calibration=data(4), auto_mixed=150.0))


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = residual(tmp_path)
    np.savez(tmp_path / "x.npz", x=np.concatenate([each["x"] for each in data(5)]))
    assert main(model, "-o", tmp_path, "--quantize", "source", "--auto-mixed", "50", "--calibration", tmp_path / "x.npz") == 0
    assert (tmp_path / "residual_source_quant.tflite").exists()
    told = capsys.readouterr().out
    assert "kept for that: branch (not rounded)" in told
    assert "3 of 3 convolutions compute with integers" in told
    assert main(model, "-o", tmp_path, "--quantize", "source", "--keep-float", "conv", "--quiet", "--report", tmp_path / "r.json") == 0
    converted = nchw2nhwc.convert(model)
    kept = converted.tflite(quantize=QuantizeOptions(["source"], keep_float=["conv"]))
    assert (tmp_path / "residual_source_quant.tflite").read_bytes() == kept != converted.tflite()


@pytest.mark.parametrize(("options", "message"), [
    ({}, "is the file that is written anyway"),
    ({"auto_mixed": 40.0}, "there are none"),
    ({"keep_float": ["con"]}, "no operator of the result is made from a layer 'con'"),
    ({"auto_mixed": 40.0, "mixed_with": "int16"}, "scales and element types of the source"),
    ({"keep_float": ["conv"], "io_dtype": ["int8"]}, "scales and element types of the source"),
    ({"keep_float": ["conv"], "quantize": ["source", "dynamic"]}, "the other modes are another one")])
def test_options_that_do_not_fit(options: dict[str, object], message: str, tmp_path: Path) -> None:
    converted = nchw2nhwc.convert(residual(tmp_path))
    with pytest.raises(OptionError, match=message):
        converted.tflite(quantize=QuantizeOptions(**{"quantize": ["source"], **options}))  # type: ignore[arg-type]


def test_a_source_of_floats() -> None:
    with pytest.raises(OptionError, match="about sources that are quantized already"):
        nchw2nhwc.convert(ONNX).tflite(quantize=QuantizeOptions(["source"], keep_float=["/stem/stem.0/Conv"]))
