"""README, the picture and CI say and do the same."""

from __future__ import annotations

import re
import runpy

from tests.digits import ROOT


def test_readme_has_the_two_commands_that_ci_runs() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    assert all(block.count("\n") == 1 and block.startswith("python3 -m venv") for block in blocks)
    assert "openvino2tf docs/examples/digits/digits.xml" in blocks[0]
    assert "-m pytest" in blocks[1]


def test_links_of_the_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
            assert target.startswith("https://") or (document.parent / target).exists(), (document, target)


def test_the_picture_is_what_its_script_draws() -> None:
    draw = runpy.run_path(str(ROOT / "docs" / "picture.py"))["draw"]
    assert (ROOT / "docs" / "picture.svg").read_text(encoding="utf-8") == draw()
