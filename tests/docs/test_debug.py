"""The page on debugging, followed in a copy of the package in which its mistake was planted: commands print what it shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.digits import DIGITS, ROOT, environment
from tests.docs.pages import DOCS, blocks, without_label_encoder
from tests.docs.test_getting_started import masked

PAGE = DOCS / "debug.md"
ELIDED = "..."
DIFFERENT = 1
"""The exit status of diff for files that are not equal; 2 if one is not there."""


def transcripts(text: str) -> Iterator[tuple[str, str]]:
    """Commands and what is shown of what they print."""
    for block in re.findall(r"^```text\n(\$ .*?)^```$", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy with the example, and the model that the page on adding an op makes, without support for it."""
    shutil.copytree(ROOT / "nchw2nhwc", tmp_path / "nchw2nhwc", ignore=shutil.ignore_patterns("__pycache__"))
    without_label_encoder(tmp_path)
    shutil.copytree(DIGITS, tmp_path / "docs" / "examples" / "digits")
    script = re.search(r"^:caption: labels.py, the whole file\n(.*?)^```$", (DOCS / "add-an-op.md").read_text("utf-8"), re.M | re.S)
    assert script is not None
    subprocess.run([sys.executable, "-c", script[1]], cwd=tmp_path, timeout=120, check=True)
    return tmp_path


def _lowering(clone: Path, old: str, new: str) -> None:
    file = clone / "nchw2nhwc/emit/tflite/lower_movement.py"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def _follow(clone: Path, text: str) -> int:
    """Run the commands of a part of the page; how many there were."""
    count = 0
    for command, shown in transcripts(text):
        script = f'openvino2tf() {{ "{sys.executable}" -m nchw2nhwc "$@"; }}; {command}'
        done = subprocess.run(["bash", "-c", script], cwd=clone, env=environment(PYTHONPATH=str(clone)), capture_output=True, text=True,
                              timeout=120, check=False)
        if command.startswith("diff"):
            assert done.returncode == DIFFERENT, done.stderr
        elif ELIDED in shown:
            assert masked(shown)[-3:] == masked(done.stdout)[-3:], command
        else:
            assert _lines(done.stdout) == _lines(shown), f"{command}\n{done.stderr}"
        count += 1
    return count


def _lines(text: str) -> list[list[str]]:
    """The words of each line; lines on Keras only where it is installed. Errors may be powers of ten either side of 1."""
    shown = "\n".join(line for line in text.splitlines() if find_spec("tensorflow") is not None or ": keras" not in line)
    return masked(re.sub(r"e[+-]\d+", "", shown))


def test_the_page_is_what_happens(clone: Path) -> None:
    (difference,) = blocks(PAGE, "diff")
    (wrong,), (right,) = (re.findall(rf"^\{sign}(    .*\n)", difference, re.MULTILINE) for sign in "-+")
    before, after = PAGE.read_text(encoding="utf-8").split("```diff\n")
    _lowering(clone, right, wrong)
    assert _follow(clone, before) == before.count("\n$ ")
    _lowering(clone, wrong, right)
    assert _follow(clone, after) == after.count("\n$ ") > 2
