"""The benchmarks are scripts, not part of the package: their folder goes on the path, as it does when one is run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks.files import NAME, write_onnx

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder like the zoo's, with the small model in it."""
    folder = tmp_path / "models"
    folder.mkdir()
    write_onnx(folder / f"{NAME}.onnx")
    return folder
