"""Ops of fewer axes: neighbouring axes that an op treats alike are merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeAlias

from nchw2nhwc.ir import Node, Shape, Value, product
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter

MatMulRule: TypeAlias = Callable[[Rewriter, Node, MatMul], Value]


def runs_of(shape: Sequence[object], key: Callable[[int], object]) -> list[list[int]]:
    """Runs of axes with the same key."""
    return [list(run) for _, run in groupby(range(len(shape)), key)]


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
