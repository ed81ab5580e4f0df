"""Markdown from data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_FLAG = re.compile(r"(?<![\w`-])(--[a-z][a-z0-9-]*)(?![\w-])")


def code(text: str) -> str:
    """Text as it is typed; nothing for nothing."""
    return f"`{text}`" if text else ""


def cell(text: str) -> str:
    """Text of a docstring or a help, in which `x` is code, as the content of a table's cell; flags in it become code too."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if inside % 2 else _prose(part) for inside, part in enumerate(parts))


def _prose(text: str) -> str:
    """Text outside of code, with nothing in it that means something to Markdown."""
    for sign in ("\\,", "*", "<"):
        text = text.replace(sign, f"\\{sign}")
    return _FLAG.sub(r"`\1`", text)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
