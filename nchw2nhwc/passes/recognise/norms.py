"""Normalisations that are spelled out in the source."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nchw2nhwc.ir.dim import Shape, product
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Arithmetic, Div, Mul, SquaredDifference, Sub
from nchw2nhwc.ops.elementwise import Rsqrt, Sqrt
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.norm import MVN, NormalizeL2
from nchw2nhwc.ops.reduce import ReduceL2, ReduceMean, ReduceSum, ReduceSumSquare
from nchw2nhwc.passes.match import Pattern, op_of, other_operand, require, require_float, require_same_type, scalar
from nchw2nhwc.passes.recognise.algebra import array_product, product_of
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

NORMS = RuleSet()


@dataclass(frozen=True)
class _Deviation:
    """What a centred value is divided by: the root of the mean square of x - mean over `axes`, with epsilon in it or behind it.

    `mean` is as the variance is made of it: where it comes without the axes, x can only be centred with a Reshape of it.
    """

    x: Value
    mean: Value
    op: MVN


def _mean_of(pattern: Pattern, value: Value) -> tuple[Value, tuple[int, ...]]:
    """`(x, axes)` with `value` the mean of x over the axes, which stay as size 1."""
    node = pattern.producer(value, ReduceMean)
    op = op_of(node, ReduceMean)
    require(op.keepdims and bool(op.axes), "{!r} drops the axes", node)
    return node.input(0), op.axes


def _plus_number(pattern: Pattern, value: Value) -> tuple[Value, float]:
    """`(v, c)` with `value = v + c`; c is 0 where nothing is added."""
    node = value.producer
    if node is None or not isinstance(node.op, Add) or node.op.activation is not Activation.NONE:
        return value, 0.0
    for v, c in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        if c.is_const:
            pattern.cover(node)
            return v, scalar(c)
    return value, 0.0


def _restored(pattern: Pattern, value: Value) -> Value:
    """`value` before a Reshape, if there is one: it may put back axes that were reduced."""
    node = value.producer
    if node is None or not isinstance(node.op, Reshape):
        return value
    pattern.cover(node)
    return node.input(0)


def _restores(value: Value, x: Value, axes: tuple[int, ...]) -> bool:
    """Whether `value` has the shape of x, with size 1 for the axes."""
    return value.shape == tuple(1 if k in axes else size for k, size in enumerate(x.shape))


def _difference_of_squares(pattern: Pattern, value: Value) -> tuple[Value, Value, tuple[int, ...]]:
    """`(x, mean of x, axes)` with `value` the mean of x^2 less the square of the mean of x, at least 0 where a Relu says so.

    In exact arithmetic this is the variance. In floating point it loses all digits that the two terms share, so MVN, which squares the
    distances from the mean, is closer to what is meant than the source is.
    """
    inner = _restored(pattern, value)
    if inner.producer is not None and isinstance(inner.producer.op, Relu):
        pattern.cover(inner.producer)
        inner = inner.producer.input(0)
    difference = pattern.producer(inner, Sub)
    means, squared = pattern.producer(difference.input(0), ReduceMean), pattern.producer(difference.input(1), Mul)
    square, mean = pattern.producer(means.input(0), Mul), squared.input(0)
    for node in (difference, squared, square):
        require(isinstance(node.op, Arithmetic) and node.op.activation is Activation.NONE, "{!r} has an activation", node)
    x, first = square.input(0), pattern.producer(mean, ReduceMean)
    require(square.input(1) is x and squared.input(1) is mean and first.input(0) is x, "{!r} is no variance", inner)
    axes = op_of(first, ReduceMean).axes
    require(bool(axes) and first.op == means.op, "the mean and the variance are over different axes")
    require(_restores(value, x, axes), "{!r} drops the axes", value)
    return x, mean, axes


def _variance(pattern: Pattern, value: Value, epsilon: float, inside_sqrt: bool) -> _Deviation:
    require(epsilon >= 0, "epsilon is negative")
    if value.producer is not None and isinstance(value.producer.op, (Reshape, Relu, Sub)):
        x, mean, axes = _difference_of_squares(pattern, value)
        return _Deviation(x, mean, MVN(axes, epsilon, inside_sqrt))
    square, axes = _mean_of(pattern, value)
    node = pattern.producer(square, Mul, SquaredDifference)
    if isinstance(node.op, Mul):
        require(node.input(0) is node.input(1) and node.op.activation is Activation.NONE, "{!r} is no square", node)
        node = pattern.producer(node.input(0), Sub)
    for x, mean in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        if mean.producer is not None and isinstance(mean.producer.op, ReduceMean) and mean.producer.input(0) is x:
            require(_mean_of(pattern, mean)[1] == axes, "the mean and the variance are over different axes")
            return _Deviation(x, mean, MVN(axes, epsilon, inside_sqrt))
    raise Mismatch("{!r} is not the distance from the mean", node)


def _root(pattern: Pattern, value: Value) -> _Deviation:
    """A value as the deviation that is divided by."""
    before, epsilon = _plus_number(pattern, value)
    node = pattern.producer(before, Sqrt)
    variance, inside = _plus_number(pattern, node.input(0))
    require(not (epsilon and inside), "there are two epsilons")
    return _variance(pattern, variance, epsilon or inside, not epsilon)


def _centred(pattern: Pattern, node: Node, deviation: _Deviation) -> None:
    """Raises Mismatch unless the node is x less its mean, that of the deviation."""
    op = op_of(node, Sub)
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    mean = node.input(1)
    if mean is not deviation.mean:
        mean = _restored(pattern, mean)
    require(node.input(0) is deviation.x and mean is deviation.mean, "{!r} is not x less its mean", node)
    require(_restores(node.input(1), deviation.x, deviation.op.axes), "{!r} drops the axes", node.input(1))


@NORMS.on(Div, Mul)
def mean_variance(rw: Rewriter, node: Node, op: Div | Mul) -> Value:
    """(x - mean) / sqrt(variance + epsilon), times constants in any place: layer norm and its kin."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    reasons = []
    order = ((0, 1),) if isinstance(op, Div) else ((0, 1), (1, 0))
    for above, below in order:
        pattern = Pattern(rw.graph, node)
        try:
            centred, factor = _scaled(pattern, node.input(above))
            if isinstance(op, Div):
                deviation = _root(pattern, node.input(below))
            else:
                root, gamma = _scaled(pattern, node.input(below))
                deviation, factor = _reciprocal_root(pattern, root), _times(factor, gamma)
            _centred(pattern, pattern.producer(centred, Sub), deviation)
        except Mismatch as mismatch:
            reasons.append(str(mismatch))
            continue
        require_same_type(deviation.x, node)
        require_float(deviation.x)
        pattern.require_closed()
        result = rw.add(deviation.op, deviation.x)
        return result if factor is None else rw.add(Mul(), result, rw.constant(factor, result.type.dtype))
    raise Mismatch("{}", "; ".join(reasons))


def _reciprocal_root(pattern: Pattern, value: Value) -> _Deviation:
    variance, epsilon = _plus_number(pattern, pattern.producer(value, Rsqrt).input(0))
    return _variance(pattern, variance, epsilon, True)


def _scaled(pattern: Pattern, value: Value) -> tuple[Value, Doubles | None]:
    """`(v, c)` with `value = v * c` and a constant array c, None for none."""
    if value.producer is None or not isinstance(value.producer.op, (Mul, Div)):
        return value, None
    product = product_of(pattern, pattern.producer(value))
    require(len(product.values) == 1, "{!r} is not scaled by a constant", value)
    return product.values[0], array_product(product.arrays) * product.number


def _times(a: Doubles | None, b: Doubles | None) -> Doubles | None:
    """The product of two factors, None for a factor that is not there."""
    if a is None or b is None:
        return b if a is None else a
    return np.multiply(a, b)


@NORMS.on(Add)
def batch_norm_form(rw: Rewriter, node: Node, op: Add) -> Value:
    """x * r + (beta - mean * r) with r = gamma / sqrt(variance + epsilon), as Keras spells layer norm; gamma and beta as they come."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    for scaled, rest in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        pattern = Pattern(rw.graph, node)
        if rest.producer is None or not isinstance(rest.producer.op, Sub):
            continue
        shift, first = pattern.producer(rest, Sub), pattern.producer(scaled, Mul)
        product = pattern.producer(shift.input(1), Mul)
        r = next((v for v in product.inputs if v is not None and v in first.inputs), None)
        if r is None:
            raise Mismatch("the two terms of {!r} share no factor", node)
        x, mean = other_operand(first, r), other_operand(product, r)
        deviation, gamma = _gamma_root(pattern, r)
        require(deviation.x is x and deviation.mean is mean, "{!r} is no normalisation of {!r}", node, x)
        require_same_type(x, node)
        require_float(x)
        pattern.require_closed()
        result = rw.add(deviation.op, x)
        result = result if gamma is None else rw.add(Mul(), result, gamma)
        return rw.add(Add(), result, shift.input(0))
    raise Mismatch("{!r} is not x * r + (beta - mean * r)", node)


def _gamma_root(pattern: Pattern, value: Value) -> tuple[_Deviation, Value | None]:
    node = pattern.producer(value, Rsqrt, Mul)
    if isinstance(node.op, Rsqrt):
        return _reciprocal_root(pattern, value), None
    for root, gamma in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        if root.producer is not None and isinstance(root.producer.op, Rsqrt):
            return _reciprocal_root(pattern, root), gamma
    raise Mismatch("{!r} does not multiply a reciprocal root", node)


@NORMS.on(Reshape)
def over_merged_axes(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """A normalisation between a Reshape and its inverse, over axes that the Reshape merges: group norm with one group is over all axes but
    the batch, instance norm over the spatial ones."""
    pattern = Pattern(rw.graph, node)
    inner = pattern.producer(node.input(0), MVN)
    before = pattern.producer(inner.input(0), Reshape)
    x, norm = before.input(0), op_of(inner, MVN)
    require_same_type(x, node)
    pattern.require_closed()
    return rw.add(replace(norm, axes=_unmerged(tuple(x.shape), tuple(before.output.shape), norm.axes)), x)


def _unmerged(shape: Shape, merged: Shape, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of `shape` that `axes` of `merged` consist of. Raises Mismatch where an axis is cut apart."""
    ends = [product(shape[:k]) for k in range(len(shape) + 1)]
    found: set[int] = set()
    for axis in axes:
        start, stop = product(merged[:axis]), product(merged[:axis + 1])
        require(start in ends and stop in ends, "axis {} of {} is a part of an axis of {}", axis, merged, shape)
        found.update(k for k in range(ends.index(start), ends.index(stop)) if shape[k] != 1)
    require(bool(found), "nothing is normalised")
    return tuple(sorted(found))


# ---- L2 --------------------------------------------------------------------------------------------------------------
def _at_least(pattern: Pattern, value: Value) -> tuple[Value, float | None]:
    """`(v, c)` with `value = max(v, c)`; None where there is no lower bound."""
    node = value.producer
    if node is None or not isinstance(node.op, Clip) or node.op.max is not None or node.op.min is None:
        return value, None
    pattern.cover(node)
    return node.input(0), node.op.min


def _sum_of_squares(pattern: Pattern, value: Value) -> tuple[Value, tuple[int, ...]]:
    """`(x, axes)` with `value` the sum of x^2 over the axes, which stay as size 1."""
    node = pattern.producer(value, ReduceSum, ReduceSumSquare)
    op: Op = node.op
    assert isinstance(op, (ReduceSum, ReduceSumSquare))
    require(op.keepdims and bool(op.axes), "{!r} drops the axes", node)
    if isinstance(op, ReduceSumSquare):
        return node.input(0), op.axes
    square = pattern.producer(node.input(0), Mul)
    require(square.input(0) is square.input(1), "{!r} is no square", square)
    return square.input(0), op.axes


def _length(pattern: Pattern, value: Value) -> tuple[Value, NormalizeL2]:
    """`(x, op)`: what x is divided by when it is brought to length 1."""
    bounded, least = _at_least(pattern, value)
    node = pattern.producer(bounded, ReduceL2, Sqrt)
    require(least is None or least >= 0, "the least length is negative")
    if isinstance(node.op, ReduceL2):
        require(node.op.keepdims and bool(node.op.axes), "{!r} drops the axes", node)
        return node.input(0), NormalizeL2(node.op.axes, 0.0 if least is None else least * least, "add" if least is None else "max")
    if least is not None:
        x, axes = _sum_of_squares(pattern, node.input(0))
        return x, NormalizeL2(axes, least * least, "max")
    return _squared_length(pattern, node.input(0))


def _squared_length(pattern: Pattern, value: Value) -> tuple[Value, NormalizeL2]:
    bounded, least = _at_least(pattern, value)
    if least is not None:
        require(least >= 0, "the least length is negative")
        x, axes = _sum_of_squares(pattern, bounded)
        return x, NormalizeL2(axes, least, "max")
    total, epsilon = _plus_number(pattern, value)
    require(epsilon >= 0, "epsilon is negative")
    x, axes = _sum_of_squares(pattern, total)
    return x, NormalizeL2(axes, epsilon, "add")


@NORMS.on(Div, Mul)
def unit_length(rw: Rewriter, node: Node, op: Div | Mul) -> Value:
    """x / sqrt(sum of x^2 + epsilon), and with a least length instead of epsilon."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    order = ((0, 1),) if isinstance(op, Div) else ((0, 1), (1, 0))
    for above, below in order:
        pattern = Pattern(rw.graph, node)
        try:
            if isinstance(op, Div):
                x, norm = _length(pattern, node.input(below))
            else:
                x, norm = _squared_length(pattern, pattern.producer(node.input(below), Rsqrt).input(0))
        except Mismatch:
            continue
        if x is node.input(above):
            require_same_type(x, node)
            require_float(x)
            pattern.require_closed()
            return rw.add(norm, x)
    raise Mismatch("{!r} does not divide a value by its length", node)
