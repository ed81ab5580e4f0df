"""Reductions in terms of sums, maxima and minima, and norms in terms of reductions."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.binary import Greater, Pow
from nchw2nhwc.ops.elementwise import Cast, Exp, Log, Round, Rsqrt, Sqrt
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Reshape, Slice, Transpose
from nchw2nhwc.ops.norm import LRN, MVN, BatchNorm, LayerNorm, NormalizeL2
from nchw2nhwc.ops.reduce import (
    ArgReduce,
    LogSoftmax,
    ReduceAnd,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceOr,
    ReduceSum,
    ReduceSumSquare,
    Softmax,
)
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import require, require_float, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

_LARGEST = float(np.finfo(np.float32).max)
_BOOL = np.dtype(np.bool_)


def _x(rw: Rewriter, node: Node) -> Term:
    return Term(rw, node.input(0))


@RULES.on(ReduceL2)
def l2_of_integers(rw: Rewriter, node: Node, op: ReduceL2) -> Value:
    """The root of the same numbers as floats, truncated: the nearest whole number, less 1 where its square is more than the sum. Kernels
    have roots of squares just below whole numbers, which are not to be truncated."""
    x = _x(rw, node)
    require(x.value.type.dtype.kind in "iu", "{!r} is not of integers", x.value)
    real = x.apply(Cast(np.dtype(np.float32)))
    total = (real * real).apply(ReduceSum(op.axes, op.keepdims))
    root = total.sqrt().apply(Round("half_to_even"))
    return (root - (root * root).apply(Greater(), total.value).as_number(root)).apply(Cast(x.value.type.dtype)).value


@RULES.on(ReduceLogSum, ReduceLogSumExp)
def of_integers(rw: Rewriter, node: Node, op: ReduceLogSum | ReduceLogSumExp) -> Value:
    """The result of the same numbers as floats, truncated."""
    x = _x(rw, node)
    require(x.value.type.dtype.kind in "iu", "{!r} is not of integers", x.value)
    return x.apply(Cast(np.dtype(np.float32))).apply(op).apply(Cast(x.value.type.dtype)).value


@RULES.on(ReduceL1)
def l1(rw: Rewriter, node: Node, op: ReduceL1) -> Value:
    """sum(|x|)."""
    return abs(_x(rw, node)).apply(ReduceSum(op.axes, op.keepdims)).value


@RULES.on(ReduceL2)
def l2(rw: Rewriter, node: Node, op: ReduceL2) -> Value:
    """sqrt(sum(x^2)), of floats."""
    x = _x(rw, node)
    require_float(x.value)
    return (x * x).apply(ReduceSum(op.axes, op.keepdims)).apply(Sqrt()).value


@RULES.on(ReduceSumSquare)
def sum_square(rw: Rewriter, node: Node, op: ReduceSumSquare) -> Value:
    """sum(x * x)."""
    x = _x(rw, node)
    return (x * x).apply(ReduceSum(op.axes, op.keepdims)).value


@RULES.on(ReduceLogSum)
def log_sum(rw: Rewriter, node: Node, op: ReduceLogSum) -> Value:
    """log(sum(x)), of floats."""
    x = _x(rw, node)
    require_float(x.value)
    return x.apply(ReduceSum(op.axes, op.keepdims)).apply(Log()).value


@RULES.on(ReduceLogSumExp)
def log_sum_exp(rw: Rewriter, node: Node, op: ReduceLogSumExp) -> Value:
    """m + log(sum(exp(x - m))) with the maximum m; an infinite one is replaced by the largest number, so that no infinities are
    subtracted."""
    x = _x(rw, node)
    require_float(x.value)
    top = x.apply(ReduceMax(op.axes, True)).apply(Clip(-_LARGEST, _LARGEST))
    total = (x - top).apply(Exp()).apply(ReduceSum(op.axes, op.keepdims)).apply(Log())
    if not op.keepdims and op.axes:
        top = top.apply(Reshape(node.output.shape))
    return (total + top).value


@RULES.on(ReduceMax, ReduceMin)
def of_booleans(rw: Rewriter, node: Node, op: ReduceMax | ReduceMin) -> Value:
    """Whether any, or whether all, hold."""
    x = _x(rw, node)
    require(x.value.type.dtype == _BOOL, "{!r} is not boolean", x.value)
    return x.apply(ReduceOr(op.axes, op.keepdims) if isinstance(op, ReduceMax) else ReduceAnd(op.axes, op.keepdims)).value


@RULES.on(ReduceAnd, ReduceOr)
def as_numbers(rw: Rewriter, node: Node, op: ReduceAnd | ReduceOr) -> Value:
    """The minimum, or the maximum, of 0 and 1."""
    extreme = ReduceMin(op.axes, op.keepdims) if isinstance(op, ReduceAnd) else ReduceMax(op.axes, op.keepdims)
    return _x(rw, node).apply(Cast(np.dtype(np.int32))).apply(extreme).apply(Cast(_BOOL)).value


@RULES.on(ArgReduce)
def last_index(rw: Rewriter, node: Node, op: ArgReduce) -> Value:
    """The last position of an extreme: n - 1 less the first one from behind."""
    x = _x(rw, node)
    require(op.select_last_index, "{!r} asks for the first position", node)
    (size,) = static_sizes(x.value, (op.axis,))
    axes = range(x.value.rank)
    reverse = Slice((None,) * len(axes), (None,) * len(axes), tuple(-1 if k == op.axis else 1 for k in axes))
    return (size - 1 - x.apply(reverse).apply(type(op)(op.axis, op.keepdims, False, op.dtype))).value


@RULES.on(ArgReduce)
def position_type(rw: Rewriter, node: Node, op: ArgReduce) -> Value:
    """The position as int32, cast to the type asked for."""
    require(op.dtype != np.dtype(np.int32), "{!r} gives int32", node)
    return _x(rw, node).apply(type(op)(op.axis, op.keepdims, op.select_last_index, np.dtype(np.int32))).apply(Cast(op.dtype)).value


@RULES.on(Softmax)
def softmax(rw: Rewriter, node: Node, op: Softmax) -> Value:
    """exp(x - max(x)) / sum(exp(x - max(x)))."""
    x = _x(rw, node)
    power = (x - x.apply(ReduceMax((op.axis,), True))).exp()
    return (power / power.apply(ReduceSum((op.axis,), True))).value


@RULES.on(LogSoftmax)
def log_softmax(rw: Rewriter, node: Node, op: LogSoftmax) -> Value:
    """y - log(sum(exp(y))) with y = x - max(x)."""
    x = _x(rw, node)
    y = x - x.apply(ReduceMax((op.axis,), True))
    return (y - y.exp().apply(ReduceSum((op.axis,), True)).log()).value


# ---- norms -----------------------------------------------------------------------------------------------------------
@RULES.on(BatchNorm)
def batch_norm(rw: Rewriter, node: Node, op: BatchNorm) -> Value:
    """(x - mean) * (scale / sqrt(variance + epsilon)) + bias."""
    x = _x(rw, node)
    scale, bias, mean, variance = (Term(rw, node.input(k)) for k in range(1, 5))
    channels = x.value.shape[op.axis]
    along = Reshape((channels, *[1] * (x.value.rank - op.axis - 1)))
    factor = scale * (variance + op.epsilon).apply(Rsqrt())
    return ((x - mean.apply(along)) * factor.apply(along) + bias.apply(along)).value


@RULES.on(MVN)
def mvn(rw: Rewriter, node: Node, op: MVN) -> Value:
    """d / sqrt(mean(d^2) + epsilon) with d = x - mean(x)."""
    x, mean = _x(rw, node), ReduceMean(op.axes, True)
    centred = x - x.apply(mean)
    if not op.normalize_variance:
        return centred.value
    variance = (centred * centred).apply(mean)
    if op.inside_sqrt:
        return (centred * (variance + op.epsilon).apply(Rsqrt())).value
    return (centred / (variance.sqrt() + op.epsilon)).value


@RULES.on(LayerNorm)
def layer_norm(rw: Rewriter, node: Node, op: LayerNorm) -> Value:
    """MVN, scaled and shifted along its axes."""
    x, scale, bias = (Term(rw, node.input(k)) for k in range(3))
    along = Reshape(tuple(size if k in op.axes else 1 for k, size in enumerate(x.value.shape)))
    return (x.apply(MVN(op.axes, op.epsilon)) * scale.apply(along) + bias.apply(along)).value


@RULES.on(NormalizeL2)
def normalize_l2(rw: Rewriter, node: Node, op: NormalizeL2) -> Value:
    """x / sqrt(sum(x^2) + epsilon), or with max(sum(x^2), epsilon)."""
    x = _x(rw, node)
    total = (x * x).apply(ReduceSum(op.axes, True))
    if op.epsilon:
        total = total + op.epsilon if op.mode == "add" else total.at_least(op.epsilon)
    return (x * total.apply(Rsqrt())).value


@RULES.on(LRN)
def lrn(rw: Rewriter, node: Node, op: LRN) -> Value:
    """x * (bias + alpha / size * s)^-beta; the sums s over neighbouring channels are a product with a banded matrix, channels last."""
    x = _x(rw, node)
    require(not op.channels_last, "{!r} is stored channels-last", node)
    (channels,) = static_sizes(x.value, (1,))
    distance = np.arange(channels)[None, :] - np.arange(channels)[:, None]
    band = np.asarray((distance >= -((op.size - 1) // 2)) & (distance <= op.size // 2), np.float64) * (op.alpha / op.size)
    last, first = Transpose((0, *range(2, x.value.rank), 1)), Transpose((0, x.value.rank - 1, *range(1, x.value.rank - 1)))
    weights, bias = rw.constant(band, x.value.type.dtype), rw.constant(np.full(channels, op.bias), x.value.type.dtype)
    sums = (x * x).apply(last).apply(FullyConnected(), weights, bias).apply(first)
    return _over_power(x, sums, op.beta)


def _over_power(x: Term, base: Term, exponent: float) -> Value:
    """x / base ^ exponent, by square roots for the usual exponents: that is faster than a power, and as accurate."""
    if exponent == 0.5:
        return (x * base.apply(Rsqrt())).value
    if exponent == 0.75:
        root = base.apply(Rsqrt())
        return (x * (root * root.sqrt())).value
    if exponent == 1:
        return (x / base).value
    return (x * base.apply(Pow(), -exponent)).value
