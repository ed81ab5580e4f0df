"""The digits example and the command line, for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from nchw2nhwc import cli

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "docs" / "examples" / "digits"
ONNX, XML, BIN = DIGITS / "digits.onnx", DIGITS / "digits.xml", DIGITS / "digits.bin"


def copy_digits(folder: Path) -> Path:
    """Copies of the digits files in `folder`; returns the .xml."""
    for file in (ONNX, XML, BIN):
        shutil.copy(file, folder)
    return folder / XML.name


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that imports this tree."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def python(*arguments: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, `more` added to its environment."""
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, env=environment(**more), capture_output=True, text=True,
                          timeout=120, check=False)


def openvino2tf(*arguments: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return python("-m", "nchw2nhwc", *arguments, cwd=cwd, **more)


def main(*arguments: str | Path) -> int:
    """Run the command line in this process."""
    return cli.main([str(a) for a in arguments])
