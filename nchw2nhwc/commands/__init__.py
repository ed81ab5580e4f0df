"""The commands of openvino2tf, one module each: `prepare(argv)` reads the arguments behind the command's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SUBCOMMANDS = ("convert", "check", "bisect", "fixture", "scaffold", "inspect")
"""What the first argument may be besides a model, which is converted then. A file of such a name can be given as ./NAME."""

ERROR, ABOVE_TOLERANCE, INTERRUPTED, TERMINATED = 2, 3, 130, 143
"""Exit statuses besides 0."""


@dataclass(frozen=True)
class Prepared:
    """A command whose arguments are well-formed: `run` carries it out and returns the exit status; `verbose` shows what libraries print."""

    run: Callable[[], int]
    verbose: bool = False
