"""What the page shows is what happens: its commands run on the example, one after the other, and so does its Python."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.digits import DIGITS, environment
from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "getting-started.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page's paths lead to the example."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "docs" / "examples").mkdir(parents=True)
    (folder / "docs" / "examples" / "digits").symlink_to(DIGITS)
    return folder


def masked(text: str) -> list[list[str]]:
    """The words of each line, with numbers, which differ from run to run, as one sign."""
    return [re.sub(r"\d+(\.\d+)?(e-\d+)?", "0", line).split() for line in text.splitlines()]


def transcripts() -> list[tuple[str, str]]:
    """Commands and what they print, as the page has them."""
    found = []
    for block in blocks(PAGE, "console"):
        command, _, shown = block.partition("\n")
        assert command.startswith("$ ")
        assert "\n$ " not in shown, "one command a block"
        found.append((command[2:], shown))
    return found


@pytest.mark.parametrize(("command", "shown"), transcripts(), ids=lambda text: text[:60] if text.startswith("openvino2tf") else "")
def test_commands_print_what_is_shown(folder: Path, command: str, shown: str) -> None:
    script = f'openvino2tf() {{ "{sys.executable}" -m nchw2nhwc "$@"; }}; {command}'
    run = subprocess.run(["bash", "-c", script], cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert masked(run.stdout) == masked(shown)


def test_python_runs_and_says_what_the_comments_say(folder: Path) -> None:
    run = subprocess.run([sys.executable, "-c", "".join(blocks(PAGE, "python"))], cwd=folder, env=environment(), capture_output=True,
                         text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    passed, shapes, logits = run.stdout.splitlines()
    assert passed.startswith("True {'logits': ")
    assert shapes == "(1, 8, 8, 1) (0, 2, 3, 1)"
    assert logits == "(1, 10)"
