"""The product's own check of a folder of networks."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_check import main


def test_networks_as_they_are_and_open(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--models", str(models)]) == 0
    assert main(["--models", str(models), "--open"]) == 0
    out = capsys.readouterr().out
    assert "transposes" in out
    assert "after 0 errors" in out


def test_nothing_measured_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    assert main(["--models", str(tmp_path), "--only", "another"]) == 1
    assert main(["--models", str(tmp_path)]) == 1
    assert "FAIL  broken.onnx" in capsys.readouterr().out
