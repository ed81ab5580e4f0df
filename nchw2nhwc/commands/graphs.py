"""The graph as text after every step of a conversion, printed or written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.errors import OptionError
from nchw2nhwc.files import write_file

if TYPE_CHECKING:
    from nchw2nhwc.ir import Graph
    from nchw2nhwc.ir.stored import Stored


class Graphs:
    """Is shown the graph after each step. `folder`: where it is written, one file a step, numbered; `printed`: the step after which it is
    printed, "" for every one; None for neither."""

    def __init__(self, folder: Path | None, printed: str | None) -> None:
        self._folder, self._printed = folder, printed
        self._count = 0

    def show(self, step: str, graph: Graph, stored: Mapping[str, Stored]) -> None:
        """Print and write what is asked for. Raises OutputError."""
        from nchw2nhwc.ir.printer import to_text

        number, self._count = self._count, self._count + 1
        if self._folder is not None:
            write_file(self._folder / f"{number:02}_{re.sub('[^A-Za-z0-9_-]+', '_', step)}.txt", to_text(graph).encode())
        if self._printed in ("", step):
            print(f"// after {step}\n{to_text(graph)}")


def require_step(step: str | None, known: Sequence[str]) -> None:
    """Raises OptionError when the graph is to be printed after a step that is not among those of the conversion."""
    if step and step not in known:
        raise OptionError(f"there is no pass '{step}' to print the graph after", advice=f"Choose from {', '.join(dict.fromkeys(known))}.")
