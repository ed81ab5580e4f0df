"""Slices: every element of a range of each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Dim, Size, Value, size_max
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.movement import Slice, from_front
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.common import axes_of, require_rank, same
from nchw2nhwc.parse.openvino.registry import Results, mapping

Range: TypeAlias = tuple[Size | None, Size | None, int]
"""Start, stop and step along one axis; None is an open end."""

WHOLE: Range = (None, None, 1)
FAR = 2**31 - 1
"""Positions that are no nearer stand for the end of an axis, whatever its size."""


@mapping("Slice", 8)
def slice_8(b: Builder, x: Value, start: Value, stop: Value, step: Value, axes: Value | None = None) -> Results:
    """A range along each of `axes` (all, when absent)."""
    if b.is_computed(start, stop, step):
        return _sliced_by(b, x, [start, stop, step], axes)
    return _sliced(b, x, _ranges(b, x, start, stop, step, axes))


def _sliced_by(b: Builder, x: Value, given: Sequence[Value], axes: Value | None) -> Value:
    """With starts, stops or steps that data decides, axis by axis."""
    starts, *others = (dynamic.elements(dynamic.vector(b, numbers)) for numbers in given)
    where = tuple(range(len(starts))) if axes is None else b.ints(axes, "the axes of a slice")
    if any(len(numbers) != len(starts) for numbers in (*others, where)) or len(axes_of(where, x.rank)) != len(where):
        raise SourceError(f"{' '.join(str(v.type) for v in given)} and axes {list(where)} do not fit {x.type}")
    for axis, *ends in zip(where, starts, *others):
        x = dynamic.sliced(b, x, axis % x.rank, *ends)
    return x


def _ranges(b: Builder, x: Value, start: Value, stop: Value, step: Value, axes: Value | None) -> list[Range]:
    """One range an axis; an axis that is not named is whole. Raises SourceError."""
    starts, stops = b.shape_of(start, "the start of a slice"), b.shape_of(stop, "the stop of a slice")
    steps = b.ints(step, "the step of a slice")
    given = tuple(range(len(starts))) if axes is None else b.ints(axes, "the axes of a slice")
    if not len(starts) == len(stops) == len(steps) == len(given) or len(axes_of(given, x.rank)) != len(given):
        raise SourceError(f"starts {list(starts)}, stops {list(stops)}, steps {list(steps)} and axes {list(given)} do not fit {x.type}")
    ranges = {axis % x.rank: entry for axis, entry in zip(given, zip(starts, stops, steps))}
    return [ranges.get(axis, WHOLE) for axis in range(x.rank)]


@mapping("SliceScatter", 15)
def slice_scatter(b: Builder, x: Value, updates: Value, start: Value, stop: Value, step: Value, axes: Value | None = None) -> Results:
    """x with other elements in a range along each of `axes` (all, when absent): each position takes its update, where it has one."""
    if updates.rank != x.rank or updates.type.dtype != x.type.dtype:
        raise SourceError(f"{updates.type} is no part of {x.type}")
    found, changed = Formula(b, updates), np.ones((1,) * x.rank, np.bool_)
    for axis, (first, last, stride) in enumerate(_ranges(b, x, start, stop, step, axes)):
        if (first, last, stride) == WHOLE:
            continue
        if stride == 0:
            raise SourceError("a slice with step 0")
        size = static(x.shape[axis], "the size of an axis that is changed in part")
        low, high = (None if end is None else static(end, "an end of a range") for end in (first, last))
        places = np.arange(size)[low:high:stride]
        if updates.shape[axis] != len(places):
            raise SourceError(f"{updates.type} does not have {len(places)} elements along axis {axis}")
        if not len(places):
            return same(b, x)
        source, there = np.zeros(size, np.int64), np.zeros(size, np.bool_)
        source[places], there[places] = np.arange(len(places)), True
        if not np.array_equal(source, np.arange(len(places))):
            found = found.take(source, axis)
        changed = changed & there.reshape(-1, *(1,) * (x.rank - axis - 1))
    return Formula(b, b.const(changed)).choose(found, Formula(b, x)).value if not changed.all() else same(b, found.value)


def _sliced(b: Builder, x: Value, ranges: Sequence[Range]) -> Value:
    """`x[start:stop:step]` for every axis."""
    normal = [_normal(size, *entry) for size, entry in zip(x.shape, ranges)]
    if all(entry == WHOLE for entry in normal):
        return same(b, x)
    starts, stops, steps = zip(*normal)
    return b.add1(Slice(starts, stops, steps), x)


def _normal(size: Size, start: Size | None, stop: Size | None, step: int) -> Range:
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
        start, stop = (None if end is None else from_front(end, size) for end in (start, stop))
        return None if start == 0 else start, None if stop == size or _beyond(stop, FAR) else stop, step
    if isinstance(size, Dim) and isinstance(start, int) and start < -1:
        start = size_max(size + start, 0)
    return None if start == -1 or _beyond(start, FAR) else start, None if _beyond(stop, -FAR) else stop, step


def _beyond(position: Size | None, far: int) -> bool:
    """Whether a position is a number past `far`, on its side of 0."""
    return isinstance(position, int) and (position >= far if far > 0 else position <= far)


def _clamped(position: int, size: int, low: int, high: int) -> int:
    """A position, counted from the end where negative, brought between `low` and `high`. Unlike numpy's, a start that lies before the axis
    is its first element even for a negative step."""
    return min(max(position + size if position < 0 else position, low), high)


@mapping("StridedSlice", 1)
def strided_slice(b: Builder, x: Value, begin: Value, end: Value, strides: Value | None = None, *, begin_mask: Ints, end_mask: Ints,
                  new_axis_mask: Ints = (), shrink_axis_mask: Ints = (), ellipsis_mask: Ints = ()) -> Results:
    """One entry after the other describes an axis of `x`; by the masks it inserts an axis of size 1 instead ("new axis"), takes a single
    position and drops the axis ("shrink"), or stands for all axes that the other entries leave ("ellipsis"). A begin or an end with its
    mask set is open. Axes after the last entry are taken whole."""
    starts, stops = b.shape_of(begin, "the begin of a strided slice"), b.shape_of(end, "the end of a strided slice")
    steps = (1,) * len(starts) if strides is None else b.ints(strides, "the strides of a strided slice")
    if not len(starts) == len(stops) == len(steps):
        raise SourceError(f"begin {list(starts)}, end {list(stops)} and strides {list(steps)} differ in length")
    open_begin, open_end = _flags(begin_mask, len(starts)), _flags(end_mask, len(starts))
    ranges = [(None if no_start else start, None if no_stop else stop, step)
              for start, stop, step, no_start, no_stop in zip(starts, stops, steps, open_begin, open_end)]
    entries = _entries(x, ranges, *(_flags(mask, len(starts)) for mask in (new_axis_mask, shrink_axis_mask, ellipsis_mask)))
    part = _sliced(b, x, [entry.range for entry in entries if entry.range is not None])
    require_rank(entries)
    sizes = iter(part.shape)
    described = [(entry, 1 if entry.range is None else next(sizes)) for entry in entries]
    shape = tuple(size for entry, size in described if entry.stays)
    return part if shape == part.shape else b.reshape(part, shape)


class _Entry(NamedTuple):
    """What becomes of the next axis: the range that is taken of it (None: there is none, one is inserted), and whether it stays."""

    range: Range | None
    stays: bool = True


def _entries(x: Value, ranges: Sequence[Range], new: Sequence[bool], shrink: Sequence[bool], ellipsis: Sequence[bool]) -> list[_Entry]:
    """One for each axis of `x` and each that is inserted, in order. Raises SourceError."""
    taken = sum(not inserts and not rest for inserts, rest in zip(new, ellipsis))
    if sum(ellipsis) > 1 or taken > x.rank:
        raise SourceError(f"a strided slice of {taken} axes of {x.type}, with {sum(ellipsis)} ellipses")
    entries: list[_Entry] = []
    axis = 0
    for k, span in enumerate(ranges):
        if ellipsis[k]:
            entries += [_Entry(WHOLE)] * (x.rank - taken)
            axis += x.rank - taken
        elif new[k]:
            entries.append(_Entry(None))
        else:
            entries.append(_Entry(_single(x.shape[axis], span[0] or 0), False) if shrink[k] else _Entry(span))
            axis += 1
    return entries + [_Entry(WHOLE)] * (x.rank - axis)


def _flags(mask: Ints, count: int) -> list[bool]:
    """One flag an entry; a mask that is too short is 0 from there on."""
    return [k < len(mask) and mask[k] == 1 for k in range(count)]


def _single(size: Size, position: Size) -> Range:
    """The range of one position. Raises SourceError when the axis does not have it."""
    if not isinstance(position, int):
        raise UnsupportedError(f"a strided slice takes position '{position}'", advice="Give fixed sizes with --input-shape NAME=...")
    if isinstance(size, int) and not -size <= position < size:
        raise SourceError(f"a strided slice takes position {position} of an axis of {size}")
    return position, None if position == -1 else position + 1, 1
