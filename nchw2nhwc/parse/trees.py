"""Decision trees as ops: all trees are walked down at once, one level at a time, by looking up every node's numbers in tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.elementwise import IsNaN
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.parse.formula import Formula

MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER")
"""How nodes compare a feature with their threshold, by ONNX's numbers; MEMBER: with several numbers."""

INT32 = np.dtype(np.int32)


@dataclass
class Forest:
    """Nodes of all trees, by number. A leaf (its mode is "") leads to itself."""

    roots: list[int] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    missing: list[bool] = field(default_factory=list)
    """Whether what is no number goes where the comparison holds."""
    yes: list[int] = field(default_factory=list)
    no: list[int] = field(default_factory=list)

    def leaf(self) -> int:
        """The number of a new leaf."""
        return self.node("", 0, 0.0, False)

    def node(self, mode: str, feature: int, split: float, missing: bool) -> int:
        """The number of a new node that leads to itself."""
        number = len(self.modes)
        self.modes.append(mode)
        self.features.append(feature)
        self.splits.append(split)
        self.missing.append(missing)
        self.yes.append(number)
        self.no.append(number)
        return number

    def members(self, node: int, values: Sequence[float]) -> None:
        """Make a node one that holds for any of these values: a chain of comparisons with one each."""
        first, *others = values
        self.modes[node], self.splits[node] = "EQ", first
        for value in others:
            after = self.node("EQ", self.features[node], value, self.missing[node])
            self.yes[after], self.no[after] = self.yes[node], self.no[node]
            self.no[node] = node = after

    def depth(self) -> int:
        """The largest number of comparisons on a way down. Raises SourceError for nodes that lead in a circle."""
        import networkx as nx  # takes longer to import than most networks take to convert

        ways = nx.DiGraph([(k, child) for k, mode in enumerate(self.modes) if mode for child in (self.yes[k], self.no[k])])
        if not nx.is_directed_acyclic_graph(ways):
            raise SourceError("the nodes of a tree lead in a circle")
        return nx.dag_longest_path_length(ways, default_weight=1) if ways else 0


def leaves(forest: Forest, x: Formula) -> Formula:
    """The leaf that each row of x (rows, features) comes to in every tree: (rows, trees). Raises SourceError."""
    width = x.shape[1]
    if isinstance(width, int) and max(forest.features) >= width:
        raise SourceError(f"feature {max(forest.features)} does not exist in {x.value.type}")
    here: Formula | Array = np.asarray(forest.roots, INT32)
    for level in range(forest.depth()):
        feature = _table(x, forest.features, here, INT32)
        value = x.take(feature, 1) if level == 0 else x.take_along(feature, 1)
        holds = _compared(forest, value, here)
        here = holds.choose(_table(x, forest.yes, here, INT32), _table(x, forest.no, here, INT32))
    if isinstance(here, Formula):
        return here
    nothing = (x.part(1, 0, 1) * 0).cast(INT32)  # trees of one leaf each: the number of rows is still that of x
    return nothing + here


def _table(x: Formula, numbers: Sequence[float], where: Formula | Array, dtype: np.dtype[np.generic]) -> Formula:
    """What a table has for each of these nodes."""
    table = np.asarray(numbers, dtype)
    if isinstance(where, Formula):
        return Formula(x.b, x.b.add1(Gather(0), x.b.const(table), where.value))
    return Formula(x.b, x.b.const(table[where]))


def _compared(forest: Forest, value: Formula, where: Formula | Array) -> Formula:
    """Whether the comparison of each node holds; that of a leaf may or may not."""
    split = _table(value, forest.splits, where, value.dtype)
    present = sorted({mode for mode in forest.modes if mode}, key=MODES.index)
    found = []
    for mode in present:
        match mode:
            case "LEQ":
                holds = value <= split
            case "LT":
                holds = value < split
            case "GTE":
                holds = value >= split
            case "GT":
                holds = value > split
            case "EQ":
                holds = value.equals(split)
            case _:
                holds = value.differs(split)
        if len(present) > 1:
            holds = holds & _table(value, [m == mode for m in forest.modes], where, np.dtype(np.bool_))
        found.append(holds)
    holds = reduce(Formula.__or__, found)
    if any(forest.missing):
        holds = holds | (value.apply(IsNaN()) & _table(value, forest.missing, where, np.dtype(np.bool_)))
    return holds


def votes(forest: Forest, found: Formula, weights: Array, present: Array, how: str) -> Formula:
    """What the leaves (rows, trees) say of each target, put together: (rows, targets). `weights` (nodes, targets) are the leaves', where
    they are `present`; `how` is "SUM", "AVERAGE" (over all trees), "MIN" or "MAX" of those that say anything of a target, else 0."""
    b = found.b
    if how in ("SUM", "AVERAGE"):
        total = Formula(b, b.add1(Gather(0), b.const(weights), found.value)).sum(1)
        return total / len(forest.roots) if how == "AVERAGE" else total
    edge = float(np.finfo(np.float32).max) * (1 if how == "MIN" else -1)
    said = Formula(b, b.add1(Gather(0), b.const(np.where(present, weights, edge).astype(weights.dtype)), found.value))
    best = said.min(1) if how == "MIN" else said.max(1)
    if present[[not mode for mode in forest.modes]].all():
        return best
    return best.equals(edge).choose(b.const(0, weights.dtype), best)
