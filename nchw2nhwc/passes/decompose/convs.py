"""Convolutions with groups where a target has none, and weights of transposed convolutions."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.movement import Concat, Reshape, Split
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.ops.windows import Ints
from nchw2nhwc.passes.decompose.ranks import Folded
from nchw2nhwc.passes.decompose.slices import padded, reshaped, sliced, transposed
from nchw2nhwc.passes.match import array, require, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

_FEW_GROUPS = 4
"""Up to this many groups become as many ops; more of them are combined in one."""


def _bias(node: Node) -> Value | None:
    return node.inputs[2] if len(node.inputs) > 2 else None


def _parts(rw: Rewriter, value: Value, axis: int, count: int) -> list[Value]:
    """A value cut into equal parts; a constant one by views."""
    (size,) = static_sizes(value, (axis,))
    if value.const is not None:
        return [rw.constant(part) for part in np.split(value.const, count, axis)]
    return list(rw.add_all(Split(axis, (size // count,) * count), value))


@RULES.on(Conv, ConvTranspose)
def few_groups(rw: Rewriter, node: Node, op: Conv | ConvTranspose) -> Value:
    """One op for each group, joined."""
    require(1 < op.groups <= _FEW_GROUPS and not op.channels_last, "{!r} has one group or many", node)
    data, weights = (_parts(rw, node.input(k), 1 - k, op.groups) for k in (0, 1))
    bias = _bias(node)
    biases = [None] * op.groups if bias is None else _parts(rw, bias, 0, op.groups)
    return rw.add(Concat(1), *(rw.add(replace(op, groups=1), x, w, b) for x, w, b in zip(data, weights, biases)))


@RULES.on(Conv)
def planes(rw: Rewriter, node: Node, op: Conv) -> Value:
    """A grouped convolution over three axes as a sum of ones over two, one for each tap along the first axis."""
    x, w = node.input(0), node.input(1)
    require(len(op.strides) == 3 and not op.channels_last, "{!r} has other than three spatial axes", node)
    (taps,), (count,) = static_sizes(w, (2,)), static_sizes(node.output, (2,))
    x = padded(rw, x, {2: (op.pads_begin[0], op.pads_end[0])})
    flat = replace(op, strides=op.strides[1:], dilations=op.dilations[1:], pads_begin=op.pads_begin[1:], pads_end=op.pads_end[1:])
    total: Value | None = None
    form: Folded | None = None
    for tap in range(taps):
        start = tap * op.dilations[0]
        form, plane = Folded.away(rw, sliced(rw, x, 2, start, start + (count - 1) * op.strides[0] + 1, op.strides[0]))
        weights = reshaped(rw, sliced(rw, w, 2, tap, tap + 1), (*w.shape[:2], *w.shape[3:]))
        part = rw.add(flat, plane, weights, _bias(node) if total is None else None)
        total = part if total is None else rw.add(Add(), total, part)
    assert total is not None
    assert form is not None
    return form.back(rw, total)


# ---- transposed --------------------------------------------------------------------------------------------------------
@RULES.on(ConvTranspose)
def block_diagonal(rw: Rewriter, node: Node, op: ConvTranspose) -> Value:
    """Many groups with large strides: one group, whose weights are zero between different groups.

    That costs `groups` times the multiplications; inserting zeros between the elements, the other way, costs the product of the strides.
    """
    w = array(node.input(1))
    require(_FEW_GROUPS < op.groups <= prod(op.strides) and not op.channels_last, "{!r} has too few or too many groups", node)
    per_group = w.shape[0] // op.groups, w.shape[1]
    dense: Array = np.zeros((w.shape[0], w.shape[1] * op.groups, *w.shape[2:]), w.dtype)
    for g in range(op.groups):
        rows = slice(g * per_group[0], (g + 1) * per_group[0])
        dense[rows, g * per_group[1]:(g + 1) * per_group[1]] = w[rows]
    return rw.add(replace(op, groups=1), node.input(0), rw.constant(dense), _bias(node))


@RULES.on(ConvTranspose)
def inserted_zeros(rw: Rewriter, node: Node, op: ConvTranspose) -> Value:
    """Grouped, or with computed weights: zeros between the elements of x, then an ordinary convolution with the flipped kernel.

    Source: V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", section 4.
    """
    w = node.input(1)
    require((op.groups > 1 or not w.is_const) and not op.channels_last, "{!r} has one group and constant weights", node)
    (channels, columns, *taps), groups = static_sizes(w, range(w.rank)), op.groups
    for axis in range(2, w.rank):
        w = sliced(rw, w, axis, None, None, -1)
    apart = reshaped(rw, w, (groups, channels // groups, columns, *taps))
    swapped = transposed(rw, apart, (0, 2, 1, *range(3, apart.rank)))
    flipped = reshaped(rw, swapped, (groups * columns, channels // groups, *taps))
    reach = [d * (k - 1) for k, d in zip(taps, op.dilations)]
    begin = [r - b for r, b in zip(reach, op.pads_begin)]
    end = [r - e + extra - (s - 1) for r, e, extra, s in zip(reach, op.pads_end, op.output_padding, op.strides)]
    x = node.input(0)
    for k, stride in enumerate(op.strides):
        x = _spread(rw, x, k + 2, stride)
        x = sliced(rw, x, k + 2, max(-begin[k], 0), min(end[k], 0) or None) if begin[k] < 0 or end[k] < 0 else x
    pads: list[Ints] = [tuple(max(p, 0) for p in side) for side in (begin, end)]
    conv = Conv((1,) * len(op.strides), op.dilations, pads[0], pads[1], op.groups)
    return rw.add(conv, x, flipped, _bias(node))


def _spread(rw: Rewriter, x: Value, axis: int, stride: int) -> Value:
    """x with stride - 1 zeros behind every element along one axis."""
    if stride == 1:
        return x
    apart = rw.add(Reshape((*x.shape[:axis + 1], 1, *x.shape[axis + 1:])), x)
    wide = padded(rw, apart, {axis + 1: (0, stride - 1)})
    return rw.add(Reshape((*x.shape[:axis], x.shape[axis] * stride, *x.shape[axis + 1:])), wide)
