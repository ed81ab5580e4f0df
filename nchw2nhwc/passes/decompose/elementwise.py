"""Functions of single elements in terms of the usual ones.

Where a textbook formula loses digits to cancellation near zero, another one is used: results are to be right relative to their own size,
because a target's are compared with the source's relative to the largest of an output that may be small throughout.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.binary import Atan2, FloorDiv, Mod, NotEqual
from nchw2nhwc.ops.elementwise import (
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    BitCast,
    BitwiseNot,
    Cos,
    Cosh,
    Dropout,
    Floor,
    Identity,
    IsInf,
    IsNaN,
    Narrow,
    Reciprocal,
    Round,
    Rsqrt,
    Sign,
    Sin,
    Sinh,
    Tan,
    Tanh,
)
from nchw2nhwc.ops.kinds import integer_range
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import is_float, require, require_float
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

INT32 = np.dtype(np.int32)
POWERS: DType = np.dtype(ml_dtypes.float8_e8m0fnu)
"""Powers of two, from 2**-127 to 2**127, and NaN."""

RULES, TRAINING_ONLY = RuleSet(), RuleSet()


def _x(rw: Rewriter, node: Node) -> Term:
    return Term(rw, node.input(0))


@RULES.on(Dropout)
@TRAINING_ONLY.on(Dropout)
def dropout(rw: Rewriter, node: Node, op: Dropout) -> Value:
    """What it is at inference."""
    return _x(rw, node).apply(Identity()).value


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
    """min(max(x, -1), 1), of integers; of those without a sign min(x, 1)."""
    x = _x(rw, node)
    require(not is_float(x.value), "{!r} is floating point", x.value)
    return (x.at_least(-1) if x.value.type.dtype.kind == "i" else x).at_most(1).value


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
    require(is_float(node.input(0)) and op.dtype != POWERS, "{!r} takes bits of integers, or has no digits", node)
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


@RULES.on(Narrow)
def nearest_power_of_two(rw: Rewriter, node: Node, op: Narrow) -> Value:
    """The exponent of x, rounded by adding a half to the bits and cutting off all digits. Compares bits, because some runtimes take numbers
    below 2**-126 for 0."""
    require(op.dtype == POWERS, "{!r} has digits", node)
    bits = _x(rw, node).apply(BitCast(INT32))
    power = (bits.at_least(1 << 23) + (1 << 22)).apply(FloorDiv(), 1 << 23) * (1 << 23)
    found = (bits < 3 << 21).choose(bits.number(1 << 22), power)  # 3 << 21 are the bits of 1.5 * 2**-127, 1 << 22 those of 2**-127
    right = (bits > 0) & (bits < 0x7F400000)
    return right.choose(found, 0x7FC00000).apply(BitCast(node.output.type.dtype)).value


def _beyond(x: Term, largest: float, dtype: DType) -> Term:
    """x with what a narrow type has for numbers above its largest one, which its own cast tells."""
    top, bottom, nothing = (float(np.asarray(each, np.float32).astype(dtype)) for each in (np.inf, -np.inf, np.nan))
    limited = (x > largest).choose(x.number(top), (-x > largest).choose(x.number(bottom), x))
    return limited if np.isnan(nothing) else x.equals(x).choose(limited, x.number(nothing))
