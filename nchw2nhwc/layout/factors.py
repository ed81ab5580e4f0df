"""From a graph to tensors with factors: which axes are the same axis, and where Reshapes cut them.

Axes that some op ties together share one factorization, found by a fixpoint over cut points: a cut point of an axis of size `d` is
the product of its innermost factors, a number that divides `d`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from math import prod

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.layout.families import View, family_of
from nchw2nhwc.layout.families.views import reshape_blocks
from nchw2nhwc.layout.tensor import Numbers, Tensor
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.rules import Rule


class Tensors:
    """Every value of a graph as a `Tensor` with factors, and every node as a `View`.

    A constant is a tensor of its own for each use, because each use may store it differently.
    """

    def __init__(self, graph: Graph) -> None:
        self.numbers = Numbers()
        self._of: dict[int, Tensor] = {}
        self.views: dict[Node, View[Rule]] = {}
        for value in graph.inputs:
            self._add(value)
        for node in graph.nodes:
            for value in node.outputs:
                self._add(value)
            ins = tuple(self._fixed(v) if v.is_const else self._of[id(v)] for v in node.inputs if v is not None)
            outs = tuple(self._of[id(v)] for v in node.outputs)
            self.views[node] = View(node.op, node.op.rule, ins, outs, self.numbers)
        _factorize(list(self.views.values()), self._of.values())

    def __getitem__(self, value: Value) -> Tensor:
        return self._of[id(value)]

    def _shape(self, value: Value) -> tuple[int, ...]:
        return tuple(map(self.numbers.number, value.shape))

    def _add(self, value: Value) -> None:
        self._of[id(value)] = Tensor(value.name, self._shape(value), fixed=False)

    def _fixed(self, value: Value) -> Tensor:
        return Tensor(value.name, self._shape(value), fixed=True)


class _Classes:
    """Union-find over axes."""

    def __init__(self) -> None:
        self._parent: dict[tuple[int, int], tuple[int, int]] = {}

    def find(self, tensor: Tensor, axis: int) -> tuple[int, int]:
        key = (id(tensor), axis)
        parent = self._parent
        root = parent.setdefault(key, key)
        while parent[root] != root:
            root = parent[root]
        while parent[key] != root:
            parent[key], key = root, parent[key]
        return root

    def union(self, a: tuple[Tensor, int], b: tuple[Tensor, int]) -> None:
        left, right = self.find(*a), self.find(*b)
        if left != right:
            self._parent[left] = right


def _is_chain(points: Collection[int], size: int) -> bool:
    """Whether the cut points of an axis of this size divide one another."""
    chain = sorted({*points, 1, size})
    return all(b % a == 0 for a, b in pairwise(chain))


def _sides(tensor: Tensor, axes: Sequence[int], classes: _Classes) -> list[tuple[tuple[int, int], int, int]]:
    """Per axis of one side of a block: its class, the product of the sizes right of it, and its own size."""
    result, right = [], 1
    for axis in reversed(axes):
        result.append((classes.find(tensor, axis), right, tensor.shape[axis]))
        right *= tensor.shape[axis]
    return result


def _factorize(views: Sequence[View[Rule]], tensors: Collection[Tensor]) -> None:
    classes = _Classes()
    blocks = []
    for view in views:
        for a, b in family_of(view.rule).ties(view):
            classes.union(a, b)
    for view in views:
        if isinstance(view.op, Reshape):
            for before, after in reshape_blocks(view.x.shape, view.out.shape):
                size = prod(view.x.shape[a] for a in before)
                if size and (len(before) > 1 or len(after) > 1):  # an empty block maps as a whole only
                    blocks.append((size, [*_sides(view.x, before, classes), *_sides(view.out, after, classes)]))
    cuts = _cut(blocks)
    everything = {id(t): t for t in (*tensors, *(t for v in views for t in v.ins))}
    for tensor in everything.values():
        factors = []
        for axis, size in enumerate(tensor.shape):
            cut = cuts.get(classes.find(tensor, axis), set())
            factors.append(_factors(size, cut))
        tensor.set_factors(factors)


def _factors(size: int, cut: Collection[int]) -> list[int]:
    """The factors of an axis, outermost first; an empty axis is one factor of size 0."""
    if size == 0:
        return [0]
    points = sorted({1, size, *(c for c in cut if c < size and size % c == 0)})
    return [high // low for low, high in pairwise(points)][::-1]


def _cut(blocks: list[tuple[int, list[tuple[tuple[int, int], int, int]]]]) -> dict[tuple[int, int], set[int]]:
    """The cut points of every class of axes. A block whose cuts contradict others (56 = 8*7 here, 7*8 there) is left out: it
    maps as a whole only."""
    cuts: dict[tuple[int, int], set[int]] = {}
    given_up: set[int] = set()
    changed = True
    while changed:
        changed = False
        for number, (size, sides) in enumerate(blocks):
            if number in given_up:
                continue
            points = {right * c for cls, right, _ in sides for c in cuts.get(cls, set()) | {1}}
            wanted = [(cls, {p // right for p in points if right < p < right * d and (right * d) % p == 0 == p % right}, d)
                      for cls, right, d in sides]
            if not _is_chain(points, size) or any(not _is_chain(cuts.get(cls, set()) | more, d) for cls, more, d in wanted):
                given_up.add(number)
                continue
            for cls, more, _ in wanted:
                have = cuts.setdefault(cls, set())
                if not more <= have:
                    have |= more
                    changed = True
    return cuts
