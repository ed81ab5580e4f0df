"""What the operators that compute attention have in common.

Queries, keys and values are (batch, heads, length, size); there may be fewer heads of keys and values,
each for a group of those of queries.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from nchw2nhwc.ir.bounds import bounds
from nchw2nhwc.ir.dim import Size, exact_div
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, GreaterEqual, Mul, Where
from nchw2nhwc.ops.elementwise import Tanh
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Concat, Expand, Slice
from nchw2nhwc.ops.reduce import Softmax
from nchw2nhwc.parse.dynamic import size_of, taken
from nchw2nhwc.parse.formula import INT64, Formula
from nchw2nhwc.parse.onnx.registry import LayerBuilder
from nchw2nhwc.parse.selection import positions

LOWEST = float(np.finfo(np.float32).min)
"""What scores are where a query does not see a key."""


# ---- heads -------------------------------------------------------------------------------------------------------------
def heads_of(b: LayerBuilder, x: Value, count: int) -> Value:
    """(batch, length, heads * size) as (batch, heads, length, size)."""
    return b.transpose(split_heads(b, x, count), (0, 2, 1, 3))


def split_heads(b: LayerBuilder, x: Value, count: int) -> Value:
    """(batch, length, heads * size) as (batch, length, heads, size). Raises SourceError where they are not `count` heads."""
    size = exact_div(x.shape[2], count) if x.rank == 3 and count > 0 else None
    if size is None:
        raise b.damaged(f"{x.type} cannot be divided into {count} heads")
    return b.reshape(x, (x.shape[0], x.shape[1], count, size))


def together(b: LayerBuilder, x: Value) -> Value:
    """The inverse of `heads_of`."""
    batch, heads, length, size = x.shape
    return b.reshape(b.transpose(x, (0, 2, 1, 3)), (batch, length, heads * size))


# ---- scores ------------------------------------------------------------------------------------------------------------
def scores(b: LayerBuilder, q: Value, k: Value, scale: float | None) -> Value:
    """q @ k' * scale, which is 1 / sqrt(size of a head) where none is given."""
    factor = 1 / sqrt(static(q.shape[3], "the size of a head")) if scale is None else scale
    products = by_group(b, MatMul(adjoint_b=True), q, k)
    return b.add1(Mul(), products, b.scalar(factor, products))


def by_group(b: LayerBuilder, op: MatMul, left: Value, right: Value) -> Value:
    """The product of each head on the left with the head on the right that its group has."""
    batch, heads, rows, inner = left.shape
    shared = right.shape[1]
    if heads == shared:
        return b.add1(op, left, right)
    group = exact_div(heads, shared)
    if group is None:
        raise b.damaged(f"{heads} heads of queries cannot be divided among {shared} of keys")
    product = b.add1(op, b.reshape(left, (batch, shared, group * rows, inner)), right)
    return b.reshape(product, (batch, heads, rows, product.shape[3]))


def capped(b: LayerBuilder, x: Value, cap: float) -> Value:
    """cap * tanh(x / cap); x itself where `cap` is 0."""
    if not cap:
        return x
    return b.add1(Mul(), b.add1(Tanh(), b.add1(Mul(), x, b.scalar(1 / cap, x))), b.scalar(cap, x))


def seen(b: LayerBuilder, x: Value, visible: Value, otherwise: float = LOWEST) -> Value:
    """Scores where a boolean tensor says that keys are seen, `otherwise` elsewhere."""
    return b.add1(Where(), visible, x, b.scalar(otherwise, x))


def not_ahead(b: LayerBuilder, queries: Size, keys: Size) -> Value:
    """Which keys are at or before each query, where the last query is at the last key: (queries, keys), boolean."""
    before = keys - queries
    if isinstance(before, int) and isinstance(queries, int) and isinstance(keys, int):
        b.require_room(queries * keys)
        return b.const(np.arange(before, keys)[:, None] >= np.arange(keys))
    places = b.add1(Add(), positions(b, queries, INT64), size_of(b, before).value)
    return b.add1(GreaterEqual(), b.reshape(places, (queries, 1)), positions(b, keys, INT64))


def softmax(b: LayerBuilder, x: Value, sinks: Value | None = None) -> Value:
    """Softmax over keys; `sinks` (heads,) are scores of a key more, whose value is 0."""
    if sinks is None:
        return b.add1(Softmax(3), x)
    batch, heads, queries = x.shape[:3]
    more = b.add1(Expand((batch, heads, queries, 1)), b.reshape(sinks, (1, *sinks.shape, 1, 1)))
    both = b.add1(Softmax(3), b.add1(Concat(3), x, more))
    return b.add1(Slice((None,) * 4, (None, None, None, -1), (1,) * 4), both)


def weighted(b: LayerBuilder, probabilities: Value, v: Value) -> Value:
    """The sums of values weighted by probabilities, heads put together."""
    return together(b, by_group(b, MatMul(), probabilities, v))


# ---- caches ------------------------------------------------------------------------------------------------------------
def cached(b: LayerBuilder, past: Value, new: Value, start: Formula, size: Size, *, keep: bool) -> Value:
    """Keys or values with new ones: (batch, heads, size, ...), the elements of `past` before `start`, then those of `new`.

    `new` is (batch, length, heads, ...), `start` (batch, 1) or (1, 1). What comes after is that of `past` if `keep`, else 0.
    """
    batch, length, heads, width = new.shape
    behind = Formula(b, positions(b, size, INT64)).reshape(1, size) - start
    within = ((behind >= 0) & (behind < size_of(b, length))).expand(batch, size).reshape(batch, 1, size, 1)
    rows = Formula(b, positions(b, batch, INT64)).reshape(batch, 1) * size_of(b, length)
    taken = (behind.at_least(0).at_most(size_of(b, length - 1)) + rows).expand(batch, size)
    chosen = Formula(b, new).reshape(batch * length, heads, width).take(taken).transpose(0, 2, 1, 3)
    old = _lengthened(b, past, size)
    if not keep:
        old = seen(b, old, (behind < 0).expand(batch, size).reshape(batch, 1, size, 1).value, 0.0)
    return within.choose(chosen, old).value


def _lengthened(b: LayerBuilder, past: Value, size: Size) -> Value:
    """A cache with zeros behind it, up to a length."""
    more = size - past.shape[2]
    if more == 0:
        return past
    if (bounds(more)[0] or 0) > 0:
        return b.add1(Concat(2), past, b.full(np.zeros((), past.type.dtype), (*past.shape[:2], more, past.shape[3])))
    # There may be no zeros behind it, but no kernel makes a tensor without elements.
    longer = b.add1(Concat(2), past, b.full(np.zeros((), past.type.dtype), (*past.shape[:2], size, past.shape[3])))
    return taken(b, longer, Formula(b, positions(b, size, INT64)), 2)
