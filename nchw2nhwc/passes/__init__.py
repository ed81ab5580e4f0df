"""Graph to graph rewriting in source order: each pass is small, works in place and says how many rewrites it made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

from nchw2nhwc.ir.graph import Graph

Observer: TypeAlias = Callable[[str, float, int], None]
"""Told after each pass: its name, the seconds it took, and the number of rewrites it made."""


@dataclass(frozen=True)
class Pass:
    """A named rewriting of a graph, in place; calling it returns the number of rewrites."""

    name: str
    apply: Callable[[Graph], int]

    def __call__(self, graph: Graph) -> int:
        return self.apply(graph)


def run_passes(graph: Graph, passes: Sequence[Pass], observe: Observer | None = None, check: Callable[[Graph], None] | None = None,
               watch: Callable[[str, Graph], None] | None = None) -> int:
    """Run `passes` over `graph`, and before it over the bodies of its nodes, one after the other; returns the number of rewrites they made
    together.

    `observe` is told about each; `check` (such as `ir.verify.verify`) is called on the graph after each that changed it; `watch` is shown
    the graph after each, with the pass's name.
    """
    total = 0
    for each in passes:
        start = perf_counter()
        count = sum(each(part) for part in tuple(graph.graphs()))
        if observe is not None:
            observe(each.name, perf_counter() - start, count)
        if check is not None and count:
            check(graph)
        if watch is not None:
            watch(each.name, graph)
        total += count
    return total


__all__ = ["Observer", "Pass", "run_passes"]
