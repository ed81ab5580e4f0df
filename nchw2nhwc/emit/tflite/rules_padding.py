"""Padding that SAME and VALID cannot express becomes a Pad of its own, and a Pad that SAME can express disappears."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from nchw2nhwc.emit.tflite.lower_windowed import windows
from nchw2nhwc.emit.tflite.padding import Padding, padding_of
from nchw2nhwc.emit.tflite.ranges import is_never_negative
from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops.movement import Pad
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.quantized import QuantizeDequantize
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.match import op_of, producer, require, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

PADDING = RuleSet()

_PLANE = 2


@PADDING.on(Conv)
def pad_into_same(rw: Rewriter, node: Node, op: Conv) -> Value:
    """A convolution behind a Pad of zeros around the spatial axes, which SAME (or nothing) expresses as well."""
    first = producer(node.input(0), Pad)
    pad = op_of(first, Pad)
    require(op.channels_last and pad.mode == "constant" and pad.value == 0, "{!r} does not pad with zeros", first)
    outer = (pad.pads_begin[0], pad.pads_begin[-1], pad.pads_end[0], pad.pads_end[-1])
    require(not any(outer), "{!r} pads the batch or the channels", first)
    begin = tuple(a + b for a, b in zip(op.pads_begin, pad.pads_begin[1:-1]))
    end = tuple(a + b for a, b in zip(op.pads_end, pad.pads_end[1:-1]))
    wider = replace(op, pads_begin=begin, pads_end=end)
    result = rw.add(wider, first.input(0), *node.inputs[1:])
    assert result.producer is not None
    require(padding_of(windows(result.producer)) is not None, "SAME pads {!r} otherwise", node)
    return result


@PADDING.on(AvgPool)
def counted_average(rw: Rewriter, node: Node, op: AvgPool) -> Value:
    """A mean of windows in which the zeros of SAME count: a depthwise convolution with equal weights."""
    x, found = node.input(0), windows(node)
    require(op.channels_last and op.count_include_pad and len(found) == _PLANE, "{!r} counts no padding around the rows of images", node)
    require(padding_of(found) is Padding.SAME and all(w.explicit()[1] <= max(w.end, 0) for w in found), "SAME does not pad as {!r}", node)
    integers = x.producer is not None and isinstance(x.producer.op, QuantizeDequantize)
    require(x.type.dtype == np.float32 and not integers, "{!r} may compute with integers", node)
    (channels,) = static_sizes(x, (x.rank - 1,))
    weights = rw.constant(np.full((channels, *op.kernel, 1), 1 / prod(op.kernel)), x.type.dtype)
    return rw.add(Conv(op.strides, op.dilations, op.pads_begin, op.pads_end, channels, op.activation, channels_last=True), x, weights)


@PADDING.on(Conv, MaxPool, AvgPool)
def explicit_padding(rw: Rewriter, node: Node, op: Conv | MaxPool | AvgPool) -> Value:
    """Pads that are neither SAME nor VALID, or that count in an average, which those of SAME do not.

    A maximum is padded with -inf, or with 0 where the data is never negative: XNNPACK takes PAD, which pads with 0, but not PADV2.
    """
    found = windows(node)
    wanted = padding_of(found)
    counted = isinstance(op, AvgPool) and op.count_include_pad
    require(op.channels_last, "{!r} is in source order", node)
    require(wanted is None or (counted and wanted is Padding.SAME), "a padding of TFLite expresses that of {!r}", node)
    require(not isinstance(op, AvgPool) or counted, "{!r} does not count its padding", node)
    pads = [w.explicit() for w in found]
    require(not counted or all(end <= max(w.end, 0) for (_, end), w in zip(pads, found)), "{!r} counts the declared padding only", node)
    x, value = node.input(0), 0.0
    if isinstance(op, MaxPool):
        covered = all(max(pad) < w.reach for pad, w in zip(pads, found))
        lowest = -np.inf if x.type.dtype.kind == "f" else float(np.iinfo(x.type.dtype).min)  # type: ignore[type-var]
        value = 0.0 if covered and is_never_negative(x) else lowest
    padded = rw.add(Pad((0, *(b for b, _ in pads), 0), (0, *(e for _, e in pads), 0), value=value), x)
    none = (0,) * len(pads)
    bare = replace(op, pads_begin=none, pads_end=none)
    return rw.add(bare if isinstance(bare, Conv) else replace(bare, ceil_mode=False), padded, *node.inputs[1:])
