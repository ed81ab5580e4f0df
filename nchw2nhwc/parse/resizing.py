"""Resizing by scales, sizes or a region that are computed when the model runs.

The formulas are those of `ops.resampling`, axis by axis: an index vector where elements are copied, several of them with weights where they
are interpolated, and the product with a matrix of weights for antialiasing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from nchw2nhwc.errors import ShapeError, UnsupportedError
from nchw2nhwc.ir.dim import Size, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops import resampling
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.kinds import check_choices, kind_of
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMin
from nchw2nhwc.ops.resampling import FLOAT32
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import INT64, Formula


@dataclass(frozen=True)
class Along:
    """How one axis is resized: to `count` elements by a factor of `scale`; `region` is where it starts and ends, of all 0 to 1."""

    axis: int
    count: Formula
    scale: Formula
    region: tuple[Formula, Formula] | None = None


def by_scales(b: Builder, x: Value, axes: Sequence[int], scales: Value, region: Sequence[tuple[Formula, Formula]] | None) -> list[Along]:
    """Each axis times its scale, rounded down, whatever part of it the region covers."""
    found = []
    for k, (axis, scale) in enumerate(zip(axes, floats(b, scales, len(axes)))):
        size = dynamic.size_of(b, x.shape[axis]).cast(FLOAT32)
        found.append(Along(axis, (size * scale).floor().cast(INT64), scale, None if region is None else region[k]))
    return found


def by_sizes(b: Builder, x: Value, axes: Sequence[int], sizes: Value, policy: str,
             region: Sequence[tuple[Formula, Formula]] | None) -> list[Along]:
    """Each axis to its size, or ("not_larger", "not_smaller") all by the same factor; without those that are known to keep their size."""
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
    found = [Along(axis, count, scale, None if region is None else region[k]) for k, (axis, count, scale) in enumerate(pairs)]
    if region is not None or policy != "stretch":
        return found
    return [each for each in found if b.numbers.size(each.count.value, lambda: dynamic.fresh(b, "resized")) != x.shape[each.axis]]


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
    the one below where the axis grows and the one above where it shrinks. Raises UnsupportedError for integers that are interpolated:
    runtimes cut off what is behind the point, so the last bit of a position decides."""
    check_choices(op)
    interpolates = op.mode != "nearest"
    if interpolates and kind_of(x.type.dtype) == "integer":
        raise UnsupportedError(f"Integers ({x.type.dtype.name}) are interpolated by computed sizes or scales (mode '{op.mode}')",
                               advice="Resize float32 in the source, or cut the model before this layer with --outputs.")
    result = b.add1(Cast(FLOAT32), x) if interpolates and x.type.dtype != FLOAT32 else x
    spans = [_span(b, x, each) for each in along]
    places = [dynamic.counted(b, each.count, "resized").cast(FLOAT32) for each in along]
    where = [resampling.positions(place, span, op.coordinate_mode) for place, span in zip(places, spans)]
    for each, span, at in zip(along, spans, where):
        if not interpolates:
            index = resampling.nearest(at, span, "outwards" if outwards else op.nearest_mode)
            result = dynamic.taken(b, result, index.cast(INT64), each.axis)
        elif op.antialias:
            result = _weighted(b, result, each.axis, _matrix(b, x.shape[each.axis], span, at, op))
        else:
            result = _interpolated(b, result, each.axis, resampling.taps(at, span, op))
    if op.coordinate_mode == "tf_crop_and_resize":
        for each, span, at in zip(along, spans, where):
            mask = _along(resampling.beyond(at, span), x.rank, each.axis)
            result = mask.choose(Formula(b, b.const(op.extrapolation_value, result.type.dtype)), result).value
    return result if result.type.dtype == x.type.dtype else b.add1(Cast(x.type.dtype), result)


def _span(b: Builder, x: Value, along: Along) -> resampling.Span[Formula]:
    before = dynamic.size_of(b, x.shape[along.axis]).cast(FLOAT32)
    return resampling.Span(before, along.count.cast(FLOAT32), along.scale, along.region)


def _along(vector: Formula, rank: int, axis: int) -> Formula:
    """A vector along one of `rank` axes, to be broadcast along the others."""
    return vector.reshape(vector.shape[0], *(1,) * (rank - axis - 1))


def _interpolated(b: Builder, x: Value, axis: int, taps: Sequence[tuple[Formula, Formula]]) -> Value:
    """The elements along an axis at several indices each, times their weights."""
    parts = [Formula(b, dynamic.taken(b, x, index.cast(INT64), axis)) * _along(weight, x.rank, axis) for index, weight in taps]
    return reduce(lambda one, two: one + two, parts).value


def _matrix(b: Builder, size: Size, span: resampling.Span[Formula], where: Formula, op: Resize) -> Formula:
    return resampling.antialiased(where, dynamic.positions(b, resampling.reached(size, op)), dynamic.positions(b, size), span, op)


def _weighted(b: Builder, x: Value, axis: int, matrix: Formula) -> Value:
    """A matrix (result, operand) applied along an axis."""
    others = [k for k in range(x.rank) if k != axis]
    rows = b.transpose(x, (*others, axis))
    flat = b.reshape(rows, (product(rows.shape[:-1]), rows.shape[-1]))
    made = b.reshape(b.add1(MatMul(adjoint_b=True), flat, matrix.value), (*rows.shape[:-1], matrix.value.shape[0]))
    return b.transpose(made, tuple(int(k) for k in np.argsort([*others, axis])))
