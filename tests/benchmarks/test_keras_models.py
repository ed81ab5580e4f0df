from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import keras_models
import pytest
from measure.child import BENCHMARKS, elsewhere
from measure.keras_files import try_forms
from measure.litert import Port

from tests.benchmarks.files import NAME

needs_tensorflow = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")


@needs_tensorflow
def test_every_file_of_a_network_is_opened(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, table = tmp_path / "keras.json", tmp_path / "keras.md"
    status = keras_models.main(["--models", str(models), "--set", "onnx", "--only", NAME, "--json", str(report), "--markdown", str(table)])
    (row,) = json.loads(report.read_text())["networks"]
    assert (status, row["failures"]) == (0, [])
    assert list(row["errors"]) == ["keras", "h5", "weights", "saved_model", "pb", "TF's TFLite"]
    assert max(row["errors"].values()) < 1e-5
    assert (row["layers"], row["transposes"], row["allowed"]) == (3, 0, 0)
    assert NAME in table.read_text()
    assert "PASS" in capsys.readouterr().out


@needs_tensorflow
def test_training_and_speed(tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "keras.json"
    assert keras_models.main(["--models", str(models), "--set", "training", "speed", "--only", "digits", NAME, "--rounds", "1",
                              "--json", str(report)]) == 0
    result = json.loads(report.read_text())
    (digits,), (speed,) = result["training"], result["speed"]
    assert digits["accuracy"] == digits["source_accuracy"] > 0.95
    assert (digits["norms"], len(digits["losses"]), digits["unreached"], digits["unchanged"]) == (5, 20, [], [])
    assert len(speed["seconds"]) == 1
    assert "times as fast" in capsys.readouterr().out


def test_what_does_not_convert_to_tflite_either_is_skipped(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / f"{NAME}.onnx").write_bytes(b"nothing")
    assert keras_models.main(["--models", str(models), "--set", "onnx", "--only", NAME]) == 1
    assert f"skipped {NAME} (onnx)" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "reason"), [("import nchw2nhwc", "nchw2nhwc"), ("raise ValueError('not a model')", "not a model")])
def test_what_cannot_be_opened_without_the_project_says_why(tmp_path: Path, code: str, reason: str) -> None:
    """A package in the place of Keras does what opening a bad file would."""
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text(f"{code}\n")
    paths = os.pathsep.join([str(tmp_path), str(BENCHMARKS), str(BENCHMARKS.parent)])
    port = [Port("x", 0, (0, 1))]
    tried = try_forms({"keras": tmp_path / "net.keras"}, port, port, [], elsewhere(Path(sys.executable), PYTHONPATH=paths))
    assert reason in tried["keras"]["problem"]


def test_nothing_measured_is_a_failure() -> None:
    assert keras_models.main(["--set", "omz"]) == 1


@pytest.mark.parametrize("option", ["--peer", "--backend"])
def test_an_environment_that_is_not_there_is_an_error(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = str(tmp_path / "python")
    assert keras_models.main([option, python if option == "--peer" else f"jax={python}"]) == 2
    assert python in capsys.readouterr().err


def test_a_backend_has_a_name() -> None:
    with pytest.raises(SystemExit):
        keras_models.main(["--backend", "python"])
