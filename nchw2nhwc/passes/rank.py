"""Ops of fewer axes: neighbouring axes that an op treats alike are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeAlias

from nchw2nhwc.ir import Node, Shape, Size, Value, product
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter

MatMulRule: TypeAlias = Callable[[Rewriter, Node, MatMul], Value]


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


def steps_of(perm: Sequence[int], most: int) -> list[Sequence[int]]:
    """Transposes of at most `most` (6 or more) runs of axes that together are the one asked for: each brings as many axes as that allows to
    where they belong, and leaves the others in order. Two more axes always fit: they are runs of their own, besides what is in place, and
    what is before, between and behind them."""
    def placing(count: int) -> list[int]:
        return [*perm[:count], *sorted(perm[count:])]

    fitting = (first for count in range(len(perm), 0, -1) if len(neighbours(range(len(perm)), first := placing(count))) <= most)
    first = next(fitting)
    return [first] if first == list(perm) else [first, *steps_of([first.index(axis) for axis in perm], most)]


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
