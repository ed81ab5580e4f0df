"""Resizing by scales, sizes or a region that are computed when the model runs.

The formulas are those of `ops.resize`, axis by axis: an index vector where elements are copied, the product with a matrix of weights where
they are interpolated. Everything is computed in float32, as the runtimes do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.kinds import check_choices, integer_range, kind_of
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMin
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import INT64, Formula

FLOAT32: DType = np.dtype(np.float32)

_TIE = 1e-6
"""As in `ops.resize`."""


@dataclass(frozen=True)
class Along:
    """How one axis is resized: to `count` elements by a factor of `scale`; `region` is where it starts and ends, of all 0 to 1."""

    axis: int
    count: Formula
    scale: Formula
    region: tuple[Formula, Formula] | None = None


def by_scales(b: Builder, x: Value, axes: Sequence[int], scales: Value, region: Sequence[tuple[Formula, Formula]] | None) -> list[Along]:
    """Each axis times its scale, or times that and the part of it that the region covers, rounded down."""
    found = []
    for k, (axis, scale) in enumerate(zip(axes, floats(b, scales, len(axes)))):
        part = None if region is None else region[k]
        size = dynamic.size_of(b, x.shape[axis]).cast(FLOAT32)
        covered = size if part is None else size * (part[1] - part[0])
        found.append(Along(axis, (covered * scale).floor().cast(INT64), scale, part))
    return found


def by_sizes(b: Builder, x: Value, axes: Sequence[int], sizes: Value, policy: str,
             region: Sequence[tuple[Formula, Formula]] | None) -> list[Along]:
    """Each axis to its size, or ("not_larger", "not_smaller") all by the same factor."""
    wanted = dynamic.vector(b, sizes)
    if wanted.value.shape != (len(axes),) or policy not in ("stretch", "not_larger", "not_smaller"):
        raise ShapeError(f"sizes {sizes.type} with the policy '{policy}' do not fit {len(axes)} axes")
    have = Formula(b, b.sizes(tuple(x.shape[a] for a in axes), INT64)).cast(FLOAT32)
    scales = wanted.cast(FLOAT32) / have
    if policy != "stretch":
        extreme = scales.apply((ReduceMin if policy == "not_larger" else ReduceMax)((0,), True))
        wanted = (have * extreme + 0.5).floor().cast(INT64)
        scales = extreme * Formula(b, b.const(np.ones(len(axes)), FLOAT32))
    pairs = zip(axes, dynamic.elements(wanted), dynamic.elements(scales))
    return [Along(axis, count, scale, None if region is None else region[k]) for k, (axis, count, scale) in enumerate(pairs)]


def regions(b: Builder, roi: Value, count: int) -> list[tuple[Formula, Formula]]:
    """The start and the end of the region of interest along each axis."""
    ends = floats(b, roi, 2 * count)
    return list(zip(ends[:count], ends[count:]))


def floats(b: Builder, value: Value, count: int) -> list[Formula]:
    """So many numbers, each as float32 without axes."""
    if value.shape != (count,):
        raise ShapeError(f"{count} numbers are needed, not {value.type}")
    return dynamic.elements(Formula(b, value).cast(FLOAT32))


def resized(b: Builder, x: Value, along: Sequence[Along], op: Resize, *, outwards: bool = False) -> Value:
    """x resized along some of its axes; `op` says how, its own sizes, scales and region do not matter. `outwards`: the nearest element is
    the one below where the axis grows and the one above where it shrinks."""
    check_choices(op)
    interpolates = op.mode != "nearest"
    result = b.add1(Cast(FLOAT32), x) if interpolates and x.type.dtype != FLOAT32 else x
    where = [_positions(b, x, each, op.coordinate_mode) for each in along]
    for each, places in zip(along, where):
        if interpolates:
            result = _weighted(b, result, each.axis, _matrix(b, static(x.shape[each.axis], "a size to be resized"), each, places, op))
        else:
            result = dynamic.taken(b, result, _nearest(b, x, each, places, "outwards" if outwards else op.nearest_mode), each.axis)
    if op.coordinate_mode == "tf_crop_and_resize":
        for each, places in zip(along, where):
            outside = (places < 0) | (places > dynamic.size_of(b, x.shape[each.axis]).cast(FLOAT32) - 1)
            mask = outside.reshape(places.shape[0], *(1,) * (x.rank - each.axis - 1))
            result = mask.choose(Formula(b, b.const(op.extrapolation_value, result.type.dtype)), result).value
    if result.type.dtype == x.type.dtype:
        return result
    if kind_of(x.type.dtype) == "integer":
        low, high = integer_range(x.type.dtype)
        result = Formula(b, result).at_least(low).at_most(high).value
    return b.add1(Cast(x.type.dtype), result)


def _positions(b: Builder, x: Value, along: Along, mode: str) -> Formula:
    """Where in the operand each element of the result comes from; see `ops.resize.source_positions`."""
    size = dynamic.size_of(b, x.shape[along.axis])
    before, after, scale = size.cast(FLOAT32), along.count.cast(FLOAT32), along.scale
    place = dynamic.counted(b, along.count, "resized").cast(FLOAT32)
    last, spread = before - 1, (after - 1).at_least(1)
    match mode:
        case "half_pixel":
            where = (place + 0.5) / scale - 0.5
        case "half_pixel_symmetric":
            where = before * 0.5 * (1 - after / (scale * before)) + (place + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            where = (after > 1).choose((place + 0.5) / scale - 0.5, place)
        case "align_corners":
            where = (after > 1).choose(place * last / spread, place)
        case "asymmetric":
            where = place / scale
        case "tf_half_pixel_for_nn":
            where = (place + 0.5) / scale
        case _:
            if along.region is None:
                raise ShapeError("tf_crop_and_resize needs a region of interest")
            start, end = along.region
            return (after > 1).choose(start * last + place * ((end - start) * last) / spread, (start + end) * last * 0.5 + place)
    return (scale.equals(1) & along.count.equals(size)).choose(place, where)


def _nearest(b: Builder, x: Value, along: Along, where: Formula, mode: str) -> Formula:
    """Which element each place copies; "outwards" rounds down where the axis grows and up where it shrinks."""
    below = where.floor()
    rest = where - below
    match mode:
        case "round_prefer_floor":
            index = below + (rest > 0.5 + _TIE).cast(FLOAT32)
        case "round_prefer_ceil":
            index = below + (rest >= 0.5 - _TIE).cast(FLOAT32)
        case "floor":
            index = below
        case "outwards":
            index = (along.scale >= 1).choose(below, where.ceil())
        case _:
            index = where.ceil()
    return index.cast(INT64).at_least(0).at_most(dynamic.size_of(b, x.shape[along.axis]) - 1)


def _matrix(b: Builder, size: int, along: Along, where: Formula, op: Resize) -> Formula:
    """The weights (result, operand); see `ops.resize.interpolation_matrix`. Antialiasing reaches as far as the operand is long."""
    radius = 1 if op.mode == "linear" else 2
    column = where.column()
    if op.antialias:
        stretch = Formula(b, b.const(1, FLOAT32)) / along.scale.at_most(1)
        reach = radius * size + radius
        places = np.arange(-reach, size + reach)
        weights = _kernel((Formula(b, b.const(places, FLOAT32)) - column) / stretch, op)
        if op.exclude_outside:
            weights = weights * Formula(b, b.const((places >= 0) & (places < size), FLOAT32))
        edges = np.equal(np.clip(places, 0, size - 1)[:, None], np.arange(size)).astype(np.float32)
        return _normalised(weights).apply(MatMul(), b.const(edges))
    nearby = Formula(b, b.const(np.arange(1 - radius, radius + 1), FLOAT32)) + column.floor()
    weights = _kernel(nearby - column, op)
    if op.exclude_outside:
        weights = _normalised(weights * ((nearby >= 0) & (nearby < size)).cast(FLOAT32))
    index = nearby.at_least(0).at_most(size - 1)
    count = where.value.shape[0]
    meant = index.reshape(count, 2 * radius, 1).equals(Formula(b, b.const(np.arange(size), FLOAT32))).cast(FLOAT32)
    return (weights.reshape(count, 2 * radius, 1) * meant).sum(1)


def _normalised(weights: Formula) -> Formula:
    """Rows with a sum of 1, but for those of zeros."""
    sums = weights.sum(1, keepdims=True)
    return weights / sums.equals(0).choose(Formula(weights.b, weights.b.const(1, FLOAT32)), sums)


def _kernel(distance: Formula, op: Resize) -> Formula:
    """See `ops.resize`: a triangle, or Keys' cubic."""
    d = abs(distance)
    if op.mode == "linear":
        return (1 - d).at_least(0)
    a = op.cubic_coeff_a
    near = (d * (a + 2) - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * a * d - 4 * a
    return (d <= 1).choose(near, (d < 2).choose(far, 0))


def _weighted(b: Builder, x: Value, axis: int, matrix: Formula) -> Value:
    """A matrix (result, operand) applied along an axis."""
    others = [k for k in range(x.rank) if k != axis]
    rows = b.transpose(x, (*others, axis))
    flat = b.reshape(rows, (product(rows.shape[:-1]), rows.shape[-1]))
    made = b.reshape(b.add1(MatMul(adjoint_b=True), flat, matrix.value), (*rows.shape[:-1], matrix.value.shape[0]))
    return b.transpose(made, tuple(int(k) for k in np.argsort([*others, axis])))
