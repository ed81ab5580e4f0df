"""Operators that move elements about without computing anything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.bounds import is_at_most
from nchw2nhwc.ir.dim import Dim, Shape, Size, exact_div, is_static, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import UnequalSizesError, broadcast_shapes, require_equal, static
from nchw2nhwc.ops.movement import FIX_SIZES, Concat, Expand, Pad, Slice, Split, Tile
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.formula import INT64, Formula
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op

FAR = 10**9
"""A slice end at or beyond this is meant as the end of an axis whose size is not known: no tensor that fits into memory reaches it."""


@onnx_op("Transpose", 1, 13, 21, 23, 24, 25)
def transpose(b: LayerBuilder, x: Value, *, perm: Ints | None = None) -> Value:
    return b.transpose(x, tuple(reversed(range(x.rank))) if perm is None else tuple(b.axis(a, x.rank, "perm") for a in perm))


@onnx_op("Concat", 4, 11, 13)
def concat(b: LayerBuilder, *xs: Value, axis: int) -> Value:
    if not xs:
        raise b.damaged("there is no operand")
    return xs[0] if len(xs) == 1 else b.add1(Concat(b.axis(axis, xs[0].rank)), *xs)


@onnx_op("DepthToSpace", 1, 11, 13, 28)
def depth_to_space(b: LayerBuilder, x: Value, *, blocksize: int, mode: str = "DCR") -> Value:
    return b.add1(DepthToSpace(blocksize, mode), _image(b, x))


@onnx_op("SpaceToDepth", 1, 13, 28)
def space_to_depth(b: LayerBuilder, x: Value, *, blocksize: int, mode: str = "DCR") -> Value:
    return b.add1(SpaceToDepth(blocksize, mode), _image(b, x))


def _image(b: LayerBuilder, x: Value) -> Value:
    if x.rank != 4:
        raise b.damaged(f"the operand must have the axes N, C, H and W, but is {x.type}")
    return x


# ---- shapes ----------------------------------------------------------------------------------------------------------
@onnx_op("Reshape", 5, 13, 14, 19, 21, 23, 24, 25)
def reshape(b: LayerBuilder, x: Value, shape: Value, *, allowzero: bool = False) -> Value:
    """0 keeps the size of that axis (unless `allowzero`), -1 is what is left."""
    if b.is_computed(shape):
        return dynamic.reshaped(b, x, dynamic.vector(b, shape), keep_zeros=allowzero)
    wanted: list[Size] = list(b.shape_of(shape, "the shape"))
    for k, size in enumerate(wanted):
        if size == 0 and not allowzero:
            if k >= x.rank:
                raise b.damaged(f"the shape {_text(wanted)} keeps axis {k} of {x.type}, which does not exist")
            wanted[k] = x.shape[k]
        elif isinstance(size, int) and size < -1:
            raise b.damaged(f"the shape {_text(wanted)} has the negative size {size}")
    if wanted.count(-1) > 1:
        raise b.damaged(f"the shape {_text(wanted)} leaves more than one size open")
    if -1 in wanted:
        wanted[wanted.index(-1)] = _rest(b, x, wanted)
    return b.reshape(x, tuple(wanted))


def _rest(b: LayerBuilder, x: Value, wanted: Sequence[Size]) -> Size:
    """The size that -1 stands for among the `wanted` ones."""
    known = product(s for s in wanted if s != -1)
    rest = exact_div(product(x.shape), known)
    if rest is None:
        if isinstance(known, Dim) or not x.type.is_static:
            raise UnequalSizesError(f"{x.type} cannot be given the shape {_text(wanted)} for all sizes", [(product(x.shape) % known, 0)])
        raise b.damaged(f"{x.type} cannot be given the shape {_text(wanted)}")
    return rest


def _text(shape: Sequence[Size | None]) -> str:
    return f"[{', '.join(map(str, shape))}]"


@onnx_op("Flatten", 1, 9, 11, 13, 21, 23, 24, 25)
def flatten(b: LayerBuilder, x: Value, *, axis: int = 1) -> Value:
    """A matrix with the axes before `axis` as rows; `axis` may be the rank itself."""
    split = x.rank if axis == x.rank else b.axis(axis, x.rank)
    return b.reshape(x, (product(x.shape[:split]), product(x.shape[split:])))


@onnx_op("Squeeze", 1, 11)
def squeeze_1(b: LayerBuilder, x: Value, *, axes: Ints | None = None) -> Value:
    return _squeezed(b, x, axes)


@onnx_op("Squeeze", 13, 21, 23, 24, 25)
def squeeze(b: LayerBuilder, x: Value, axes: Value | None = None) -> Value:
    if axes is not None and b.is_computed(axes):
        return dynamic.squeezed(b, x, dynamic.vector(b, axes))
    return _squeezed(b, x, None if axes is None else b.ints(axes, "axes"))


def _squeezed(b: LayerBuilder, x: Value, axes: Ints | None) -> Value:
    if axes is None:
        if not x.type.is_static:
            raise UnsupportedError(f"which axes of {x.type} have size 1 is not known", b.where, FIX_SIZES)
        gone = tuple(k for k, size in enumerate(x.shape) if size == 1)
    else:
        gone = b.axes(axes, x.rank)
        for axis in gone:
            size = x.shape[axis]
            if isinstance(size, int) and size != 1:
                raise b.damaged(f"axis {axis} of {x.type} cannot go: its size is not 1")
            require_equal(f"axis {axis} of {x.type} goes only if its size is 1", (size, 1))
    return b.reshape(x, tuple(size for k, size in enumerate(x.shape) if k not in gone))


@onnx_op("Unsqueeze", 1, 11)
def unsqueeze_1(b: LayerBuilder, x: Value, *, axes: Ints) -> Value:
    return _unsqueezed(b, x, axes)


@onnx_op("Unsqueeze", 13, 21, 23, 24, 25)
def unsqueeze(b: LayerBuilder, x: Value, axes: Value) -> Value:
    if b.is_computed(axes):
        return dynamic.unsqueezed(b, x, dynamic.vector(b, axes))
    return _unsqueezed(b, x, b.ints(axes, "axes"))


def _unsqueezed(b: LayerBuilder, x: Value, axes: Ints) -> Value:
    rank = x.rank + len(axes)
    new, old = b.axes(axes, rank), iter(x.shape)
    return b.reshape(x, tuple(1 if k in new else next(old) for k in range(rank)))


@onnx_op("Expand", 8, 13)
def expand(b: LayerBuilder, x: Value, shape: Value) -> Value:
    if b.is_computed(shape):
        return dynamic.broadcast(b, x, dynamic.vector(b, shape))
    target = broadcast_shapes(x.shape, b.shape_of(shape, "the shape"))
    return x if target == x.shape else b.add1(Expand(target), x)


@onnx_op("Tile", 6, 13)
def tile(b: LayerBuilder, x: Value, repeats: Value) -> Value:
    """A symbolic number of copies is possible of an axis of size 1 only: that is a broadcast."""
    if b.is_computed(repeats):
        for axis, count in enumerate(dynamic.elements(dynamic.vector(b, repeats))):
            x = dynamic.tiled(b, x, b.axis(axis, x.rank), count)
        return x
    times = b.shape_of(repeats, "repeats")
    if len(times) != x.rank:
        raise b.damaged(f"repeats {_text(times)} needs one number for each axis of {x.type}")
    broadcast = tuple(n if isinstance(n, Dim) and size == 1 else size for n, size in zip(times, x.shape))
    if broadcast != x.shape:
        x = b.add1(Expand(broadcast), x)
    copies = tuple(1 if n == size and isinstance(n, Dim) else static(n, "the number of copies") for n, size in zip(times, broadcast))
    return x if set(copies) <= {1} else b.add1(Tile(copies), x)


# ---- parts of tensors ------------------------------------------------------------------------------------------------
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
        raise b.damaged(f"starts {_text(starts)}, ends {_text(ends)}, axes {where} and steps {_text(strides)} do not fit together")
    begins: list[Size | None] = [None] * x.rank
    stops: list[Size | None] = [None] * x.rank
    by = [1] * x.rank
    for axis, start, stop, step in zip(where, starts, ends, strides):
        size = x.shape[axis]
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
    where = _axes_of(b, x, axes, count)
    full = [[dynamic.size_of(b, end)] * x.rank for end in (0, dynamic.FAR, 1)]
    found = [dynamic.per_axis(where, numbers, x.rank, default) for numbers, default in zip((*given, by), full)]
    for axis in found[0]:
        x = dynamic.sliced(b, x, axis, *(side[axis] for side in found))
    return x


def _axes_of(b: LayerBuilder, x: Value, axes: Value | None, count: int) -> Formula | Sequence[int]:
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


# ---- padding ---------------------------------------------------------------------------------------------------------
@onnx_op("Pad", 2)
def pad_2(b: LayerBuilder, x: Value, *, pads: Ints, mode: str = "constant", value: float = 0.0) -> Value:
    return _padded(b, x, pads, None, mode, value)


@onnx_op("Pad", 11, 13, 18, 19, 21, 23, 24, 25)
def pad(b: LayerBuilder, x: Value, pads: Value, constant_value: Value | None = None, axes: Value | None = None, *,
        mode: str = "constant") -> Value:
    if b.is_computed(pads, axes) or (mode == "constant" and constant_value is not None and b.is_computed(constant_value)):
        return _padded_by(b, x, pads, constant_value, axes, mode)
    fill = 0.0
    if constant_value is not None and mode == "constant":
        fill = float(b.number(constant_value, "constant_value"))
    widths = b.shape_of(pads, "pads")
    if mode == "constant" and not is_static(widths):
        return _open_padding(b, x, widths, range(x.rank) if axes is None else [b.axis(a, x.rank) for a in b.ints(axes, "axes")], fill)
    return _padded(b, x, b.ints(pads, "pads"), None if axes is None else b.ints(axes, "axes"), mode, fill)


def _open_padding(b: LayerBuilder, x: Value, pads: Shape, axes: Sequence[int], fill: float) -> Value:
    """Padding whose width depends on sizes that are open: elements joined to both ends."""
    if len(pads) != 2 * len(axes) or not all(is_at_most(0, p) for p in pads):
        raise UnsupportedError(f"pads {_text(pads)} of {x.type} may be negative", b.where, FIX_SIZES)
    for k, axis in enumerate(axes):
        for before, width in ((True, pads[k]), (False, pads[k + len(axes)])):
            if width != 0:
                more = b.full(np.asarray(fill, x.type.dtype), tuple(width if a == axis else s for a, s in enumerate(x.shape)))
                x = b.add1(Concat(axis), *((more, x) if before else (x, more)))
    return x


def _padded_by(b: LayerBuilder, x: Value, pads: Value, constant_value: Value | None, axes: Value | None, mode: str) -> Value:
    """Padding that data decides, axis by axis; of all axes where which ones they are is among that."""
    _require_mode(b, mode)
    given = dynamic.vector(b, pads)
    count = static(given.value.shape[0], "the number of pads") // 2
    where = _axes_of(b, x, axes, count)
    zeros = [dynamic.size_of(b, 0)] * x.rank
    ends = (dynamic.taken(b, given.value, Formula(b, b.const(np.arange(count) + side, INT64)), 0) for side in (0, count))
    begins, stops = (dynamic.per_axis(where, Formula(b, end), x.rank, zeros) for end in ends)
    fill = None if constant_value is None else b.reshape(constant_value, ())
    for axis in begins:
        x = dynamic.padded(b, x, axis, begins[axis], stops[axis], mode, fill)
    return x


def _require_mode(b: LayerBuilder, mode: str) -> None:
    if mode not in ("constant", "edge", "reflect", "wrap"):
        raise b.damaged(f"there is no padding mode '{mode}'")


def _padded(b: LayerBuilder, x: Value, pads: Ints, axes: Ints | None, mode: str, fill: float) -> Value:
    """Negative pads cut off, before the others add."""
    where = [b.axis(a, x.rank) for a in (range(x.rank) if axes is None else axes)]
    if len(pads) != 2 * len(where) or len(set(where)) < len(where):
        raise b.damaged(f"pads {list(pads)} needs two numbers for each of the axes {where}")
    _require_mode(b, mode)
    begins, ends = [0] * x.rank, [0] * x.rank
    for k, axis in enumerate(where):
        begins[axis], ends[axis] = pads[k], pads[k + len(where)]
    x = _cropped(b, x, [max(-p, 0) for p in begins], [max(-p, 0) for p in ends])
    if max((*begins, *ends), default=0) <= 0:
        return x
    return b.add1(Pad(tuple(max(p, 0) for p in begins), tuple(max(p, 0) for p in ends), mode, fill), x)


def _cropped(b: LayerBuilder, x: Value, begins: Sequence[int], ends: Sequence[int]) -> Value:
    if not any((*begins, *ends)):
        return x
    return b.add1(Slice(tuple(n or None for n in begins), tuple(-n or None for n in ends), (1,) * x.rank), x)
