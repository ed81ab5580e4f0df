"""Reading at given positions by what every target has: picking rows of channels, and weighing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product as every

import numpy as np

from nchw2nhwc.ir.dim import Size, product
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.binary import Equal, Mod
from nchw2nhwc.ops.elementwise import Cast, Floor, Round
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.reduce import CumSum
from nchw2nhwc.ops.resampling import cubic_weights
from nchw2nhwc.ops.sampling import CUBIC, GridSample
from nchw2nhwc.passes.decompose.sizes import INT32, size_of
from nchw2nhwc.passes.decompose.slices import reshaped, sliced, transposed
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import require, require_float
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

Tap = tuple[Term, Term | None]
"""The index of an element along an axis, as a whole float, and its weight; None is 1."""
Number = Term | float
"""A size that is known, or found out when the model runs."""


@RULES.on(GridSample)
def picked_and_weighed(rw: Rewriter, node: Node, op: GridSample) -> Value:
    """x as a table with a row of channels for each position: one Gather for each of the elements that a position lies between."""
    x, grid = node.input(0), node.input(1)
    require(not op.channels_last, "{!r} is stored channels-last", node)
    require_float(x)
    sizes = x.shape[2:]
    rank, count, places = len(sizes), product(grid.shape[1:-1]), product(sizes)
    points = reshaped(rw, grid, (x.shape[0], count, rank))
    axes = []
    for k, size in enumerate(sizes):
        given = Term(rw, reshaped(rw, sliced(rw, points, 2, rank - 1 - k, rank - k), (x.shape[0], count)))
        axis = _Axis(op, float(size) if isinstance(size, int) else size_of(rw, size, given.dtype))
        axes.append(axis.taps(axis.position(given)))
    table = reshaped(rw, transposed(rw, x, (0, *range(2, x.rank), 1)), (x.shape[0] * places, x.shape[1]))
    first = _first_rows(rw, x, places)
    lengths = [size if isinstance(size, int) else size_of(rw, size) for size in sizes]
    parts = [_weighed(rw, table, first, combination, lengths) for combination in every(*axes)]
    total = reshaped(rw, reduce(lambda a, b: a + b, parts).value, (x.shape[0], *grid.shape[1:-1], x.shape[1]))
    return transposed(rw, total, (0, rank + 1, *range(1, rank + 1)))


def _weighed(rw: Rewriter, table: Value, first: Value | None, taps: tuple[Tap, ...], sizes: Sequence[Number]) -> Term:
    """Rows (N * positions, channels) of the table at one index along each axis, times their weights."""
    row = Term(rw, rw.constant(np.zeros((), np.int32)))
    for (index, _), size in zip(taps, sizes):
        whole = index.apply(Cast(INT32))
        row = whole if row.value.is_const else row * size + whole
    if first is not None:
        row = row + first
    count = product(row.value.shape)
    picked = Term(rw, rw.add(Gather(0), table, rw.add(Reshape((count,)), row.value)))
    weights = [w for _, w in taps if w is not None]
    return picked * reduce(lambda a, b: a * b, weights).apply(Reshape((count, 1))) if weights else picked


def _first_rows(rw: Rewriter, x: Value, rows: Size) -> Value | None:
    """The row of the table that each batch element begins with, (N, 1); None for one batch element."""
    batch = x.shape[0]
    if batch == 1:
        return None
    if isinstance(batch, int):
        numbers = np.arange(batch, dtype=np.int32)[:, None]
        return rw.constant(numbers * rows) if isinstance(rows, int) else (size_of(rw, rows) * numbers).value
    lead = rw.add(Cast(INT32), rw.add(Reshape((batch, 1)), _one_of_each(rw, x)))
    ones = Term(rw, rw.add(Cast(INT32), rw.add(Equal(), lead, lead)))  # a size of its own would not do for Keras
    return (ones.apply(CumSum(0, True)) * size_of(rw, rows)).value


def _one_of_each(rw: Rewriter, x: Value) -> Value:
    """One element of every batch element."""
    for axis in range(1, x.rank):
        x = sliced(rw, x, axis, 0, 1)
    return x


# ---- along one axis ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Axis:
    """How positions along an axis of this size are read."""

    op: GridSample
    size: Number

    def position(self, given: Term) -> Term:
        """See `GridSample.position`."""
        if self.op.coordinates == "pixels":
            return given
        if self.op.coordinates == "align_corners":
            return (given + 1.0) * ((self.size - 1.0) * 0.5)
        return (given + 1.0) * (self.size * 0.5) - 0.5

    def taps(self, where: Term) -> list[Tap]:
        """See `GridSample.taps`."""
        if self.op.mode == "nearest":
            return [self._inside(where.apply(Round()), None)]
        first = where.apply(Floor())
        t = where - first
        if self.op.mode == "linear":
            return [self._inside(first, 1.0 - t), self._inside(first + 1.0, t)]
        return [self._inside(first + (k - 1.0) if k != 1 else first, weight) for k, weight in enumerate(cubic_weights(t, CUBIC))]

    def _inside(self, index: Term, weight: Term | None) -> Tap:
        """See `GridSample._inside`."""
        last = self.size - 1.0
        if self.op.padding_mode == "reflection":
            low = 0.0 if self.op.coordinates == "align_corners" else -0.5
            span = _at_least_one(last - 2.0 * low)
            turn = (index - low if low else index).apply(Mod(), span * 2.0)
            index = span - abs(turn - span) + low
        held = index.at_least(0.0).at_most(last) if isinstance(last, Term) else index.apply(Clip(0.0, last))
        if self.op.padding_mode != "zeros":
            return held, weight
        inside = held.equals(index).as_number(held)
        return held, inside if weight is None else weight * inside


def _at_least_one(number: Number) -> Number:
    return number.at_least(1.0) if isinstance(number, Term) else max(number, 1.0)
