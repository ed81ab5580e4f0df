"""Convolutions of one value that are added or subtracted: one convolution with the sum or difference of their kernels.

So a RepVGG block (3x3, 1x1 and a batch norm beside one another) and a residual around a single convolution become that convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Add, Sub
from nchw2nhwc.ops.kinds import Doubles, wide
from nchw2nhwc.ops.quantized import QuantizeDequantize
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.affine import Affine, affine_of, doubles, rounded
from nchw2nhwc.passes.match import array, op_of, producer, require
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

PARALLEL = RuleSet()


def _conv(rw: Rewriter, value: Value) -> Node:
    """The convolution that makes a value which nothing else reads."""
    node = producer(value, Conv)
    op = op_of(node, Conv)
    require(op.activation is Activation.NONE and not op.channels_last, "{!r} has an activation", node)
    require(all(v is None or v.is_const for v in node.inputs[1:]), "{!r} has computed parameters", node)
    x = node.input(0).producer
    require(x is None or not isinstance(x.op, QuantizeDequantize), "{!r} may compute with integers", node)
    rw.require_single_use(value)
    return node


def _bias(rw: Rewriter, node: Node) -> Doubles:
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return np.zeros(array(node.input(1)).shape[0]) if bias is None else doubles(rw, bias)


def _place(large: Conv, small: Conv, sizes: tuple[Sequence[int], Sequence[int]]) -> tuple[slice, ...]:
    """Where among the taps of the large kernel those of the small one are. Raises Mismatch where they are not."""
    found = []
    for k, (taps, few) in enumerate(zip(*sizes)):
        ahead, dilation = large.pads_begin[k] - small.pads_begin[k], large.dilations[k]
        require(few == 1 or small.dilations[k] == dilation, "the dilations differ")
        require(ahead >= 0 and ahead % dilation == 0 and ahead // dilation + few <= taps, "no kernel lies inside of the other")
        found.append(slice(ahead // dilation, ahead // dilation + few))
    return tuple(found)


@PARALLEL.on(Add, Sub)
def two_convolutions(rw: Rewriter, node: Node, op: Add | Sub) -> Value:
    """Two convolutions with equal strides and groups, the kernel of one inside of that of the other."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    a, b = (_conv(rw, node.input(k)) for k in (0, 1))
    require(a.input(0) is b.input(0) and a is not b, "{!r} and {!r} have different operands", a, b)
    signs = (1, 1 if isinstance(op, Add) else -1)
    if array(a.input(1)).size < array(b.input(1)).size:
        a, b, signs = b, a, signs[::-1]
    large, small = op_of(a, Conv), op_of(b, Conv)
    weights, other = array(a.input(1)), array(b.input(1))
    require((large.strides, large.groups, a.output.type) == (small.strides, small.groups, b.output.type), "{!r} and {!r} differ", a, b)
    place = _place(large, small, (weights.shape[2:], other.shape[2:]))
    total = wide(weights) * signs[0]
    total[(slice(None), slice(None), *place)] += wide(other) * signs[1]
    return _summed(rw, a, total, _bias(rw, a) * signs[0] + _bias(rw, b) * signs[1])


@PARALLEL.on(Add, Sub)
def around_a_convolution(rw: Rewriter, node: Node, op: Add | Sub) -> Value:
    """A convolution, and its own operand, as it is or scaled and shifted per channel: one more weight on each channel's own tap."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    for conv, beside in ((0, 1), (1, 0)):
        try:
            a = _conv(rw, node.input(conv))
            identity = _affine_down_to(rw, node.input(beside), a.input(0))
        except Mismatch:
            continue
        large = op_of(a, Conv)
        signs = (1, 1) if isinstance(op, Add) else (1, -1) if conv == 0 else (-1, 1)
        weights = wide(array(a.input(1))) * signs[0]
        channels, per_group = weights.shape[0], weights.shape[1]
        require(set(large.strides) == {1} and a.output.type == identity.x.type, "{!r} changes the shape", a)
        single = replace(large, pads_begin=(0,) * len(large.strides), dilations=(1,) * len(large.strides))
        place = _place(large, single, (weights.shape[2:], (1,) * len(large.strides)))
        rows = np.arange(channels)
        scale, shift = (_per_channel(c, channels, neutral) for c, neutral in ((identity.scale, 1.0), (identity.shift, 0.0)))
        weights[(rows, rows % per_group, *(p.start for p in place))] += scale * signs[1]
        return _summed(rw, a, weights, _bias(rw, a) * signs[0] + shift * signs[1])
    raise Mismatch("{!r} does not combine a convolution and its operand", node)


def _affine_down_to(rw: Rewriter, value: Value, x: Value) -> Affine:
    """`value` as scale and shift of x."""
    whole = Affine(value)
    while whole.x is not x:
        rw.require_single_use(whole.x)
        whole = affine_of(rw, producer(whole.x)).then(whole)
    return whole


def _per_channel(content: Doubles | None, channels: int, neutral: float) -> Doubles:
    if content is None:
        return np.full(channels, neutral)
    require(content.size == content.shape[1], "a constant of shape {} varies along other axes than 1", content.shape)
    return np.broadcast_to(content.reshape(-1), (channels,))


def _summed(rw: Rewriter, node: Node, weights: Doubles, bias: Doubles) -> Value:
    dtype = node.output.type.dtype
    return rw.add(node.op, node.input(0), rounded(rw, weights, dtype), rounded(rw, bias, dtype))
