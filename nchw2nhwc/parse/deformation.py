"""Deformable convolutions, which read images at computed positions, as the mappings of both sources make them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Size, exact_div
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, GreaterEqual, Less, LogicalAnd, Mul
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.movement import Slice
from nchw2nhwc.ops.sampling import GridSample
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.dynamic import positions
from nchw2nhwc.parse.sampling import extent, grid_of, with_number
from nchw2nhwc.wording import counted


@dataclass(frozen=True)
class Deformation:
    """The attributes of a deformable convolution of images; pads of both axes are those before them. What is read beyond the first or last
    element fades to 0 over one element, or is 0 at once."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    groups: int
    offset_groups: int
    fading: bool = True


def deform_conv(b: Builder, x: Value, w: Value, offset: Value, bias: Value | None, mask: Value | None, at: Deformation) -> Value:
    """A convolution of x (N, C, H, W) with w (O, C / groups, kh, kw) whose every element is read `offset` (N, groups * kh * kw * 2, ...)
    away from its place, bilinearly, and weighed by `mask` (N, groups * kh * kw, ...). Raises ShapeError."""
    if x.rank != 4 or w.rank != 4 or offset.rank != 4:
        raise ShapeError(f"a deformable convolution of {x.type} with {w.type} and offsets {offset.type} is not one of images")
    kernel = tuple(static(s, "the size of a kernel") for s in w.shape[2:])
    taps, shares = kernel[0] * kernel[1], at.offset_groups
    batch, (rows, columns) = x.shape[0], offset.shape[2:]
    inside, per_group = exact_div(x.shape[1], shares), exact_div(x.shape[1], at.groups)
    if offset.shape[1] != shares * taps * 2 or inside is None or per_group is None or per_group != w.shape[1]:
        raise ShapeError(f"{x.type}, weights {w.type} and offsets {offset.type} do not fit {at.groups} and {counted(shares, 'group')}")
    planes = b.reshape(offset, (batch, shares, taps, 2, rows, columns))
    shape = (batch * shares, rows, columns, taps)
    moved = [b.reshape(part, (batch, shares, taps, rows, columns)) for part in (_plane(b, planes, k) for k in (0, 1))]
    sums = [b.add1(Add(), part, _places(b, at, kernel, (rows, columns)[k], k, part.type.dtype)) for k, part in enumerate(moved)]
    where = [b.reshape(b.transpose(part, (0, 1, 3, 4, 2)), shape) for part in sums]
    grid = b.reshape(grid_of(b, (where[1], where[0]), shape), (batch * shares, rows, columns * taps, 2))
    data = b.reshape(x, (batch * shares, inside, *x.shape[2:]))
    around = "zeros" if at.fading else "border"
    read = b.reshape(b.add1(GridSample("linear", around, "pixels"), data, grid), (batch, shares, inside, rows, columns, taps))
    if not at.fading:
        within = [_within(b, p, size) for p, size in zip(where, x.shape[2:])]
        counts = b.add1(Cast(x.type.dtype), b.add1(LogicalAnd(), *within))
        read = b.add1(Mul(), read, b.reshape(counts, (batch, shares, 1, rows, columns, taps)))
    if mask is not None:
        weights = b.transpose(b.reshape(mask, (batch, shares, taps, rows, columns)), (0, 1, 3, 4, 2))
        read = b.add1(Mul(), read, b.reshape(weights, (batch, shares, 1, rows, columns, taps)))
    grouped = b.transpose(b.reshape(read, (batch, at.groups, per_group, rows, columns, taps)), (0, 1, 5, 2, 3, 4))
    flat = b.reshape(grouped, (batch, x.shape[1] * taps, rows, columns))
    filters = b.reshape(b.transpose(b.reshape(w, (w.shape[0], per_group, taps)), (0, 2, 1)), (w.shape[0], per_group * taps, 1, 1))
    return b.add1(Conv((1, 1), (1, 1), (0, 0), (0, 0), at.groups), flat, filters, bias)


def _within(b: Builder, where: Value, size: Size) -> Value:
    """Whether a position lies from the first element of an axis up to one element behind the last."""
    end = extent(b, size, where.type.dtype)
    return b.add1(LogicalAnd(), with_number(b, GreaterEqual(), where, 0.0), with_number(b, Less(), where, end))


def _plane(b: Builder, planes: Value, index: int) -> Value:
    """Offsets along rows (0) or columns (1)."""
    starts, stops = ((None, None, None, end, None, None) for end in (index, index + 1))
    return b.add1(Slice(starts, stops, (1,) * 6), planes)


def _places(b: Builder, at: Deformation, kernel: tuple[int, ...], size: Size, axis: int, dtype: DType) -> Value:
    """Where the elements of an ordinary convolution are read along an axis with so many results: (taps, rows or 1, columns or 1)."""
    tap = np.asarray(np.indices(kernel)[axis].reshape(-1, 1, 1) * at.dilations[axis] - at.pads[axis], np.int64)
    place = positions(b, size).reshape(*((size, 1) if axis == 0 else (1, size)))
    return (place * at.strides[axis] + tap).cast(dtype).value
