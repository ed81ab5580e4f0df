"""Convolutions and their transposes, with what pooling shares with them: automatic padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Dim, Shape, Size, Value
from nchw2nhwc.ops.base import require_equal, static
from nchw2nhwc.ops.movement import Pad
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.common import reshaped
from nchw2nhwc.parse.openvino.registry import Results, mapping
from nchw2nhwc.parse.sums import are_narrow, integer_products

AutoPad: TypeAlias = Literal["explicit", "notset", "same_upper", "same_lower", "valid"]


def require_spatial(x: Value, least: int = 1, **lists: Sequence[int]) -> None:
    """Raises SourceError unless `x` has a batch, a channel and spatial axes, and every list one entry of at least `least` for each of
    those."""
    if x.rank < 3:
        raise SourceError(f"{x.type} has no spatial axes after batch and channels")
    for name, entries in lists.items():
        if len(entries) != x.rank - 2:
            raise SourceError(f"attribute '{name}' has {len(entries)} entries for {x.rank - 2} spatial axes")
        if min(entries) < least:
            raise SourceError(f"attribute '{name}' holds {min(entries)}; it must be at least {least}")


def padding(x: Value, reach: Sequence[int], strides: Ints, pads_begin: Ints, pads_end: Ints, auto_pad: str) -> tuple[Ints, Ints]:
    """The pads before and after each spatial axis of `x`, for windows that reach over so many elements.

    "same": as many as `ceil(size / stride)` windows need, shared evenly, the odd one at the end ("same_upper") or at the beginning. Raises
    SourceError, UnsupportedError for negative pads, and ShapeError when the sizes that decide are not known.
    """
    if auto_pad == "valid":
        return (0,) * len(strides), (0,) * len(strides)
    if auto_pad in ("explicit", "notset"):
        begin, end = pads_begin or (0,) * len(strides), pads_end or (0,) * len(strides)
        if min((*begin, *end)) < 0:
            raise UnsupportedError(f"negative padding {list(begin)}, {list(end)}")
        require_spatial(x, 0, pads_begin=begin, pads_end=end)
        return begin, end
    totals = [_same(size, r, stride) for size, r, stride in zip(x.shape[2:], reach, strides)]
    small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    return (small, large) if auto_pad == "same_upper" else (large, small)


def _same(size: Size, reach: int, stride: int) -> int:
    if stride == 1:
        return reach - 1
    if isinstance(size, Dim):
        require_equal(f"automatic padding of an axis of '{size}' in steps of {stride} depends on its size", (size % stride, 0))
        return max(reach - stride, 0)
    return max((-(-size // stride) - 1) * stride + reach - size, 0)


def reach_of(kernel: Sequence[int], dilations: Sequence[int]) -> list[int]:
    """How many elements a window covers along each axis: `dilation * (kernel - 1) + 1`."""
    return [d * (k - 1) + 1 for k, d in zip(kernel, dilations)]


def _kernel(w: Value, x: Value, leading: int) -> Ints:
    """The kernel's size, from the weights' axes after the first `leading` ones. Raises SourceError."""
    if x.rank < 3 or w.rank != x.rank - 2 + leading:
        raise SourceError(f"weights {w.type} do not fit data {x.type}")
    return tuple(static(s, "the size of a kernel") for s in w.shape[leading:])


@mapping("Convolution", 1)
def convolution(b: Builder, x: Value, w: Value, *, strides: Ints, dilations: Ints, pads_begin: Ints = (), pads_end: Ints = (),
                auto_pad: AutoPad = "explicit") -> Results:
    """Weights (O, I, kernel...)."""
    return _convolution(b, x, w, 1, _kernel(w, x, 2), strides, dilations, pads_begin, pads_end, auto_pad)


@mapping("GroupConvolution", 1)
def group_convolution(b: Builder, x: Value, w: Value, *, strides: Ints, dilations: Ints, pads_begin: Ints = (), pads_end: Ints = (),
                      auto_pad: AutoPad = "explicit") -> Results:
    """Weights (G, O, I, kernel...)."""
    kernel = _kernel(w, x, 3)
    groups, filters, *rest = w.shape
    merged = reshaped(b, w, (groups * filters, *rest))
    return _convolution(b, x, merged, _groups(groups), kernel, strides, dilations, pads_begin, pads_end, auto_pad)


def _groups(groups: Size) -> int:
    number = static(groups, "the number of groups")
    if number < 1:
        raise SourceError("the weights have no groups")
    return number


def _convolution(b: Builder, x: Value, w: Value, groups: int, kernel: Ints, strides: Ints, dilations: Ints, pads_begin: Ints,
                 pads_end: Ints, auto_pad: str) -> Value:
    require_spatial(x, strides=strides, dilations=dilations)
    begin, end = padding(x, reach_of(kernel, dilations), strides, pads_begin, pads_end, auto_pad)
    op = Conv(strides, dilations, begin, end, groups)
    if are_narrow(b, x, w):
        return integer_products(b, x, w, range(1, w.rank), lambda data, weights: b.add1(op, data, weights))
    return b.add1(op, x, w)


@mapping("BinaryConvolution", 1)
def binary_convolution(b: Builder, x: Value, w: Value, *, strides: Ints, dilations: Ints, pads_begin: Ints, pads_end: Ints,
                       mode: Literal["xnor-popcount"], pad_value: float, auto_pad: AutoPad = "explicit") -> Results:
    """Of bits: how many elements of x are what the weights (O, I, kernel...) say, less how many are not, each of them 0 or 1. What lies
    around x counts as 1 if `pad_value` is 1, as 0 if it is -1, and as neither if it is 0.

    As in OpenVINO's CPU plugin, the only one with this op, which reads the bits of each byte of the weights from the lowest one on."""
    kernel, channels = _kernel(w, x, 2), static(w.shape[1], "the number of channels")
    require_spatial(x, strides=strides, dilations=dilations)
    if channels % 8 or pad_value not in (-1, 0, 1):
        raise UnsupportedError(f"a BinaryConvolution of {channels} channels with {pad_value:g} around them: what it means is clear for "
                               "multiples of 8 channels and -1, 0 or 1 only", b.where)
    begin, end = padding(x, reach_of(kernel, dilations), strides, pads_begin, pads_end, auto_pad)
    given = b.array(w, "the weights of a binary convolution")
    bits = np.unpackbits(np.packbits(given.astype(np.bool_)), bitorder="little").reshape(given.shape)
    data = Formula(b, x) * 2 - 1
    if any((*begin, *end)) and pad_value:
        data = data.apply(Pad((0, 0, *begin), (0, 0, *end), value=pad_value))
        begin = end = (0,) * len(begin)
    return data.apply(Conv(strides, dilations, begin, end), bits * 2.0 - 1).value


# ---- transposed --------------------------------------------------------------------------------------------------------------
@mapping("ConvolutionBackpropData", 1)
def convolution_backprop(b: Builder, x: Value, w: Value, output_shape: Value | None = None, *, strides: Ints, dilations: Ints,
                         pads_begin: Ints = (), pads_end: Ints = (), auto_pad: AutoPad = "explicit", output_padding: Ints = ()) -> Results:
    """Weights (I, O, kernel...)."""
    return _transposed(b, x, w, 1, _kernel(w, x, 2), output_shape, strides, dilations, pads_begin, pads_end, auto_pad, output_padding)


@mapping("GroupConvolutionBackpropData", 1)
def group_convolution_backprop(b: Builder, x: Value, w: Value, output_shape: Value | None = None, *, strides: Ints, dilations: Ints,
                               pads_begin: Ints = (), pads_end: Ints = (), auto_pad: AutoPad = "explicit",
                               output_padding: Ints = ()) -> Results:
    """Weights (G, I, O, kernel...)."""
    kernel = _kernel(w, x, 3)
    groups, channels, *rest = w.shape
    merged = reshaped(b, w, (groups * channels, *rest))
    return _transposed(b, x, merged, _groups(groups), kernel, output_shape, strides, dilations, pads_begin, pads_end, auto_pad,
                       output_padding)


def _transposed(b: Builder, x: Value, w: Value, groups: int, kernel: Ints, output_shape: Value | None, strides: Ints, dilations: Ints,
                pads_begin: Ints, pads_end: Ints, auto_pad: str, output_padding: Ints) -> Value:
    """Automatic padding is none, unless `output_shape` says what has to be cut off."""
    require_spatial(x, strides=strides, dilations=dilations)
    extra = output_padding or (0,) * len(strides)
    require_spatial(x, 0, output_padding=extra)
    begin, end = padding(x, kernel, strides, pads_begin, pads_end, auto_pad if auto_pad in ("explicit", "notset") else "valid")
    if output_shape is not None:
        wanted = b.shape_of(output_shape, "the output shape of a transposed convolution")
        whole = tuple((size - 1) * s + r + e for size, s, r, e in zip(x.shape[2:], strides, reach_of(kernel, dilations), extra))
        begin, end = _cut(whole, wanted, begin, auto_pad)
    return b.add1(ConvTranspose(strides, dilations, begin, end, extra, groups), x, w)


def _cut(whole: Shape, wanted: Shape, begin: Ints, auto_pad: str) -> tuple[Ints, Ints]:
    """What to cut off a `whole` result before and after to leave the `wanted` sizes: an excess is shared evenly, of an odd one the larger
    part comes off at the beginning for "same_upper" and at the end for "same_lower"; else the cut at the beginning is given."""
    if len(whole) != len(wanted):
        raise SourceError(f"the output shape has {len(wanted)} entries for {len(whole)} spatial axes")
    totals = [static(size - want, "the padding of a transposed convolution") for size, want in zip(whole, wanted)]
    if auto_pad.startswith("same"):
        small = tuple(max(t, 0) // 2 for t in totals)
        begin = small if auto_pad == "same_lower" else tuple(max(t, 0) - s for t, s in zip(totals, small))
    return begin, tuple(t - first for t, first in zip(totals, begin))
