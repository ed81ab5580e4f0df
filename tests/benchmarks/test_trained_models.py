"""Trained models of packages."""

from __future__ import annotations

from pathlib import Path

import pytest
import trained_models
from trained_models import main

from tests.benchmarks.files import write_onnx

PACKAGE = "pretend==1.0"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has the only package, with one model in two files."""
    (tmp_path / PACKAGE / "pretend" / "models").mkdir(parents=True)
    for name in ("a.onnx", "b.onnx", "other.onnx"):
        write_onnx(tmp_path / PACKAGE / "pretend" / "models" / name)
    monkeypatch.setattr(trained_models, "PACKAGES", {PACKAGE: ("**/a.onnx", "**/b.onnx")})
    return tmp_path


def test_each_content_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--quantize", "--ir11"]) == 0
    out = capsys.readouterr().out
    assert f"pass  {PACKAGE} a.onnx: " in out
    assert f"pass  {PACKAGE} a.xml: " in out
    assert out.endswith("2 of 2 pass\n")


def test_failures_and_nothing_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--only", "another"]) == 1
    (folder / PACKAGE / "pretend" / "models" / "b.onnx").write_bytes(b"no model")
    assert main([str(folder)]) == 1
    out = capsys.readouterr().out
    assert f"FAIL  {PACKAGE} b.onnx" in out
    assert out.endswith("1 of 2 pass\n")
