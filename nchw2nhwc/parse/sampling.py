"""What the mappings of both sources make of ops that pool regions of interest, which read images at computed positions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import product as every
from typing import TypeAlias

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Shape, Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import Op, static
from nchw2nhwc.ops.binary import Add, GreaterEqual, LessEqual, LogicalAnd, Maximum, Minimum, Mul, Sub, Where
from nchw2nhwc.ops.elementwise import Cast, Floor
from nchw2nhwc.ops.movement import Concat, Expand, Slice
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMean
from nchw2nhwc.ops.sampling import GridSample
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.dynamic import size_of

Number: TypeAlias = Value | float
"""A number that is known, or one without axes that is computed when the model runs."""


def with_number(b: Builder, op: Op, x: Value, number: Number) -> Value:
    """`op(x, number)`."""
    return b.add1(op, x, number if isinstance(number, Value) else b.const(number, x.type.dtype))


def extent(b: Builder, size: Size, dtype: DType, less: int = 0) -> Number:
    """A size, or so much less, as a number: one that is computed when the model runs if it is open."""
    return float(size - less) if isinstance(size, int) else (size_of(b, size).cast(dtype) - less).value


def within_axis(b: Builder, where: Value, size: Size) -> Value:
    """Positions held between the first and the last element of an axis."""
    last = extent(b, size, where.type.dtype, 1)
    if not isinstance(last, Value):
        return b.add1(Clip(0.0, last), where)
    return with_number(b, Minimum(), with_number(b, Maximum(), where, 0.0), last)


def _column(b: Builder, x: Value, index: int) -> Value:
    """One column (R, 1) of a matrix."""
    return b.add1(Slice((None, index), (None, index + 1), (1, 1)), x)


def grid_of(b: Builder, parts: tuple[Value, Value], shape: Shape) -> Value:
    """x and y positions that broadcast to `shape`, put together as rows of two."""
    wide = (b.reshape(p if p.shape == shape else b.add1(Expand(shape), p), (*shape, 1)) for p in parts)
    return b.add1(Concat(len(shape)), *wide)


@dataclass(frozen=True)
class Pooling:
    """How a region of interest is divided into `sizes` (rows, columns) cells, each read at `samples` positions along both axes.

    The corners of a region are moved by `before`, scaled, and moved by `after`; `malformed` regions are made one element wide at least.
    A cell is the mean of its samples ("avg"), the largest of them ("max"), or the largest of the weighted elements that they are the sum of
    ("max_of_parts").
    """

    mode: str
    sizes: tuple[int, int]
    samples: int
    scale: float
    before: float
    after: float
    malformed: bool


def corners(b: Builder, at: Pooling, rois: Value, axis: int) -> tuple[Value, Value]:
    """Where regions begin along rows (0) or columns (1) of an image, and how far they reach, (R, 1)."""
    ends = (with_number(b, Add(), _column(b, rois, k), at.before) if at.before else _column(b, rois, k) for k in (1 - axis, 3 - axis))
    start, end = (with_number(b, Add(), with_number(b, Mul(), corner, at.scale), at.after) for corner in ends)
    span = b.add1(Sub(), end, start)
    if at.malformed:
        span = with_number(b, Maximum(), span, 1.0)
    return start, span


def _positions(b: Builder, at: Pooling, rois: Value, axis: int) -> Value:
    """The positions (R, cells * samples) along rows (0) or columns (1) of an image."""
    start, span = corners(b, at, rois, axis)
    cells = at.sizes[axis]
    shares = (np.arange(cells * at.samples) + 0.5) / (at.samples * cells)
    return b.add1(Add(), start, b.add1(Mul(), span, b.const(shares[None], span.type.dtype)))


def _valid(b: Builder, where: Value, size: Size) -> Value:
    """1 where a position counts, else 0."""
    end = extent(b, size, where.type.dtype)
    inside = b.add1(LogicalAnd(), with_number(b, GreaterEqual(), where, -1.0), with_number(b, LessEqual(), where, end))
    return b.add1(Cast(where.type.dtype), inside)


def roi_align(b: Builder, x: Value, rois: Value, batch_indices: Value, at: Pooling) -> Value:
    """Regions `rois` (R, 4), corners (x, y, x, y) in x (N, C, H, W), as (R, C, rows, columns). Raises ShapeError, UnsupportedError."""
    require_regions(x, rois, batch_indices)
    rows, columns = (_positions(b, at, rois, axis) for axis in (0, 1))
    return pooled(b, x, batch_indices, at, rows, columns)


def require_regions(x: Value, rois: Value, batch_indices: Value) -> None:
    """Raises ShapeError unless these are images, corners and numbers of images."""
    if x.rank != 4 or rois.rank != 2 or rois.shape[1] != 4 or batch_indices.rank != 1:
        raise ShapeError(f"{x.type}, regions {rois.type} and batch indices {batch_indices.type} do not fit together")


def pooled(b: Builder, x: Value, batch_indices: Value, at: Pooling, rows: Value, columns: Value, there: Value | None = None) -> Value:
    """What is read at `rows` (R, cells * samples) and `columns` of x (N, C, H, W) for each region, reduced to cells: (R, C, rows, columns).
    `there` (R, rows * samples, columns * samples) says which samples there are; it is for maxima."""
    (height, width), regions = x.shape[2:], rows.shape[0]
    (cells_h, cells_w), n = at.sizes, at.samples
    weight = b.add1(Mul(), b.reshape(_valid(b, rows, height), (regions, cells_h * n, 1)),
                    b.reshape(_valid(b, columns, width), (regions, 1, cells_w * n)))
    rows, columns = (within_axis(b, p, s) for p, s in ((rows, height), (columns, width)))
    read = _reader_of(b, x, batch_indices, (regions, cells_h * n, cells_w * n), rows.type.dtype)
    if at.mode != "max_of_parts":
        reduction = ReduceMean((3, 5), False) if at.mode == "avg" else ReduceMax((3, 5), False)
        return _cells(b, _those(b, b.add1(Mul(), read("linear", rows, columns), weight), there), reduction, at)
    sides = [_sides(b, p, size) for p, size in ((rows, height), (columns, width))]
    found = []
    for (row, upper), (column, left) in every(*sides):
        share = b.add1(Mul(), b.reshape(upper, (*upper.shape, 1)), b.reshape(left, (regions, 1, cells_w * n)))
        found.append(b.add1(Mul(), read("nearest", row, column), b.add1(Mul(), share, weight)))
    return _cells(b, _those(b, reduce(lambda one, two: b.add1(Maximum(), one, two), found), there), ReduceMax((3, 5), False), at)


def _those(b: Builder, read: Value, there: Value | None) -> Value:
    """Samples (C, R, rows, columns), and the smallest number in the place of those that there are not."""
    return read if there is None else b.add1(Where(), there, read, b.const(float(np.finfo(read.type.dtype.name).min), read.type.dtype))


@dataclass(frozen=True)
class _Reader:
    """Reads an image (1, C, ...) at rows and columns of regions: (C, regions, rows, columns). `first` is each region's first row."""

    b: Builder
    image: Value
    first: Value | None
    shape: tuple[Size, int, int]

    def __call__(self, mode: str, rows: Value, columns: Value) -> Value:
        b, (regions, height, width) = self.b, self.shape
        if self.first is not None:
            rows = b.add1(Add(), rows, self.first)
        grid = grid_of(b, (b.reshape(columns, (regions, 1, width)), b.reshape(rows, (regions, height, 1))), self.shape)
        found = b.add1(GridSample(mode, "border", "pixels"), self.image, b.reshape(grid, (1, regions * height, width, 2)))
        return b.reshape(found, (self.image.shape[1], *self.shape))


def read_regions(b: Builder, x: Value, batch_indices: Value, mode: str, rows: Value, columns: Value) -> Value:
    """Images x (N, C, H, W) at rows and columns (R, positions) of each region, held within the image: (C, R, rows, columns)."""
    counts = tuple(static(v.shape[1], "the number of positions") for v in (rows, columns))
    read = _reader_of(b, x, batch_indices, (rows.shape[0], counts[0], counts[1]), rows.type.dtype)
    return read(mode, *(within_axis(b, p, s) for p, s in zip((rows, columns), x.shape[2:])))


def _reader_of(b: Builder, x: Value, batch_indices: Value, shape: tuple[Size, int, int], dtype: DType) -> _Reader:
    """Reads images x (N, C, H, W) at positions of `dtype`, for each region in the image that it belongs to."""
    batch, channels, height, width = x.shape
    image = b.reshape(b.transpose(x, (1, 0, 2, 3)), (1, channels, batch * height, width))
    first = None if batch == 1 else b.reshape(
        with_number(b, Mul(), b.add1(Cast(dtype), batch_indices), extent(b, height, dtype)), (shape[0], 1))
    return _Reader(b, image, first, shape)


def _sides(b: Builder, where: Value, size: Size) -> list[tuple[Value, Value]]:
    """The two elements that a position lies between, and their weights."""
    low = b.add1(Floor(), where)
    share = b.add1(Sub(), where, low)
    high = with_number(b, Minimum(), with_number(b, Add(), low, 1.0), extent(b, size, low.type.dtype, 1))
    return [(low, b.add1(Sub(), b.const(1.0, share.type.dtype), share)), (high, share)]


def _cells(b: Builder, read: Value, reduction: Op, at: Pooling) -> Value:
    """(C, R, rows * samples, columns * samples) reduced to one element a cell, as (R, C, rows, columns)."""
    channels, regions = read.shape[:2]
    cells = b.reshape(read, (channels, regions, at.sizes[0], at.samples, at.sizes[1], at.samples))
    return b.transpose(b.add1(reduction, cells), (1, 0, 2, 3))
