"""Results that are off by no more than rounding, and those that are off by more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

import nchw2nhwc
from nchw2nhwc import cli
from nchw2nhwc.checking.compare import Rounding
from nchw2nhwc.checking.rounding import FACTOR, MOST, measure
from nchw2nhwc.ir import Array
from nchw2nhwc.source import identify
from nchw2nhwc.source.reading import read
from tests.parse.onnx.models import model, node, tensor

NEAR = {"x": np.array([[1.0, 0.9999]], np.float32)}
FAR = {"x": np.array([[1.0, -1.0]], np.float32)}


def difference(error: float = 0.0) -> onnx.ModelProto:
    """10,000 times the difference of two numbers, the first of which is taken `error` times too large."""
    weights = np.array([[1e4 * (1 + error)], [-1e4]], np.float32)
    return model([node("MatMul", "x w", "y")], [tensor("x", (1, 2))], constants={"w": weights})


def outcome_of(error: float, inputs: Mapping[str, Array]) -> tuple[nchw2nhwc.Converted, bool]:
    """The conversion of a source that is off by `error`, checked against the right one."""
    converted = nchw2nhwc.convert(difference(error))
    converted.source = identify(difference())
    return converted, converted.check(inputs).passed


def test_rounding_is_no_error() -> None:
    converted, passed = outcome_of(4e-7, NEAR)
    outcome = converted.checks["float32"]
    assert passed
    assert outcome.max_rel_error > outcome.tolerance
    assert outcome.rounding is not None
    assert 2**-23 * 1e4 / 3 < outcome.rounding.moved["y"] < 2**-23 * 1e4 * 3, "what two last bits come to"
    report = converted.report["check"]
    assert report is not None
    assert report["rounding"] is not None
    assert outcome.max_rel_error <= report["rounding"]["allowed"]["y"] <= MOST


@pytest.mark.parametrize(("error", "inputs"), [(1e-4, NEAR), (4e-6, NEAR), (1e-3, FAR)])
def test_more_than_rounding_fails(error: float, inputs: Mapping[str, Array]) -> None:
    """The last is off by little, but its source hardly moves."""
    converted, passed = outcome_of(error, inputs)
    assert not passed
    assert converted.checks["float32"].rounding is None


def test_a_small_tolerance_is_meant() -> None:
    converted = nchw2nhwc.convert(difference(4e-7))
    converted.source = identify(difference())
    assert not converted.check(NEAR, tolerance=1e-5).passed


def test_an_earlier_result_and_bisecting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, inputs = tmp_path / "m.onnx", tmp_path / "x.npz"
    onnx.save(difference(), source)
    np.savez(inputs, **NEAR)
    nchw2nhwc.convert(difference(4e-7)).save(tmp_path / "m.tflite")
    assert cli.main(["check", str(source), str(tmp_path / "m.tflite"), "--inputs", str(inputs), "--json", str(tmp_path / "c.json")]) == 0
    assert "off by no more than rounding explains: y by" in capsys.readouterr().out
    assert json.loads((tmp_path / "c.json").read_text())["rounding"]["moved"]["y"] > 1e-4
    nchw2nhwc.convert(difference(4e-6)).save(tmp_path / "m.tflite")
    assert cli.main(["check", str(source), str(tmp_path / "m.tflite"), "--inputs", str(inputs)]) == 3
    assert "rounding" not in capsys.readouterr().out


def measured(operator: str, dtype: type[np.generic], x: Array) -> Rounding:
    """For an operator of one operand, computed in numpy."""
    made = model([node(operator, "x", "s"), node("Flatten", "s", "y")], [tensor("x", x.shape, dtype)])
    graph = read(identify(made), nchw2nhwc.ConvertOptions())

    def run(data: Mapping[str, Array]) -> dict[str, Array]:
        return {"y": np.asarray(1 / (1 + np.exp(-data["x"].astype(np.float32))))}

    return measure(run, graph, [{"x": x}], [run({"x": x})])


def test_a_sigmoid_is_as_exact_as_numbers_near_one() -> None:
    x = np.full((1, 3), -15, np.float32)
    assert measured("Sigmoid", np.float32, x).allowed["y"] == pytest.approx(2**-23 * np.exp(15), rel=1e-3)
    assert measured("Neg", np.float32, x).allowed["y"] <= FACTOR * 15 * 2**-22


def test_what_jumps_is_not_excused() -> None:
    """The largest of three numbers, where it stands, and as integers: the source itself gives others for inputs that hardly differ."""
    nodes = [node("TopK", "x k", "best place", axis=1), node("Neg", "x", "n"), node("Cast", "x", "i", to=6)]
    made = model(nodes, [tensor("x", (1, 3))], ["best", "place", "n", "i"], {"k": np.array([1])})
    graph = read(identify(made), nchw2nhwc.ConvertOptions())
    runs = iter(range(100))

    def run(data: Mapping[str, Array]) -> dict[str, Array]:
        step = np.float32(1 + 1e-3 * next(runs))
        return {"best": np.full((1, 1), step), "place": np.full((1, 1), int(step * 1000)), "n": np.full((1, 3), step),
                "i": np.full((1, 3), int(step * 1000), np.int32)}

    x = {"x": np.ones((1, 3), np.float32)}
    found = measure(run, graph, [x], [run(x)])
    assert all(moved > 0 for moved in found.moved.values())
    assert found.allowed.keys() == {"n"}


def test_what_has_no_last_bit() -> None:
    """Numbers of half precision are computed in float32, whole ones are exact."""
    assert measured("Neg", np.float16, np.ones((1, 3), np.float16)).moved == {"y": 0.0}
    assert measured("Neg", np.int32, np.ones((1, 3), np.int32)).moved == {"y": 0.0}
