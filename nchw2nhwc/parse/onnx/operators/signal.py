"""Signal processing: Fourier transforms are products with constant matrices, those of frames convolutions."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Mul
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.parse import computed_axes, dynamic, fourier
from nchw2nhwc.parse.formula import INT64, Formula
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op
from nchw2nhwc.parse.onnx.tensors import element_type
from nchw2nhwc.parse.signal import transform, transformed
from nchw2nhwc.wording import counted


def _transform(b: LayerBuilder, count: int, parts: int, length: int, *, inverse: bool, onesided: bool) -> Doubles:
    """`parse.signal.transform`. Raises SourceError for one that does not exist, UnsupportedError for one that is too large."""
    if min(count, length) < 1 or parts not in (1, 2) or (parts == 2 and onesided and not inverse):
        raise b.damaged(f"there is no Fourier transform of {count} numbers of {counted(parts, 'part')} with dft_length {length}")
    b.require_room(count * parts * length * 2)
    return transform(count, parts, length, inverse=inverse, onesided=onesided)


@onnx_op("DFT", 17)
def dft_17(b: LayerBuilder, x: Value, dft_length: Value | None = None, *, axis: int = 1, inverse: bool = False,
           onesided: bool = False) -> Value:
    if dft_length is not None and b.is_computed(dft_length):
        return fourier.transformed(b, x, Formula(b, b.const(axis, INT64)), dynamic.number(b, dft_length), inverse, onesided)
    return _dft(b, x, dft_length, axis, inverse, onesided)


@onnx_op("DFT", 20)
def dft(b: LayerBuilder, x: Value, dft_length: Value | None = None, axis: Value | None = None, *, inverse: bool = False,
        onesided: bool = False) -> Value:
    if axis is not None and dft_length is None and x.rank > 2 and not (inverse and onesided) and b.is_computed(axis):
        return _dft_by(b, x, axis, inverse, onesided)
    if b.is_computed(axis, dft_length):
        along = dynamic.number(b, axis if axis is not None else b.const(-2, INT64))
        return fourier.transformed(b, x, along, None if dft_length is None else dynamic.number(b, dft_length), inverse, onesided)
    return _dft(b, x, dft_length, -2 if axis is None else b.integer(axis, "axis"), inverse, onesided)


def _dft_by(b: LayerBuilder, x: Value, axis: Value, inverse: bool, onesided: bool) -> Value:
    """Along an axis that is computed: of the transforms along all axes that one; then, onesided, its first half."""
    if onesided and x.shape[-1] != 1:
        raise b.damaged(f"there is no Fourier transform of {x.type} to half of a spectrum")
    along = dynamic.number(b, axis)
    found = computed_axes.along_any(b, along, x, [_dft(b, x, None, k, inverse, False) for k in range(x.rank - 1)])
    if not onesided:
        return found
    zero, one = (Formula(b, b.const(k, INT64)) for k in (0, 1))
    for k in range(x.rank - 1):
        size = dynamic.size_of(b, x.shape[k])
        found = dynamic.sliced(b, found, k, zero, (along % x.rank).equals(k).choose(size // 2 + 1, size), one)
    return found


def _dft(b: LayerBuilder, x: Value, dft_length: Value | None, axis: int, inverse: bool, onesided: bool) -> Value:
    """Along `axis`; the last axis holds the real part, or the real and the imaginary one."""
    along, last = b.axis(axis, x.rank), x.rank - 1
    if along == last:
        raise b.damaged("the last axis holds the parts of complex numbers")
    count, parts = x.shape[along], static(x.shape[last], "the number of parts of a complex number")
    if not isinstance(count, int):
        return fourier.of_axis(b, x, along, None if dft_length is None else b.integer(dft_length, "dft_length"), inverse=inverse,
                               onesided=onesided)
    default = 2 * (count - 1) if inverse and onesided else count
    length = default if dft_length is None else b.integer(dft_length, "dft_length")
    matrix = _transform(b, count, parts, length, inverse=inverse, onesided=onesided)
    return transformed(b, x, along, matrix)


@onnx_op("STFT", 17)
def stft(b: LayerBuilder, signal: Value, frame_step: Value, window: Value | None = None, frame_length: Value | None = None, *,
         onesided: bool = True) -> Value:
    """The Fourier transforms of frames of a signal (batch, length, parts), each times the window: (batch, frames, frequencies, 2).

    One convolution, whose weights are the window times the transform's matrix. A signal (batch, length), as PyTorch's exporter writes it,
    is a real one."""
    if signal.rank == 2:
        signal = b.reshape(signal, (*signal.shape, 1))
    step = 1 if b.is_computed(frame_step) else b.integer(frame_step, "frame_step")
    given = window if window is not None else frame_length
    if given is None:
        raise b.damaged("neither a window nor a frame_length is given")
    if signal.rank != 3 or step < 1 or (window is not None and window.rank != 1):
        raise b.damaged(f"a signal {signal.type} with frame_step {step} is not one of frames")
    parts = static(signal.shape[2], "the number of parts of a complex number")
    if window is None and b.is_computed(given):
        return fourier.of_frames(b, signal, dynamic.number(b, frame_step), dynamic.number(b, given), onesided)
    size = static(given.shape[0], "the size of the window") if given is window else b.integer(given, "frame_length")
    matrix = _transform(b, size, parts, size, inverse=False, onesided=onesided)
    bins = matrix.shape[2]
    if b.is_computed(frame_step):
        return _frames(b, signal, dynamic.number(b, frame_step), window, matrix)
    filters = b.const(matrix.transpose(2, 3, 1, 0).reshape(bins * 2, parts, size), signal.type.dtype)
    if window is not None:
        filters = b.add1(Mul(), filters, window)
    found = b.add1(Conv((step,), (1,), (0,), (0,)), b.transpose(signal, (0, 2, 1)), filters)
    return b.reshape(b.transpose(found, (0, 2, 1)), (signal.shape[0], found.shape[2], bins, 2))


def _frames(b: LayerBuilder, signal: Value, step: Formula, window: Value | None, matrix: Doubles) -> Value:
    """Frames at a distance that is computed, taken out of the signal, times a matrix."""
    size, parts, bins = matrix.shape[:3]
    count = (dynamic.size_of(b, signal.shape[1]) - size) // step + 1
    starts = (dynamic.counted(b, count, "frames") * step).column()
    frames = Formula(b, dynamic.taken(b, signal, starts + Formula(b, b.const(np.arange(size), INT64)), 1))
    if window is not None:
        frames = frames * b.reshape(window, (size, 1))
    number = frames.value.shape[1]
    rows = frames.reshape(signal.shape[0], number, size * parts)
    found = rows.apply(MatMul(), b.const(matrix.reshape(size * parts, bins * 2), signal.type.dtype))
    return found.reshape(signal.shape[0], number, bins, 2).value


@onnx_op("MelWeightMatrix", 17)
def mel_weight_matrix(b: LayerBuilder, num_mel_bins: Value, dft_length: Value, sample_rate: Value, lower_edge_hertz: Value,
                      upper_edge_hertz: Value, *, output_datatype: DType | None = None) -> Value:
    """Triangles that sum up the bins of a spectrogram (dft_length // 2 + 1) into bands of equal width on the mel scale."""
    dtype = element_type(1, "float") if output_datatype is None else output_datatype
    if b.is_computed(num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz):
        numbers = [dynamic.number(b, v) for v in (num_mel_bins, dft_length, sample_rate)]
        edges_hertz = [Formula(b, b.cast(b.reshape(v, ()), np.dtype(np.float32))) for v in (lower_edge_hertz, upper_edge_hertz)]
        return b.cast(fourier.mel_weights(b, *numbers, *edges_hertz).value, dtype)
    bands, length, rate = (b.integer(v, what) for v, what in ((num_mel_bins, "num_mel_bins"), (dft_length, "dft_length"),
                                                              (sample_rate, "sample_rate")))
    edges = [b.number(v, what) for v, what in ((lower_edge_hertz, "lower_edge_hertz"), (upper_edge_hertz, "upper_edge_hertz"))]
    if min(bands, length, rate) < 1:
        raise b.damaged(f"{bands} bands of a transform of {length} at a rate of {rate}")
    b.require_room(bands * (length // 2 + 1))
    low, high = (2595 * np.log10(1 + edge / 700) for edge in edges)
    mels = low + (high - low) / (bands + 2) * np.arange(bands + 2)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    points = np.floor((length + 1) * hertz / rate).astype(np.int64)
    left, centre, right = (points[k:k + bands] for k in range(3))
    bins = np.arange(length // 2 + 1)[:, None]
    with np.errstate(all="ignore"):
        rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    matrix = np.where((bins >= left) & (bins <= centre), np.where(centre == left, bins == centre, rising), 0)
    matrix = np.where((bins >= centre) & (bins < right), falling, matrix)
    return b.const(matrix, dtype)
