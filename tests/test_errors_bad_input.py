"""Bad input: exit status 2, one clear message, nothing written, in little memory."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from nchw2nhwc.cli import main
from tests.bad_inputs import Case, cases
from tests.digits import ROOT, copy_digits, openvino2tf, python

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
def test_bad_input_is_answered(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = case.make(tmp_path)
    before = snapshot(tmp_path)
    status = main(["--quiet", *arguments])
    printed = capsys.readouterr()
    assert status == 2
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert re.search(case.message, printed.err, re.DOTALL), printed.err
    assert "Traceback" not in printed.err
    assert len(printed.err) < 2000
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("arguments", [("inspect", "model.xml", "--json", "model.xml"), ("bisect", "model.xml", "--json", "model.bin"),
                                       ("check", "model.xml", "model_float32.tflite", "--json", "model_float32.tflite"),
                                       ("fixture", "model.xml", "--layer", "/Add", "-o", ".")], ids=lambda arguments: arguments[0])
def test_no_command_replaces_what_it_reads(arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    xml = copy_digits(tmp_path)
    for path in (xml, xml.with_suffix(".bin")):
        path.rename(f"model{path.suffix}")
    assert main(["model.xml", "--quiet", "--no-check"]) == 0
    before = {name: (tmp_path / name).read_bytes() for name in ("model.xml", "model.bin", "model_float32.tflite")}
    assert main(arguments) == 2
    assert "is an input, which a result would overwrite" in capsys.readouterr().err
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def snapshot(folder: Path) -> dict[str, bytes]:
    """All files below a folder with their content."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


_ALL = """
import contextlib, io, os, resource, sys, tempfile
inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # Linux counts what the process that started this one had
from pathlib import Path
from nchw2nhwc.cli import main
from tests.bad_inputs import cases
for case in cases():
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        os.chdir(folder)
        assert main(["--quiet", *case.make(Path(folder))]) == 2, case.name
        os.chdir("/")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - inherited)
"""


def test_bad_input_takes_less_than_a_gigabyte() -> None:
    unit = 1 if sys.platform == "darwin" else 1024
    ran = python("-c", _ALL, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) * unit < 10**9


def test_in_a_process_of_its_own_there_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08garbage")
    ran = openvino2tf("m.onnx", cwd=tmp_path)
    assert ran.returncode == 2
    assert "error: m.onnx" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert os.listdir(tmp_path) == ["m.onnx"]
