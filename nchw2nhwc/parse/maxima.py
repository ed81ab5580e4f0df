"""Where the maxima of windows are: the second result of poolings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import islice
from itertools import product as every

from nchw2nhwc.ir.dim import Shape, product, size_max
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.movement import Pad, Slice
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.windows import lowest
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.dynamic import positions, size_of
from nchw2nhwc.parse.formula import INT64, Formula


def of_maxima(b: Builder, x: Value, op: MaxPool, sizes: Shape, *, column_major: bool = False) -> Value:
    """For each result of a pooling with `sizes` windows along the spatial axes the number of the element of x that it is, counted through
    all of x; of equal ones that of the first. `column_major` counts each image by its columns.

    One comparison for each element of a window, so that no axis has to be moved."""
    spatial = x.shape[2:]
    distances = tuple(product(spatial[:k] if column_major else spatial[k + 1:]) for k in range(len(spatial)))
    reach = [(n - 1) * step + (k - 1) * gap + 1 for n, step, k, gap in zip(sizes, op.strides, op.kernel, op.dilations)]
    lacking = [size_max(r - size - begin, 0) for r, size, begin in zip(reach, spatial, op.pads_begin)]
    # Of open sizes as much as any window may reach beyond the data.
    after = tuple(lack if isinstance(lack, int) else end + op.ceil_mode * (step - 1)
                  for lack, end, step in zip(lacking, op.pads_end, op.strides))
    padded = x if not any((*op.pads_begin, *after)) else b.add1(
        Pad((0, 0, *op.pads_begin), (0, 0, *after), value=lowest(x.type.dtype)), x)
    best, where = _tap(b, padded, op, sizes, (0,) * len(spatial)), Formula(b, b.const(0, INT64))
    for tap in islice(every(*map(range, op.kernel)), 1, None):
        here = _tap(b, padded, op, sizes, tap)
        ahead = sum(t * gap * distance for t, gap, distance in zip(tap, op.dilations, distances))
        where, best = (here > best).choose(size_of(b, ahead), where), best.at_least(here)
    firsts = [(positions(b, n) * stride - begin) * size_of(b, distance)
              for n, stride, begin, distance in zip(sizes, op.strides, op.pads_begin, distances)]
    grid = reduce(Formula.__add__, [first.reshape(*first.shape, *(1,) * (len(firsts) - k - 1)) for k, first in enumerate(firsts)])
    image = positions(b, x.shape[0]).column() * size_of(b, x.shape[1]) + positions(b, x.shape[1])
    return (where + grid + (image * size_of(b, product(spatial))).reshape(*x.shape[:2], *(1,) * len(spatial))).value


def _tap(b: Builder, padded: Value, op: MaxPool, sizes: Shape, tap: Sequence[int]) -> Formula:
    """One element of each window."""
    starts = [t * gap for t, gap in zip(tap, op.dilations)]
    stops = [start + (n - 1) * step + 1 for start, n, step in zip(starts, sizes, op.strides)]
    return Formula(b, b.add1(Slice((None, None, *starts), (None, None, *stops), (1, 1, *op.strides)), padded))
