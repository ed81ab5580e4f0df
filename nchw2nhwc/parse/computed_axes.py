"""Operands that say which axes an op works along, and that are computed when the model runs; how many axes they are is known."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Shape
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import REGISTRY, static
from nchw2nhwc.ops.dynamic import DynamicReduce
from nchw2nhwc.ops.indexing import Gather, TopK
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.dynamic import elements, fresh, full, with_sizes
from nchw2nhwc.parse.formula import INT64, Formula


def squeezed(b: Builder, x: Value, axes: Formula) -> Value:
    """x without these axes."""
    if axes.value.shape == (x.rank,):
        return b.reshape(x, ())
    return with_sizes(b, x, remaining(b, x, axes))


def remaining(b: Builder, x: Value, axes: Formula) -> Value:
    """The sizes of x without those of these axes."""
    left = x.rank - static(axes.value.shape[0], "how many axes go")
    if left < 0:
        raise ShapeError(f"{x.rank - left} axes of {x.type} cannot go")
    return _first(b, ~_among(b, axes % x.rank, x.rank), b.sizes(x.shape, INT64), left)


def _among(b: Builder, axes: Formula, rank: int) -> Formula:
    """For each of `rank` axes whether it is one of these."""
    return reduce(Formula.__or__, [each.equals(Formula(b, b.const(np.arange(rank), INT64))) for each in elements(axes)])


def unsqueezed(b: Builder, x: Value, axes: Formula) -> Value:
    """x with new axes of size 1 at these places of the result."""
    rank = x.rank + static(axes.value.shape[0], "how many axes are new")
    if not x.rank:
        return b.reshape(x, (1,) * rank)
    new = _among(b, axes % rank, rank)
    old = (~new).cast(INT64).cumsum(0) - 1
    sizes = Formula(b, b.add1(Gather(0), b.sizes(x.shape, INT64), old.at_least(0).value))
    return with_sizes(b, x, new.choose(Formula(b, b.const(np.ones(rank), INT64)), sizes).value)


def _first(b: Builder, condition: Formula, numbers: Value, count: int) -> Value:
    """The numbers where the condition holds, of which there are `count`."""
    rank = static(numbers.shape[0], "how many numbers there are")
    places = b.const(np.arange(rank), INT64)
    key = condition.choose(Formula(b, places), rank)
    order, _ = b.add(TopK(0, count, False), key.value)
    return b.add1(Gather(0), numbers, order)


# ---- reductions ------------------------------------------------------------------------------------------------------
def reduced(b: Builder, kind: str, x: Value, axes: Formula, keepdims: bool) -> Value:
    """x reduced over axes that are computed, of which it is known how many there are."""
    count = static(axes.value.shape[0], "how many axes are reduced")
    if count > x.rank:
        raise ShapeError(f"{count} axes are reduced of {x.type}")
    if 0 in x.shape:
        return _reduced_nothing(b, kind, x, axes, keepdims)
    kept_shape: Shape = tuple(1 if size == 1 else fresh(b, "size") for size in x.shape)
    shape = kept_shape if keepdims else tuple(fresh(b, "size") for _ in range(x.rank - count))
    return b.add1(DynamicReduce(kind, keepdims, shape), x, axes.value)


def _reduced_nothing(b: Builder, kind: str, x: Value, axes: Formula, keepdims: bool) -> Value:
    """What a reduction makes of no elements, wherever the result has any."""
    element = REGISTRY[kind]((0,), False).run(np.zeros(0, x.type.dtype))[0]  # type: ignore[call-arg]
    if keepdims:
        gone = _among(b, axes % x.rank, x.rank)
        sizes = gone.choose(Formula(b, b.const(np.ones(x.rank), INT64)), Formula(b, b.sizes(x.shape, INT64)))
    else:
        sizes = Formula(b, remaining(b, x, axes))
    return full(b, b.const(element), sizes)


def along_any(b: Builder, axis: Formula, x: Value, results: Sequence[Value]) -> Value:
    """Of results that an op has along each of its axes, that for an axis that is computed; all are of one type."""
    wrapped = axis % x.rank
    found = Formula(b, results[-1])
    for k in reversed(range(len(results) - 1)):
        found = wrapped.equals(k).choose(Formula(b, results[k]), found)
    return found.value
