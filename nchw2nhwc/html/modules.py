"""Groups the ops of a graph into modules by their names, so that thousands of them can be shown as a few boxes.

A name is split at "/", or at "." where it has none. The modules of one level never depend on each other in a circle: a module whose ops are
separated by others (a ReLU used in several places) appears once for each stretch. A level with too many members is cut into sections at the
places where the fewest tensors pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import networkx as nx

LIMIT = 100
"""Most members of one level."""

_SHORTEST, _LONGEST = 12, 32
"""Lengths of a section."""


@dataclass(frozen=True)
class Link:
    """`source` makes `tensor`, `target` reads it: numbers of ops in topological order, and of a tensor."""

    source: int
    target: int
    tensor: int


@dataclass(frozen=True)
class Module:
    """A box of ops: what it is called, and its members in topological order."""

    label: str
    members: list[Member]
    ops: list[int]


Member: TypeAlias = "int | Module"
"""An op by its number, or a module."""


def split_name(name: str) -> tuple[str, ...]:
    """A layer's name as the modules that it is in, outermost first, and its own last part."""
    return tuple(part for part in name.split("/" if "/" in name else ".") if part)


def group(names: Sequence[str], links: Sequence[Link]) -> Module:
    """All ops, given by their layer names in topological order, as one module. Ops without a name are members of the outermost level."""
    paths = _inside_own_modules([split_name(name) for name in names])
    return Module("", _members(list(range(len(names))), paths, 0, _Readers(links)), list(range(len(names))))


def member_ops(member: Member) -> list[int]:
    """The ops of a member."""
    return [member] if isinstance(member, int) else member.ops


class _Readers:
    """Who reads what whom makes, both ways."""

    def __init__(self, links: Iterable[Link]) -> None:
        self.before: dict[int, list[int]] = {}
        self.tensors: dict[int, list[tuple[int, int]]] = {}
        for link in links:
            self.before.setdefault(link.target, []).append(link.source)
            self.tensors.setdefault(link.source, []).append((link.tensor, link.target))


def _inside_own_modules(paths: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Paths where an op that is called like a module is a member of it: `a/Conv` beside `a/Conv/WithoutBiases`."""
    modules = {path[:k] for path in paths for k in range(1, len(path))}
    return [(*path, path[-1]) if path in modules else path for path in paths]


@dataclass
class _Part:
    """Ops of one module that can be one box, while they are collected."""

    name: str
    ops: list[int]
    above: int = field(default=0)
    """The parts that this one depends on, as bits."""


def _members(ops: list[int], paths: Sequence[tuple[str, ...]], depth: int, readers: _Readers) -> list[Member]:
    """The members of a level: `ops`, whose names agree up to `depth`."""
    parts = _parts(ops, paths, depth, readers)
    while len(parts) == 1 and len(ops) > 1:
        depth += 1
        parts = _parts(ops, paths, depth, readers)
    counts: dict[str, int] = {}
    members: list[Member] = []
    for part in parts:
        if len(part.ops) == 1:
            members.append(part.ops[0])
            continue
        counts[part.name] = counts.get(part.name, 0) + 1
        common = _common(part.ops, paths, depth)
        label = "/".join(paths[part.ops[0]][depth:common])
        again = f" ({counts[part.name]})" if counts[part.name] > 1 else ""
        members.append(Module(label + again, _members(part.ops, paths, common, readers), part.ops))
    return _sections(members, readers)


def _common(ops: Sequence[int], paths: Sequence[tuple[str, ...]], depth: int) -> int:
    """How many leading parts, at least one beyond `depth`, all names share; their own last parts do not count."""
    common = depth + 1
    while all(len(paths[op]) > common + 1 and paths[op][common] == paths[ops[0]][common] for op in ops):
        common += 1
    return common


def _parts(ops: Sequence[int], paths: Sequence[tuple[str, ...]], depth: int, readers: _Readers) -> list[_Part]:
    """Ops with the same name at `depth` together, as far as no circle comes of it; sorted topologically."""
    parts: list[_Part] = []
    open_parts: dict[str, int] = {}
    place: dict[int, int] = {}
    order: nx.DiGraph[int] = nx.DiGraph()
    for op in ops:
        before = {place[source] for source in readers.before.get(op, ()) if source in place}
        above = 0
        for k in before:
            above |= parts[k].above | 1 << k
        name = paths[op][depth] if len(paths[op]) > depth + 1 else ""
        mine = open_parts.get(name) if name else None
        if mine is None or any(parts[k].above >> mine & 1 for k in before - {mine}):
            mine = len(parts)
            parts.append(_Part(name, []))
            open_parts[name] = mine
        parts[mine].ops.append(op)
        place[op] = mine
        order.add_node(mine)
        order.add_edges_from((k, mine) for k in before - {mine})
        _inherit(parts, mine, above & ~(1 << mine))
    return [parts[k] for k in nx.lexicographical_topological_sort(order)]


def _inherit(parts: list[_Part], mine: int, above: int) -> None:
    """Part `mine`, and every part that depends on it, depends on the parts in `above`."""
    if parts[mine].above | above == parts[mine].above:
        return
    parts[mine].above |= above
    for part in parts:
        if part.above >> mine & 1:
            part.above |= above


# ---- sections ------------------------------------------------------------------------------------------------------------
def _sections(members: list[Member], readers: _Readers) -> list[Member]:
    """Members, or sections of them where they are too many."""
    label = "part {0}"
    while len(members) > LIMIT:
        cuts = _cuts(members, readers)
        numbers = range(1, len(cuts)) if label == "part {0}" else [start + 1 for start in cuts]
        members = [_section(members[start:end], label.format(number, end)) for number, start, end in zip(numbers, cuts, cuts[1:])]
        label = "parts {0} to {1}"
    return members


def _cuts(members: list[Member], readers: _Readers) -> list[int]:
    """Where to cut, 0 and the end included: the least sum of squared numbers of passing tensors, by dynamic programming over the place of
    the last cut."""
    passing, count = _passing(members, readers), len(members)
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, count + 1):
        starts = range(max(0, end - _LONGEST), end)
        best.append(min((best[start][0] + passing[end] ** 2 + max(0, _SHORTEST - (end - start)), start) for start in starts))
    cuts = [count]
    while cuts[-1]:
        cuts.append(best[cuts[-1]][1])
    return cuts[::-1]


def _section(members: list[Member], label: str) -> Member:
    if len(members) == 1:
        return members[0]
    return Module(label, members, sorted(op for member in members for op in member_ops(member)))


def _passing(members: Sequence[Member], readers: _Readers) -> list[int]:
    """How many tensors pass before each member, and after the last."""
    where = {op: k for k, member in enumerate(members) for op in member_ops(member)}
    last: dict[int, tuple[int, int]] = {}
    for op, k in where.items():
        for tensor, target in readers.tensors.get(op, ()):
            if target in where:
                last[tensor] = (k, max(where[target], last.get(tensor, (k, k))[1]))
    steps = [0] * (len(members) + 2)
    for first, final in last.values():
        steps[first + 1] += 1
        steps[final + 1] -= 1
    passing = []
    total = 0
    for step in steps[:-1]:
        total += step
        passing.append(total)
    return passing
