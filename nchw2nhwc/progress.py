"""What a conversion says while it runs, and how long its stages take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, TextIO, TypeAlias

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from nchw2nhwc.ir import Graph
    from nchw2nhwc.ir.stored import Stored

STAGES = ("read", "passes", "layout", "target", "emit", "write", "validate", "check")
"""The stages in order. A run without the check ends before the last one; one with Keras targets has the stage "keras" besides, and one
with these alone neither "emit" nor "validate"; one with the HTML report has "html"; one that quantizes has "quantize"
and, with the check, "accuracy"."""


class Progress(Protocol):
    """Hears when a stage begins and ends, and of single steps inside one."""

    def begin(self, stage: str) -> None: ...

    def step(self, text: str) -> None: ...

    def end(self, stage: str, seconds: float) -> None: ...

    def close(self) -> None: ...


class Silent:
    """Says nothing."""

    def begin(self, stage: str) -> None:
        pass

    def step(self, text: str) -> None:
        pass

    def end(self, stage: str, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


class Lines(Silent):
    """One line for every stage that is over; with `verbose` also one for every step. For logs and pipes."""

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False) -> None:
        self._stream, self._verbose = stream or sys.stderr, verbose

    def step(self, text: str) -> None:
        if self._verbose:
            print(f"  {text}", file=self._stream, flush=True)

    def end(self, stage: str, seconds: float) -> None:
        print(f"{stage}: {seconds:.2f} s", file=self._stream, flush=True)


class Bar(Silent):
    """A progress bar over the stages, for a terminal; it disappears at the end."""

    def __init__(self, *, stages: int, verbose: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._verbose = verbose
        self._bar: RichProgress = RichProgress(
            TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[step]}", style="dim", markup=False), console=Console(stderr=True), transient=True)
        self._over: set[str] = set()
        self._task = self._bar.add_task("", total=stages, step="")
        self._bar.start()

    def begin(self, stage: str) -> None:
        self._bar.update(self._task, description=stage, step="")

    def step(self, text: str) -> None:
        if self._verbose:
            self._bar.console.print(f"  {text}", markup=False, highlight=False)
        self._bar.update(self._task, step=text)

    def end(self, stage: str, seconds: float) -> None:
        self._over.add(stage)
        self._bar.update(self._task, completed=len(self._over))

    def close(self) -> None:
        self._bar.stop()


Watch: TypeAlias = "Callable[[str, Graph, Mapping[str, Stored]], None]"
"""Is shown the graph after each step of a conversion: the step's name ("read", a pass, "layout", a pass of the target), the graph, and,
once layouts are known, how its values are stored, by name."""


class Stages:
    """Times the stages of one run, tells a `Progress` about them and shows the graph after each step to a `Watch`."""

    def __init__(self, progress: Progress | None = None, watch: Watch | None = None) -> None:
        self.progress: Progress = progress or Silent()
        self._watch = watch
        self.seconds: dict[str, float] = {}
        self.passes: list[tuple[str, float, int]] = []
        """Every pass that has run: its name, the seconds it took and how many rewrites it made."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The block is (part of) the stage called `name`."""
        start = perf_counter()
        self.progress.begin(name)
        yield
        spent = perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + spent
        self.progress.end(name, spent)

    def show(self, name: str, graph: Graph, stored: Mapping[str, Stored] | None = None) -> None:
        """The graph after a step."""
        if self._watch is not None:
            self._watch(name, graph, stored or {})

    @property
    def total(self) -> float:
        """Seconds of all stages together."""
        return sum(self.seconds.values())
