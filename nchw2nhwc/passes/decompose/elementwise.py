"""Functions of single elements in terms of the usual ones.

Where a textbook formula loses digits to cancellation near zero, another one is used: results are to be right relative to their own size,
because a target's are compared with the source's relative to the largest of an output that may be small throughout.
"""

from __future__ import annotations

from math import pi, sqrt

import ml_dtypes
import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.binary import Atan2, Mod, NotEqual, PRelu
from nchw2nhwc.ops.elementwise import (
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    BitwiseNot,
    Celu,
    Clip,
    Cos,
    Cosh,
    Dropout,
    Elu,
    Erf,
    Floor,
    Gelu,
    HardSigmoid,
    HardSwish,
    Identity,
    IsInf,
    IsNaN,
    LeakyRelu,
    Log,
    Mish,
    Narrow,
    Reciprocal,
    Relu,
    Round,
    Rsqrt,
    Selu,
    Sigmoid,
    Sign,
    Sin,
    Sinh,
    Softplus,
    Softsign,
    Swish,
    Tan,
    Tanh,
    ThresholdedRelu,
)
from nchw2nhwc.ops.kinds import integer_range
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import is_float, require, require_float
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES, TRAINING_ONLY = RuleSet(), RuleSet()

_ERF = (1.12837927, 0.102769055, -1.91829907e-4, -6.19785386e-4, 8.76375858e-5, -5.66851572e-6, 1.41854415e-7)
"""P with erf(x) = tanh(x P(x^2)): fitted here to atanh(erf(x)) / x so that the largest relative error of erf is least (9.5e-8). All of it
happens at |x| < 4.6; beyond, the positive last coefficient lets tanh go to 1."""


def _x(rw: Rewriter, node: Node) -> Term:
    return Term(rw, node.input(0))


@RULES.on(Dropout)
@TRAINING_ONLY.on(Dropout)
def dropout(rw: Rewriter, node: Node, op: Dropout) -> Value:
    """What it is at inference."""
    return _x(rw, node).apply(Identity()).value


# ---- activations -----------------------------------------------------------------------------------------------------
@RULES.on(Erf)
def erf(rw: Rewriter, node: Node, op: Erf) -> Value:
    """tanh(x P(x^2)); see `_ERF`."""
    x = _x(rw, node)
    return (x * (x * x).polynomial(_ERF)).apply(Tanh()).value


@RULES.on(Gelu)
def gelu(rw: Rewriter, node: Node, op: Gelu) -> Value:
    """x / 2 * (1 + erf(x / sqrt 2)), or x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is the approximate form."""
    x = _x(rw, node)
    if not op.approximate:
        return (x * ((x * sqrt(0.5)).apply(Erf()) * 0.5 + 0.5)).value
    c = 2 * sqrt(2 / pi)
    return (x * (x * (x * x * (0.044715 * c) + c)).apply(Sigmoid())).value


@RULES.on(Swish)
def swish(rw: Rewriter, node: Node, op: Swish) -> Value:
    """x * sigmoid(beta x)."""
    x = _x(rw, node)
    return (x * (x if op.beta == 1 else x * op.beta).apply(Sigmoid())).value


@RULES.on(HardSigmoid)
def hard_sigmoid(rw: Rewriter, node: Node, op: HardSigmoid) -> Value:
    """relu6(6 alpha x + 6 beta) / 6: that clipping is an op of its own, and for alpha = 1/6 the first product goes."""
    x, alpha, beta = _x(rw, node), 6 * op.alpha, 6 * op.beta
    return (((x if abs(alpha - 1) < 1e-6 else x * alpha) + beta).apply(Clip(0.0, 6.0)) * (1 / 6)).value


@RULES.on(HardSwish)
def hard_swish(rw: Rewriter, node: Node, op: HardSwish) -> Value:
    """x * relu6(x + 3) / 6."""
    x = _x(rw, node)
    return (x * ((x + 3.0).apply(Clip(0.0, 6.0)) * (1 / 6))).value


@RULES.on(Mish)
def mish(rw: Rewriter, node: Node, op: Mish) -> Value:
    """-x * tanh(log(sigmoid(-x))): log(1 + e^x) is -log(sigmoid(-x)), which cannot overflow, and -x costs nothing behind a convolution,
    whose weights take the sign."""
    negative = -_x(rw, node)
    return (negative * negative.apply(Sigmoid()).apply(Log()).apply(Tanh())).value


@RULES.on(Softplus)
def softplus(rw: Rewriter, node: Node, op: Softplus) -> Value:
    """max(x, 0) + log(1 + exp(-|x|))."""
    x = _x(rw, node)
    return (x.apply(Relu()) + (-abs(x)).exp().log1p()).value


@RULES.on(Softsign)
def softsign(rw: Rewriter, node: Node, op: Softsign) -> Value:
    """x / (1 + |x|)."""
    x = _x(rw, node)
    return (x / (abs(x) + 1.0)).value


@RULES.on(Elu)
def elu(rw: Rewriter, node: Node, op: Elu) -> Value:
    """max(x, 0) + alpha * elu(min(x, 0)); with alpha = 1, max(x, 0) + 2 e^h sinh(h) where h = min(x, 0) / 2."""
    x = _x(rw, node)
    below = x.at_most(0.0)
    if op.alpha != 1:
        return (x.apply(Relu()) + below.apply(Elu()) * op.alpha).value
    half = below * 0.5
    return (x.apply(Relu()) + half.exp() * half.apply(Sinh()) * 2.0).value


@RULES.on(Selu)
def selu(rw: Rewriter, node: Node, op: Selu) -> Value:
    """gamma * (max(x, 0) + alpha * elu(min(x, 0)))."""
    x = _x(rw, node)
    return (x.apply(Relu()) * op.gamma + x.at_most(0.0).apply(Elu()) * (op.gamma * op.alpha)).value


@RULES.on(Celu)
def celu(rw: Rewriter, node: Node, op: Celu) -> Value:
    """alpha * elu(x / alpha) for a positive alpha."""
    require(op.alpha > 0, "alpha is {}", op.alpha)
    x = _x(rw, node)
    return (x.apply(Elu()) if op.alpha == 1 else (x * (1 / op.alpha)).apply(Elu()) * op.alpha).value


@RULES.on(ThresholdedRelu)
def thresholded_relu(rw: Rewriter, node: Node, op: ThresholdedRelu) -> Value:
    """x where x > alpha, else 0."""
    x = _x(rw, node)
    return (x > op.alpha).choose(x, rw.scalar(0.0, x.value)).value


@RULES.on(LeakyRelu)
def leaky_relu(rw: Rewriter, node: Node, op: LeakyRelu) -> Value:
    """max(x, 0) + alpha * min(x, 0)."""
    x = _x(rw, node)
    return (x.apply(Relu()) + x.at_most(0.0) * op.alpha).value


@RULES.on(PRelu)
def prelu(rw: Rewriter, node: Node, op: PRelu) -> Value:
    """max(x, 0) + slope * min(x, 0)."""
    x = _x(rw, node)
    return (x.apply(Relu()) + x.at_most(0.0) * node.input(1)).value


@RULES.on(Clip)
def clip(rw: Rewriter, node: Node, op: Clip) -> Value:
    """min(max(x, a), b); of integers with what the bounds come to in their type."""
    x = _x(rw, node)
    if not is_float(x.value):
        low, high = (int(v) for v in op.run(np.array(integer_range(x.value.type.dtype), x.value.type.dtype))[0])
        return x.at_least(low).at_most(high).value
    require(op.min is not None or op.max is not None, "{!r} has no bounds", node)
    x = x if op.min is None else x.at_least(op.min)
    return (x if op.max is None else x.at_most(op.max)).value


# ---- trigonometric and hyperbolic functions ----------------------------------------------------------------------------
@RULES.on(Tan)
def tan(rw: Rewriter, node: Node, op: Tan) -> Value:
    """sin(x) / cos(x)."""
    x = _x(rw, node)
    return (x.apply(Sin()) / x.apply(Cos())).value


@RULES.on(Asin)
def asin(rw: Rewriter, node: Node, op: Asin) -> Value:
    """atan2(x, sqrt((1 - x) (1 + x)))."""
    x = _x(rw, node)
    return x.apply(Atan2(), ((1.0 - x) * (x + 1.0)).sqrt()).value


@RULES.on(Acos)
def acos(rw: Rewriter, node: Node, op: Acos) -> Value:
    """atan2(sqrt((1 - x) (1 + x)), x)."""
    x = _x(rw, node)
    return ((1.0 - x) * (x + 1.0)).sqrt().apply(Atan2(), x).value


@RULES.on(Atan)
def atan(rw: Rewriter, node: Node, op: Atan) -> Value:
    """atan2(x, 1)."""
    return _x(rw, node).apply(Atan2(), 1.0).value


@RULES.on(Sinh)
def sinh(rw: Rewriter, node: Node, op: Sinh) -> Value:
    """tanh(x) * cosh(x): a difference of exponentials would lose small x."""
    x = _x(rw, node)
    return (x.apply(Tanh()) * x.apply(Cosh())).value


@RULES.on(Cosh)
def cosh(rw: Rewriter, node: Node, op: Cosh) -> Value:
    """(e^x + e^-x) / 2."""
    x = _x(rw, node)
    return ((x.exp() + (-x).exp()) * 0.5).value


@RULES.on(Asinh)
def asinh(rw: Rewriter, node: Node, op: Asinh) -> Value:
    """sign(x) * log(1 + a + a * (a / (1 + sqrt(1 + a^2)))) with a = |x|."""
    x = _x(rw, node)
    a = abs(x)
    return (x.apply(Sign()) * (a + a * (a / ((a * a + 1.0).sqrt() + 1.0))).log1p()).value


@RULES.on(Acosh)
def acosh(rw: Rewriter, node: Node, op: Acosh) -> Value:
    """log(1 + t + sqrt(t) sqrt(t + 2)) with t = x - 1."""
    t = _x(rw, node) - 1.0
    return (t + t.sqrt() * (t + 2.0).sqrt()).log1p().value


@RULES.on(Atanh)
def atanh(rw: Rewriter, node: Node, op: Atanh) -> Value:
    """(log(1 + x) - log(1 - x)) / 2."""
    x = _x(rw, node)
    return ((x.log1p() - (-x).log1p()) * 0.5).value


# ---- arithmetic ------------------------------------------------------------------------------------------------------
@RULES.on(Sigmoid)
def sigmoid(rw: Rewriter, node: Node, op: Sigmoid) -> Value:
    """1 / (1 + exp(-x)); the exponential may overflow, its reciprocal is then 0, as it should be."""
    return (1.0 / ((-_x(rw, node)).exp() + 1.0)).value


@RULES.on(Reciprocal)
def reciprocal(rw: Rewriter, node: Node, op: Reciprocal) -> Value:
    """1 / x."""
    return (1.0 / _x(rw, node)).value


@RULES.on(Rsqrt)
def rsqrt(rw: Rewriter, node: Node, op: Rsqrt) -> Value:
    """1 / sqrt(x)."""
    return (1.0 / _x(rw, node).sqrt()).value


@RULES.on(Round)
def round_half_away(rw: Rewriter, node: Node, op: Round) -> Value:
    """sign(x) * (floor(|x|) + (|x| - floor(|x|) >= 1/2)); the difference is exact, a sum |x| + 1/2 is not."""
    x = _x(rw, node)
    require_float(x.value)
    require(op.mode == "half_away_from_zero", "{!r} rounds halves to even", node)
    a = abs(x)
    whole = a.apply(Floor())
    return (x.apply(Sign()) * (whole + (a - whole >= 0.5).as_number(x))).value


@RULES.on(Abs)
def integer_abs(rw: Rewriter, node: Node, op: Abs) -> Value:
    """max(x, -x); unsigned numbers as they are."""
    x = _x(rw, node)
    if x.value.type.dtype.kind == "u":
        return x.apply(Identity()).value
    return (-x).at_least(x).value


@RULES.on(Sign)
def integer_sign(rw: Rewriter, node: Node, op: Sign) -> Value:
    """min(max(x, -1), 1), of integers."""
    x = _x(rw, node)
    require(not is_float(x.value), "{!r} is floating point", x.value)
    require(x.value.type.dtype.kind == "i", "{!r} is unsigned", x.value)
    return x.at_least(-1).at_most(1).value


@RULES.on(BitwiseNot)
def bitwise_not(rw: Rewriter, node: Node, op: BitwiseNot) -> Value:
    """-1 - x, in two's complement."""
    x = _x(rw, node)
    require(x.value.type.dtype.kind == "i", "{!r} is no signed integer", x.value)
    return (-1 - x).value


@RULES.on(IsNaN)
def is_nan(rw: Rewriter, node: Node, op: IsNaN) -> Value:
    """x != x."""
    x = _x(rw, node)
    return x.apply(NotEqual(), x).value


@RULES.on(IsInf)
def is_inf(rw: Rewriter, node: Node, op: IsInf) -> Value:
    """|x|, x or -x equal to infinity; when nothing is to be detected, x > infinity, which never holds."""
    x = _x(rw, node)
    if op.detect_negative and op.detect_positive:
        return abs(x).equals(np.inf).value
    if not op.detect_negative and not op.detect_positive:
        return (x > np.inf).value
    return x.equals(np.inf if op.detect_positive else -np.inf).value


@RULES.on(Narrow)
def lowest_bits(rw: Rewriter, node: Node, op: Narrow) -> Value:
    """The remainder modulo the number of values, counted from the smallest one."""
    require(not is_float(node.input(0)), "{!r} rounds floats", node)
    low, high = integer_range(op.dtype)
    x = _x(rw, node)
    if not low:
        return x.apply(Mod(), high + 1).value
    return ((x - low).apply(Mod(), high - low + 1) + low).value


@RULES.on(Narrow)
def nearest_narrow_float(rw: Rewriter, node: Node, op: Narrow) -> Value:
    """x rounded to a multiple of the last digit that numbers of its size have: halving finds the power of two below it, exactly."""
    require(is_float(node.input(0)), "{!r} takes bits of integers", node)
    info = ml_dtypes.finfo(op.dtype)  # type: ignore[no-untyped-call]
    lowest, highest = int(info.minexp), int(info.maxexp)
    x = _x(rw, node)
    size = abs(x).at_least(2.0**lowest).at_most(2.0**highest) * 2.0**-lowest
    last = rw.scalar(2.0 ** (lowest - info.nmant), x.value)
    digit = size * 0.0 + last
    for bits in (32, 16, 8, 4, 2, 1):
        if bits > highest - lowest:
            continue
        above = size >= 2.0**bits
        digit = above.choose(digit * 2.0**bits, digit)
        size = above.choose(size * 2.0**-bits, size)
    rounded = (x / digit).apply(Round()) * digit
    return _beyond(rounded, float(info.max), op.dtype).value


def _beyond(x: Term, largest: float, dtype: DType) -> Term:
    """x with what a narrow type has for numbers above its largest one, which its own cast tells."""
    top, bottom, nothing = (float(np.asarray(each, np.float32).astype(dtype)) for each in (np.inf, -np.inf, np.nan))
    limited = (x > largest).choose(x.number(top), (-x > largest).choose(x.number(bottom), x))
    return limited if np.isnan(nothing) else x.equals(x).choose(limited, x.number(nothing))
