"""Operators that take parts of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from nchw2nhwc.ir.dim import Dim, Shape, Size, size_max
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import require_equal, static
from nchw2nhwc.ops.movement import Slice, Split, from_front, shape_text
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.formula import INT64, Formula
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op

FAR = 10**9
"""A slice end at or beyond this is meant as the end of an axis whose size is not known: no tensor that fits into memory reaches it."""


@onnx_op("Split", 2, 11)
def split_2(b: LayerBuilder, x: Value, *, axis: int = 0, split: Ints | None = None) -> Sequence[Value]:
    return _split(b, x, b.axis(axis, x.rank), split)


@onnx_op("Split", 13)
def split_13(b: LayerBuilder, x: Value, split: Value | None = None, *, axis: int = 0) -> Sequence[Value]:
    return _split_by(b, x, b.axis(axis, x.rank), split)


@onnx_op("Split", 18)
def split_18(b: LayerBuilder, x: Value, split: Value | None = None, *, axis: int = 0, num_outputs: int | None = None) -> Sequence[Value]:
    axis = b.axis(axis, x.rank)
    if split is not None:
        return _split_by(b, x, axis, split)
    if num_outputs is None or num_outputs != len(b.wanted):
        raise b.damaged(f"there are {len(b.wanted)} results, but num_outputs is {num_outputs}")
    size = x.shape[axis]
    if isinstance(size, Dim):
        return _equal_parts(b, x, axis, size)
    chunk = -(-size // num_outputs)
    return _split(b, x, axis, (*[chunk] * (num_outputs - 1), size - chunk * (num_outputs - 1)))


def _split_by(b: LayerBuilder, x: Value, axis: int, split: Value | None) -> Sequence[Value]:
    if split is not None and b.is_computed(split):
        return dynamic.split(b, x, axis, dynamic.vector(b, split))
    if split is not None and b.content(split) is None:
        return dynamic.parts(b, x, axis, b.shape_of(split, "split"))
    return _split(b, x, axis, None if split is None else b.ints(split, "split"))


def _split(b: LayerBuilder, x: Value, axis: int, sizes: Ints | None) -> Sequence[Value]:
    if sizes is None:
        count = len(b.wanted)
        size = x.shape[axis]
        if isinstance(size, Dim):
            return _equal_parts(b, x, axis, size)
        if size % count:
            raise b.damaged(f"axis {axis} of {x.type} cannot be split into {count} equal parts")
        sizes = (size // count,) * count
    if len(sizes) != len(b.wanted):
        raise b.damaged(f"there are {len(b.wanted)} results, but {len(sizes)} sizes")
    return (x,) if len(sizes) == 1 and sizes[0] == x.shape[axis] else b.add(Split(axis, sizes), x)


def _equal_parts(b: LayerBuilder, x: Value, axis: int, size: Dim) -> Sequence[Value]:
    """As many parts of one size as there are results, of an axis whose size is open."""
    count = len(b.wanted)
    require_equal(f"axis {axis} of {x.type} cannot be split into {count} equal parts", (size % count, 0))
    ends = [size // count * k for k in range(count + 1)]
    return [_sliced(b, x, (start,), (stop,), (axis,), None) for start, stop in pairwise(ends)]


@onnx_op("Slice", 1)
def slice_1(b: LayerBuilder, x: Value, *, starts: Ints, ends: Ints, axes: Ints | None = None) -> Value:
    return _sliced(b, x, starts, ends, axes, None)


@onnx_op("Slice", 10, 11, 13)
def slice_(b: LayerBuilder, x: Value, starts: Value, ends: Value, axes: Value | None = None, steps: Value | None = None) -> Value:
    if b.is_computed(starts, ends, axes, steps):
        return _sliced_by(b, x, starts, ends, axes, steps)
    return _sliced(b, x, b.shape_of(starts, "starts"), b.shape_of(ends, "ends"), None if axes is None else b.ints(axes, "axes"),
                   None if steps is None else b.ints(steps, "steps"))


def _sliced(b: LayerBuilder, x: Value, starts: Shape, ends: Shape, axes: Ints | None, steps: Ints | None) -> Value:
    where = [b.axis(a, x.rank) for a in (range(len(starts)) if axes is None else axes)]
    strides = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(where) == len(strides) or len(set(where)) < len(where) or 0 in strides:
        raise b.damaged(f"starts {shape_text(starts)}, ends {shape_text(ends)}, axes {where} and steps {shape_text(strides)} do not fit "
                        f"together")
    begins: list[Size | None] = [None] * x.rank
    stops: list[Size | None] = [None] * x.rank
    by = [1] * x.rank
    for axis, start, stop, step in zip(where, starts, ends, strides):
        size = x.shape[axis]
        if step > 0:
            start, stop = from_front(start, size), from_front(stop, size)
        if step < 0 and isinstance(start, int) and start < -1:  # clamped to the first element, where Python's slices begin before it
            start = max(start, -size) if isinstance(size, int) else size_max(size + start, 0)
        begins[axis] = None if _is_open(start, size, low=0 if step > 0 else None) else start
        stops[axis] = None if _is_open(stop, size, low=-1 if step < 0 else None) else stop
        by[axis] = step
    if set(begins) | set(stops) <= {None} and set(by) <= {1}:
        return x
    return b.add1(Slice(tuple(begins), tuple(stops), tuple(by)), x)


def _sliced_by(b: LayerBuilder, x: Value, starts: Value, ends: Value, axes: Value | None, steps: Value | None) -> Value:
    """Parts that data decides, axis by axis; of all axes where which ones they are is among that."""
    given = [dynamic.vector(b, v) for v in (starts, ends)]
    count = static(given[0].value.shape[0], "the number of starts")
    by = Formula(b, b.const(np.ones(count), INT64)) if steps is None else dynamic.vector(b, steps)
    where = axes_of(b, x, axes, count)
    full = [[dynamic.size_of(b, end)] * x.rank for end in (0, dynamic.FAR, 1)]
    found = [dynamic.per_axis(where, numbers, x.rank, default) for numbers, default in zip((*given, by), full)]
    for axis in found[0]:
        x = dynamic.sliced(b, x, axis, *(side[axis] for side in found))
    return x


def axes_of(b: LayerBuilder, x: Value, axes: Value | None, count: int) -> Formula | Sequence[int]:
    """The axes that an operand names, the first ones where it is absent; as a computed vector where they are not known."""
    if axes is None:
        return [b.axis(k, x.rank) for k in range(count)]
    return dynamic.vector(b, axes) if b.is_computed(axes) else [b.axis(a, x.rank) for a in b.ints(axes, "axes")]


def _is_open(end: Size, size: Size, *, low: int | None) -> bool:
    """Whether one end of a slice cuts nothing off an axis of `size`: it lies at or past the edge there, which is position `low` for the
    end in front (0, or -1 where that position itself is left out) and `size` for the other (None)."""
    if isinstance(end, Dim):
        return low is None and end == size
    if low is None:
        return end >= size if isinstance(size, int) else end >= FAR
    return (end == low and low == 0) or (end <= low - size if isinstance(size, int) else end <= -FAR)
