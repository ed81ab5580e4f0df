"""The pictures of the layout page are what their script draws, and its example prints what is shown."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.digits import environment
from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "layout.md"
DRAWING = runpy.run_path(str(DOCS / "layout_pictures.py"))


@pytest.mark.parametrize("name", DRAWING["PICTURES"])
def test_the_pictures_are_up_to_date(name: str) -> None:
    drawn = DRAWING["PICTURES"][name]()
    assert (DOCS / name).read_text(encoding="utf-8") == drawn, "run python docs/layout_pictures.py"
    assert ElementTree.fromstring(drawn).get("aria-label")
    assert f"({name})" in PAGE.read_text(encoding="utf-8")


def test_both_palettes_have_the_same_colours() -> None:
    assert DRAWING["LIGHT"].keys() == DRAWING["DARK"].keys()


def test_the_example_prints_what_is_shown(tmp_path: Path) -> None:
    (example,) = blocks(PAGE, "python")
    shown = blocks(PAGE, "text")[-1]
    run = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120,
                         check=False)
    assert (run.stdout, run.returncode) == (shown, 0), run.stderr
