"""The OpenVINO cases of all families of ops."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.parse.openvino.harness import Case

_FILES = sorted(path for path in Path(__file__).parent.glob("test_*.py") if re.search("^CASES = ", path.read_text("utf-8"), re.MULTILINE))

FAMILIES: Mapping[str, Sequence[Case]] = {
    path.stem.removeprefix("test_"): importlib.import_module(f"{__package__}.{path.stem}").CASES for path in _FILES
}
"""What the test files of this folder compare with OpenVINO (their `CASES`), by their names."""
