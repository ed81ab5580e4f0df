"""The Python interface."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from onnx import TensorProto, helper, numpy_helper

import nchw2nhwc
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from tests.digits import BIN, DIGITS, ONNX, ROOT, XML, python


@pytest.fixture(scope="module")
def digits() -> nchw2nhwc.Converted:
    return nchw2nhwc.convert(XML)


def test_importing_loads_nothing_else(tmp_path: Path) -> None:
    code = "import sys, nchw2nhwc\nprint(*sorted({m.split('.')[0] for m in sys.modules}))\nprint(*dir(nchw2nhwc))"
    loaded, public = python("-c", code, cwd=tmp_path).stdout.splitlines()
    heavy = {"numpy", "onnx", "lxml", "networkx", "highspy", "flatbuffers", "ml_dtypes", "rich", "ai_edge_litert", "openvino",
             "onnxruntime"}
    assert heavy & set(loaded.split()) == set()
    assert sorted(nchw2nhwc.__all__) == public.split()


def test_everything_public_is_there() -> None:
    assert all(getattr(nchw2nhwc, name) is not None for name in nchw2nhwc.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nchw2nhwc.nothing  # noqa: B018
    assert callable(nchw2nhwc.convert)


def test_a_model_from_everything_it_can_come_as(digits: nchw2nhwc.Converted) -> None:
    for model in (ONNX, str(ONNX), ONNX.read_bytes(), onnx.load(ONNX)):
        converted = nchw2nhwc.convert(model)
        assert [info.name for info in converted.inputs] == ["image"]
        assert converted.check().passed
    for bin in (BIN, str(BIN), BIN.read_bytes()):
        converted = nchw2nhwc.convert(XML.read_bytes(), bin=bin)
        assert converted.tflite() == digits.tflite()
        assert converted.check().passed


def test_a_model_of_openvino_in_memory(digits: nchw2nhwc.Converted) -> None:
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().read_model(XML)
    converted = nchw2nhwc.convert(model)
    assert converted.tflite() == digits.tflite()
    assert converted.check().passed
    with pytest.raises(nchw2nhwc.OptionError, match="has its weights already"):
        nchw2nhwc.convert(model, bin=BIN)


def test_what_is_no_model() -> None:
    for wrong in (None, 5, io.BytesIO(b"")):
        with pytest.raises(TypeError, match="a model is a path, the content of a file as bytes"):
            nchw2nhwc.convert(wrong)  # type: ignore[arg-type]
    with pytest.raises(nchw2nhwc.SourceError, match=r"<net>0000.*: this is too long for a file name"):
        nchw2nhwc.convert("<net>" + "0" * 5000)


def test_what_a_result_says_about_its_tensors(digits: nchw2nhwc.Converted) -> None:
    (image,), (logits,) = digits.inputs, digits.outputs
    assert (image.name, image.source_shape, image.shape, image.perm) == ("image", (-1, 1, 8, 8), (-1, 8, 8, 1), (0, 2, 3, 1))
    assert image.dtype == np.float32
    assert (logits.name, logits.source_shape, logits.shape, logits.perm) == ("logits", (-1, 10), (-1, 10), (0, 1))
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float64).reshape(2, 3, 4, 5)
    assert image.to_result(x).shape == (2, 4, 5, 3)
    assert image.to_result(x).dtype == np.float32
    assert np.array_equal(image.to_source(image.to_result(x)), x)


def test_what_a_result_looks_like(digits: nchw2nhwc.Converted) -> None:
    assert repr(digits) == "<Converted digits.xml: image [-1, 8, 8, 1], logits [-1, 10]; 0 transposes>"


def test_the_file_declares_its_layouts(digits: nchw2nhwc.Converted) -> None:
    content = digits.tflite()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    (entry,) = [m for m in model.metadata if m.name == b"nchw2nhwc.interface"]
    declared = json.loads(bytes(model.buffers[entry.buffer].data))
    assert {side: declared[side] for side in ("inputs", "outputs")} == {side: digits.report[side] for side in ("inputs", "outputs")}  # type: ignore[literal-required]
    assert len(declared["tensors"]) >= 8


def test_the_graph_computes_what_the_file_does(digits: nchw2nhwc.Converted) -> None:
    verify(digits.graph)
    x = np.random.default_rng(0).random((1, 1, 8, 8), np.float32)
    (image,), (logits,) = digits.inputs, digits.outputs
    expected = run(digits.graph, {"image": image.to_result(x)})["logits"]
    interpreter = Interpreter(model_content=digits.tflite())
    actual = interpreter.get_signature_runner()(image=image.to_result(x))["logits"]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)
    assert logits.to_source(actual).shape == (1, 10)


def test_saving(digits: nchw2nhwc.Converted, tmp_path: Path) -> None:
    digits.save(tmp_path / "a" / "m.tflite")
    digits.save(str(tmp_path / "m16.tflite"), float16=True)
    assert (tmp_path / "a" / "m.tflite").read_bytes() == digits.tflite()
    assert (tmp_path / "m16.tflite").read_bytes() == digits.tflite(float16=True) != digits.tflite()
    with pytest.raises(nchw2nhwc.OptionError, match="two different files"):
        digits.save(tmp_path / "m.tflite", float16=True, quantize="dynamic")
    assert digits.report["files"]["float32"] == {"path": str(tmp_path / "a" / "m.tflite"), "bytes": len(digits.tflite())}
    with pytest.raises(nchw2nhwc.OutputError, match="cannot write"):
        digits.save(tmp_path)


def test_conversion_is_deterministic(digits: nchw2nhwc.Converted) -> None:
    assert nchw2nhwc.convert(XML).tflite() == digits.tflite()


def test_checking() -> None:
    converted = nchw2nhwc.convert(ONNX)
    assert converted.report["check"] is None
    result = converted.check()
    assert result.passed
    assert result.outputs.keys() == {"logits"}
    report = converted.report["check"]
    assert report is not None
    assert report["max_rel_error"] == result.max_rel_error < 1e-5
    half = converted.check({"image": np.ones((3, 1, 8, 8), np.float32)}, float16=True)
    assert result.max_rel_error < half.max_rel_error < half.tolerance
    assert not converted.check(tolerance=1e-12).passed
    with pytest.raises(nchw2nhwc.OptionError, match="tolerance=-1: give a number above 0"):
        converted.check(tolerance=-1)
    with pytest.raises(nchw2nhwc.OptionError, match="arrays by input name, not list"):
        converted.check([np.ones((3, 1, 8, 8), np.float32)])  # type: ignore[arg-type]
    with pytest.raises(nchw2nhwc.ShapeError, match="image"):
        converted.check({"image": np.ones((3, 1, 8, 9), np.float32)})
    with pytest.raises(nchw2nhwc.OptionError, match="picture"):
        converted.check({"picture": np.ones((3, 1, 8, 8), np.float32)})


def test_a_result_that_is_wrong_does_not_pass(digits: nchw2nhwc.Converted) -> None:
    """The check sees weights that are off by a thousandth."""
    weights = max((v.const for v in digits.graph.values() if v.const is not None), key=lambda array: array.size)
    sound = digits.tflite()
    wrong = sound.replace(weights.tobytes(), (weights * np.float32(1.001)).tobytes())
    assert len(wrong) == len(sound)
    reference = digits.reference()
    assert digits.compare(reference, sound, False, 1e-4).passed
    assert not digits.compare(reference, wrong, False, 1e-4).passed


def test_options() -> None:
    assert nchw2nhwc.convert(XML, batch=2).inputs[0].shape == (2, 8, 8, 1)
    assert nchw2nhwc.convert(XML, input_shape={"image": (3, 1, 8, 8)}, keep_layout=True).inputs[0].shape == (3, 1, 8, 8)
    with pytest.raises(TypeError, match="no option 'bacth'; its options are bin"):
        nchw2nhwc.convert(XML, bacth=2)
    with pytest.raises(nchw2nhwc.OptionError, match="there is no output 'y'"):
        nchw2nhwc.convert(XML, output_layout={"y": "source"})


def test_accuracy_is_the_same_before_and_after(tmp_path: Path) -> None:
    ran = python(DIGITS / "accuracy.py", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    head, source, *converted = ran.stdout.splitlines()
    assert head == "accuracy on 360 images"
    assert "digits.onnx in ONNX Runtime" in source
    assert len(converted) == 4
    right = [int(line.rpartition("(")[2].split()[0]) for line in (source, *converted)]
    assert right[0] > 350
    assert max(right) - min(right) <= 1
    assert not (ROOT / "digits_float32.tflite").exists()


def test_a_source_in_float16_is_compared_as_coarsely_as_it_computes() -> None:
    """ONNX Runtime rounds every float16 result; the conversion computes in float32."""
    rng = np.random.default_rng(0)
    weights = [numpy_helper.from_array(rng.standard_normal((8, 8, 3, 3)).astype(np.float16) / 8, f"w{k}") for k in range(3)]
    nodes = [helper.make_node("Conv", [f"x{k}", f"w{k}"], [f"x{k + 1}"], pads=[1, 1, 1, 1]) for k in range(3)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x0", TensorProto.FLOAT16, [1, 8, 6, 6])],
                              [helper.make_tensor_value_info("x3", TensorProto.FLOAT16, [1, 8, 6, 6])], weights)
    converted = nchw2nhwc.convert(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    result = converted.check()
    assert result.tolerance == 1e-2
    assert 1e-5 < result.max_rel_error < 1e-2
