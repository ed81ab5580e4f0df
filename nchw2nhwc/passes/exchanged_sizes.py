"""Several sizes that data decides, of which only the sum is needed, as one size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from nchw2nhwc.ir.dim import Dim, Shape, Size, substitute
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ops.base import Op, symbols_in
from nchw2nhwc.passes.match import require


class Exchange:
    """The sizes `counts` (each at most `most`) occur only in their sum from now on, which is `total`."""

    def __init__(self, counts: Sequence[str], most: int, total: Size) -> None:
        self.counts = frozenset(counts)
        single = {count: Dim.symbol(count, most, least=0) for count in counts}
        first, *others = single.values()
        self._steps: tuple[Mapping[str, Size], ...] = (single, {str(first): total - sum(others)})

    def size(self, size: Size) -> Size:
        """Raises Mismatch for a size in which a single one occurs."""
        if isinstance(size, Dim) and size.symbols & self.counts:
            for step in self._steps:
                size = substitute(size, step)
            require(not symbols_in(size) & self.counts, "{} is more than the sum", size)
        return size

    def shape(self, shape: Shape) -> Shape:
        """The same of a shape."""
        return tuple(map(self.size, shape))

    def op(self, op: Op) -> Op:
        """The same of the attributes of an op."""
        changed = {f.name: self._part(getattr(op, f.name)) for f in fields(op) if symbols_in(getattr(op, f.name)) & self.counts}
        return replace(op, **changed) if changed else op

    def _part(self, part: object) -> object:
        if isinstance(part, tuple):
            return tuple(map(self._part, part))
        return self.size(part) if isinstance(part, Dim) else part

    def everywhere(self, graph: Graph) -> None:
        """In all of a graph and its bodies. Raises Mismatch."""
        for value in values_within(graph):
            value.type = value.type.with_shape(self.shape(value.shape))
            if value.sizes is not None:
                value.sizes = np.array([self.size(size) for size in value.sizes.ravel()], object).reshape(value.sizes.shape)
            if value.producer is not None:
                value.producer.op = self.op(value.producer.op)


def values_within(graph: Graph) -> Iterator[Value]:
    """All values of a graph and its bodies."""
    for part in graph.graphs():
        yield from part.values()
