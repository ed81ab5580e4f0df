"""Where the elements of a resized axis come from, as formulas: what `ops.resize` says in numpy, for sizes that are known only when the
model runs. Everything is float32, in which the runtimes compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ops.elementwise import Abs
from nchw2nhwc.ops.expression import Expression
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.reduce import ReduceSum
from nchw2nhwc.ops.resize import TIE, Resize

E = TypeVar("E", bound=Expression)

FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True)
class Span(Generic[E]):
    """An axis of `before` elements that is resized to `after` by a factor of `scale`, each a number without axes; `region` is where the
    region of interest starts and ends, of all 0 to 1."""

    before: E
    after: E
    scale: E
    region: tuple[E, E] | None = None


def positions(place: E, span: Span[E], mode: str) -> E:
    """Where in the operand the elements of the result at `place` (0, 1, 2, ...) come from; see `ops.resize.source_positions`. Raises
    ShapeError for a crop without a region."""
    before, after, scale = span.before, span.after, span.scale
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
            if span.region is None:
                raise ShapeError("tf_crop_and_resize needs a region of interest")
            start, end = span.region
            return (after > 1).choose(start * last + place * ((end - start) * last) / spread, (start + end) * last * 0.5 + place)
    return (scale.equals(1) & after.equals(before)).choose(place, where)


def beyond(where: E, span: Span[E]) -> E:
    """Whether a position is outside of the operand."""
    return (where < 0) | (where > span.before - 1)


def nearest(where: E, span: Span[E], mode: str) -> E:
    """Which element each position copies; "outwards" rounds down where the axis grows and up where it shrinks."""
    below = where.floor()
    rest = where - below
    match mode:
        case "round_prefer_floor":
            index = below + (rest > 0.5 + TIE).cast(FLOAT32)
        case "round_prefer_ceil":
            index = below + (rest >= 0.5 - TIE).cast(FLOAT32)
        case "floor":
            index = below
        case "outwards":
            index = (span.scale >= 1).choose(below, where.ceil())
        case _:
            index = where.ceil()
    return _held(index, span)


def taps(where: E, span: Span[E], op: Resize) -> Sequence[tuple[E, E]]:
    """The elements that each position is interpolated from, without antialiasing, and their weights."""
    first = where.floor()
    rest = where - first
    weights = (1 - rest, rest) if op.mode == "linear" else cubic_weights(rest, op.cubic_coeff_a)
    indices = [first + (k + 1.0 - len(weights) // 2) for k in range(len(weights))]
    if op.exclude_outside:
        inside = [weight * ((index >= 0) & (index < span.before)).cast(FLOAT32) for index, weight in zip(indices, weights)]
        total = reduce(lambda one, two: one + two, inside)
        weights = [normalised(weight, total) for weight in inside]
    return [(_held(index, span), weight) for index, weight in zip(indices, weights)]


def cubic_weights(rest: E, a: float) -> Sequence[E]:
    """The weights of the two elements on either side of a position that lies `rest` behind the second one, in Keys' cubic convolution with
    coefficient a."""
    near, far = [1.0, 0.0, -(a + 3), a + 2], [-4 * a, 8 * a, -5 * a, a]
    return (rest + 1.0).polynomial(far), rest.polynomial(near), (1.0 - rest).polynomial(near), (2.0 - rest).polynomial(far)


def normalised(weights: E, total: E) -> E:
    """Weights over their sum, unless that is 0."""
    return weights / (total + total.equals(0).cast(FLOAT32))


def kernel(distance: E, op: Resize) -> E:
    """The weight of an element at a distance; see `ops.resize`: a triangle, or Keys' cubic."""
    d = distance.apply(Abs())
    if op.mode == "linear":
        return (1 - d).at_least(0)
    a = op.cubic_coeff_a
    near = (d * (a + 2) - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * a * d - 4 * a
    return (d <= 1).choose(near, (d < 2).choose(far, 0))


def reached(size: Size, op: Resize) -> Size:
    """How many places, before the operand, in it and behind it, `antialiased` looks at: on either side as many as the operand is long,
    times the radius of the kernel."""
    radius = _radius(op)
    return size * (2 * radius + 1) + 2 * radius


def antialiased(where: E, places: E, elements: E, span: Span[E], op: Resize) -> E:
    """The matrix (after, before) of weights with antialiasing; see `ops.resize.interpolation_matrix`. `places` and `elements` are 0, 1, 2
    and so on, below `reached` and below the operand's size."""
    there, last = places.cast(FLOAT32) - (span.before + 1) * _radius(op), span.before - 1
    weights = kernel((there - where.column()) / (1.0 / span.scale.at_most(1)), op)
    if op.exclude_outside:
        weights = weights * ((there >= 0) & (there <= last)).cast(FLOAT32)
    weights = normalised(weights, weights.apply(ReduceSum((1,), True)))
    held = there.at_least(0).at_most(last).column()
    return weights.apply(MatMul(), held.equals(elements.cast(FLOAT32)).cast(FLOAT32))


def _radius(op: Resize) -> int:
    return 1 if op.mode == "linear" else 2


def _held(index: E, span: Span[E]) -> E:
    """An index within the axis."""
    return index.at_least(0).at_most(span.before - 1)
