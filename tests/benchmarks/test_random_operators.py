"""The command that runs random models of single operators."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import random_operators as command
from benchmarks.operators import DRAWERS, OPERATIONS, Draw, Spec, onnx_models
from benchmarks.operators.judge import difference, same_model


def test_cases_of_both_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source, op in (("onnx", "Concat"), ("openvino", "matmul")):
        file = tmp_path / f"{source}.json"
        assert command.main(["--source", source, "--op", op, "--count", "2", "--json", str(file)]) == 0
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert {row["form"] for row in rows} >= {"given", "open"}
        assert {row["outcome"] for row in rows} <= {"right", "refused"}
    assert "2 cases of 1 operators" in capsys.readouterr().out


@pytest.mark.parametrize(("source", "op"), [("onnx", "Concat"), ("openvino", "matmul")])
def test_cases_in_keras(source: str, op: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    rows = list(command.case(source, "keras", op, 1, tmp_path))
    assert {row.form for row in rows} >= {"given", "open"}
    assert {row.outcome for row in rows} == {"right"}


def test_what_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def one_more(*given: object) -> list[list[object]]:
        return [[y + 1 for y in results] for results in expected(*given)]  # type: ignore[arg-type]

    expected = onnx_models.expected
    monkeypatch.setattr(onnx_models, "expected", one_more)
    assert command.main(["--op", "Transpose", "--count", "1"]) == 1
    assert "WRONG  Transpose" in capsys.readouterr().out


def test_a_crash_is_an_outcome_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def crashes(d: Draw) -> Spec | None:
        raise SystemExit(3)

    monkeypatch.setitem(DRAWERS, "Abs", crashes)
    rows = list(command.outcomes("onnx", "tflite", [("Abs", 0), ("Neg", 0)]))
    assert (rows[0].outcome, rows[0].text) == ("crash", "exit status 3")
    assert {row.outcome for row in rows if row.op == "Neg"} == {"right"}


@pytest.mark.parametrize("op", ["Concat", "Gather", "Reshape"])
def test_a_seed_is_a_case(op: str) -> None:
    first, second, other = (DRAWERS[op](Draw(op, 3, run)) for run in (0, 0, 1))
    assert first is not None
    assert second is not None
    assert other is not None
    assert all(np.array_equal(a, b) for a, b in zip(first.inputs, second.inputs))
    assert same_model(first, second, "open")
    assert str(first.attributes) == str(other.attributes)


def test_all_operators_can_be_drawn() -> None:
    for drawers in (DRAWERS, OPERATIONS):
        for op, drawer in drawers.items():
            assert any(drawer(Draw(op, seed)) is not None for seed in range(9)), op


def test_differences() -> None:
    ones = np.ones(3, np.float32)
    assert difference(ones, ones, 1e-4) == ""
    assert difference(np.array([1, np.inf], np.float32), np.array([1, 3.4e38], np.float32), 1e-4) == ""
    assert "differ" in difference(ones, ones * 1.01, 1e-4)
    assert "differ" in difference(ones, ones * np.nan, 1e-4)
    assert "shape" in difference(ones, ones[:2], 1e-4)
    assert "type" in difference(ones, ones.astype(np.int32), 1e-4)
    assert difference(np.array([3, 4]), np.array([3, 5]), 0, steps=1) == ""
    assert "1 of 2" in difference(np.array([3, 4]), np.array([3, 5]), 0)
