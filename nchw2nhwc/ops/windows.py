"""What all windowed ops share: sizes of results, both storage forms, padding, and the elements under each tap of a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product as every
from typing import NamedTuple

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Shape, Size, size_max, size_min
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.base import require_equal, static
from nchw2nhwc.ops.kinds import FLOAT, integer_range, kind_of

Ints = tuple[int, ...]


class Parts(NamedTuple):
    """A data shape taken apart, whichever form it is stored in."""

    batch: Size
    channels: Size
    spatial: Shape


def parts(x: TensorType, channels_last: bool, spatial_rank: int | None = None) -> Parts:
    """(N, C, spatial...) or (N, spatial..., C) taken apart. Raises ShapeError unless there are `spatial_rank` (None: any number from 1)
    spatial axes."""
    if x.rank < 3 if spatial_rank is None else x.rank != spatial_rank + 2:
        wanted = "at least one" if spatial_rank is None else str(spatial_rank)
        raise ShapeError(f"{x} needs a batch axis, a channel axis and {wanted} spatial axes")
    if channels_last:
        return Parts(x.shape[0], x.shape[-1], x.shape[1:-1])
    return Parts(x.shape[0], x.shape[1], x.shape[2:])


def joined(x: TensorType, batch: Size, channels: Size, spatial: Shape, channels_last: bool) -> TensorType:
    """The type of a result in the form that `channels_last` says, of the element type of `x`."""
    return x.with_shape((batch, *spatial, channels) if channels_last else (batch, channels, *spatial))


def channels_first(x: Array, channels_last: bool) -> Array:
    """`x` as (N, C, spatial...)."""
    return np.moveaxis(x, -1, 1) if channels_last else x


def as_stored(x: Array, channels_last: bool) -> Array:
    """(N, C, spatial...) back in the form that `channels_last` says."""
    return np.moveaxis(x, 1, -1) if channels_last else x


def single(x: Array) -> Array:
    """Floating point of less than 32 bits as float32, so that sums are rounded once; anything else as it is."""
    return x.astype(np.float32) if kind_of(x.dtype) in FLOAT and x.dtype.itemsize < 4 else x


def require_same_length(**entries: Sequence[int]) -> int:
    """The number of spatial axes that all attributes agree on. Raises ShapeError when they do not."""
    if len(set(map(len, entries.values()))) > 1:
        raise ShapeError(f"{', '.join(f'{name} {list(v)}' for name, v in entries.items())} differ in the number of spatial axes")
    return len(next(iter(entries.values())))


def numbers(shape: Shape) -> Ints:
    """Spatial sizes as numbers. Raises ShapeError for symbolic ones."""
    return tuple(static(s, "the size of a kernel or of a result") for s in shape)


def window_count(size: Size, kernel: int, stride: int, dilation: int, pads: tuple[int, int], *, ceil: bool = False) -> Size:
    """How many windows fit along an axis: `(size + pads - dilation*(kernel-1) - 1) // stride + 1`.

    With `ceil` the division rounds up, but a last window that starts at or beyond `size + pads[0]` is left out (ONNX AveragePool-19,
    PyTorch). Raises ShapeError when not one fits.
    """
    if min(kernel, stride, dilation) < 1:
        raise ShapeError(f"kernel {kernel}, stride {stride} and dilation {dilation} must be at least 1")
    reach = dilation * (kernel - 1) + 1
    room = size + pads[0] + pads[1] - reach
    if isinstance(room, int) and room < 0:
        raise ShapeError(f"a window of {reach} does not fit into an axis of {size} with padding {pads[0]} and {pads[1]}")
    if not ceil:
        return room // stride + 1
    count = (room + stride - 1) // stride + 1
    if pads[1] + stride <= reach:
        return count
    return size_min(count, (size + pads[0] - 1) // stride + 1)


def require_room(spatial: Shape, kernel: Ints, dilations: Ints, begins: Ints, ends: Ints) -> None:
    """Raises UnequalSizesError where an axis whose size is open may be too short for one window."""
    rooms = [size + begin + end - d * (k - 1) - 1 for size, k, d, begin, end in zip(spatial, kernel, dilations, begins, ends)]
    pairs = [(size_max(room, 0), room) for room in rooms if not isinstance(room, int)]
    require_equal(f"windows {list(kernel)} with dilations {list(dilations)} may not fit", *pairs)


def extended(x: Array, begins: Sequence[int], ends: Sequence[int], value: float | int = 0) -> Array:
    """(N, C, spatial...) with that many elements of `value` added before and after each spatial axis; negative numbers cut off."""
    if any((*begins, *ends)):
        grown = [(max(b, 0), max(e, 0)) for b, e in zip(begins, ends)]
        x = np.pad(x, [(0, 0), (0, 0), *grown], constant_values=np.asarray(value, x.dtype))
        x = x[(slice(None), slice(None), *(slice(max(-b, 0), x.shape[k + 2] - max(-e, 0)) for k, (b, e) in enumerate(zip(begins, ends))))]
    return x


def taps(kernel: Ints, strides: Ints, dilations: Ints, counts: Ints) -> Iterator[tuple[Ints, tuple[slice, ...]]]:
    """Every position in the kernel, with the slices of a padded (N, C, spatial...) array that hold its element of each window."""
    for tap in every(*map(range, kernel)):
        offsets = [t * d for t, d in zip(tap, dilations)]
        spans = tuple(slice(o, o + (n - 1) * s + 1, s) for o, n, s in zip(offsets, counts, strides))
        yield tap, (slice(None), slice(None), *spans)


def at_tap(filters: Array, tap: Ints) -> Array:
    """The weights (groups, rows, columns) of filters (groups, rows, columns, kernel...) at one position in the kernel."""
    spot: tuple[slice | int, ...] = (*(slice(None),) * 3, *tap)
    return filters[spot]


def lowest(dtype: DType) -> float | int:
    """What never wins a maximum in this element type."""
    return -np.inf if kind_of(dtype) in FLOAT else integer_range(dtype)[0]


def elements_counted(kernel: int, stride: int, dilation: int, begin: int, count: int, within: range) -> Array:
    """For each of `count` windows along an axis padded with `begin` elements: how many of its elements have a position in `within`."""
    positions = np.arange(count)[:, None] * stride - begin + np.arange(kernel) * dilation
    return np.asarray(np.count_nonzero((positions >= within.start) & (positions < within.stop), axis=1))


def adaptive_ends(size: Size, count: int) -> list[tuple[Size, Size]]:
    """The first element of each of the `count` windows of adaptive pooling over an axis, and the one behind its last:
    [floor(i*size/count), ceil((i+1)*size/count))."""
    return [(i * size // count, ((i + 1) * size + count - 1) // count) for i in range(count)]


def adaptive_windows(size: int, count: int) -> list[slice]:
    """The windows of `adaptive_ends`."""
    return [slice(*ends) for ends in adaptive_ends(size, count)]
