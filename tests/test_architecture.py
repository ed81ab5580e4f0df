"""Who imports whom is what docs/architecture.md says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.digits import ROOT

PACKAGE = ROOT / "nchw2nhwc"
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
ALL = ROOMS - {"commands"}


def table() -> dict[str, set[str]]:
    """The rooms and those that each knows."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]*)\|$", text.split("## A conversion")[0], re.MULTILINE)
    return {room: ALL if knows.strip() == "the rest" else set(re.findall(r"`(\w+)`", knows)) for room, knows in rows}


def imported(module: Path) -> Iterator[str]:
    """The rooms that a module imports, wherever it does so, but for type checkers."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for_checkers = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
                    for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in for_checkers and (node.module or "").startswith("nchw2nhwc."):
            yield (node.module or "").split(".")[1]


def test_nothing_else_is_at_the_top() -> None:
    """But for what git ignores, such as what builds leave behind."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    there = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert {name for name in there if not any(fnmatch(name, pattern) for pattern in ignored)} == {
        "CHANGELOG.md", "LICENSE", "README.md", "benchmarks", "docs", "nchw2nhwc", "pyproject.toml", "tests"}


def test_every_room_is_listed() -> None:
    assert table().keys() == ROOMS


@pytest.mark.parametrize("room", sorted(ALL))
def test_a_room_knows_those_that_are_listed(room: str) -> None:
    found = {other for module in (PACKAGE / room).rglob("*.py") for other in imported(module)} & ROOMS
    assert found - {room, "options"} == table()[room]
