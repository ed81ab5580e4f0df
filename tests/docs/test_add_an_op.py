"""The page on adding an op, followed to the letter in a copy of the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from nchw2nhwc.ops.rules import Rule
from tests.digits import ROOT, environment
from tests.docs.pages import DOCS

PAGE = (DOCS / "add-an-op.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^```\{code-block\} python\n:caption: (\S+), at the end[^\n]*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} has changed: {old}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_the_op_of_the_page_passes_the_tests(tmp_path: Path) -> None:
    for folder in ("nchw2nhwc", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, block in STEPS:
        file = tmp_path / name
        file.write_text(f"{file.read_text(encoding='utf-8')}\n\n{block}", encoding="utf-8")
    listed = '"a formula over other functions": "'
    _replace(tmp_path / "tests/emit/keras/test_parity.py", listed, f"{listed}Binarizer ")
    _replace(tmp_path / "tests/parse/onnx/operators/test_elementwise.py", "from onnx import NodeProto, TensorProto\n",
             "from onnx import NodeProto, TensorProto, helper\n")
    paths = ["tests/ops", "tests/layout/test_law.py", "tests/passes/decompose", "tests/emit/tflite",
             "tests/parse/onnx/operators/test_elementwise.py"]
    run = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *paths, "-k", "inarizer or known_not_to_be"],
                         cwd=tmp_path, env=environment(PYTHONPATH=str(tmp_path)), capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None
    assert int(passed[1]) >= 8, "the new op was not in the registry's tests"


def test_the_steps_are_those_of_the_table() -> None:
    """A block whose caption is not understood would be left out silently."""
    assert len(STEPS) == 5
    assert PAGE.count("```{code-block} python") == 7


def test_every_rule_is_in_the_table() -> None:
    named = set(re.findall(r"`(\w+)\([\w, ]*\)`", PAGE))
    assert {rule.__name__ for rule in Rule.__subclasses__()} <= named
