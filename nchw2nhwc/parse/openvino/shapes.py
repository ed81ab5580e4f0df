"""Ops that change or compute shapes: reshape, squeeze, broadcast, shape-of, range, slices."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Literal

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Dim, DType, Size, Value
from nchw2nhwc.ops.base import broadcast_shapes, static
from nchw2nhwc.ops.movement import Expand, Slice
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.common import axes_of, one_float, require_rank, resolved, same
from nchw2nhwc.parse.openvino.registry import Results, mapping

MAX_RANGE = 2**24
"""The most elements that a Range is computed for."""


@mapping("ShapeOf", 1, 3)
def shape_of(b: Builder, x: Value, *, output_type: DType = np.dtype(np.int64)) -> Results:
    return b.sizes(x.shape, output_type)


@mapping("Reshape", 1)
def reshape(b: Builder, x: Value, pattern: Value, *, special_zero: bool) -> Results:
    shape = resolved(x.shape, b.shape_of(pattern, "the shape of a reshape"), special_zero)
    return same(b, x) if shape == x.shape else b.reshape(x, shape)


@mapping("Squeeze", 1, 15)
def squeeze(b: Builder, x: Value, axes: Value | None = None) -> Results:
    """Removes axes of size 1: those given, or all. One of another size stays, as OpenVINO has it."""
    given = () if axes is None else axes_of(b.ints(axes, "the axes of a squeeze"), x.rank)
    for axis in given or range(x.rank):
        static(x.shape[axis], "the size of an axis that is squeezed")
    shape = tuple(s for k, s in enumerate(x.shape) if s != 1 or (given and k not in given))
    return same(b, x) if shape == x.shape else b.reshape(x, shape)


@mapping("Unsqueeze", 1)
def unsqueeze(b: Builder, x: Value, axes: Value) -> Results:
    places = b.ints(axes, "the axes of an unsqueeze")
    require_rank((*x.shape, *places))
    new = axes_of(places, x.rank + len(set(places)))
    rest = iter(x.shape)
    shape = tuple(1 if k in new else next(rest) for k in range(x.rank + len(new)))
    return b.reshape(x, shape) if new else same(b, x)


@mapping("Broadcast", 1)
def broadcast_1(b: Builder, x: Value, target: Value, axes_mapping: Value | None = None, *,
                mode: Literal["numpy", "explicit", "none"] = "numpy") -> Results:
    return _broadcast(b, x, target, axes_mapping, "explicit" if mode == "none" else mode)


@mapping("Broadcast", 3)
def broadcast(b: Builder, x: Value, target: Value, axes_mapping: Value | None = None, *,
              mode: Literal["numpy", "explicit", "bidirectional"] = "numpy") -> Results:
    return _broadcast(b, x, target, axes_mapping, mode)


def _broadcast(b: Builder, x: Value, target: Value, axes_mapping: Value | None, mode: str) -> Value:
    """"explicit": axis k of `x` becomes axis `axes_mapping[k]`; "bidirectional": the result may be larger than the target."""
    shape = b.shape_of(target, "the shape of a broadcast")
    require_rank(shape)
    if any(isinstance(s, int) and s < 0 for s in shape):
        raise SourceError(f"{list(shape)} is no shape")
    source = x
    if mode == "explicit":
        if axes_mapping is None:
            raise SourceError("an explicit broadcast needs its third operand")
        places = b.ints(axes_mapping, "the axes of a broadcast")
        if len(places) != x.rank or axes_of(places, len(shape)) != places:
            raise SourceError(f"{list(places)} does not place the axes of {x.type} in {list(shape)}")
        sizes = iter(x.shape)
        source = b.reshape(x, tuple(next(sizes) if k in places else 1 for k in range(len(shape))))
    elif mode == "bidirectional":
        shape = broadcast_shapes(x.shape, shape)
    return same(b, x) if shape == x.shape else b.add1(Expand(shape), source)


@mapping("Range", 1)
def range_1(b: Builder, start: Value, stop: Value, step: Value) -> Results:
    return _range(b, start, stop, step, start.type.dtype)


@mapping("Range", 4)
def range_4(b: Builder, start: Value, stop: Value, step: Value, *, output_type: DType) -> Results:
    return _range(b, start, stop, step, output_type)


def _range(b: Builder, start: Value, stop: Value, step: Value, dtype: DType) -> Value:
    """start, start + step, ... up to but without stop."""
    first, last, by = (one_float(b, v, "the bounds of a range") for v in (start, stop, step))
    if not all(np.isfinite((first, last, by))) or by == 0:
        raise SourceError(f"a range from {first} to {last} by {by}")
    count = max(ceil((last - first) / by), 0)
    if count > MAX_RANGE:
        raise SourceError(f"a range of {count} elements")
    return b.const((first + by * np.arange(count)).astype(dtype))


# ---- slices --------------------------------------------------------------------------------------------------------------------
@mapping("Slice", 8)
def slice_8(b: Builder, x: Value, start: Value, stop: Value, step: Value, axes: Value | None = None) -> Results:
    starts, stops = b.shape_of(start, "the start of a slice"), b.shape_of(stop, "the stop of a slice")
    steps = b.ints(step, "the step of a slice")
    given = tuple(range(len(starts))) if axes is None else b.ints(axes, "the axes of a slice")
    if not len(starts) == len(stops) == len(steps) == len(given) or len(axes_of(given, x.rank)) != len(given):
        raise SourceError(f"starts {list(starts)}, stops {list(stops)}, steps {list(steps)} and axes {list(given)} do not fit {x.type}")
    ranges = {axis % x.rank: entry for axis, entry in zip(given, zip(starts, stops, steps))}
    return _sliced(b, x, [ranges.get(axis, (None, None, 1)) for axis in range(x.rank)])


def _sliced(b: Builder, x: Value, ranges: Sequence[tuple[Size | None, Size | None, int]]) -> Value:
    """`x[start:stop:step]` for every axis."""
    normal = [_normal(size, *entry) for size, entry in zip(x.shape, ranges)]
    if all(entry == (None, None, 1) for entry in normal):
        return same(b, x)
    starts, stops, steps = zip(*normal)
    return b.add1(Slice(starts, stops, steps), x)


def _normal(size: Size, start: Size | None, stop: Size | None, step: int) -> tuple[Size | None, Size | None, int]:
    """The same range with open ends where it reaches the end of the axis, so that one that changes nothing can be seen."""
    if step == 0:
        raise SourceError("a slice with step 0")
    if isinstance(size, int) and not isinstance(start, Dim) and not isinstance(stop, Dim):
        low, high = (0, size) if step > 0 else (size - 1, -1)
        first = low if start is None else _clamped(start, size, 0, size if step > 0 else size - 1)
        last = high if stop is None else _clamped(stop, size, min(high, 0), max(high, size - 1))
        if not range(first, last, step):
            return 0, 0, 1
        return None if first == low else first, None if last == high else last, step
    if step > 0:
        return None if start == 0 else start, None if stop == size or (isinstance(stop, int) and stop >= 2**31 - 1) else stop, step
    return start, stop, step


def _clamped(position: int, size: int, low: int, high: int) -> int:
    """A position, counted from the end where negative, brought between `low` and `high`. Unlike numpy's, a start that lies before the axis
    is its first element even for a negative step."""
    return min(max(position + size if position < 0 else position, low), high)


@mapping("StridedSlice", 1)
def strided_slice(b: Builder, x: Value, begin: Value, end: Value, strides: Value | None = None, *, begin_mask: Ints, end_mask: Ints,
                  new_axis_mask: Ints = (), shrink_axis_mask: Ints = (), ellipsis_mask: Ints = ()) -> Results:
    """One entry after the other describes an axis of `x`; by the masks it inserts an axis of size 1 instead ("new axis"), takes a single
    position and drops the axis ("shrink"), or stands for all axes that the other entries leave ("ellipsis"). A begin or an end with its mask
    set is open. Axes after the last entry are taken whole."""
    starts, stops = b.shape_of(begin, "the begin of a strided slice"), b.shape_of(end, "the end of a strided slice")
    steps = (1,) * len(starts) if strides is None else b.ints(strides, "the strides of a strided slice")
    if not len(starts) == len(stops) == len(steps):
        raise SourceError(f"begin {list(starts)}, end {list(stops)} and strides {list(steps)} differ in length")
    flags = [_flags(mask, len(starts)) for mask in (begin_mask, end_mask, new_axis_mask, shrink_axis_mask, ellipsis_mask)]
    open_begin, open_end, new, shrink, ellipsis = flags
    taken = sum(not n and not e for n, e in zip(new, ellipsis))
    if sum(ellipsis) > 1 or taken > x.rank:
        raise SourceError(f"a strided slice of {taken} axes of {x.type}, with {sum(ellipsis)} ellipses")
    ranges: list[tuple[Size | None, Size | None, int]] = []
    kept: list[bool | None] = []  # for each axis of the result and each that is dropped: True keeps, False drops, None inserts one
    for k in range(len(starts)):
        if ellipsis[k]:
            ranges += [(None, None, 1)] * (x.rank - taken)
            kept += [True] * (x.rank - taken)
        elif new[k]:
            kept.append(None)
        elif shrink[k]:
            ranges.append(_single(x.shape[len(ranges)], 0 if open_begin[k] else starts[k]))
            kept.append(False)
        else:
            ranges.append((None if open_begin[k] else starts[k], None if open_end[k] else stops[k], steps[k]))
            kept.append(True)
    rest = x.rank - len(ranges)
    require_rank((*kept, *x.shape))
    part = _sliced(b, x, ranges + [(None, None, 1)] * rest)
    sizes = iter(part.shape)
    shape = tuple(1 if keep is None else size for keep, size in ((k, 1 if k is None else next(sizes)) for k in (*kept, *(True,) * rest)) if keep is not False)
    return part if shape == part.shape else b.reshape(part, shape)


def _flags(mask: Ints, count: int) -> list[bool]:
    """One flag an entry; a mask that is too short is 0 from there on."""
    return [k < len(mask) and mask[k] == 1 for k in range(count)]


def _single(size: Size, position: Size) -> tuple[Size | None, Size | None, int]:
    """The range of one position. Raises SourceError when the axis does not have it."""
    if not isinstance(position, int):
        raise UnsupportedError(f"a strided slice takes position '{position}'", advice="Give fixed sizes with --input-shape NAME=...")
    if isinstance(size, int) and not -size <= position < size:
        raise SourceError(f"a strided slice takes position {position} of an axis of {size}")
    return position, None if position == -1 else position + 1, 1
