"""Poolings: padding, rounding up, dilation, p-norms, adaptive windows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np

from nchw2nhwc.ir.dim import is_static
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Div, Maximum, Mul, Pow
from nchw2nhwc.ops.elementwise import Abs, Identity, Sqrt
from nchw2nhwc.ops.movement import Concat, Expand
from nchw2nhwc.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, LpPool, MaxPool
from nchw2nhwc.ops.reduce import ReduceMax
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.ops.windows import Ints, adaptive_ends, adaptive_windows, elements_counted, lowest
from nchw2nhwc.passes.decompose.matrices import along_axes, products
from nchw2nhwc.passes.decompose.ranks import does_nothing
from nchw2nhwc.passes.decompose.sizes import positions, size_of
from nchw2nhwc.passes.decompose.slices import padded, sliced
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import is_float, require, require_float, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

Pool = MaxPool | AvgPool | LpPool


def _needed_end(node: Node, op: Pool) -> Ints:
    """How much padding at the end the windows need, at least what is declared. Raises Mismatch when that depends on symbolic sizes."""
    if not op.ceil_mode:
        return op.pads_end
    x, axes = node.input(0), range(2, node.input(0).rank)
    if isinstance(op, MaxPool) and not is_static(x.shape[2:]):  # more elements than are needed do not change a maximum
        reaches = [d * (k - 1) + 1 for k, d in zip(op.kernel, op.dilations)]
        full = all(e + s <= r for e, s, r in zip(op.pads_end, op.strides, reaches))
        require(full, "which windows of {!r} count depends on its size", node)
        return tuple(e + s - 1 for e, s in zip(op.pads_end, op.strides))
    sizes, counts = static_sizes(x, axes), static_sizes(node.output, axes)
    spans = ((n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(counts, op.strides, op.dilations, op.kernel))
    return tuple(max(end, span - size - begin) for end, span, size, begin in zip(op.pads_end, spans, sizes, op.pads_begin))


def _cropped(rw: Rewriter, value: Value, like: Value) -> Value:
    """`value` without the last windows that only the padding for rounding up made room for."""
    for axis, (size, wanted) in enumerate(zip(value.shape, like.shape)):
        if size != wanted:
            assert isinstance(wanted, int)
            value = sliced(rw, value, axis, None, wanted)
    return value


@RULES.on(MaxPool, AvgPool)
def single_elements(rw: Rewriter, node: Node, op: MaxPool | AvgPool) -> Value:
    """Windows of one element each, one for each element."""
    require(does_nothing(op) and op.activation is Activation.NONE, "{!r} has larger windows", node)
    return rw.add(Identity(), node.input(0))


@RULES.on(MaxPool, AvgPool, LpPool)
def needless_dilation(rw: Rewriter, node: Node, op: Pool) -> Value:
    """A kernel of one element has no dilation."""
    dilations = tuple(1 if k == 1 else d for k, d in zip(op.kernel, op.dilations))
    require(dilations != op.dilations, "all dilations of {!r} matter", node)
    return rw.add(replace(op, dilations=dilations), node.input(0))


@RULES.on(MaxPool, AvgPool)
def rounded_up(rw: Rewriter, node: Node, op: MaxPool | AvgPool) -> Value:
    """Rounding up as padding at the end, where padding does not count."""
    require(op.ceil_mode and not op.channels_last, "{!r} rounds down", node)
    require(isinstance(op, MaxPool) or not op.count_include_pad, "the padding of {!r} counts", node)
    return _cropped(rw, rw.add(replace(op, pads_end=_needed_end(node, op), ceil_mode=False), node.input(0)), node.output)


@RULES.on(MaxPool)
def dilated_maximum(rw: Rewriter, node: Node, op: MaxPool) -> Value:
    """The maximum of slices along each dilated axis (of integers: each axis), and an ordinary pool along the others."""
    moving = [k for k in range(len(op.kernel)) if op.kernel[k] > 1 or op.strides[k] > 1]
    dilated = [k for k in moving if not is_float(node.input(0)) or (op.dilations[k] > 1 and op.kernel[k] > 1)]
    require(bool(dilated) and not op.ceil_mode and not op.channels_last, "{!r} is not dilated", node)
    x = padded(rw, node.input(0), {k + 2: (op.pads_begin[k], op.pads_end[k]) for k in dilated}, float(lowest(node.input(0).type.dtype)))
    for k in dilated:
        gap, remaining = op.dilations[k], range(op.kernel[k] - 1, -1, -1)
        parts = [sliced(rw, x, k + 2, t * gap, -ahead * gap or None, op.strides[k]) for t, ahead in enumerate(remaining)]
        x = parts[0]
        for part in parts[1:]:
            x = rw.add(Maximum(), x, part)

    def others(values: Ints, neutral: int) -> Ints:
        return tuple(neutral if k in dilated else v for k, v in enumerate(values))
    rest = replace(op, kernel=others(op.kernel, 1), strides=others(op.strides, 1), dilations=(1,) * len(op.kernel),
                   pads_begin=others(op.pads_begin, 0), pads_end=others(op.pads_end, 0))
    return x if does_nothing(rest) else rw.add(rest, x)


@RULES.on(AvgPool)
def counted_mean(rw: Rewriter, node: Node, op: AvgPool) -> Value:
    """Zeros around x, a mean over whole windows, and where elements do not count, a factor that makes up for it: a constant, or for sizes
    that are open one over the share of elements that count."""
    x, axes = node.input(0), range(2, node.input(0).rank)
    require(not op.channels_last, "{!r} is stored channels-last", node)
    require_float(x)
    ends = _needed_end(node, op)
    bare = replace(op, pads_begin=(0,) * len(axes), pads_end=(0,) * len(axes), ceil_mode=False, count_include_pad=True)
    require(bare != op, "{!r} has no padding", node)
    everything_counts = op.count_include_pad and ends == op.pads_end
    pads = dict(zip(axes, zip(op.pads_begin, ends)))
    if not everything_counts and not is_static(x.shape[2:]):
        ones = rw.add(Expand((1, 1, *x.shape[2:])), rw.constant(np.ones((1,) * x.rank), x.type.dtype))
        return rw.add(Div(), rw.add(bare, padded(rw, x, pads)), rw.add(bare, padded(rw, ones, pads)))
    factor = None if everything_counts else _made_up(node, op)
    result = _cropped(rw, rw.add(bare, padded(rw, x, pads)), node.output)
    return result if factor is None else rw.add(Mul(), result, rw.constant(factor, x.type.dtype))


def _made_up(node: Node, op: AvgPool) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    """Elements of a window over elements that count, for each window (S...); None when it is 1 everywhere."""
    axes = range(2, node.input(0).rank)
    counts: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.ones(())
    sizes, results = static_sizes(node.input(0), axes), static_sizes(node.output, axes)
    windows = zip(sizes, results, op.kernel, op.strides, op.dilations, op.pads_begin, op.pads_end)
    for size, count, kernel, stride, dilation, begin, end in windows:
        within = range(-begin, size + end) if op.count_include_pad else range(size)
        counts = np.multiply.outer(counts, elements_counted(kernel, stride, dilation, begin, count, within))
    factor = prod(op.kernel) / np.maximum(counts, 1)
    return None if bool((factor == 1).all()) else factor


@RULES.on(AvgPool)
def dilated_mean(rw: Rewriter, node: Node, op: AvgPool) -> Value:
    """A dilated mean over whole windows is a depthwise convolution with equal weights."""
    x = node.input(0)
    require(max(op.dilations) > 1 and not op.channels_last and not op.ceil_mode, "{!r} is not dilated", node)
    require(not any((*op.pads_begin, *op.pads_end)), "{!r} is padded", node)
    require_float(x)
    (channels,) = static_sizes(x, (1,))
    weights = rw.constant(np.full((channels, 1, *op.kernel), 1 / prod(op.kernel)), x.type.dtype)
    return rw.add(Conv(op.strides, op.dilations, op.pads_begin, op.pads_end, channels), x, weights)


@RULES.on(LpPool)
def p_norm(rw: Rewriter, node: Node, op: LpPool) -> Value:
    """(elements of a window * mean of |x|^p)^(1/p), with zeros around x that count."""
    x = node.input(0)
    require(not op.channels_last, "{!r} is stored channels-last", node)
    require_float(x)
    ends = _needed_end(node, op)
    power = rw.add(Abs(), x) if op.p == 1 else rw.add(Mul(), x, x) if op.p == 2 else rw.add(Pow(), rw.add(Abs(), x), rw.scalar(op.p, x))
    mean = AvgPool(op.kernel, op.strides, op.dilations, op.pads_begin, ends, ceil_mode=False, count_include_pad=True)
    total = rw.add(Mul(), _cropped(rw, rw.add(mean, power), node.output), rw.scalar(prod(op.kernel), x))
    return total if op.p == 1 else rw.add(Sqrt(), total) if op.p == 2 else rw.add(Pow(), total, rw.scalar(1 / op.p, x))


# ---- adaptive ----------------------------------------------------------------------------------------------------------
def _uniform(sizes: Ints, counts: Ints) -> tuple[Ints, Ints] | None:
    """`(kernel, strides)` when all windows of each axis are equally long and equally far apart."""
    kernels, strides = [], []
    for size, count in zip(sizes, counts):
        windows = adaptive_windows(size, count)
        lengths = {w.stop - w.start for w in windows}
        steps = {b.start - a.start for a, b in pairwise(windows)} or {1}
        if len(lengths) > 1 or len(steps) > 1 or min(steps) < 1:
            return None
        kernels.append(lengths.pop())
        strides.append(steps.pop())
    return tuple(kernels), tuple(strides)


@RULES.on(AdaptiveAvgPool, AdaptiveMaxPool)
def uniform_windows(rw: Rewriter, node: Node, op: AdaptiveAvgPool | AdaptiveMaxPool) -> Value:
    """Windows of one length at one distance: an ordinary pool."""
    x = node.input(0)
    require(not op.channels_last, "{!r} is stored channels-last", node)
    found = _uniform(static_sizes(x, range(2, x.rank)), op.output_size)
    require(found is not None, "the windows of {!r} differ", node)
    assert found is not None
    one, none = (1,) * (x.rank - 2), (0,) * (x.rank - 2)
    return rw.add((AvgPool if isinstance(op, AdaptiveAvgPool) else MaxPool)(*found, one, none, none), x)


@RULES.on(AdaptiveAvgPool)
def averaging_matrices(rw: Rewriter, node: Node, op: AdaptiveAvgPool) -> Value:
    """A product with an averaging matrix along each axis."""
    x = node.input(0)
    require(not op.channels_last, "{!r} is stored channels-last", node)
    require_float(x)
    matrices = {}
    for axis, (size, count) in enumerate(zip(static_sizes(x, range(2, x.rank)), op.output_size), 2):
        matrix = np.zeros((count, size))
        for row, window in zip(matrix, adaptive_windows(size, count)):
            row[window] = 1 / (window.stop - window.start)
        matrices[axis] = matrix
    result = along_axes(rw, x, matrices)
    return result if result is not x else rw.add(Identity(), x)


@RULES.on(AdaptiveAvgPool)
def averaging_open_sizes(rw: Rewriter, node: Node, op: AdaptiveAvgPool) -> Value:
    """The same along axes whose sizes are known only when the model runs."""
    x = node.input(0)
    require(not is_static(x.shape[2:]) and not op.channels_last, "{!r} has known sizes", node)
    require_float(x)
    matrices = []
    for axis, (size, count) in enumerate(zip(x.shape[2:], op.output_size), 2):
        length, number = size_of(rw, size), Term(rw, rw.constant(np.arange(count, dtype=np.int32)[:, None]))
        starts, ends = number * length // count, ((number + 1) * length + (count - 1)) // count
        place = positions(rw, size)
        inside = ((starts <= place) & (ends > place)).cast(x.type.dtype)
        matrices.append((axis, (inside / (ends - starts).cast(x.type.dtype)).value))
    return products(rw, x, matrices)


@RULES.on(AdaptiveMaxPool)
def maxima_of_slices(rw: Rewriter, node: Node, op: AdaptiveMaxPool) -> Value:
    """The maximum of each window's slice, joined; axis by axis."""
    x = node.input(0)
    require(not op.channels_last, "{!r} is stored channels-last", node)
    for axis, (size, count) in enumerate(zip(x.shape[2:], op.output_size), 2):
        if size == count:
            continue
        parts = [sliced(rw, x, axis, *ends) for ends in adaptive_ends(size, count)]
        x = rw.add(Concat(axis), *(rw.add(ReduceMax((axis,), True), part) for part in parts))
    return x if x is not node.input(0) else rw.add(Identity(), x)
