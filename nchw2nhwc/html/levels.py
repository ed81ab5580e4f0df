"""The modules of a graph as levels, each arranged in layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypedDict

from nchw2nhwc.html.layers import arrange
from nchw2nhwc.html.modules import Link, Module, member_ops

Item: TypeAlias = tuple[Literal["op", "module", "in", "out"], int]
"""An op by its number, a module by its level, or where an edge of the level around enters or leaves, by the edge's number there."""


class EdgeData(TypedDict):
    """An edge of a level: the items that it passes, its ends included, and the tensors it stands for."""

    route: list[int]
    tensors: list[int]


class LevelData(TypedDict):
    """The inside of a module. `layers` holds the places of items from top to bottom and left to right; numbers beyond the items are bends
    of edges."""

    label: str
    ops: int
    items: list[Item]
    layers: list[list[int]]
    edges: list[EdgeData]

_Port: TypeAlias = tuple[int, list[Link]]
"""An edge of the level around, by its number there, and its links."""


@dataclass
class _Inside:
    """The links of a module: between its members, by their places, and inside each member."""

    between: dict[tuple[int, int], list[Link]] = field(default_factory=dict)
    within: dict[int, list[Link]] = field(default_factory=dict)


def build_levels(root: Module, links: Sequence[Link]) -> list[LevelData]:
    """The levels of all modules, `root` first. The outer ones are arranged before the inner, because the order of the edges around a module
    is the order in which they go on inside."""
    levels: list[LevelData] = []
    _add(levels, root, list(links), [], [])
    return levels


def _add(levels: list[LevelData], module: Module, links: Sequence[Link], enter: Sequence[_Port], leave: Sequence[_Port]) -> int:
    """Add the level of a module and of all modules in it; returns its number. `links` are those between its ops."""
    inside = _sort(module, links, enter, leave)
    members, ends = len(module.members), list(inside.between)
    top = range(members, members + len(enter))
    bottom = range(top.stop, top.stop + len(leave))
    layered = arrange(bottom.stop, ends, top, bottom)
    edges: list[EdgeData] = [{"route": route, "tensors": list(dict.fromkeys(link.tensor for link in through))}
                             for route, through in zip(layered.routes, inside.between.values())]
    level: LevelData = {"label": module.label, "ops": len(module.ops), "items": [], "layers": layered.layers, "edges": edges}
    number = len(levels)
    levels.append(level)
    spot = {item: k for layer in layered.layers for k, item in enumerate(layer)}
    through = list(inside.between.values())
    for k, member in enumerate(module.members):
        if isinstance(member, int):
            level["items"].append(("op", member))
            continue
        into = sorted((e for e, end in enumerate(ends) if end[1] == k), key=lambda e: spot[layered.routes[e][-2]])
        out = sorted((e for e, end in enumerate(ends) if end[0] == k), key=lambda e: spot[layered.routes[e][1]])
        child = _add(levels, member, inside.within.get(k, []), [(e, through[e]) for e in into], [(e, through[e]) for e in out])
        level["items"].append(("module", child))
    level["items"] += [("in", edge) for edge, _ in enter]
    level["items"] += [("out", edge) for edge, _ in leave]
    return number


def _sort(module: Module, links: Sequence[Link], enter: Sequence[_Port], leave: Sequence[_Port]) -> _Inside:
    """Which links of a module go where; the edges around it count as members behind its own."""
    place = {op: k for k, member in enumerate(module.members) for op in member_ops(member)}
    inside = _Inside()
    for link in links:
        source, target = place[link.source], place[link.target]
        if source == target:
            inside.within.setdefault(source, []).append(link)
        else:
            inside.between.setdefault((source, target), []).append(link)
    first = len(module.members)
    for port, (_, through) in enumerate(enter, first):
        for link in through:
            inside.between.setdefault((port, place[link.target]), []).append(link)
    for port, (_, through) in enumerate(leave, first + len(enter)):
        for link in through:
            inside.between.setdefault((place[link.source], port), []).append(link)
    return inside
