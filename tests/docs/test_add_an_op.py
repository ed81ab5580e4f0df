"""The page on adding an op, followed to the letter in copies of the repository: its commands, its code and its tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from nchw2nhwc.ops.rules import Rule
from tests.digits import ROOT, environment
from tests.docs.pages import DOCS, without_label_encoder
from tests.docs.test_getting_started import masked
from tests.runtimes import skip_with_older_runtime

PAGE = (DOCS / "add-an-op.md").read_text(encoding="utf-8")
FIRST, SECOND = PAGE.split("\n## An op of its own\n")
BLOCK = re.compile(r"^```(\{code-block\} python|console|sh)\n(?::caption: ([^\s,]+), ([^\n]*)\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("python -m pytest", "python -m tests.fixtures.make", "python -m venv", "ruff check")
"""Shell commands that are not run where they stand."""


@dataclass(frozen=True)
class Step:
    """A block of the page: of which kind, for code the file and what is to be done with it, and the text."""

    kind: str
    file: str
    how: str
    text: str


def steps(page: str) -> list[Step]:
    return [Step(kind.split()[-1], file, how, text) for kind, file, how, text in BLOCK.findall(page)]


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} has changed: {old}"
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for folder in ("nchw2nhwc", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _shell(clone: Path, command: str) -> subprocess.CompletedProcess[str]:
    python = f'"{sys.executable}"'
    script = f'set -e; openvino2tf() {{ {python} -m nchw2nhwc "$@"; }}; python() {{ {python} "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", script], cwd=clone, env=environment(PYTHONPATH=str(clone)), capture_output=True,
                          text=True, timeout=300, check=False)


def _lines(text: str) -> list[list[str]]:
    """The words of each line; lines on Keras only where it is installed."""
    return masked("\n".join(line for line in text.splitlines() if find_spec("tensorflow") is not None or ": keras" not in line))


def follow(clone: Path, page: str) -> None:
    """Do what the page says, and compare what commands print with what it shows."""
    for step in steps(page):
        if step.kind == "console":
            command, _, shown = step.text.partition("\n")
            assert command.startswith("$ ")
            done = _shell(clone, command[2:])
            assert _lines(done.stdout or done.stderr) == _lines(shown), command
        elif step.kind == "sh":
            if not step.text.startswith(ELSEWHERE):
                done = _shell(clone, step.text)
                assert done.returncode == 0, done.stderr
        elif step.how == "the whole file":
            (clone / step.file).write_text(step.text, encoding="utf-8")
        elif step.how.startswith("at the end"):
            file = clone / step.file
            file.write_text(f"{file.read_text(encoding='utf-8')}\n\n{step.text}", encoding="utf-8")
        else:
            assert step.file == "tests/emit/keras/test_parity.py"
            listed = '"a formula over other functions": "'
            _replace(clone / step.file, listed, f"{listed}LabelEncoder ")


def passed(clone: Path, *arguments: str) -> int:
    """How many tests pass, when all do."""
    done = _shell(clone, f"python -m pytest -p no:cacheprovider {' '.join(arguments)}")
    assert done.returncode == 0, done.stdout
    found = re.search(r"(\d+) passed", done.stdout)
    return int(found[1]) if found else done.stdout.count(".")


def test_a_mapping(clone: Path) -> None:
    skip_with_older_runtime()
    follow(clone, FIRST)
    assert passed(clone, "-v", "tests/parse/onnx/operators/test_label_encoder.py") == 2
    assert passed(clone, "-v", "tests/parse/openvino/test_grn.py") == 2
    assert passed(clone, "-v", "tests/test_fixtures.py", "-k", '"LabelEncoder or has_one"') >= 3
    if find_spec("ruff") is not None:
        linted = _shell(clone, "python -m ruff check nchw2nhwc tests/parse")
        assert linted.returncode == 0, linted.stdout


def test_an_op_of_its_own(clone: Path) -> None:
    setup = [step for step in steps(FIRST) if step.file == "labels.py"]
    (clone / "labels.py").write_text(setup[0].text, encoding="utf-8")
    assert _shell(clone, "python labels.py").returncode == 0
    without_label_encoder(clone)
    follow(clone, SECOND)
    paths = ("tests/ops", "tests/layout/test_law.py", "tests/passes/decompose", "tests/emit/tflite")
    assert passed(clone, "-v", *paths, "-k", '"LabelEncoder or known_not_to_be"') >= 8, "the new op was not in the registry's tests"


def test_every_block_is_understood() -> None:
    """A block of another form would be left out silently."""
    found = [step for step in steps(PAGE) if step.kind == "python"]
    assert len(found) == PAGE.count("```{code-block} python")
    assert all(step.file and step.how for step in found)
    assert PAGE.count("```console") == sum(step.kind == "console" for step in steps(PAGE))


def _named() -> Iterator[str]:
    from docs.generators import building

    yield from re.findall(r"`(\w+)\(", building.rules())


def test_every_rule_is_in_the_table() -> None:
    assert {rule.__name__ for rule in Rule.__subclasses__()} == set(_named())
