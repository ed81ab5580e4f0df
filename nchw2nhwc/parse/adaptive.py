"""Regions of interest whose cells have as many samples as elements: what the mappings of both sources make of RoiAlign then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse import dynamic, sampling
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.sampling import Pooling, corners, extent, pooled, require_regions, within_axis

LARGEST_REGION = 2
"""How many times the size of the image a region may have: more samples than such a one has are not taken."""


def roi_align(b: Builder, x: Value, rois: Value, batch_indices: Value, at: Pooling) -> Value:
    """`sampling.roi_align`; without a number of samples each cell has ceil(its size) samples along both axes.

    A sample is a sum of elements with weights for rows and weights for columns, and so is a mean of samples: two products with matrices
    that follow from the regions. For maxima as many samples are read as the largest region has. Raises ShapeError, UnsupportedError."""
    if at.samples > 0:
        return sampling.roi_align(b, x, rois, batch_indices, at)
    require_regions(x, rois, batch_indices)
    batch, channels, height, width = x.shape
    regions, (cells_h, cells_w) = rois.shape[0], at.sizes
    sizes = height, width
    most = [most_samples(cells, size) for cells, size in zip(at.sizes, sizes)]
    if at.mode != "avg":
        largest = max(static(count, "the size of an image of whose samples the largest are wanted") for count in most)
        return _largest(b, x, batch_indices, at, [_along(b, at, rois, axis, largest) for axis in (0, 1)])
    rows, columns = (_weights(_along(b, at, rois, axis, most[axis]), sizes[axis]) for axis in (0, 1))
    if batch != 1:
        images = dynamic.positions(b, batch).cast(batch_indices.type.dtype).reshape(1, 1, batch, 1)
        mine = Formula(b, batch_indices).reshape(regions, 1, 1, 1).equals(images).cast(x.type.dtype)
        rows = rows.reshape(regions, cells_h, 1, height) * mine
    lines = Formula(b, x).transpose(0, 2, 1, 3).reshape(batch * height, channels * width)
    across = rows.reshape(regions * cells_h, batch * height).apply(MatMul(), lines)
    found = across.reshape(regions, cells_h * channels, width).apply(MatMul(), columns.transpose(0, 2, 1))
    return found.reshape(regions, cells_h, channels, cells_w).transpose(0, 2, 1, 3).value


@dataclass(frozen=True)
class Samples:
    """Where the samples of regions lie along an axis, (R, cells, most), which of the `most` there are, (R, 1, most), and how many,
    (R, 1, 1): none for regions without extent."""

    places: Formula
    there: Formula
    count: Formula


def most_samples(cells: int, size: Size) -> Size:
    """How many samples a cell of the largest region has on an axis of `size` elements."""
    return -(-LARGEST_REGION * size // cells) + 1


def samples(start: Formula, span: Formula, cells: int, most: Size) -> Samples:
    """The samples of regions that begin at `start` and reach `span` far, (R, 1, 1) both, at most so many in each cell."""
    cell = span / float(cells)
    count = cell.ceil().at_most(extent(start.b, most, start.dtype))
    numbers = dynamic.positions(start.b, most).cast(start.dtype).reshape(1, 1, most)
    places = (cell * np.arange(cells).reshape(1, cells, 1) + start) + cell / count.at_least(1.0) * (numbers + 0.5)
    return Samples(places, count > numbers, count)


def flat(places: Formula, of: Samples) -> Formula:
    """Something of each sample, or of those of each cell, as (R, cells * most)."""
    regions, cells, most = of.places.shape
    return places.expand(regions, cells, most).reshape(regions, cells * most)


def both(rows: Samples, columns: Samples) -> Formula:
    """Which samples there are of all, (R, rows * most, columns * most)."""
    down, across = flat(rows.there, rows), flat(columns.there, columns)
    return down.reshape(*down.shape, 1) & across.reshape(across.shape[0], 1, across.shape[1])


def _along(b: Builder, at: Pooling, rois: Value, axis: int, most: Size) -> Samples:
    """The samples along rows (0) or columns (1)."""
    start, span = (Formula(b, v).reshape(rois.shape[0], 1, 1) for v in corners(b, at, rois, axis))
    return samples(start, span, at.sizes[axis], most)


def _weights(taken: Samples, size: Size) -> Formula:
    """The weights (R, cells, size) of the elements along an axis."""
    places, b = taken.places, taken.places.b
    regions, cells, most = places.shape
    counts = (places >= -1.0) & (places <= extent(b, size, places.dtype)) & taken.there
    near = Formula(b, within_axis(b, places.value, size)).reshape(regions, cells, most, 1)
    share = (1.0 - abs(near - dynamic.positions(b, size).cast(places.dtype))).at_least(0.0)
    weighed = share * counts.apply(Cast(share.dtype)).reshape(regions, cells, most, 1)
    return weighed.sum(2) / taken.count.at_least(1.0)


def _largest(b: Builder, x: Value, batch_indices: Value, at: Pooling, taken: Sequence[Samples]) -> Value:
    """The largest sample of each cell; 0 where there is none."""
    (rows, columns), regions = taken, taken[0].places.shape[0]
    there = both(rows, columns)
    most = static(rows.places.shape[2], "the number of samples")
    found = Formula(b, pooled(b, x, batch_indices, replace(at, samples=most), flat(rows.places, rows).value,
                              flat(columns.places, columns).value, there.value))
    some = (rows.count > 0) & (columns.count > 0)
    return some.reshape(regions, 1, 1, 1).choose(found, 0).value
