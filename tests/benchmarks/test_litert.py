from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import BuiltinOperator
from measure.child import WorkerError
from measure.litert import ROUNDS, Port, Timed, compare, latencies, relative_error

from tests.benchmarks.files import write_tflite

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(("expected", "actual", "error"), [
    ([1.0, -4.0], [1.0, -3.0], 0.25),
    ([0.0, 0.0], [0.0, 0.5], 0.5),
    ([1.0, INF], [1.0, INF], 0.0),
    ([1.0, NAN], [1.5, NAN], 0.5),
    ([1.0, 2.0], [1.0, NAN], None),
    ([1.0, INF], [1.0, 2.0], None),
    ([1.0, 2.0], [[1.0, 2.0]], None),
    ([1, 2, 3, 4], [1, 2, 3, 5], 0.25),
])
def test_relative_error(expected: list[float], actual: list[float], error: float | None) -> None:
    assert relative_error(np.array(expected), np.array(actual)) == error


def test_compare_feeds_and_reads_through_the_layouts(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((1, 2, 3)).astype(np.float32)
    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, in0=x, out0=np.abs(x) * np.float32(1.125))
    file = write_tflite(tmp_path / "m.tflite", [BuiltinOperator.ABS], shape=(1, 3, 2))
    port = (0, (0, 2, 1))
    for xnnpack in (True, False):
        assert compare(file, [Port("a", *port)], [Port("b", *port)], [arrays], xnnpack=xnnpack) == [pytest.approx(0.125 / 1.125, rel=1e-5)]


def test_compare_runs_one_batch_size_after_the_other(tmp_path: Path) -> None:
    paths = []
    for batch in (1, 3):
        x = np.full((batch, 4), -2, np.float32)
        paths.append(tmp_path / f"{batch}.npz")
        np.savez(paths[-1], in0=x, out0=np.abs(x) + np.float32(batch - 1))
    file = write_tflite(tmp_path / "m.tflite", [BuiltinOperator.ABS], shape=(1, 4), signature=(-1, 4))
    assert compare(file, [Port("a", 0, (0, 1))], [Port("b", 0, (0, 1))], paths, xnnpack=True) == [0.5]


def test_a_file_that_does_not_load_is_an_error(tmp_path: Path) -> None:
    file = write_tflite(tmp_path / "m.tflite", ["FlexErf"])
    with pytest.raises(WorkerError, match="FlexErf"):
        compare(file, [], [], [], xnnpack=True)


def test_every_file_is_timed_in_every_round(tmp_path: Path) -> None:
    files = [write_tflite(tmp_path / f"{k}.tflite", [BuiltinOperator.ABS] * (k + 1)) for k in range(2)]
    taken = latencies([Timed(str(files[0]), {}), Timed(str(files[1]), {"a": (1, 4)})], seconds=0)
    assert [len(times) for times in taken] == [ROUNDS.start] * 2
    assert all(ms > 0 for times in taken for ms in times)
