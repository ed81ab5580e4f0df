"""Ops that change or compute shapes: reshape, squeeze, broadcast, shape-of, range."""

from __future__ import annotations

from math import ceil
from typing import Literal

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import Dim, DType, Value
from nchw2nhwc.ops.base import broadcast_shapes, require_equal, require_longer
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.ops.movement import Expand
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.common import axes_of, one_float, require_rank, resolved, same
from nchw2nhwc.parse.openvino.registry import Results, mapping
from nchw2nhwc.parse.ranges import ranged

I64: DType = np.dtype(np.int64)
F32: DType = np.dtype(np.float32)
MAX_RANGE = 2**24
"""The most elements that a Range is computed for."""


@mapping("ShapeOf", 1, 3)
def shape_of(b: Builder, x: Value, *, output_type: DType = I64) -> Results:
    """The sizes of `x`, symbolic where they are open."""
    return b.sizes(x.shape, output_type)


@mapping("Reshape", 1)
def reshape(b: Builder, x: Value, pattern: Value, *, special_zero: bool) -> Results:
    """A size of 0 copies that of `x` when `special_zero`, else it is 0; -1 is what the others leave."""
    shape = resolved(x.shape, b.shape_of(pattern, "the shape of a reshape"), special_zero)
    return same(b, x) if shape == x.shape else b.reshape(x, shape)


@mapping("Squeeze", 1, 15)
def squeeze(b: Builder, x: Value, axes: Value | None = None) -> Results:
    """Removes axes of size 1: those given, or all. One of another size stays, as OpenVINO has it."""
    given = () if axes is None else axes_of(b.ints(axes, "the axes of a squeeze"), x.rank)
    for axis in given:
        if isinstance(x.shape[axis], Dim):
            require_equal(f"axis {axis} of {x.type} goes only if its size is 1", (x.shape[axis], 1))
    if not given:
        require_longer(f"which axes of {x.type} have size 1 is not known", x.shape)
    shape = tuple(s for k, s in enumerate(x.shape) if s != 1 or (given and k not in given))
    return same(b, x) if shape == x.shape else b.reshape(x, shape)


@mapping("Unsqueeze", 1)
def unsqueeze(b: Builder, x: Value, axes: Value) -> Results:
    """New axes of size 1 at the given places of the result."""
    places = b.ints(axes, "the axes of an unsqueeze")
    require_rank((*x.shape, *places))
    new = axes_of(places, x.rank + len(set(places)))
    rest = iter(x.shape)
    shape = tuple(1 if k in new else next(rest) for k in range(x.rank + len(new)))
    return b.reshape(x, shape) if new else same(b, x)


@mapping("Broadcast", 1)
def broadcast_1(b: Builder, x: Value, target: Value, axes_mapping: Value | None = None, *,
                mode: Literal["numpy", "explicit", "none"] = "numpy") -> Results:
    """"none" is another spelling of "explicit"."""
    return _broadcast(b, x, target, axes_mapping, "explicit" if mode == "none" else mode)


@mapping("Broadcast", 3)
def broadcast(b: Builder, x: Value, target: Value, axes_mapping: Value | None = None, *,
              mode: Literal["numpy", "explicit", "bidirectional"] = "numpy") -> Results:
    """`x` broadcast to a shape; see `_broadcast`."""
    return _broadcast(b, x, target, axes_mapping, mode)


def _broadcast(b: Builder, x: Value, target: Value, axes_mapping: Value | None, mode: str) -> Value:
    """"explicit": axis k of `x` becomes axis `axes_mapping[k]`; "bidirectional": the result may be larger than the target."""
    if mode != "explicit" and b.is_computed(target):
        return dynamic.broadcast(b, x, dynamic.vector(b, target))
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
    """Elements of the type of the operands."""
    return _range(b, start, stop, step, start.type.dtype)


@mapping("Range", 4)
def range_4(b: Builder, start: Value, stop: Value, step: Value, *, output_type: DType) -> Results:
    """Elements of the type `output_type`."""
    return _range(b, start, stop, step, output_type)


def _cast(b: Builder, x: Value, dtype: DType) -> Value:
    return x if x.type.dtype == dtype else b.add1(Cast(dtype), x)


def _range(b: Builder, start: Value, stop: Value, step: Value, dtype: DType) -> Value:
    """start, start + step, ... up to but without stop; in floats where one of them is."""
    if any(b.content(v) is None for v in (start, stop, step)):
        common = I64 if all(kind_of(v.type.dtype) == "integer" for v in (start, stop, step)) else F32
        first, last, by = (_cast(b, v, common) for v in (start, stop, step))
        return _cast(b, ranged(b, first, last, by, common), dtype)
    begin, end, unit = (one_float(b, v, "the bounds of a range") for v in (start, stop, step))
    if not all(np.isfinite((begin, end, unit))) or unit == 0:
        raise SourceError(f"a range from {begin} to {end} by {unit}")
    exact = (end - begin) / unit
    if exact > MAX_RANGE:
        raise SourceError(f"a range of {exact:.0f} elements")
    count = max(ceil(exact), 0)
    with np.errstate(all="ignore"):
        return b.const((begin + unit * np.arange(count)).astype(dtype))
