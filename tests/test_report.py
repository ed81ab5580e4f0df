"""The report, and the words of the summary."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset11

from nchw2nhwc import Converted, convert
from nchw2nhwc.checking import CheckResult
from nchw2nhwc.cli_summary import print_summary, size_text
from nchw2nhwc.report import to_json
from tests.digits import ROOT, XML
from tests.parse.onnx.models import model, node, tensor


@pytest.fixture
def digits() -> Converted:
    return convert(XML)


def summary(converted: Converted, **options: str | bool) -> str:
    stream = io.StringIO()
    print_summary(converted, stream, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def test_the_documented_report_has_the_keys_of_a_real_one(digits: Converted, tmp_path: Path) -> None:
    digits.save(tmp_path / "m.tflite")
    digits.check()
    documented = json.loads(re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "report.md").read_text(), re.DOTALL)[0])
    real = json.loads(to_json(digits.report))

    def keys(tree: object) -> object:
        if isinstance(tree, dict):
            return {key: keys(value) for key, value in tree.items()}
        return [keys(value) for value in tree] if isinstance(tree, list) else None

    assert keys(real) == keys(documented)
    for key in ("inputs", "outputs", "ops", "transposes"):
        assert real[key] == documented[key]


def test_errors_without_a_number_are_null(digits: Converted) -> None:
    digits.checks["float32"] = CheckResult({"logits": math.inf}, 1e-4)
    check = json.loads(to_json(digits.report))["check"]
    assert (check["outputs"], check["max_rel_error"], check["passed"]) == ({"logits": None}, None, False)
    assert "float32 FAILED, worst error not finite" in summary(digits)


def test_a_check_passes_when_all_files_do(digits: Converted) -> None:
    digits.checks["float32"] = CheckResult({"logits": 1e-6}, 1e-4)
    digits.checks["float16"] = CheckResult({"logits": 1e-1}, 1e-2)
    check = digits.report["check"]
    assert check is not None
    assert check["float16"] == {"outputs": {"logits": 0.1}, "max_rel_error": 0.1, "tolerance": 0.01, "sqnr": {}, "min_sqnr": None,
                                "rankings": None, "rounding": None, "uniform": [], "passed": False}
    assert not check["passed"]
    text = summary(digits)
    assert "float32 passed, worst error 1.0e-06 (0.0001 allowed); float16 FAILED, worst error 1.0e-01 (0.01 allowed)" in text
    assert "--check-inputs" in text
    assert "--check-inputs" not in summary(digits, random_inputs=False)


def test_why_there_was_no_check(digits: Converted) -> None:
    assert digits.report["check"] is None
    assert re.search(r"^check +skipped: because$", summary(digits, skipped="because"), re.MULTILINE)


def test_sizes_in_words() -> None:
    assert [size_text(n) for n in (0, 999, 1000, 34_120, 5_250_000, 3_000_000_000, 4 * 10**12)] == [
        "0 B", "999 B", "1.0 kB", "34.1 kB", "5.2 MB", "3.0 GB", "4000.0 GB"]


def test_other_element_types_are_noted() -> None:
    source = model([node("Relu", "x")], [tensor("x", (2, 3), np.float64)])
    assert convert(source).report["notes"] == ["input 'x' is float64 in the source and float32 in the result",
                                               "output 'y' is float64 in the source and float32 in the result"]


def test_weights_that_a_float_source_keeps_as_integers_are_noted(tmp_path: Path) -> None:
    """In ONNX and in IR; not those that integer kernels take as they are."""
    w = np.random.default_rng(0).integers(-127, 128, (512, 256)).astype(np.int8)
    numbers = {"w": w, "s": np.full(256, 0.01, np.float32), "step": np.float32(0.05), "zero": np.int8(0)}
    product = [node("DequantizeLinear", "w s", "v", axis=1), node("MatMul", "x v", "y")]
    source = model(product, [tensor("x", (4, 512))], constants=numbers)
    noted = convert(source).report["notes"]
    assert len(noted) == 1
    assert noted[0].startswith("1 constant of the TFLite file is stored as integers with scales")
    assert convert(source, dequantize=True).report["notes"][0].startswith("1 weight is made of integers of at most 8 bits in the source")
    assert convert(source).check().max_rel_error < 1e-5
    weights = opset11.multiply(opset11.convert(opset11.constant(w), "f32"), opset11.constant(np.full((1, 256), 0.01, np.float32)))
    x = opset11.parameter([4, 512], np.float32, name="x")
    openvino.save_model(openvino.Model([opset11.result(opset11.matmul(x, weights, False, False))], [x]), tmp_path / "m.xml")
    assert noted[0] in convert(tmp_path / "m.xml").report["notes"]
    rounded = [node("QuantizeLinear", "x step zero", "q"), node("DequantizeLinear", "q step zero", "r"), product[0],
               node("MatMul", "r v", "p"), node("QuantizeLinear", "p step zero", "o"), node("DequantizeLinear", "o step zero", "y")]
    assert noted[0] not in convert(model(rounded, [tensor("x", (4, 512))], constants=numbers)).report["notes"]


def test_transposes_that_become_part_of_something_else() -> None:
    """Relative positions as absolute ones, along the other axis than the moves that shift them: all becomes one GATHER."""
    constants = {"one": (0, 0, 0, 0, 0, 0, 0, 1), "flat": (2, 3, 32), "more": (0, 0, 0, 0, 0, 3), "square": (2, 3, 5, 7),
                 "start": (0, 3), "stop": (4, 7), "axes": (2, 3)}
    nodes = [node("Exp", "x", "e"), node("Transpose", "e", "t", perm=[0, 2, 1, 3]), node("Pad", "t one", "p"),
             node("Reshape", "p flat", "f"), node("Pad", "f more", "m"), node("Reshape", "m square", "q"),
             node("Slice", "q start stop axes", "s"), node("Transpose", "s", "u", perm=[0, 2, 1, 3]), node("Neg", "u", "y")]
    shifted = model(nodes, [tensor("x", (2, 4, 3, 7))], ["y"],
                    constants={name: np.asarray(value, np.int64) for name, value in constants.items()})
    converted = convert(shifted, keep_layout=True)
    assert converted.check().passed
    moves = converted.report["transposes"]
    assert (moves["count"], moves["operators"], converted.operator_counts()["TRANSPOSE"]) == (2, 0, 0)
    assert "(proven minimal), 0 as operators of their own" in summary(converted)


@pytest.mark.parametrize(("weight", "uniform"), [(0.0, ["y"]), (1e-41, ["y"]), (0.5, [])])
def test_a_check_that_compares_nothing_says_so(weight: float, uniform: list[str]) -> None:
    """Untrained networks may have a last layer of zeros, or of numbers that runtimes take for zeros."""
    converted = convert(model([node("Exp", "x", "e"), node("MatMul", "e w")], constants={"w": np.full((3, 4), weight, np.float32)}))
    assert converted.check().passed
    check = converted.report["check"]
    assert check is not None
    assert check["uniform"] == uniform
    assert ("y: one number throughout in the source" in summary(converted)) == bool(uniform)
