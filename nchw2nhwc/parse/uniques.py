"""The different elements of a tensor that is computed: every pair is compared."""

from __future__ import annotations

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Equal, Less
from nchw2nhwc.ops.indexing import Gather, TopK
from nchw2nhwc.ops.reduce import CumSum, ReduceSum
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import INT64, Formula

LARGEST_COMPARISON = 1 << 24
"""Most pairs of numbers that are compared."""


def unique(b: Builder, x: Value, axis: int, sort: bool) -> list[Value]:
    """The different slices of x along `axis`, in ascending order or in that of their first occurrence; where each is first, which one each
    slice is, and how many there are of each, as int64. Raises ShapeError where that cannot be told with a bearable number of comparisons.
    """
    count, others = x.shape[axis], (k for k in range(x.rank) if k != axis)
    pairs = count * product(x.shape)
    if isinstance(pairs, int) and not 0 < pairs <= LARGEST_COMPARISON:
        raise ShapeError(f"{pairs} pairs of elements of {x.type} would be compared")
    order = (axis, *others)
    rows = b.reshape(b.transpose(x, order), (count, product(x.shape[k] for k in order[1:])))
    same, less = _compared(b, rows)
    place = dynamic.positions(b, count)
    number = dynamic.size_of(b, count)
    first = same.choose(place, number).min(1)
    heads = first.equals(place)
    column = first.column()
    earlier = less if sort else column.apply(Less(), b.transpose(column.value, (1, 0)))
    # How many different slices come before each one: column by column, as those that come before are the rows.
    rank = (earlier & heads.column()).cast(INT64).sum(0)
    listed, found = b.add(TopK(0, count, False), heads.choose(rank, number).value)
    indices = dynamic.kept(b, found, Formula(b, listed) < number, 0)
    total = same.cast(INT64).sum(1)
    return [b.add1(Gather(axis), x, indices), indices, rank.value, b.add1(Gather(0), total.value, indices)]


def _compared(b: Builder, rows: Value) -> tuple[Formula, Formula]:
    """For each pair of rows whether they are equal, and whether the first comes before the second; each row equals itself."""
    count, width = rows.shape
    left, right = b.reshape(rows, (count, 1, width)), b.reshape(rows, (1, count, width))
    differs = (~Formula(b, b.add1(Equal(), left, right))).cast(INT64)
    less = Formula(b, b.add1(Less(), left, right)) & differs.apply(CumSum(2, exclusive=True)).equals(0)
    place = dynamic.positions(b, count)
    itself = place.column().equals(place)
    return differs.apply(ReduceSum((2,), False)).equals(0) | itself, less.cast(INT64).apply(ReduceSum((2,), False)) > 0
