"""TFLite files by way of OpenVINO and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from round_trip import Row, _drawn, main

import nchw2nhwc
from tests.parse.onnx.models import model, node, tensor


def test_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    made = model([node("Conv", "x w", "c", strides=[2, 2], pads=[1, 1, 1, 1]), node("Relu", "c", "y")], [tensor("x", (1, 3, 8, 8))],
                 constants={"w": weights})
    nchw2nhwc.convert(made).save(tmp_path / "m.tflite")
    assert main(["--files", str(tmp_path), "--latency-seconds", "0.1", "--json", str(tmp_path / "r.json")]) == 0
    assert "1 of 1 come back" in capsys.readouterr().out
    row = json.loads((tmp_path / "r.json").read_text())["files"][0]
    assert row["before"] == row["after"] == {"PAD": 1, "CONV_2D": 1}
    assert row["difference"] == 0


def test_more_operators_are_no_success() -> None:
    once, moved = {"CONV_2D": 2}, {"CONV_2D": 1, "TRANSPOSE": 1}
    assert Row("", once, once, difference=0.0).passes
    assert not Row("", once, moved, difference=0.0).passes, "a transpose"
    assert not Row("", once, {"CONV_2D": 3}, difference=0.0).passes, "an operator"
    assert not Row("", once, once, difference=1e-3).passes
    assert not Row("", once, once).passes, "nothing was compared"


def test_two_steps_apart_where_integers_change_their_scale() -> None:
    operators = {"QUANTIZE": 2}
    assert Row("", operators, operators, difference=2 / 127, requantizes=True).passes
    assert not Row("", operators, operators, difference=2.1 / 127, requantizes=True).passes
    assert not Row("", operators, operators, difference=1 / 127).passes


@pytest.mark.parametrize(("dtype", "low", "high"), [("int8", -128, 127), ("uint8", 0, 255), ("float32", 0, 1)])
def test_integers_are_any_of_their_type(dtype: str, low: int, high: int) -> None:
    drawn = _drawn(np.random.default_rng(0), (9999,), np.dtype(dtype))
    assert drawn.dtype == dtype
    assert (round(float(drawn.min()), 1), round(float(drawn.max()), 1)) == (low, high)


def test_nothing_measured_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    assert main(["--files", str(tmp_path)]) == 1
    assert "broken.tflite is left out" in capsys.readouterr().out
