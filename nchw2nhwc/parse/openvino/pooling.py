"""Poolings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import ml_dtypes
import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import DType, Size, Value, is_static, product
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.kinds import integer_range, kind_of
from nchw2nhwc.ops.movement import Pad
from nchw2nhwc.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMean
from nchw2nhwc.ops.windows import require_room
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.dynamic import padded_to, positions, size_of
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.maxima import of_maxima
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.common import axis_of
from nchw2nhwc.parse.openvino.convolution import AutoPad, padding, reach_of, require_spatial
from nchw2nhwc.parse.openvino.registry import Results, mapping

I64: DType = np.dtype(np.int64)


@mapping("MaxPool", 1)
def max_pool_1(b: Builder, x: Value, *, kernel: Ints, strides: Ints, pads_begin: Ints = (), pads_end: Ints = (),
               rounding_type: Literal["floor", "ceil"] = "floor", auto_pad: AutoPad = "explicit") -> Results:
    """Without dilations."""
    return _max_pool(b, x, kernel, strides, (1,) * len(kernel), pads_begin, pads_end, rounding_type, auto_pad)


@mapping("MaxPool", 8, 14)
def max_pool(b: Builder, x: Value, *, kernel: Ints, strides: Ints, dilations: Ints = (), pads_begin: Ints = (), pads_end: Ints = (),
             rounding_type: Literal["floor", "ceil", "ceil_torch"] = "floor", auto_pad: AutoPad = "explicit", axis: int = 0,
             index_element_type: DType = I64) -> Results:
    """The second result is where each maximum was, counted from `axis` on, where every window has an element."""
    largest = _max_pool(b, x, kernel, strides, dilations or (1,) * len(kernel), pads_begin, pads_end, rounding_type, auto_pad)
    pool, first = largest.producer, axis_of(axis, x.rank)
    if pool is None or not isinstance(pool.op, MaxPool) or pool.input(0) is not x:
        return largest, None
    where = Formula(b, of_maxima(b, x, pool.op, largest.shape[2:]))
    return largest, (where % size_of(b, product(x.shape[first:])) if first else where).cast(index_element_type).value


def _max_pool(b: Builder, x: Value, kernel: Ints, strides: Ints, dilations: Ints, pads_begin: Ints, pads_end: Ints, rounding: str,
              auto_pad: str) -> Value:
    require_spatial(x, kernel=kernel, strides=strides, dilations=dilations)
    reach = reach_of(kernel, dilations)
    begin, end = padding(x, reach, strides, pads_begin, pads_end, auto_pad)
    if _is_rounded_up(x, reach, strides, end, rounding):
        x, begin, end, rounding = _whole(b, x, reach, strides, begin, end, _lowest(x.type.dtype), rounding)
    end, ceil = _rounded(x, reach, strides, begin, end, rounding)
    if any(map(_only_padding, x.shape[2:], reach, strides, begin, end)):
        x = b.add1(Pad((0, 0, *begin), (0, 0, *end), value=_lowest(x.type.dtype)), x)
        begin = end = (0,) * len(kernel)
    if max(dilations) > 1:
        require_room(x.shape[2:], kernel, dilations, begin, end)
    return b.add1(MaxPool(kernel, strides, dilations, begin, end, ceil_mode=ceil), x)


def _lowest(dtype: DType) -> float:
    """The smallest finite number of an element type, which is OpenVINO's maximum of no elements."""
    return float(integer_range(dtype)[0]) if kind_of(dtype) == "integer" else float(ml_dtypes.finfo(dtype).min)  # type: ignore[no-untyped-call]


def _only_padding(size: Size, reach: int, stride: int, before: int, after: int) -> bool:
    """Whether the last window along an axis begins past the data, so that it holds no element at all."""
    return isinstance(size, int) and (size + before + after - reach) // stride * stride >= size + before


@mapping("AvgPool", 1, 14)
def avg_pool_1(b: Builder, x: Value, *, kernel: Ints, strides: Ints, exclude_pad: bool, pads_begin: Ints = (), pads_end: Ints = (),
               rounding_type: Literal["floor", "ceil", "ceil_torch"] = "floor", auto_pad: AutoPad = "explicit") -> Results:
    """Without dilations; "ceil_torch" from opset 14 on."""
    return _avg_pool(b, x, kernel, strides, (1,) * len(kernel), exclude_pad, pads_begin, pads_end, rounding_type, auto_pad)


@mapping("AvgPool", 16)
def avg_pool(b: Builder, x: Value, *, kernel: Ints, strides: Ints, exclude_pad: bool, dilations: Ints = (), pads_begin: Ints = (),
             pads_end: Ints = (), rounding_type: Literal["floor", "ceil", "ceil_torch"] = "floor",
             auto_pad: AutoPad = "explicit") -> Results:
    """With dilations."""
    return _avg_pool(b, x, kernel, strides, dilations or (1,) * len(kernel), exclude_pad, pads_begin, pads_end, rounding_type, auto_pad)


def _avg_pool(b: Builder, x: Value, kernel: Ints, strides: Ints, dilations: Ints, exclude_pad: bool, pads_begin: Ints, pads_end: Ints,
              rounding: str, auto_pad: str) -> Value:
    require_spatial(x, kernel=kernel, strides=strides, dilations=dilations)
    reach = reach_of(kernel, dilations)
    begin, end = padding(x, reach, strides, pads_begin, pads_end, auto_pad)
    counted = not exclude_pad and any((*begin, *end))
    if counted and _is_rounded_up(x, reach, strides, end, rounding, counted):
        x, begin, end, rounding = _whole(b, x, reach, strides, begin, end, 0.0, rounding)
    end, ceil = _rounded(x, reach, strides, begin, end, rounding, counted)
    return b.add1(AvgPool(kernel, strides, dilations, begin, end, ceil_mode=ceil, count_include_pad=counted), x)


def _rounded(x: Value, reach: Sequence[int], strides: Ints, begin: Ints, end: Ints, rounding: str,
             counted: bool = False) -> tuple[Ints, bool]:
    """Padding after each axis, and whether the number of windows is rounded up with the last one beginning inside of the data.

    Plain "ceil" is more: the last window begins anywhere. In a mean over padding (`counted`) all of a last window counts, whichever way
    their number is rounded up: OpenVINO divides by the whole window, PyTorch by what of it is not past the padding. Where that makes a
    difference, what the last window lacks becomes padding, for which sizes have to be known.
    """
    if rounding == "floor" or (rounding == "ceil_torch" and not counted):
        return end, rounding == "ceil_torch"
    if _begins_inside(reach, strides, end, counted):
        return end, True
    sizes = [static(s, "a spatial size that decides the number of windows") for s in x.shape[2:]]
    return tuple(_up_to_the_last(*each, within=rounding == "ceil_torch") for each in zip(sizes, reach, strides, begin, end)), False


def _up_to_the_last(size: int, reach: int, stride: int, before: int, after: int, *, within: bool) -> int:
    """Padding after an axis with which the last window fits, of a number of windows that is rounded up; `within`: it begins before the
    padding after the axis."""
    room = size + before + after - reach
    strides = -(-room // stride)
    if within:
        strides = min(strides, (size + before - 1) // stride)
    return after if strides == room // stride else max(strides * stride + reach - size - before, 0)


def _begins_inside(reach: Sequence[int], strides: Ints, end: Ints, counted: bool) -> bool:
    """Whether windows of which the number is rounded up are those that begin inside of the data."""
    return not counted and all(stride + after <= r for stride, after, r in zip(strides, end, reach))


def _is_rounded_up(x: Value, reach: Sequence[int], strides: Ints, end: Ints, rounding: str, counted: bool = False) -> bool:
    """Whether an open size says what the last window lacks."""
    if is_static(x.shape[2:]) or rounding == "floor" or _begins_inside(reach, strides, end, counted):
        return False
    return rounding == "ceil" or (counted and all(stride <= r for stride, r in zip(strides, reach)))


def _whole(b: Builder, x: Value, reach: Sequence[int], strides: Ints, begin: Ints, end: Ints, fill: float,
           rounding: str) -> tuple[Value, Ints, Ints, str]:
    """x with its padding, and with what the last windows lack; no padding any more, and windows that fit."""
    within = [rounding == "ceil_torch" and stride + after > r for stride, after, r in zip(strides, end, reach)]
    end = tuple(0 if last else after for last, after in zip(within, end))
    x = b.add1(Pad((0, 0, *begin), (0, 0, *end), value=fill), x) if any((*begin, *end)) else x
    for axis, (r, stride, last) in enumerate(zip(reach, strides, within), 2):
        size = x.shape[axis]
        lacking = r - 1 - (size - 1) % stride if last else (r - size) % stride
        if lacking != 0:
            x = padded_to(b, x, axis, size_of(b, 0), positions(b, size + lacking), "constant", b.const(fill, x.type.dtype))
    none = (0,) * len(reach)
    return x, none, none, "floor"


@mapping("AdaptiveAvgPool", 8)
def adaptive_avg_pool(b: Builder, x: Value, output_shape: Value) -> Results:
    """To one element a channel it is a mean over the spatial axes."""
    sizes = _output_sizes(b, x, output_shape)
    return b.add1(ReduceMean(tuple(range(2, x.rank)), True) if set(sizes) == {1} else AdaptiveAvgPool(sizes), x)


@mapping("AdaptiveMaxPool", 8)
def adaptive_max_pool(b: Builder, x: Value, output_shape: Value, *, index_element_type: DType | None = None) -> Results:
    """The second result, where each maximum was, cannot be expressed."""
    sizes = _output_sizes(b, x, output_shape)
    return b.add1(ReduceMax(tuple(range(2, x.rank)), True) if set(sizes) == {1} else AdaptiveMaxPool(sizes), x), None


def _output_sizes(b: Builder, x: Value, output_shape: Value) -> Ints:
    sizes = b.ints(output_shape, "the output shape of adaptive pooling")
    if x.rank < 3 or len(sizes) != x.rank - 2 or min(sizes) < 1:
        raise SourceError(f"{x.type} cannot be pooled to sizes {list(sizes)}")
    return sizes
