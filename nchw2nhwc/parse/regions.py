"""Regions of interest of images, each brought to one size, as both sources have them: the largest elements of bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product as every

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import Size, Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Round
from nchw2nhwc.ops.movement import Pad
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined

I32, F32 = np.dtype(np.int32), np.dtype(np.float32)
MOST_CELLS = 1 << 12
"""More cells along an axis, and more samples in a cell, than any network has."""


@dataclass(frozen=True)
class Image:
    """Images (N, C, H, W) and regions (R, 5), which are in the images `numbers` (R, 1): left, top, right and bottom are behind those."""

    x: Formula
    rois: Formula
    numbers: Formula
    batch: int
    channels: int
    sizes: tuple[int, int]

    @property
    def regions(self) -> Size:
        return self.rois.shape[0]

    def corner(self, index: int) -> Formula:
        """Left, top, right or bottom of the regions, (R, 1)."""
        return self.rois.part(1, index + 1, index + 2)

    @property
    def first_row(self) -> Formula:
        """The row (R, 1) that the image of each region begins at, when all images are below one another."""
        return self.numbers * float(self.sizes[0])


def image_of(b: Builder, x: Value, rois: Value) -> Image:
    """Images and regions whose first column says which image they are in. Raises SourceError."""
    if x.rank != 4 or rois.rank != 2 or rois.shape[1] != 5:
        raise SourceError(f"{x.type} and regions {rois.type} do not fit together")
    batch, channels, height, width = (static(s, "the size of an image") for s in x.shape)
    regions = Formula(b, rois).cast(F32)
    return Image(Formula(b, x).cast(F32), regions, regions.part(1, 0, 1), batch, channels, (height, width))


def largest(image: Image, sizes: Sequence[int], scale: float) -> Formula:
    """Every bin is the largest of four squares of 1, 2, 4, ... elements, which overlap: those of all places come from max-pools of the
    image, and the bin picks its four. A bin without elements is 0."""
    bins = [_bins(image, axis, count, scale) for axis, count in enumerate(sizes)]
    (height, width), regions, (rows, columns) = image.sizes, image.regions, sizes
    levels = [_levels(size) for size in image.sizes]
    tables = _tables(image.x, levels)
    flat = joined(tables, 0).transpose(0, 2, 3, 1).reshape(len(tables) * image.batch * height * width, image.channels)
    parts = [_squares(start, end, count) for (start, end), count in zip(bins, levels)]
    (down, tops), (across, lefts) = parts
    table = down.reshape(regions, rows, 1) * levels[1] + across.reshape(regions, 1, columns)
    number = (table * image.batch + image.numbers.cast(I32).reshape(regions, 1, 1)) * height
    best: Formula | None = None
    for top, left in every(tops, lefts):
        where = (number + top.reshape(regions, rows, 1)) * width + left.reshape(regions, 1, columns)
        found = flat.take(where.at_least(0).at_most(static(flat.shape[0], "a size") - 1))
        best = found if best is None else best.at_least(found)
    assert best is not None
    filled = [(end > start) for start, end in bins]
    there = filled[0].reshape(regions, rows, 1, 1) & filled[1].reshape(regions, 1, columns, 1)
    return there.choose(best, 0).transpose(0, 3, 1, 2)


def _bins(image: Image, axis: int, count: int, scale: float) -> tuple[Formula, Formula]:
    """First and last element (plus 1) of each bin along rows (0) or columns (1), as integers (R, count)."""
    start, end = ((image.corner(k) * scale).apply(Round("half_away_from_zero")) for k in (1 - axis, 3 - axis))
    share = (end - start + 1.0).at_least(1.0) / float(count)
    places = np.arange(count, dtype=np.float32)[None]
    size = float(image.sizes[axis])
    first, last = ((share * places).floor() + start, (share * (places + 1)).ceil() + start)
    return tuple(e.apply(Clip(0.0, size)).cast(I32) for e in (first, last))  # type: ignore[return-value]


def _levels(size: int) -> int:
    """How many powers of 2 there are up to `size`."""
    return size.bit_length()


def _tables(x: Formula, levels: list[int]) -> list[Formula]:
    """The largest element of the rectangle that begins at each place, for all sizes of powers of 2, made of two smaller ones each. What
    reaches beyond the image is never read."""
    below = [x]
    for k in range(levels[0] - 1):
        below.append(below[-1].at_least(_shifted(below[-1], 2, 1 << k)))
    found: list[Formula] = []
    for table in below:
        found.append(table)
        for k in range(levels[1] - 1):
            found.append(found[-1].at_least(_shifted(found[-1], 3, 1 << k)))
    return found


def _shifted(x: Formula, axis: int, places: int) -> Formula:
    rest = x.part(axis, places, static(x.shape[axis], "the size of an image"))
    return rest.apply(Pad((0,) * 4, tuple(places if k == axis else 0 for k in range(4))))


def _squares(start: Formula, end: Formula, levels: int) -> tuple[Formula, list[Formula]]:
    """The largest power of 2 (its exponent) that a bin has room for, and the two places that so many elements begin at."""
    size = end - start
    level = sum(((size >= 1 << k).cast(I32) for k in range(2, levels)), (size >= 2).cast(I32))
    powers = Formula(start.b, start.b.const(1 << np.arange(levels), I32))
    return level, [start, end - powers.take(level)]
