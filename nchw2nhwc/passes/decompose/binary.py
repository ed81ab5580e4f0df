"""Ops of several operands in terms of the usual ones, and fused activations taken apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import (
    Arithmetic,
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
    FakeQuantize,
    FloorDiv,
    FMod,
    LogicalXor,
    Mod,
    NotEqual,
    Pow,
    SquaredDifference,
)
from nchw2nhwc.ops.elementwise import Cast, Floor, Round, Sign, Tanh
from nchw2nhwc.ops.kinds import Doubles, wide
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import array, is_float, require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

INT32 = np.dtype(np.int32)

_ACTIVATIONS: dict[Activation, Op] = {
    Activation.RELU: Relu(), Activation.RELU6: Clip(0.0, 6.0), Activation.RELU_N1_TO_1: Clip(-1.0, 1.0), Activation.TANH: Tanh(),
}


@RULES.on(Arithmetic, Conv, ConvTranspose, MaxPool, AvgPool, FullyConnected)
def separate_activation(rw: Rewriter, node: Node, op: Arithmetic | Conv | ConvTranspose | MaxPool | AvgPool | FullyConnected) -> Value:
    """The op, and its activation behind it."""
    require(op.activation is not Activation.NONE, "{!r} has no activation", node)
    require(is_float(node.output) or op.activation is not Activation.TANH, "{!r} has no hyperbolic tangent", node)
    return rw.add(_ACTIVATIONS[op.activation], rw.add(replace(op, activation=Activation.NONE), *node.inputs))


@RULES.on(SquaredDifference)
def squared_difference(rw: Rewriter, node: Node, op: SquaredDifference) -> Value:
    """(a - b) * (a - b)."""
    difference = Term(rw, node.input(0)) - node.input(1)
    return (difference * difference).value


@RULES.on(FMod)
def fmod(rw: Rewriter, node: Node, op: FMod) -> Value:
    """sign(a) * (|a| mod |b|): of numbers that are not negative both remainders are the same. Of integers, whose smallest number has no
    absolute one, a mod |b|, less |b| where it is not 0 and the signs differ: LiteRT stops at the smallest number mod -1."""
    a, b = Term(rw, node.input(0)), Term(rw, node.input(1))
    if node.input(0).type.dtype.kind == "u":
        return a.apply(Mod(), b).value
    b = abs(b)
    if is_float(node.output):
        return (abs(a).apply(Mod(), b) * a.apply(Sign())).value
    rest = a.apply(Mod(), b)
    return ((a < 0).differs(b < 0) & rest.differs(0)).choose(rest - b, rest).value


@RULES.on(LogicalXor)
def logical_xor(rw: Rewriter, node: Node, op: LogicalXor) -> Value:
    """a != b."""
    return rw.add(NotEqual(), *node.inputs)


@RULES.on(Pow)
def repeated_squares(rw: Rewriter, node: Node, op: Pow) -> Value:
    """Integers to powers that are computed: products of x, x^2, x^4, ... where the exponent has that bit. Whatever is not -1, 0 or 1 runs
    over with a 64th power. Negative powers are truncated, and so are those that are no whole numbers, which floats have."""
    x, exponent = node.input(0), node.input(1)
    require(x.type.dtype.kind in "iu" and exponent.const is None, "{!r} has other operands", node)
    given = Term(rw, exponent)
    whole = given if exponent.type.dtype == INT32 else given.apply(Cast(INT32))
    base, one = Term(rw, x), Term(rw, rw.scalar(1, x))
    small = (whole >= 64).choose(whole.apply(Mod(), 2) + 62, whole)
    result, square = one, base
    for bit in range(6):
        has_bit = small.apply(Mod(), 2 << bit) >= 1 << bit
        result = result * has_bit.choose(square, one)
        square = square * square
    signed = (whole.apply(Mod(), 2) >= 1).choose(base, one)
    unit = base.equals(1) if x.type.dtype.kind == "u" else abs(base).equals(1)
    result = (whole >= 0).choose(result, unit.choose(signed, base - base))
    if not is_float(exponent):
        return result.value
    root = base.apply(Cast(exponent.type.dtype)).apply(Pow(), given).apply(Cast(x.type.dtype))
    return given.equals(given.apply(Floor())).choose(result, root).value


@RULES.on(Pow)
def whole_exponents(rw: Rewriter, node: Node, op: Pow) -> Value:
    """Integers to constant powers of another type, which are whole and not negative: the exponents as integers of the same type."""
    exponents, dtype = array(node.input(1)), node.output.type.dtype
    require(dtype.kind in "iu" and exponents.dtype != dtype, "{!r} has exponents of its own type", node)
    numbers = wide(exponents)
    require(bool(((numbers >= 0) & (numbers < 64) & (numbers == np.floor(numbers))).all()), "{!r} has other exponents", node)
    return rw.add(op, node.input(0), rw.constant(numbers, dtype))


# ---- bits --------------------------------------------------------------------------------------------------------------
@RULES.on(BitwiseAnd)
def bitwise_and(rw: Rewriter, node: Node, op: BitwiseAnd) -> Value:
    """a & b by a ^ b of int32. x + y - (x ^ y) is 2 * (x & y), because a sum is what the bits are without carries, and the carries.
    Of x = a // 2 and y = b // 2 it does not overflow, and is a & b but for the lowest bit, which is the product of those of a and b."""
    require(node.input(0).type.dtype == np.int32, "{!r} is not of int32", node)
    a, b = Term(rw, node.input(0)), Term(rw, node.input(1))
    x, y = (term.apply(FloorDiv(), 2) for term in (a, b))
    return (x + y - x.apply(BitwiseXor(), y) + (a - x * 2) * (b - y * 2)).value


@RULES.on(BitwiseOr)
def bitwise_or(rw: Rewriter, node: Node, op: BitwiseOr) -> Value:
    """a | b = (a ^ b) ^ (a & b)."""
    require(node.input(0).type.dtype == np.int32, "{!r} is not of int32", node)
    return Term(rw, rw.add(BitwiseXor(), *node.inputs)).apply(BitwiseXor(), rw.add(BitwiseAnd(), *node.inputs)).value


# ---- fake quantization -------------------------------------------------------------------------------------------------
@RULES.on(FakeQuantize)
def fake_quantize(rw: Rewriter, node: Node, op: FakeQuantize) -> Value:
    """x clipped to the input range, scaled to whole numbers, rounded (halves to even) and scaled to the output range. Constant bounds, the
    usual case, become four constants, as in OpenVINO's own runtime."""
    if all(v is not None and v.is_const for v in node.inputs[1:]):
        return _constant_bounds(rw, node, op)
    x, steps = Term(rw, node.input(0)), float(op.levels - 1)
    in_low, in_high, out_low, out_high = (Term(rw, node.input(k)) for k in range(1, 5))
    level = ((x.at_least(in_low).at_most(in_high) - in_low) / (in_high - in_low) * steps).apply(Round())
    return (level * ((out_high - out_low) / steps) + out_low).value


def _constant_bounds(rw: Rewriter, node: Node, op: FakeQuantize) -> Value:
    in_low, in_high, out_low, out_high = (wide(array(node.input(k))) for k in range(1, 5))
    require(bool((in_low <= in_high).all()), "{!r} has a range that runs backwards", node)
    dtype, steps = node.output.type.dtype, op.levels - 1

    def constant(content: Doubles) -> Value:
        return rw.constant(content, dtype)

    empty = in_high == in_low
    scale = steps / np.where(empty, 1.0, in_high - in_low)
    x = Term(rw, node.input(0))
    bounded = x.apply(Relu()) if bool((in_low == 0).all()) else x.at_least(constant(in_low))
    level = (bounded.at_most(constant(in_high)) * constant(scale) - constant(in_low * scale)).apply(Round())
    result = level * constant((out_high - out_low) / steps) + constant(out_low)
    if bool(empty.any()):  # a step instead of a stair
        step = (x > constant(in_high)).choose(constant(out_high), constant(out_low))
        result = Term(rw, rw.constant(empty)).choose(step, result)
    return result.value
