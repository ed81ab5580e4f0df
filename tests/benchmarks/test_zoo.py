from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import zoo

from tests.benchmarks.files import NAME


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    """An environment whose "onnx2tf" is the product itself, and which spoils its input as the real one does."""
    folder = tmp_path / "peer"
    folder.mkdir()
    root = str(Path(zoo.__file__).parents[1])
    program = (f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {root!r})\nfrom nchw2nhwc.cli import main\n"
               "assert '--tflite_backend' in sys.argv\n"
               "status = main([sys.argv[2], '-o', sys.argv[4], '--no-check', '--quiet'])\n"
               "open(sys.argv[2], 'w').close()\nsys.exit(status)\n")
    for name, text in (("onnx2tf", program), ("python", "#!/bin/sh\necho onnx2tf 0\n")):
        (folder / name).write_text(text)
        os.chmod(folder / name, 0o755)
    return folder / "python"


def test_a_network_is_measured_beside_a_peer(models: Path, peer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, table = tmp_path / "zoo.json", tmp_path / "zoo.md"
    status = zoo.main(["--models", str(models), "--set", "onnx", "--only", NAME, "--rounds", "1", "--latency-seconds", "0.01",
                       "--peer", str(peer), "--json", str(report), "--markdown", str(table)])
    result = json.loads(report.read_text())
    (row,) = result["networks"]
    assert row["ops"] == sum(row["operators"].values()) == 2
    assert row["transposes"] == 0
    assert row["parity"]["xnnpack"] < 1e-5
    assert row["parity"]["plain"] < 1e-5
    assert row["keep_layout"]["transposes"] == row["keep_layout"]["allowed_more"] == 1
    assert 0 < row["peak_mb"] < row["bound_mb"]
    assert [p["parity"] == row["parity"]["xnnpack"] and p["ops"] == 2 and p["latency_ratio"] > 0 for p in row["peers"]] == [True, True]
    # As fast as ourselves is not fast enough.
    assert status == 1
    assert any("times as fast as the peer" in line for line in result["summary"]["failures"])
    assert NAME in table.read_text()
    assert NAME in capsys.readouterr().out


def test_a_network_that_does_not_convert_fails(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / f"{NAME}.onnx").write_bytes(b"nothing")
    assert zoo.main(["--models", str(models), "--set", "onnx", "--only", NAME, "--rounds", "1", "--latency-seconds", "0"]) == 1
    assert "exit status 2: " in capsys.readouterr().out


def test_nothing_measured_is_a_failure() -> None:
    assert zoo.main(["--set", "omz"]) == 1


def test_a_peer_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert zoo.main(["--peer", str(tmp_path / "python")]) == 2
    assert "onnx2tf" in capsys.readouterr().err
