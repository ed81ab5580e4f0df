"""Ops that move elements about without computing anything: transpose, reshape, expand, tile, pad, slice, concat, split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.bounds import bounds, is_at_most
from nchw2nhwc.ir.dim import Dim, Shape, Size, product, size_max, size_min
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op, UnequalSizesError, axis_role, per_axis_role, require_equal, same_dtype, static
from nchw2nhwc.ops.kinds import check_choices, one_of
from nchw2nhwc.ops.rules import Along, Broadcast, Rename

FIX_SIZES = "Give fixed sizes with --input-shape NAME=... or --batch N."


def shape_text(shape: Sequence[object]) -> str:
    """A shape as error messages show it."""
    return f"[{', '.join(map(str, shape))}]"


def _require_entries(name: str, entries: Sequence[object], x: TensorType) -> None:
    if len(entries) != x.rank:
        raise ShapeError(f"{name} {shape_text(entries)} needs one entry for each axis of {x}")


def require_axis(axis: int, x: TensorType) -> None:
    """Raises ShapeError unless `axis` is an axis of `x` (never negative)."""
    if not 0 <= axis < x.rank:
        raise ShapeError(f"axis {axis} does not exist in {x}")


@dataclass(frozen=True)
class Transpose(Op):
    """Result axis k is operand axis `perm[k]`. Source: ONNX Transpose, OpenVINO Transpose-1."""

    perm: tuple[int, ...]
    rule = Rename()

    def infer(self, x: TensorType) -> TensorType:
        if sorted(self.perm) != list(range(x.rank)):
            raise ShapeError(f"{shape_text(self.perm)} is no permutation of the axes of {x}")
        return x.with_shape(tuple(x.shape[k] for k in self.perm))

    def reference(self, x: Array) -> Array:
        return np.transpose(x, self.perm)


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements in row-major order under another shape, every size of which is resolved (no 0 or -1 placeholders).

    Source: ONNX and OpenVINO Reshape, Squeeze, Unsqueeze, Flatten.
    """

    shape: Shape
    rule = Rename()

    def infer(self, x: TensorType) -> TensorType:
        have, want = product(x.shape), product(self.shape)
        require_equal(f"{x} has {have} elements, shape {shape_text(self.shape)} needs {want}", (have, want))
        return x.with_shape(self.shape)

    def reference(self, x: Array) -> Array:
        return x.reshape(tuple(static(s, "the shape of a Reshape") for s in self.shape))


@dataclass(frozen=True)
class Expand(Op):
    """The operand broadcast to `shape`, which is the result's shape. Source: ONNX Expand, OpenVINO Broadcast-3."""

    shape: Shape
    rule = Broadcast()

    def infer(self, x: TensorType) -> TensorType:
        kept = self.shape[len(self.shape) - x.rank:]
        reason = f"{x} does not broadcast to {shape_text(self.shape)}"
        if x.rank > len(self.shape):
            raise ShapeError(reason)
        require_equal(reason, *((s, r) for s, r in zip(x.shape, kept) if s != 1))
        return x.with_shape(self.shape)

    def reference(self, x: Array) -> Array:
        return np.broadcast_to(x, tuple(static(s, "the shape of an Expand") for s in self.shape))


@dataclass(frozen=True)
class Tile(Op):
    """The operand repeated `repeats[k]` times along axis k. Source: ONNX Tile, OpenVINO Tile-1."""

    repeats: tuple[int, ...] = field(metadata=per_axis_role(1))
    rule = Along()

    def infer(self, x: TensorType) -> TensorType:
        _require_entries("repeats", self.repeats, x)
        if any(r < 0 for r in self.repeats):
            raise ShapeError(f"repeats {shape_text(self.repeats)} must not be negative")
        return x.with_shape(tuple(s * r for s, r in zip(x.shape, self.repeats)))

    def reference(self, x: Array) -> Array:
        return np.tile(x, self.repeats)


@dataclass(frozen=True)
class Pad(Op):
    """`pads_begin[k]` and `pads_end[k]` elements added before and after axis k (never negative).

    `mode` fills them as `numpy.pad` does: "constant" (with `value`), "edge", "reflect" (the edge element is not repeated), "symmetric"
    (it is) or "wrap". Pads wider than the operand reflect, mirror or wrap again. Source: ONNX Pad, OpenVINO Pad-1, Pad-12.
    """

    pads_begin: tuple[int, ...] = field(metadata=per_axis_role(0))
    pads_end: tuple[int, ...] = field(metadata=per_axis_role(0))
    mode: str = field(default="constant", metadata=one_of("constant", "edge", "reflect", "symmetric", "wrap"))
    value: float = 0.0
    rule = Along()

    def smallest(self, *inputs: TensorType) -> Iterator[tuple[Size, int]]:
        """Targets repeat what is there once."""
        if self.mode != "constant":
            yield from zip(inputs[0].shape, (max(b, e) + (self.mode == "reflect") for b, e in zip(self.pads_begin, self.pads_end)))

    def infer(self, x: TensorType) -> TensorType:
        _require_entries("pads_begin", self.pads_begin, x)
        _require_entries("pads_end", self.pads_end, x)
        check_choices(self)
        if min((*self.pads_begin, *self.pads_end), default=0) < 0:
            raise ShapeError(f"pads {shape_text(self.pads_begin)}, {shape_text(self.pads_end)} must not be negative")
        if self.mode != "constant" and any(s == 0 and b + e for s, b, e in zip(x.shape, self.pads_begin, self.pads_end)):
            raise ShapeError(f"{x} has an empty axis, which '{self.mode}' padding cannot extend")
        return x.with_shape(tuple(b + s + e for b, s, e in zip(self.pads_begin, x.shape, self.pads_end)))

    def reference(self, x: Array) -> Array:
        widths = list(zip(self.pads_begin, self.pads_end))
        if self.mode == "constant":
            return np.pad(x, widths, constant_values=np.asarray(self.value).astype(x.dtype))
        return np.pad(x, widths, mode=self.mode)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class Slice(Op):
    """Numpy's basic slicing `x[starts[k]:stops[k]:steps[k]]` along every axis k; None is an open end.

    Negative numbers count from the end and out-of-range ones are clamped, as numpy does. A symbolic start or stop is a position (it counts
    from the beginning). Source: ONNX Slice, OpenVINO Slice-8, StridedSlice-1.
    """

    starts: tuple[Size | None, ...] = field(metadata=per_axis_role(None))
    stops: tuple[Size | None, ...] = field(metadata=per_axis_role(None))
    steps: tuple[int, ...] = field(metadata=per_axis_role(1))
    rule = Along()

    def infer(self, x: TensorType) -> TensorType:
        for name in ("starts", "stops", "steps"):
            _require_entries(name, getattr(self, name), x)
        if 0 in self.steps:
            raise ShapeError("the step of a slice must not be 0")
        return x.with_shape(tuple(map(_sliced, x.shape, self.starts, self.stops, self.steps)))

    def reference(self, x: Array) -> Array:
        ends = [tuple(None if s is None else static(s, "the range of a Slice") for s in side) for side in (self.starts, self.stops)]
        return x[tuple(map(slice, *ends, self.steps))]


def from_front(end: Size, size: Size) -> Size:
    """A symbolic end of a slice that is certain to be negative, and so counts from behind, as the position in an axis of `size` that it
    stands for; any other end as it is."""
    return size_max(size + end, 0) if isinstance(end, Dim) and is_at_most(end, -1) else end


def _not_negative(size: Size) -> bool:
    """Whether a size can be proven not to be negative: named dimensions are positive, so it takes a minus sign to make a negative one."""
    return "-" not in str(size) or _is_bounded(size, 0)


def _at_least(size: Size, bound: int) -> bool:
    """Whether an axis of `size` can be proven to have `bound` elements: named dimensions are at least 1, and their product as much."""
    if isinstance(size, int) or bound <= 0:
        return isinstance(size, Dim) or size >= bound
    parts = size.monomial()
    return (parts is not None and parts[0] >= bound and size.symbols.issuperset(parts[1])) or _is_bounded(size, bound)


def _is_bounded(size: Size, bound: int) -> bool:
    low = bounds(size)[0]
    return low is not None and low >= bound


def _sliced(size: Size, start: Size | None, stop: Size | None, step: int) -> Size:
    return span(size, start, stop, step)[1]


def span(size: Size, start: Size | None, stop: Size | None, step: int) -> tuple[Size, Size]:
    """The first one and the number of the elements of `range(size)[start:stop:step]`. Raises ShapeError where a symbolic end may lie on
    either side of 0."""
    if isinstance(size, int) and not isinstance(start, Dim) and not isinstance(stop, Dim):
        known = slice(start, stop, step).indices(size)
        return known[0], len(range(*known))
    # As CPython's PySlice_AdjustIndices: ends are clamped to [low, low + size].
    low = 0 if step > 0 else -1
    first, last = (low, size + low) if step > 0 else (size + low, low)
    begin = first if start is None else _clamped(start, size, low)
    end = last if stop is None else _clamped(stop, size, low)
    reach = end - begin if step > 0 else begin - end
    if isinstance(reach, int):
        reach = max(reach, 0)
    elif begin != first and end != last:
        reach = size_max(reach, 0)
    return begin, (reach + abs(step) - 1) // abs(step)


def _clamped(end: Size, size: Size, low: int) -> Size:
    """One end of a slice as a position in [low, low + size]."""
    high = size + low
    from_end = end - size
    if isinstance(end, Dim) and isinstance(from_end, int):
        if from_end >= low:
            return high
        if not _at_least(size, -from_end):
            reason = f"a slice end at '{end}' of an axis of '{size}' may be negative"
            raise UnequalSizesError(reason, [(end, size_max(end, low))], FIX_SIZES)
        return end
    if isinstance(end, int) and end < 0:
        return size + end if _at_least(size, low - end) else size_max(size + end, low)
    if not _not_negative(end):
        raise UnequalSizesError(f"a slice end at '{end}' may be negative", [(end, size_max(end, 0))], FIX_SIZES)
    inside = _at_least(size, end - low) if isinstance(end, int) else _not_negative(high - end)
    return end if inside else size_min(end, high)


@dataclass(frozen=True)
class Concat(Op):
    """The operands one after the other along `axis`; all other sizes are equal. Source: ONNX and OpenVINO Concat."""

    axis: int = field(metadata=axis_role())
    rule = Along(data=None)

    def infer(self, *xs: TensorType) -> TensorType:
        if not xs:
            raise ShapeError("a Concat needs an operand")
        same_dtype(*xs)
        require_axis(self.axis, xs[0])
        reason = f"{', '.join(map(str, xs))} do not fit together along axis {self.axis}"
        if len({x.rank for x in xs}) > 1:
            raise ShapeError(reason)
        require_equal(reason, *((a, b) for x in xs[1:] for k, (a, b) in enumerate(zip(xs[0].shape, x.shape)) if k != self.axis))
        total: Size = 0
        for x in xs:
            total = total + x.shape[self.axis]
        return xs[0].with_shape((*xs[0].shape[:self.axis], total, *xs[0].shape[self.axis + 1:]))

    def reference(self, *xs: Array) -> Array:
        return np.concatenate(xs, self.axis)


@dataclass(frozen=True)
class Split(Op):
    """The operand cut along `axis` into results of the given `sizes`. Source: ONNX Split, OpenVINO Split-1, VariadicSplit-1."""

    axis: int = field(metadata=axis_role())
    sizes: tuple[int, ...]
    rule = Along()

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        require_axis(self.axis, x)
        reason = f"axis {self.axis} of {x} cannot be split into {shape_text(self.sizes)}"
        if min(self.sizes, default=0) < 0:
            raise ShapeError(reason)
        require_equal(reason, (x.shape[self.axis], sum(self.sizes)))
        return tuple(x.with_shape((*x.shape[:self.axis], size, *x.shape[self.axis + 1:])) for size in self.sizes)

    def reference(self, x: Array) -> tuple[Array, ...]:
        return tuple(np.split(x, list(accumulate(self.sizes))[:-1], self.axis))
