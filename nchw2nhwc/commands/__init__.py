"""The commands of openvino2tf, one module each: `prepare(argv)` reads the arguments behind the command's name."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

SUBCOMMANDS = ("convert", "check", "bisect", "fixture", "scaffold", "inspect")
"""What the first argument may be besides a model, which is converted then. A file of such a name can be given as ./NAME."""

ERROR, ABOVE_TOLERANCE, INTERRUPTED, TERMINATED = 2, 3, 130, 143
"""Exit statuses besides 0."""


def finish() -> None:
    """From here to its end a run is not interrupted any more: results take their names, all of them, and the run says so. An interruption
    then would be told as one that has written nothing."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@dataclass(frozen=True)
class Prepared:
    """A command whose arguments are well-formed: `run` carries it out and returns the exit status; `verbose` shows what libraries print."""

    run: Callable[[], int]
    verbose: bool = False
