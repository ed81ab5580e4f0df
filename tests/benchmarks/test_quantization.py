"""Quantized files: the zoo's command line, latency, comparison with peers, made-up samples."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import quantization
from measure import quantize_peers
from measure.cases import Case, Folders, find_cases
from measure.models import limits_of
from measure.quantize_peers import CALIBRATED, CONVERTER, DIRECT, ENDINGS, TESTED, PeersRow, Trained, compare, judge
from measure.quantize_runs import declared_sqnr, sqnr, sqnr_by_shape
from measure.quantize_table import State, markdown
from measure.quantize_zoo import DigitsRow, LatencyRow, ZooRow, measure_latency
from measure.samples import pictures, sounds, text_images

import nchw2nhwc
from nchw2nhwc.checking import source_tensors
from nchw2nhwc.options.quantize import MODES, QuantizeOptions
from tests.benchmarks.files import NAME


def case(models: Path, scratch: Path) -> Case:
    (found,) = find_cases(Folders(models, None, None, scratch), ["onnx"], [NAME], print)
    return found


def images(count: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    return [{"image": each} for each in np.random.default_rng(seed).standard_normal((count, 1, 3, 8, 8)).astype(np.float32)]


def test_a_network_of_the_zoo(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    state, report = tmp_path / "state", tmp_path / "rows.json"
    command = ["--models", str(models), "--set", "zoo", "--only", NAME, "--state", str(state), "--json", str(report)]
    assert quantization.main(command) == 0
    (row,) = json.loads(report.read_text())
    assert row["kind"] == "ZooRow"
    assert row["failures"] == []
    assert set(row["size"]) == set(MODES)
    # With few random samples a held-out value is outside of the ranges seen, which cuts it, but not everything.
    assert all(min(row["sqnr"][mode], row["plain"][mode]) > (3 if mode.startswith("int") else 60) for mode in MODES)
    first = capsys.readouterr().out
    monkeypatch.setattr("quantization.measure_zoo", lambda *_: pytest.fail("it is remembered"))
    assert quantization.main(command) == 0
    assert capsys.readouterr().out == first


def test_a_network_that_cannot_be_converted(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / f"{NAME}.onnx").write_bytes(b"nothing")
    assert quantization.main(["--models", str(models), "--set", "zoo", "--only", NAME]) == 1
    assert "exit status 1: " in capsys.readouterr().out


def test_nothing_measured_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert quantization.main(["--set", "zoo", "peers"]) == 1
    assert "nothing was measured" in capsys.readouterr().out


def test_the_smallest_network_is_first(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    assert state.find(ZooRow, "small") is None
    rows = [ZooRow(name, {"int8": 30.0}, {"int8": 29.0}, {"int8": 0.25}) for name in ("small", "large")]
    for row in rows:
        state.add(row)
    state = State(tmp_path / "state")
    assert [state.find(ZooRow, name) for name in ("small", "large")] == rows
    assert State(None).find(ZooRow, "small") is None
    cases = []
    for row, size in ((rows[1], 9), (rows[0], 2)):
        path = tmp_path / f"{row.network}.onnx"
        path.write_bytes(bytes(size))
        cases.append(Case(row.network, "onnx", path, limits_of(row.network, "onnx")))
    lines = [line for line, _ in quantization._zoo(cases, state, tmp_path, [])]
    assert [line.split()[0] for line in lines] == ["small", "large"]


def test_latency_is_a_ratio(models: Path, tmp_path: Path) -> None:
    row = measure_latency(case(models, tmp_path), tmp_path, 0.01)
    assert set(row.ratio) == {"dynamic", "int8", "int8-full"}
    assert set(row.milliseconds) == {*row.ratio, "float32"}
    assert min(row.ratio.values()) > 0


def test_files_with_integers_outside_are_compared_as_numbers(models: Path, tmp_path: Path) -> None:
    converted, given = nchw2nhwc.convert(models / f"{NAME}.onnx"), images(4)
    wanted = [info.tensor for info in converted.outputs]
    truth = [[source_tensors(converted.source, converted.inputs, wanted, each)[name] for name in wanted] for each in given]
    file, notes = tmp_path / "full.tflite", list[str]()
    converted.save(file, quantize=QuantizeOptions(["int8-full"], calibration=given))
    mine = declared_sqnr(file, converted, given, truth, notes, "ours")
    assert mine is not None
    assert mine > 20
    assert sqnr_by_shape(file, given, truth, notes, "theirs") == pytest.approx(mine)
    file.write_bytes(b"nothing")
    assert declared_sqnr(file, converted, given, truth, notes, "ours") is None
    assert sqnr_by_shape(file, given, truth, notes, "theirs") is None
    assert [note.partition(":")[0] for note in notes] == ["ours", "theirs"]


def test_the_ratio_is_that_of_the_worst_output() -> None:
    one, two = np.ones((2, 3), np.float32), np.full((4,), 2, np.float32)
    assert sqnr([[one, two]], [[one, two]]) == 200
    assert sqnr([[one, two]], [[one * 1.1, two * 1.01]]) == pytest.approx(20, abs=1e-3)


def test_what_peers_are_judged_by() -> None:
    rows = [PeersRow("a", 1, {"int8": 30.0, "dynamic": 40.0}, {"int8": 29.0, "dynamic": 40.05}, {"int8": 20.0}, {"int8": None}),
            PeersRow("b", 1, {"int8": 25.0, "dynamic": None}, {"int8": 25.2, "dynamic": 1.0})]
    summary, failures = judge(rows)
    assert "against tensorflow: -inf dB on the average of 4 files" in summary
    assert f"against {DIRECT}: +10.00 dB on the average of 1 files" in summary
    assert f"against {CONVERTER}: no file" in summary
    assert failures == ["b, int8: -0.2 dB against tensorflow", "b, dynamic: -inf dB against tensorflow",
                        "not better than tensorflow on the average"]
    text = markdown([*rows, DigitsRow("int8", 98.5, -0.25), LatencyRow("c", {"float32": 2.0, "int8": 1.0}, {"int8": 0.5}),
                     ZooRow("d", {"int8": 30.0}, {"int8": 29.0}, {"int8": 0.25})])
    for line in ("| a: nchw2nhwc | - | 40.0 | 30.0 | - | - |", "| b: TensorFlow | - | 1.0 | 25.2 | - | - |", "| int8 | 98.50 | -0.25 |",
                 "| c | 2.00 | 1.00 (0.50) |", "| d | - | - | 30.0, 25% | - | - | - | - |"):
        assert line in text.splitlines()


def test_of_several_seeds_the_average_counts() -> None:
    rows = [PeersRow("a", 1, {"int8": 30.0}, {"int8": 31.0}), PeersRow("b", 1, {"int8": 20.0}, {"int8": 20.0}),
            PeersRow("a", 2, {"int8": 34.0}, {"int8": 30.0}), PeersRow("b", 2, {"int8": 20.0}, {"int8": 20.5})]
    assert judge(rows)[1] == ["b, int8: -0.2 dB against tensorflow"]
    assert "+0.62 dB on the average of 2 files" in judge(rows)[0]
    text = markdown(rows)
    assert "seed 1, 2: mean, and standard deviation" in text
    assert "| a: nchw2nhwc | - | - | 32.0 ± 2.8 | - | - |" in text.splitlines()


def test_a_peer_with_one_file(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of onnx2tf, that writes a file of ours for float16 and a broken one for int8."""
    path, peer = models / f"{NAME}.onnx", tmp_path / "bin" / "python"
    peer.parent.mkdir()
    file = tmp_path / "float16.tflite"
    nchw2nhwc.convert(path).save(file, float16=True)
    program = peer.parent / "onnx2tf"
    program.write_text("#!/bin/sh\nmkdir out\n"
                       f"cp {file} out/model_{ENDINGS['float16']}.tflite\necho no > out/model_{ENDINGS['int8']}.tflite\necho stopped\n")
    os.chmod(program, 0o755)

    def none(*_: object) -> Iterator[tuple[str, Path | None]]:
        yield from ()

    monkeypatch.setattr(quantize_peers, "_tensorflow", none)
    row = compare(Trained("small", path, {"image": (1, 3, 8, 8)}, images(CALIBRATED + TESTED), 1), peer, tmp_path)
    assert all(value is not None and value > 15 for value in row.ours.values())
    assert row.flatbuffer_direct == row.tf_converter == {**dict.fromkeys(ENDINGS), "float16": pytest.approx(row.ours["float16"])}
    assert row.notes[0].startswith(f"onnx2tf, {DIRECT}, int8: ")
    assert f"onnx2tf, {CONVERTER}: not all files (stopped)" in row.notes


def test_samples_follow_from_the_seed() -> None:
    for make in (lambda seed: text_images(2, 24, 64, lines=1, seed=seed), lambda seed: pictures(2, 16, 24, seed=seed),
                 lambda seed: sounds(2, 4000, seed=seed)):
        first = make(1)
        np.testing.assert_array_equal(first, make(1))
        assert len(first) == 2
        assert first.std() > 0
        assert (first != make(2)).any()
        assert (first[0] != first[1]).any()
