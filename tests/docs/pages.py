"""The pages of the documentation, for tests."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.digits import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def without_label_encoder(clone: Path) -> None:
    """Take the operator that the page on adding an op adds out of a copy of the package, as the page says."""
    (command,) = [block for block in blocks(DOCS / "add-an-op.md", "sh") if block.startswith("rm nchw2nhwc/parse/onnx")]
    for path in (clone / word for line in command.splitlines() for word in line.split() if "/" in word):
        assert (ROOT / path.relative_to(clone)).exists()
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
