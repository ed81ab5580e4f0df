"""Normalisations by mean and variance that are spelled out in the source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from nchw2nhwc.ir.dim import Shape, product
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.binary import Add, Arithmetic, Div, Mul, SquaredDifference, Sub
from nchw2nhwc.ops.elementwise import Neg, Rsqrt, Sqrt
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.norm import MVN
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.passes.match import Pattern, op_of, require, require_float, require_same_type
from nchw2nhwc.passes.recognise.algebra import array_product, plus_number, product_of
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
    before, epsilon = plus_number(pattern, value)
    node = pattern.producer(before, Sqrt)
    variance, inside = plus_number(pattern, node.input(0))
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
    variance, epsilon = plus_number(pattern, pattern.producer(value, Rsqrt).input(0))
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


@NORMS.on(Add, Sub)
def batch_norm_form(rw: Rewriter, node: Node, op: Add | Sub) -> Value:
    """x * r - mean * r, and + beta, in any order, with r = gamma / sqrt(variance + epsilon), as Keras spells layer norm."""
    pattern = Pattern(rw.graph, node)
    terms = _terms(pattern, node)
    reasons = ["there are not two products with a common factor"]
    for (k, scaled), (j, shift) in permutations(enumerate(terms), 2):
        rest = [term for i, term in enumerate(terms) if i not in (k, j)]
        attempt = Pattern(rw.graph, node)
        _terms(attempt, node)
        try:
            deviation, gamma = _normalised(attempt, scaled, shift)
            require(not rest or rest[0][0] > 0, "beta is subtracted")
            require_same_type(deviation.x, node)
            require_float(deviation.x)
            attempt.require_closed()
        except Mismatch as mismatch:
            reasons.append(str(mismatch))
            continue
        result = rw.add(deviation.op, deviation.x)
        result = result if gamma is None else rw.add(Mul(), result, gamma)
        return rw.add(Add(), result, rest[0][1]) if rest else result
    raise Mismatch("{}", "; ".join(reasons))


_Term = tuple[float, Value]
"""A sign and what is added with it."""


def _terms(pattern: Pattern, node: Node) -> list[_Term]:
    """What is added up by a node, and by the one of its operands that adds or subtracts, too."""
    signs = (1.0, 1.0 if isinstance(node.op, Add) else -1.0)
    found: list[_Term] = []
    for sign, operand in zip(signs, (node.input(0), node.input(1))):
        inner = operand.producer
        if inner is None or not isinstance(inner.op, (Add, Sub)) or len(operand.uses) > 1 or inner.op.activation is not Activation.NONE:
            found.append((sign, operand))
            continue
        pattern.cover(inner)
        found += [(sign, inner.input(0)), (sign if isinstance(inner.op, Add) else -sign, inner.input(1))]
    require(op_of(node, Arithmetic).activation is Activation.NONE, "{!r} has an activation", node)
    require(len(found) <= 3, "{!r} has too many terms", node)
    return found


def _normalised(pattern: Pattern, scaled: _Term, shift: _Term) -> tuple[_Deviation, Value | None]:
    """The deviation and gamma with `x * r` and `-mean * r` for the two terms."""
    first, second = _two_factors(pattern, scaled, 1), _two_factors(pattern, shift, -1)
    shared = [value for value in first if value in second]
    require(len(shared) == 1, "the two terms do not share one factor")
    r = shared[0]
    (x,), (mean,) = [v for v in first if v is not r], [v for v in second if v is not r]
    deviation, gamma = _gamma_root(pattern, r)
    require(deviation.x is x and deviation.mean is mean, "{!r} is not the mean of {!r}", mean, x)
    return deviation, gamma


def _two_factors(pattern: Pattern, term: _Term, number: int) -> list[Value]:
    """The two values of which a term is the product, times the given number."""
    sign, value = term
    factors = product_of(pattern, pattern.producer(value, Mul, Neg))
    require(len(factors.values) == 2 and not factors.arrays, "{!r} is no product of two values", value)
    require(sign * factors.number == number, "{!r} is scaled", value)
    require(factors.values[0] is not factors.values[1], "{!r} is a square", value)
    return factors.values


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
