"""Fourier transforms, and what belongs to them, of lengths that are computed when the model runs: products with matrices that are computed,
too."""

from __future__ import annotations

from functools import reduce

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Shape, Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.dynamic import DynamicReshape
from nchw2nhwc.ops.elementwise import Cos, Log, Sin
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined


def _waves(place: Formula, frequency: Formula, length: Formula, like: Value) -> tuple[Formula, Formula]:
    """cos and sin of 2 pi n k / length for all places n and frequencies k: (places, frequencies). Whole turns are taken off as integers,
    and sines are those of angles up to a quarter, so that they are 0 where they have to be."""
    dtype = like.type.dtype
    twice = ((place.column() * frequency) % length) * 2
    half = twice.at_most(length * 2 - twice)
    unit = length.cast(dtype)
    sines = (half.at_most(length - half).cast(dtype) * np.pi / unit).apply(Sin())
    return (half.cast(dtype) * np.pi / unit).apply(Cos()), (twice > length).choose(-sines, sines)


def _times(parts: list[Formula], cosines: Formula, sines: Formula, *, inverse: bool) -> list[Formula]:
    """Numbers (..., places), real or real and imaginary, times cos - i sin, or with `inverse` cos + i sin."""
    real, sign = parts[0].apply(MatMul(), cosines), 1.0 if inverse else -1.0
    imaginary = parts[0].apply(MatMul(), sines) * sign
    if len(parts) == 1:
        return [real, imaginary]
    return [real - parts[1].apply(MatMul(), sines) * sign, imaginary + parts[1].apply(MatMul(), cosines)]


def _of_lines(b: Builder, rows: list[Formula], place: Formula, result: Formula, length: Formula, *, inverse: bool,
              onesided: bool) -> list[Formula]:
    """The transforms, real and imaginary parts, of lines of real numbers, or of the parts of complex ones: (lines, places) each. `result`
    are the frequencies or places that are wanted. Of those that are `onesided` and inverse there is a real part."""
    like, half = rows[0].value, length // 2 + 1
    cosines, sines = _waves(place, result, length, like)
    weight = (place < (half if inverse and onesided else length)).cast(like.type.dtype)
    if inverse:
        weight = weight / length.cast(like.type.dtype)
        if onesided:  # the second half of the spectrum, which mirrors the first one
            weight = weight * ((place.equals(0) | (place * 2).equals(length)).choose(b.const(1, like.type.dtype), 2.0))
    return _times([row * weight for row in rows], cosines, sines, inverse=inverse)[:1 if inverse and onesided else 2]


def of_axis(b: Builder, x: Value, axis: int, length: Size | None, *, inverse: bool, onesided: bool) -> Value:
    """The transform of x (..., parts) along an axis of open size, of as many numbers as there are unless a `length` is given. Raises
    ShapeError."""
    count, last = x.shape[axis], x.rank - 1
    parts = static(x.shape[last], "the number of parts of a complex number")
    if parts not in (1, 2) or (parts == 2 and onesided and not inverse):
        raise ShapeError(f"there is no Fourier transform of {x.type}")
    if length is None:
        length = 2 * (count - 1) if inverse and onesided else count
    kept = length // 2 + 1 if onesided and not inverse else length
    order = (*(k for k in range(last) if k != axis), axis, last)
    moved = Formula(b, b.transpose(x, order))
    rows = [moved.part(last, k, k + 1).reshape(*moved.shape[:last]) for k in range(parts)]
    rows = [row.reshape(1, *row.shape) if last == 1 else row for row in rows]
    found = _of_lines(b, rows, dynamic.positions(b, count), dynamic.positions(b, kept), dynamic.size_of(b, length), inverse=inverse,
                      onesided=onesided)
    whole = joined([f.reshape(*moved.shape[:last - 1], kept, 1) for f in found], last)
    return b.transpose(whole.value, tuple(order.index(k) for k in range(x.rank)))


def transformed(b: Builder, x: Value, axis: Formula, length: Formula | None, inverse: bool, onesided: bool) -> Value:
    """ONNX's DFT of x (..., parts) along an axis, with a length that differs from its size where one is given. Raises ShapeError."""
    rank = x.rank
    parts = static(x.shape[-1], "the number of parts of a complex number") if rank > 1 else 0
    if parts not in (1, 2) or (parts == 2 and onesided and not inverse):
        raise ShapeError(f"there is no Fourier transform of {x.type}")
    sizes = [dynamic.size_of(b, size) for size in x.shape[:-1]]
    along = axis % rank
    here = [along.equals(k) for k in range(rank - 1)]
    one = dynamic.size_of(b, 1)
    count, before, behind = (reduce(Formula.__mul__, [which.choose(size, one) for which, size in zip(chosen, sizes)])
                             for chosen in (here, [along > k for k in range(rank - 1)], [along < k for k in range(rank - 1)]))
    if length is None:
        length = (count - 1) * 2 if inverse and onesided else count
    kept = length // 2 + 1 if onesided and not inverse else length
    place, result = (dynamic.counted(b, n, what) for n, what in ((count, "places"), (kept, "results")))
    shape = (dynamic.fresh(b, "before"), place.shape[0], dynamic.fresh(b, "behind"), parts)
    lines = Formula(b, b.add1(DynamicReshape(shape), x, dynamic.together(b, [before, count, behind, dynamic.size_of(b, parts)])))
    rows = [lines.part(3, k, k + 1).reshape(*shape[:3]).transpose(0, 2, 1) for k in range(parts)]
    found = _of_lines(b, rows, place, result, length, inverse=inverse, onesided=onesided)
    flat = joined([f.transpose(0, 2, 1).reshape(shape[0], result.shape[0], shape[2], 1) for f in found], 3)
    wanted = [which.choose(kept, size) for which, size in zip(here, sizes)]
    open_shape: Shape = (*(dynamic.fresh(b, "size") for _ in sizes), len(found))
    return b.add1(DynamicReshape(open_shape), flat.value, dynamic.together(b, [*wanted, dynamic.size_of(b, len(found))]))


def of_frames(b: Builder, signal: Value, step: Formula, length: Formula, onesided: bool) -> Value:
    """The Fourier transforms of frames of a signal (batch, samples, parts): (batch, frames, frequencies, 2)."""
    parts = static(signal.shape[2], "the number of parts of a complex number")
    count = (dynamic.size_of(b, signal.shape[1]) - length) // step + 1
    place, frequency = dynamic.counted(b, length, "samples"), dynamic.counted(b, length // 2 + 1 if onesided else length, "frequencies")
    starts = (dynamic.counted(b, count, "frames") * step).column()
    frames = Formula(b, dynamic.taken(b, signal, starts + place, 1))
    rows = [frames.part(3, k, k + 1).reshape(*frames.shape[:3]) for k in range(parts)]
    found = _times(rows, *_waves(place, frequency, length, signal), inverse=False)
    return joined([f.reshape(*f.shape, 1) for f in found], 3).value


def mel_weights(b: Builder, bands: Formula, length: Formula, rate: Formula, lowest: Formula, highest: Formula) -> Formula:
    """ONNX's MelWeightMatrix: triangles over the bins of a spectrum, (length // 2 + 1, bands), in float32. Edges lie on whole bins, rounded
    down from numbers with the digits of float32."""
    low, high = ((edge / 700 + 1).apply(Log()) * (2595 / np.log(10)) for edge in (lowest, highest))
    band = dynamic.counted(b, bands, "bands")
    width, share = (high - low) / (bands + 2).cast(np.float32), (length + 1).cast(np.float32) / rate.cast(np.float32)
    mels = [(band + k).cast(np.float32) * width + low for k in range(3)]
    left, centre, right = ((((mel * float(np.log(10) / 2595)).exp() - 1) * 700 * share).floor() for mel in mels)
    bins = dynamic.counted(b, length // 2 + 1, "bins").cast(np.float32).column()
    rising = (bins - left) / (centre - left).at_least(1)
    falling = (right - bins) / (right - centre).at_least(1)
    up = centre.equals(left).choose(bins.equals(centre).cast(np.float32), rising)
    inside = ((bins >= left) & (bins <= centre)).choose(up, 0.0)
    weights: Formula = ((bins >= centre) & (bins < right)).choose(falling, inside)
    return weights
