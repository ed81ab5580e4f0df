"""Arranges the members of one level in layers, top to bottom, so that few edges cross.

The classic method of layered drawing (Sugiyama, Tagawa, Toda 1981): layers by the longest path, bends where an edge passes a layer, and
sweeps that order each layer by the neighbours' barycentres, of which the order with the fewest crossings is kept. Where on a layer a member
stands is left to the page, because it depends on which modules are open.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx

_SWEEPS = 12


@dataclass(frozen=True)
class Layered:
    """`layers` holds item numbers; those from `count` on are bends. `routes[e]` are the items that edge e passes, its ends included."""

    layers: list[list[int]]
    routes: list[list[int]]
    count: int


def arrange(count: int, edges: Sequence[tuple[int, int]], top: Sequence[int] = (), bottom: Sequence[int] = ()) -> Layered:
    """Items 0 to `count` in layers, for `edges` without circles. `top` is the first layer and `bottom` the last, in the given order."""
    level = _levels(count, edges, top, bottom)
    layers: list[list[int]] = [[] for _ in range(max(level, default=-1) + 1)]
    for item in (*top, *(k for k in range(count) if k not in {*top, *bottom}), *bottom):
        layers[level[item]].append(item)
    routes, items = [], count
    for source, target in edges:
        bends = range(items, items + level[target] - level[source] - 1)
        for step, bend in enumerate(bends, 1):
            layers[level[source] + step].append(bend)
        items = bends.stop
        routes.append([source, *bends, target])
    fixed = {0} if top else set()
    if bottom:
        fixed.add(len(layers) - 1)
    return Layered(_ordered(layers, routes, items, fixed), routes, count)


def _levels(count: int, edges: Sequence[tuple[int, int]], top: Sequence[int], bottom: Sequence[int]) -> list[int]:
    """The layer of each item: after all it depends on; one that feeds more than it reads moves down to its nearest reader."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(edges)
    order = [item for layer in nx.topological_generations(graph) for item in sorted(layer)]
    first = 1 if top else 0
    level = [first] * count
    for item in top:
        level[item] = 0
    for item in order:
        level[item] = max((level[source] + 1 for source in graph.pred[item]), default=level[item])
    for item in reversed(order):
        if item not in top and len(graph.succ[item]) > len(graph.pred[item]):
            level[item] = min(level[target] for target in graph.succ[item]) - 1
    last = max((level[item] for item in range(count) if item not in bottom), default=0) + 1
    for item in bottom:
        level[item] = last
    return level


def _ordered(layers: list[list[int]], routes: Sequence[Sequence[int]], items: int, fixed: set[int]) -> list[list[int]]:
    """The layers, except the `fixed` ones, reordered for few crossings."""
    above: list[list[int]] = [[] for _ in range(items)]
    below: list[list[int]] = [[] for _ in range(items)]
    for route in routes:
        for source, target in pairwise(route):
            below[source].append(target)
            above[target].append(source)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, below)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        for k in range(1, len(layers)) if down else range(len(layers) - 2, -1, -1):
            if k not in fixed:
                _by_barycentre(layers[k], layers[k - 1 if down else k + 1], above if down else below)
        for k in range(len(layers)):
            if k not in fixed:
                _swap_neighbours(layers, k, above, below)
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _by_barycentre(layer: list[int], beside: Sequence[int], neighbours: Sequence[Sequence[int]]) -> None:
    """Sort a layer by the mean place of each item's neighbours in the layer beside it; items without any keep their places."""
    place = {item: k for k, item in enumerate(beside)}
    mean = {item: sum(place[n] for n in neighbours[item]) / len(neighbours[item]) for item in layer if neighbours[item]}
    moving = iter(sorted(mean, key=lambda item: mean[item]))
    layer[:] = [next(moving) if item in mean else item for item in layer]


def _swap_neighbours(layers: Sequence[list[int]], k: int, above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> None:
    """Swap neighbours of layer k wherever that undoes crossings."""
    layer = layers[k]
    sides = []
    if k > 0:
        sides.append((above, {item: place for place, item in enumerate(layers[k - 1])}))
    if k + 1 < len(layers):
        sides.append((below, {item: place for place, item in enumerate(layers[k + 1])}))
    for left in range(len(layer) - 1):
        a, b = layer[left], layer[left + 1]
        places = [([place[n] for n in side[a]], [place[n] for n in side[b]]) for side, place in sides]
        if sum(_inversions(p, q) - _inversions(q, p) for p, q in places) > 0:
            layer[left], layer[left + 1] = b, a


def _inversions(left: Iterable[int], right: Sequence[int]) -> int:
    return sum(p > q for p in left for q in right)


def _crossings(layers: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    """How many pairs of edges cross."""
    total = 0
    for layer, beneath in pairwise(layers):
        place = {item: k for k, item in enumerate(beneath)}
        seen: list[int] = []
        for item in layer:
            ends = [place[target] for target in below[item]]
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total
