"""Reading at given positions by what every target has: picking rows of channels, and weighing them."""

from __future__ import annotations

from functools import reduce
from itertools import product as every
from math import prod

import numpy as np

from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.binary import Equal, Mod, Mul
from nchw2nhwc.ops.elementwise import Cast, Floor, Round
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.reduce import CumSum
from nchw2nhwc.ops.sampling import CUBIC, GridSample
from nchw2nhwc.passes.decompose.slices import reshaped, sliced, transposed
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import require, require_float, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

INT32 = np.dtype(np.int32)
Tap = tuple[Term, Term | None]
"""The index of an element along an axis, as a whole float, and its weight; None is 1."""


@RULES.on(GridSample)
def picked_and_weighed(rw: Rewriter, node: Node, op: GridSample) -> Value:
    """x as a table with a row of channels for each position: one Gather for each of the elements that a position lies between."""
    x, grid = node.input(0), node.input(1)
    require(not op.channels_last, "{!r} is stored channels-last", node)
    require_float(x)
    sizes = static_sizes(x, range(2, x.rank))
    rank, count = len(sizes), product(grid.shape[1:-1])
    points = reshaped(rw, grid, (x.shape[0], count, rank))
    axes = []
    for k, size in enumerate(sizes):
        given = Term(rw, reshaped(rw, sliced(rw, points, 2, rank - 1 - k, rank - k), (x.shape[0], count)))
        axes.append(_taps(op, _position(op, given, size), size))
    table = reshaped(rw, transposed(rw, x, (0, *range(2, x.rank), 1)), (x.shape[0] * prod(sizes), x.shape[1]))
    first = _first_rows(rw, x, prod(sizes))
    parts = [_weighed(rw, table, first, combination, sizes) for combination in every(*axes)]
    total = reshaped(rw, reduce(lambda a, b: a + b, parts).value, (x.shape[0], *grid.shape[1:-1], x.shape[1]))
    return transposed(rw, total, (0, rank + 1, *range(1, rank + 1)))


def _weighed(rw: Rewriter, table: Value, first: Value | None, taps: tuple[Tap, ...], sizes: tuple[int, ...]) -> Term:
    """Rows (N * positions, channels) of the table at one index along each axis, times their weights."""
    row = Term(rw, rw.constant(np.zeros((), np.int32)))
    for (index, _), size in zip(taps, sizes):
        whole = index.apply(Cast(INT32))
        row = whole if row.value.is_const else row.apply(Mul(), rw.constant(np.asarray(size, np.int32))) + whole
    if first is not None:
        row = row + first
    count = product(row.value.shape)
    picked = Term(rw, rw.add(Gather(0), table, rw.add(Reshape((count,)), row.value)))
    weights = [w for _, w in taps if w is not None]
    return picked * reduce(lambda a, b: a * b, weights).apply(Reshape((count, 1))) if weights else picked


def _first_rows(rw: Rewriter, x: Value, rows: int) -> Value | None:
    """The row of the table that each batch element begins with, (N, 1); None for one batch element."""
    batch = x.shape[0]
    if isinstance(batch, int):
        return rw.constant(np.arange(batch, dtype=np.int32)[:, None] * rows) if batch > 1 else None
    lead = rw.add(Reshape((batch, 1)), _one_of_each(rw, x))
    numbers = rw.add(Cast(INT32), lead)
    ones = rw.add(Cast(INT32), rw.add(Equal(), numbers, numbers))  # a size of its own would not do for Keras
    return rw.add(Mul(), rw.add(CumSum(0, True), ones), rw.constant(np.asarray(rows, np.int32)))


def _one_of_each(rw: Rewriter, x: Value) -> Value:
    """One element of every batch element."""
    for axis in range(1, x.rank):
        x = sliced(rw, x, axis, 0, 1)
    return x


# ---- along one axis ----------------------------------------------------------------------------------------------------
def _position(op: GridSample, given: Term, size: int) -> Term:
    """See `GridSample.position`."""
    if op.coordinates == "pixels":
        return given
    if op.coordinates == "align_corners":
        return (given + 1.0) * ((size - 1) / 2)
    return (given + 1.0) * (size / 2) - 0.5


def _taps(op: GridSample, where: Term, size: int) -> list[Tap]:
    """See `GridSample.taps`."""
    if op.mode == "nearest":
        return [_inside(op, where.apply(Round()), None, size)]
    first = where.apply(Floor())
    t = where - first
    if op.mode == "linear":
        return [_inside(op, first, 1.0 - t, size), _inside(op, first + 1.0, t, size)]
    a = CUBIC
    near, far = [1.0, 0.0, -(a + 3), a + 2], [-4 * a, 8 * a, -5 * a, a]
    weights = ((t + 1.0).polynomial(far), t.polynomial(near), (1.0 - t).polynomial(near), (2.0 - t).polynomial(far))
    return [_inside(op, first + (k - 1.0) if k != 1 else first, weight, size) for k, weight in enumerate(weights)]


def _inside(op: GridSample, index: Term, weight: Term | None, size: int) -> Tap:
    """See `GridSample._inside`."""
    if op.padding_mode == "reflection" and size > 1:
        low, high = op.edges(size)
        span = high - low
        turn = (index - low if low else index).apply(Mod(), 2 * span)
        index = span - abs(turn - span) + low
    held = index.apply(Clip(0.0, size - 1.0))
    if op.padding_mode != "zeros":
        return held, weight
    inside = held.equals(index).as_number(held)
    return held, inside if weight is None else weight * inside
