"""Fourier transforms of tensors and of the frames of signals."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.movement import Pad
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.parse import fourier
from nchw2nhwc.parse.builder import LARGEST, Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.openvino.common import axis_of, one_int
from nchw2nhwc.parse.openvino.registry import Results, mapping
from nchw2nhwc.parse.signal import transform, transformed
from nchw2nhwc.wording import counted


# ---- of tensors -------------------------------------------------------------------------------------------------------------
@mapping("DFT", 7)
def dft(b: Builder, x: Value, axes: Value, signal_size: Value | None = None) -> Results:
    """Of complex numbers (..., 2) along `axes`, which are cut or filled with zeros to `signal_size` (-1: as they are)."""
    return _complex(b, x, axes, signal_size, inverse=False)


@mapping("IDFT", 7)
def idft(b: Builder, x: Value, axes: Value, signal_size: Value | None = None) -> Results:
    """The inverse."""
    return _complex(b, x, axes, signal_size, inverse=True)


@mapping("RDFT", 9)
def rdft(b: Builder, x: Value, axes: Value, signal_size: Value | None = None) -> Results:
    """Of real numbers: of the last of `axes` only the first half of the result is given."""
    *others, last = _along(b, axes, signal_size, x.rank)
    found = _along_axis(b, b.reshape(x, (*x.shape, 1)), *last, inverse=False, onesided=True)
    for axis, length in others:
        found = _along_axis(b, found, axis, length, inverse=False)
    return found


@mapping("IRDFT", 9)
def irdft(b: Builder, x: Value, axes: Value, signal_size: Value | None = None) -> Results:
    """The inverse of RDFT."""
    *others, (axis, length) = _along(b, axes, signal_size, x.rank - 1)
    for each in others:
        x = _along_axis(b, x, *each, inverse=True)
    size = x.shape[axis]
    length = 2 * (size - 1) if length == -1 and isinstance(size, int) else length
    found = _along_axis(b, x, axis, length, inverse=True, onesided=True)
    return b.reshape(found, found.shape[:-1])


def _along(b: Builder, axes: Value, signal_size: Value | None, rank: int) -> list[tuple[int, int]]:
    """The axes, and the length of the transform along each one. Raises SourceError."""
    given = [axis_of(axis, rank) for axis in b.ints(axes, "the axes of a Fourier transform")]
    sizes = [-1] * len(given) if signal_size is None else list(b.ints(signal_size, "the length of a Fourier transform"))
    if not given or len(set(given)) < len(given) or len(sizes) != len(given):
        raise SourceError(f"a Fourier transform along axes {given} of lengths {sizes}")
    return list(zip(given, sizes))


def _complex(b: Builder, x: Value, axes: Value, signal_size: Value | None, inverse: bool) -> Value:
    if x.rank < 2 or x.shape[-1] != 2:
        raise SourceError(f"{x.type} does not hold complex numbers")
    for axis, length in _along(b, axes, signal_size, x.rank - 1):
        x = _along_axis(b, x, axis, length, inverse=inverse)
    return x


def _along_axis(b: Builder, x: Value, axis: int, length: int, *, inverse: bool, onesided: bool = False) -> Value:
    """The transform along one axis of x (..., parts)."""
    count, parts = x.shape[axis], static(x.shape[-1], "the number of parts of a complex number")
    if not isinstance(count, int):
        return fourier.of_axis(b, x, axis, None if length == -1 else length, inverse=inverse, onesided=onesided)
    length = count if length == -1 else length
    if min(count, length) < 1 or parts not in (1, 2):
        raise SourceError(f"a Fourier transform of {count} numbers of {counted(parts, 'part')} of length {length}")
    _require_room(b, count * parts * length * 2)
    return transformed(b, x, axis, transform(count, parts, length, inverse=inverse, onesided=onesided))


def _require_room(b: Builder, elements: int) -> None:
    if elements > LARGEST:
        raise UnsupportedError(f"the matrix of the Fourier transform would have {elements} elements", b.where)


# ---- of the frames of signals -----------------------------------------------------------------------------------------------
@mapping("STFT", 15)
def stft(b: Builder, signal: Value, window: Value, frame_size: Value, frame_step: Value, *, transpose_frames: bool) -> Results:
    """The transforms of all whole frames of a signal (N, length) or (length), each times the window: (N, frames, frequencies, 2), or
    frequencies first. One convolution, whose weights are the window times the transform's matrix."""
    size, step = _frames(b, frame_size, frame_step)
    if signal.rank not in (1, 2):
        raise SourceError(f"{signal.type} is no signal")
    batch = signal.shape[:-1]
    matrix = transform(size, 1, size, inverse=False, onesided=True)
    bins = matrix.shape[2]
    filters = Formula(b, b.const(matrix.transpose(2, 3, 1, 0).reshape(bins * 2, 1, size), signal.type.dtype))
    weights = filters * _padded(b, window, size).reshape(1, 1, size)
    found = Formula(b, signal).reshape(*(batch or (1,)), 1, signal.shape[-1]).apply(Conv((step,), (1,), (0,), (0,)), weights)
    frames = found.shape[2]
    apart = found.reshape(*(batch or (1,)), bins, 2, frames).transpose(*((0, 1, 3, 2) if transpose_frames else (0, 3, 1, 2)))
    return (apart if batch else apart.reshape(*apart.shape[1:])).value


@mapping("ISTFT", 16)
def istft(b: Builder, x: Value, window: Value, frame_size: Value, frame_step: Value, signal_length: Value | None = None, *,
          center: bool, normalized: bool) -> Results:
    """The signal (N, length) whose frames have the transforms (N, frequencies, frames, 2): the inverse transforms times the window, added
    up one frame step behind another, over the sum of the windows' squares there. `center` cuts half a frame off before and behind;
    `signal_length` then cuts, or adds zeros."""
    size, step = _frames(b, frame_size, frame_step)
    if x.rank not in (3, 4) or x.shape[-1] != 2 or x.shape[-3] != size // 2 + 1:
        raise SourceError(f"{x.type} does not hold the transforms of frames of {size}")
    batch, bins = x.shape[:-3] or (1,), size // 2 + 1
    frames = static(x.shape[-2], "the number of frames")
    matrix = transform(bins, 2, size, inverse=True, onesided=True)[..., 0].reshape(bins * 2, 1, size)
    adding = ConvTranspose((step,), (1,), (0,), (0,), (0,))
    pieces = Formula(b, x).reshape(*batch, bins, frames, 2).transpose(0, 1, 3, 2).reshape(*batch, bins * 2, frames)
    shape = _padded(b, window, size).reshape(1, 1, size)
    total = pieces.apply(adding, Formula(b, b.const(matrix * (np.sqrt(size) if normalized else 1), x.type.dtype)) * shape)
    weights = Formula(b, b.const(np.ones((1, 1, frames)), x.type.dtype)).apply(adding, shape * shape)
    there = weights.differs(0)
    whole = there.choose(total / there.choose(weights, 1), 0)
    length = (frames - 1) * step + size
    margin = size // 2 if center else 0
    wanted = length - 2 * margin if signal_length is None else one_int(b, signal_length, "the length of the signal")
    end = min(margin + wanted, length)
    if not margin < end or wanted > LARGEST:
        raise SourceError(f"there is nothing for a signal of {wanted} in {counted(frames, 'frame')} of {size}")
    signal = whole.part(2, margin, end)
    if end - margin < wanted:
        signal = signal.apply(Pad((0, 0, 0), (0, 0, wanted - end + margin)))
    return signal.reshape(*x.shape[:-3], wanted).value


def _frames(b: Builder, frame_size: Value, frame_step: Value) -> tuple[int, int]:
    size, step = one_int(b, frame_size, "the size of a frame"), one_int(b, frame_step, "the step between frames")
    if min(size, step) < 1:
        raise SourceError(f"frames of {size} every {step} elements")
    _require_room(b, size * (size + 2))
    return size, step


def _padded(b: Builder, window: Value, size: int) -> Formula:
    """A window in the middle of a frame."""
    count = static(window.shape[0], "the size of a window") if window.rank == 1 else 0
    if not 0 < count <= size:
        raise SourceError(f"{window.type} is no window of a frame of {size}")
    before = (size - count) // 2
    return Formula(b, window).apply(Pad((before,), (size - count - before,))) if count < size else Formula(b, window)
