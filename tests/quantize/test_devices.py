"""Files for a device that runs int8 only, and what stands behind a quantized file."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import helper

import nchw2nhwc
from nchw2nhwc.errors import OptionError
from nchw2nhwc.options.quantize import MODES, QuantizeOptions
from tests.digits import ONNX, main
from tests.parse.onnx.models import model, node, tensor
from tests.quantize.models import conv, network, pixel_weights, samples

LABELS = [f"digit {k}" for k in range(10)]
NODES = [helper.make_node("Softmax", ["c"], ["s"], "attend", axis=1), helper.make_node("Relu", ["s"], ["r"], "relu"),
         conv("r", "y", "last")]


def digits(file: Path) -> Path:
    from sklearn.datasets import load_digits

    np.savez(file, image=(load_digits().images[:20, None] / 16).astype(np.float32))
    return file


@pytest.mark.parametrize("mode", [None, *MODES])
def test_labels_stay_behind_the_file(mode: str | None) -> None:
    converted = nchw2nhwc.convert(ONNX, labels={"": LABELS})
    needs = mode in ("int8", "int8-full", "int16x8")
    options = None if mode is None else QuantizeOptions([mode], calibration="random" if needs else None)
    content = converted.tflite(quantize=options)
    with zipfile.ZipFile(io.BytesIO(content)) as behind:
        assert behind.testzip() is None
        assert behind.namelist() == ["labels.txt"]
        assert behind.read("labels.txt").decode().splitlines() == LABELS
    assert b"M001" in content
    Interpreter(model_content=content).allocate_tensors()


def test_the_edge_tpu_gets_a_quantized_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(ONNX, "-o", out, "--target", "edgetpu", "--quiet") == 2
    said = capsys.readouterr().err
    assert "--target edgetpu makes an int8-full file, which needs samples" in said
    assert "--calibration DATA" in said
    assert not out.exists()
    assert main(ONNX, "-o", out, "--target", "edgetpu", "--calibration", digits(tmp_path / "data.npz"), "--quantize", "dynamic",
                "--report", out / "r.json") == 0
    assert sorted(f.name for f in out.glob("*.tflite")) == [
        "digits_dynamic_range_quant.tflite", "digits_float32.tflite", "digits_full_integer_quant.tflite"]
    assert "edgetpu runs all 12 operators of int8-full" in capsys.readouterr().out
    report = json.loads((out / "r.json").read_text())
    assert report["target"] == {"name": "edgetpu", "file": "int8-full", "ops": 12, "fallbacks": []}
    assert set(report["quantizations"]) == {"dynamic", "int8-full"}


def test_open_sizes_name_their_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import onnx

    onnx.save(model([node("Relu", "x")], [tensor("x", [1, 3, "H", 4])]), tmp_path / "m.onnx")
    assert main(tmp_path / "m.onnx", "-o", tmp_path / "out", "--target", "edgetpu", "--calibration", "random", "--quiet") == 2
    said = capsys.readouterr().err
    assert "takes fixed sizes, and input 'x'" in said
    assert "--input-shape x=" in said


def test_from_python() -> None:
    """What falls back is that of the quantized file, with the layers' names, also where the quantizer has added operators."""
    converted = nchw2nhwc.convert(network(NODES, v=pixel_weights(8, 8)), target="edgetpu")
    with pytest.raises(OptionError, match="--target edgetpu makes an int8-full file"):
        converted.tflite()
    assert [(each.op, each.layer) for each in converted.fallbacks()] == [("SOFTMAX", "attend")]
    assert converted.report["target"]["file"] == "float32"
    options = QuantizeOptions(["int8-full"], calibration=samples(), io_dtype=["x=float32"])
    interpreter = Interpreter(model_content=converted.tflite(quantize=options))
    assert np.dtype(interpreter.get_output_details()[0]["dtype"]) == np.int8
    assert [(each.op, each.layer) for each in converted.fallbacks()] == [("QUANTIZE", "x"), ("SOFTMAX", "attend")]
    assert "it computes float32" in converted.fallbacks()[0].reason
    kept = QuantizeOptions(["int8-full"], calibration=samples(), keep_float=["last"])
    converted.tflite(quantize=kept)
    found = converted.fallbacks()
    assert ("CONV_2D", "last", "Conv") in [(each.op, each.layer, each.type) for each in found]
    assert {each.layer for each in found} <= {"attend", "relu", "last"}
    assert converted.report["target"]["file"] == "int8-full"
    plain = Interpreter(model_content=converted.tflite(quantize="float32"))
    assert np.dtype(plain.get_input_details()[0]["dtype"]) == np.float32
    assert converted.check().passed


def test_a_quantized_source_is_quantized_for_the_edge_tpu(tmp_path: Path) -> None:
    import onnx

    scales = {"one": np.float32(0.05), "zero": np.int8(0)}
    nodes = [node("QuantizeLinear", "x one zero", "q"), node("DequantizeLinear", "q one zero", "d"), node("Relu", "d", "r"),
             node("QuantizeLinear", "r one zero", "p"), node("DequantizeLinear", "p one zero", "y")]
    onnx.save(model(nodes, [tensor("x", [1, 4, 4, 8])], constants=scales), tmp_path / "m.onnx")
    assert main(tmp_path / "m.onnx", "-o", tmp_path / "out", "--target", "edgetpu", "--report", tmp_path / "r.json", "--quiet") == 0
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["m_float32.tflite"]
    target = json.loads((tmp_path / "r.json").read_text())["target"]
    assert target["file"] == "float32"
    assert {(each["op"], "float32" in each["reason"]) for each in target["fallbacks"]} == {("QUANTIZE", True), ("DEQUANTIZE", False)}
    assert nchw2nhwc.convert(tmp_path / "m.onnx", target="edgetpu").tflite()
