"""Ops of fewer axes: neighbouring axes that an op treats alike are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations, groupby, pairwise, permutations
from typing import TypeAlias

from nchw2nhwc.ir import Node, Shape, Size, Value, product
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter

MatMulRule: TypeAlias = Callable[[Rewriter, Node, MatMul], Value]
Order: TypeAlias = tuple[int, ...]

_SEARCHED = 7
"""Runs of axes up to which the fewest moves are searched for."""


def runs_of(shape: Sequence[object], key: Callable[[int], object]) -> list[list[int]]:
    """Runs of axes with the same key."""
    return [list(run) for _, run in groupby(range(len(shape)), key)]


def neighbours(before: Sequence[int], after: Sequence[int]) -> list[list[int]]:
    """The axes in their order after a move, those that stay side by side together."""
    place = {axis: k for k, axis in enumerate(before)}
    runs: list[list[int]] = []
    for axis in after:
        if runs and place[axis] == place[runs[-1][-1]] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return runs


def moved(rw: Rewriter, value: Value, before: Sequence[int], after: Sequence[int], sizes: Sequence[Size]) -> Value:
    """A value whose axes are in one order, in another, with whatever shape: by one Transpose of as few axes as that takes, if any."""
    runs = neighbours(before, after)
    if len(runs) < 2:
        return value
    stored = sorted(runs, key=lambda run: before.index(run[0]))
    split = rw.add(Reshape(tuple(product(sizes[k] for k in run) for run in stored)), value)
    return rw.add(Transpose(tuple(stored.index(run) for run in runs)), split)


def in_steps(rw: Rewriter, node: Node, op: Transpose, most: int) -> Value:
    """The result of a Transpose, by several of at most `most` axes: those of size 1 go, those that stay side by side are merged."""
    x = node.input(0)
    after = [axis for axis in op.perm if x.shape[axis] != 1]
    kept = order = sorted(after)
    value = x
    for places in orders_between([kept.index(axis) for axis in after], most):
        following = [kept[k] for k in places]
        value, order = moved(rw, value, order, following, x.shape), following
    return rw.add(Reshape(node.output.shape), value)


def orders_between(wanted: Sequence[int], most: int) -> list[Order]:
    """The orders of axes through which Transposes of at most `most` runs of axes bring 0, 1, 2, ... into the order `wanted`, which is the
    last of them; none where they are in it already. `most` is 4 or more; of up to 7 runs 3 will do.

    Of up to 7 runs no other sequence is shorter. Of more, which a search takes long for, each Transpose brings as many axes as it can to
    where they belong and leaves the others in order.
    """
    runs = neighbours(range(len(wanted)), wanted)
    if len(runs) < 2:
        return []
    stored = sorted(runs)
    goal = tuple(stored.index(run) for run in runs)
    found = _fewest(goal, most) if len(goal) <= _SEARCHED else _placing(goal, most)
    return [tuple(axis for k in order for axis in stored[k]) for order in found]


def _fewest(goal: Order, most: int) -> list[Order]:
    """A shortest path through the orders that Transposes reach, breadth first."""
    paths: dict[Order, list[Order]] = {tuple(range(len(goal))): []}
    frontier = list(paths)
    while True:
        for at in frontier:
            if len(neighbours(at, goal)) <= most:
                return [*paths[at], goal]
        found = {}
        for at in frontier:
            for step in _steps(len(goal), most):
                after = tuple(at[k] for k in step)
                if after not in paths and after not in found:
                    found[after] = [*paths[at], after]
        paths |= found
        frontier = list(found)


@cache
def _steps(count: int, most: int) -> tuple[Order, ...]:
    """What one Transpose of at most `most` axes makes of `count` places: runs of them in other orders."""
    found: list[Order] = []
    for parts in range(2, min(count, most) + 1):
        for cuts in combinations(range(1, count), parts - 1):
            runs = [range(a, b) for a, b in pairwise((0, *cuts, count))]
            found += [tuple(place for k in order for place in runs[k]) for order in permutations(range(parts))
                      if all(b - a != 1 for a, b in pairwise(order))]
    return tuple(found)


def _placing(goal: Order, most: int) -> list[Order]:
    """Orders in each of which as many runs more as fit are where they belong. With 4 runs one always fits: it is one of its own, besides
    what is in place, and what is before and behind it."""
    orders = [tuple(range(len(goal)))]
    while orders[-1] != goal:
        at = orders[-1]
        placed = next(k for k, (a, b) in enumerate(zip(at, goal)) if a != b)
        following = ((*goal[:count], *(k for k in at if k not in goal[:count])) for count in range(len(goal), placed, -1))
        orders.append(next(order for order in following if len(neighbours(at, order)) <= most))
    return orders[1:]


def merge_batches(limit: int) -> MatMulRule:
    """A rule for products of more than `limit` axes: neighbouring batch axes along which the same operands are repeated are merged."""
    def merge_batches(rw: Rewriter, node: Node, op: MatMul) -> Value:
        a, b = node.input(0), node.input(1)
        rank = max(a.rank, b.rank)
        require(rank > limit, "{!r} has few enough axes", node)
        batches = [(1,) * (rank - v.rank) + v.shape[:-2] for v in (a, b)]
        runs = runs_of(batches[0], lambda k: (batches[0][k] == 1, batches[1][k] == 1))
        require(len(runs) + 2 < rank, "no axes of {!r} can be merged", node)

        def merged(value: Value, batch: Shape) -> Value:
            return rw.add(Reshape((*(product(batch[k] for k in run) for run in runs), *value.shape[-2:])), value)
        return rw.add(Reshape(node.output.shape), rw.add(op, merged(a, batches[0]), merged(b, batches[1])))
    return merge_batches
