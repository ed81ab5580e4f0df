from __future__ import annotations

from collections.abc import Callable

import pytest
from measure import keras_data, models
from measure.keras_data import FORMS, TFLITE_AGAIN
from measure.keras_files import tensorflow_names
from measure.keras_rows import FilesRow, SpeedRow, TrainingRow, judge_files, judge_speed, judge_training, summarize
from measure.keras_table import SPEED_COLUMNS, TRAINING_COLUMNS, files_columns, markdown
from measure.table import text_row

from tests.benchmarks.test_rows import set_to


def files() -> FilesRow:
    """A row that passes, at its limits."""
    errors = dict.fromkeys((*FORMS, TFLITE_AGAIN, "jax"), 1e-4)
    return FilesRow("net", "onnx", errors=errors, layers=9, transposes=2, allowed=2, seconds=5.0, peak_mb=700.0)


def training() -> TrainingRow:
    return TrainingRow("net", parity=1e-4, losses=[3.0, 2.0, 2.5, 1.0], weights=4, norms=2, source_norms=2, source_accuracy=0.9,
                       accuracy=0.9)


def test_rows_at_their_limits_pass() -> None:
    assert judge_files(files()) == judge_training(training()) == judge_speed(SpeedRow("mobilenet_v2", seconds=[2.9, 9.0, 2.0])) == []


@pytest.mark.parametrize(("change", "failure"), [
    (set_to(error="exit status 2: error: boom"), "boom"),
    (set_to(errors={"h5": 2e-4}), "h5: error 2.0e-04"),
    (set_to(errors={"jax": None}), "jax: an output has another shape"),
    (set_to(errors={"pb": None}, problems={"pb": "KeyError: 'x'"}), "pb: KeyError: 'x'"),
    (set_to(transposes=3), "3 transposes, at most 2"),
    (set_to(foreign=["Lambda of keras.layers"]), "Lambda"),
    (set_to(numbered=["12"]), "number for a name: 12"),
])
def test_each_limit_on_files_is_kept(change: Callable[[FilesRow], None], failure: str) -> None:
    row = files()
    change(row)
    (found,) = judge_files(row)
    assert failure in found


@pytest.mark.parametrize(("change", "failure"), [
    (set_to(error="boom"), "boom"),
    (set_to(parity=2e-4), "before training: error"),
    (set_to(losses=[1.0, 2.0]), "the loss does not fall"),
    (set_to(losses=[1.0, float("nan")]), "the loss does not fall"),
    (set_to(losses=[]), "the loss does not fall"),
    (set_to(weights=0), "nothing to train"),
    (set_to(norms=1), "1 batch norms, the source has 2"),
    (set_to(unreached=["conv/kernel"]), "no gradient reaches conv/kernel"),
    (set_to(unchanged=["bn"]), "statistics do not change in bn"),
    (set_to(accuracy=0.89), "test accuracy 0.89"),
])
def test_each_limit_on_training_is_kept(change: Callable[[TrainingRow], None], failure: str) -> None:
    row = training()
    change(row)
    (found,) = judge_training(row)
    assert failure in found


def test_seconds_have_a_limit() -> None:
    assert judge_speed(SpeedRow("mobilenet_v2", seconds=[3.0]))
    assert not judge_speed(SpeedRow("squeezenet", seconds=[99.0]))
    assert judge_speed(SpeedRow("squeezenet", error="boom")) == ["boom"]


def test_summary() -> None:
    bad, skipped = files(), FilesRow("other", "onnx", skipped="no such op")
    bad.failures = ["h5: error"]
    speed = [SpeedRow(name, seconds=[1.0], peer_seconds=theirs) for name, theirs in (("a", [2.0]), ("b", [4.0]), ("c", []))]
    summary = summarize([bad, skipped, files(), training(), *speed])
    assert (summary.measured, summary.passed) == (6, 5)
    assert summary.times_faster == pytest.approx(8 ** 0.5)
    assert summary.failures[0] == "net (onnx): h5: error"
    assert "at least 3" in summary.failures[1]
    assert summary.skipped == ("other (onnx): no such op",)
    assert summarize([training(), SpeedRow("a", seconds=[1.0], peer_seconds=[3.0])]).failures == ()


def test_tables_take_rows_without_measurements() -> None:
    rows = [FilesRow("net", "onnx", error="boom", failures=["boom"]), files(), TrainingRow("net", error="boom"), training(),
            SpeedRow("net"), SpeedRow("net", skipped="no such op")]
    for row, columns in zip(rows, (*[files_columns(["jax"])] * 2, *[TRAINING_COLUMNS] * 2, *[SPEED_COLUMNS] * 2)):
        assert text_row(columns, row).startswith("net")  # type: ignore[type-var]
    text = markdown(rows, ["jax"], summarize(rows), ["a machine"])
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") - 1 for line in tables} == {len(files_columns(["jax"])), len(TRAINING_COLUMNS), len(SPEED_COLUMNS)}


def test_names_in_tensorflow() -> None:
    taken: set[str] = set()
    inputs = tensorflow_names(["onnx::Concat_0", "12", "x.1", "/a/B", ""], "input", taken)
    assert inputs == ["onnx_Concat_0", "input_12", "x.1", "a_B", "input"]
    assert tensorflow_names(["a_b", "12"], "output", taken) == ["a_b_1", "output_12"]


def test_the_networks_are_in_the_zoo() -> None:
    assert len(keras_data.BACKEND_NETWORKS) >= 20
    assert set(keras_data.BACKEND_NETWORKS) <= set(models.ONNX)
    assert {*keras_data.SPEED_NETWORKS, *keras_data.SPEED_ALONE} <= {*models.ONNX, *models.MORE}
    assert set(models.OPEN_BATCH) <= set(models.ONNX)
