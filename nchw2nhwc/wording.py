"""Words that messages share."""

from __future__ import annotations

RANDOM_INPUTS = "Random inputs may mean nothing to a trained network; --check-inputs FILE.npz checks with real ones."
"""What is said of a check that fails on them."""


def counted(count: int, noun: str) -> str:
    """A number with what it counts: `1 layer`, `2 layers`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def are(count: int) -> str:
    """The verb behind such a number: `is`, or `are`."""
    return "is" if count == 1 else "are"
