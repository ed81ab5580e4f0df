"""Aligned text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """One line for each row, columns as wide as their widest cell."""
    listed = list(rows)
    widths = [max(map(len, column)) for column in zip(*listed)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in listed]
