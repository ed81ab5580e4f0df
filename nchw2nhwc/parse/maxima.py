"""Where the maxima of windows are: the second result of poolings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from itertools import product as every
from math import prod

import numpy as np

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.movement import Pad, Slice
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.windows import lowest
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.dynamic import positions, size_of
from nchw2nhwc.parse.formula import INT64, Formula


def of_maxima(b: Builder, x: Value, op: MaxPool, sizes: Sequence[int], *, column_major: bool = False) -> Value:
    """For each result of a pooling with `sizes` windows along the spatial axes the number of the element of x that it is, counted through
    all of x; of equal ones that of the first. `column_major` counts each image by its columns.

    One comparison for each element of a window, so that no axis has to be moved. Raises ShapeError where a spatial size is not known."""
    spatial = tuple(static(s, "the size of a pooled axis") for s in x.shape[2:])
    distances = tuple(prod(spatial[:k] if column_major else spatial[k + 1:]) for k in range(len(spatial)))
    reach = [(n - 1) * step + (k - 1) * gap + 1 for n, step, k, gap in zip(sizes, op.strides, op.kernel, op.dilations)]
    after = tuple(max(r - size - begin, 0) for r, size, begin in zip(reach, spatial, op.pads_begin))
    padded = x if not any((*op.pads_begin, *after)) else b.add1(
        Pad((0, 0, *op.pads_begin), (0, 0, *after), value=lowest(x.type.dtype)), x)
    best, where = _tap(b, padded, op, sizes, (0,) * len(spatial)), Formula(b, b.const(0, INT64))
    for tap in islice(every(*map(range, op.kernel)), 1, None):
        here = _tap(b, padded, op, sizes, tap)
        ahead = sum(t * gap * distance for t, gap, distance in zip(tap, op.dilations, distances))
        where, best = (here > best).choose(Formula(b, b.const(ahead, INT64)), where), best.at_least(here)
    firsts = [np.arange(n) * stride - begin for n, stride, begin in zip(sizes, op.strides, op.pads_begin)]
    grid = sum(first * distance for first, distance in zip(np.ix_(*firsts), distances))
    image = positions(b, x.shape[0]).column() * size_of(b, x.shape[1]) + positions(b, x.shape[1])
    return (where + Formula(b, b.const(grid, INT64)) + (image * prod(spatial)).reshape(*x.shape[:2], *(1,) * len(spatial))).value


def _tap(b: Builder, padded: Value, op: MaxPool, sizes: Sequence[int], tap: Sequence[int]) -> Formula:
    """One element of each window."""
    starts = [t * gap for t, gap in zip(tap, op.dilations)]
    stops = [start + (n - 1) * step + 1 for start, n, step in zip(starts, sizes, op.strides)]
    return Formula(b, b.add1(Slice((None, None, *starts), (None, None, *stops), (1, 1, *op.strides)), padded))
