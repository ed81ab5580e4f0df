"""Numbers for the named dimensions of a graph."""

from __future__ import annotations

from collections.abc import Mapping

from nchw2nhwc.ir.bounds import bounds
from nchw2nhwc.ir.dim import Dim, evaluate
from nchw2nhwc.ir.graph import Graph

LARGEST = 1 << 16
"""No named dimension is made larger to make room for the ops of a graph."""


def open_sizes(graph: Graph) -> list[Dim]:
    """Every symbolic size of a tensor of the graph and its bodies, once."""
    return list(dict.fromkeys(size for part in graph.graphs() for value in part.values() for size in value.shape if isinstance(size, Dim)))


def large_enough(graph: Graph, numbers: Mapping[str, int] | None = None) -> dict[str, int]:
    """`numbers` for the named dimensions (without, the least that each may be), doubled until no size in the graph is below 1, which the
    smallest images do not survive five halvings; unchanged where doubling does not help. Sizes that cannot grow, such as remainders, may
    be 0."""
    symbolic, given = open_sizes(graph), numbers or {}
    least = {size: 1 for size in symbolic if bounds(size)[1] is None}
    for part in graph.graphs():
        for node in part.nodes:
            for size, number in node.op.smallest(*(v.type for v in node.inputs if v is not None)):
                if isinstance(size, Dim):
                    least[size] = max(least.get(size, 1), number)
    sizes = start = {name: max(given.get(name, 1), bounds(size.named(name))[0] or 1) for size in symbolic for name in sorted(size.symbols)}
    while True:
        short = sorted({name for size, number in least.items() if evaluate(size, sizes) < number for name in size.symbols
                        if sizes[name] < LARGEST})
        if not short:
            stuck = any(evaluate(size, sizes) < number for size, number in least.items())
            return {**given, **(start if stuck else sizes)}
        sizes |= {name: 2 * sizes[name] for name in short}
