"""Operators that add elements around tensors, or cut them off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nchw2nhwc.ir.bounds import is_at_most
from nchw2nhwc.ir.dim import Size, is_static
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.movement import Concat, Pad, Slice, shape_text
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.formula import INT64, Formula
from nchw2nhwc.parse.onnx.operators.slicing import axes_of
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op


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
    if not is_static(widths):
        _require_mode(b, mode)
        where = range(x.rank) if axes is None else [b.axis(a, x.rank) for a in b.ints(axes, "axes")]
        if len(widths) != 2 * len(where) or len(set(where)) < len(where):
            raise b.damaged(f"pads {shape_text(widths)} needs two numbers for each of the axes {where}")
        ends = dict(zip(where, zip(widths, widths[len(where):])))
        joins = mode == "constant" and all(is_at_most(0, p) for p in widths)
        return _joined(b, x, ends, fill) if joins else _gathered(b, x, ends, mode, fill)
    return _padded(b, x, b.ints(pads, "pads"), None if axes is None else b.ints(axes, "axes"), mode, fill)


def _joined(b: LayerBuilder, x: Value, ends: Mapping[int, tuple[Size, Size]], fill: float) -> Value:
    """Padding whose widths, by axis, depend on sizes that are open: elements joined to both ends."""
    for axis, widths in ends.items():
        for before, width in zip((True, False), widths):
            if width != 0:
                more = b.full(np.asarray(fill, x.type.dtype), tuple(width if a == axis else s for a, s in enumerate(x.shape)))
                x = b.add1(Concat(axis), *((more, x) if before else (x, more)))
    return x


def _gathered(b: LayerBuilder, x: Value, ends: Mapping[int, tuple[Size, Size]], mode: str, fill: float) -> Value:
    """The same by the places of elements in x, where they are elements of it, or where widths may be negative."""
    around = b.const(np.asarray(fill, x.type.dtype))
    for axis, (begin, end) in ends.items():
        if (begin, end) != (0, 0):
            places = dynamic.positions(b, x.shape[axis] + begin + end)
            x = dynamic.padded_to(b, x, axis, dynamic.size_of(b, begin), places, mode, around)
    return x


def _padded_by(b: LayerBuilder, x: Value, pads: Value, constant_value: Value | None, axes: Value | None, mode: str) -> Value:
    """Padding that data decides, axis by axis; of all axes where which ones they are is among that."""
    _require_mode(b, mode)
    given = dynamic.vector(b, pads)
    count = static(given.value.shape[0], "the number of pads") // 2
    where = axes_of(b, x, axes, count)
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
