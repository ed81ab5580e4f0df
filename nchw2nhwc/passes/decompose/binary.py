"""Ops of several operands in terms of the usual ones, fused activations taken apart, and integer types that a target's kernels lack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Arithmetic, Binary, FakeQuantize, FMod, LogicalXor, Mod, NotEqual, SquaredDifference
from nchw2nhwc.ops.elementwise import Abs, Cast, Clip, Relu, Round, Sign, Tanh, Unary
from nchw2nhwc.ops.kinds import Doubles, wide
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.reduce import AlongAxis, ArgReduce, Reduce
from nchw2nhwc.ops.windowed import AvgPool, Conv, ConvTranspose, MaxPool
from nchw2nhwc.passes.decompose.rules import DECOMPOSITIONS
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import array, require
from nchw2nhwc.passes.rewrite import Rewriter

_ACTIVATIONS: dict[Activation, Op] = {
    Activation.RELU: Relu(), Activation.RELU6: Clip(0.0, 6.0), Activation.RELU_N1_TO_1: Clip(-1.0, 1.0), Activation.TANH: Tanh(),
}

WIDER: dict[str, DType] = {
    **dict.fromkeys(("int8", "uint8", "int16", "uint16"), np.dtype(np.int32)),
    **dict.fromkeys(("uint32", "uint64"), np.dtype(np.int64)),
    "int64": np.dtype(np.int32),
}
"""What integer ops are computed in where a target has no kernel for their own type. int64 has no wider one: its values are sizes, positions
and counts, which fit into 32 bits; that it happens is written to the graph's notes."""


@DECOMPOSITIONS.on(Arithmetic, Conv, ConvTranspose, MaxPool, AvgPool, FullyConnected)
def separate_activation(rw: Rewriter, node: Node, op: Arithmetic | Conv | ConvTranspose | MaxPool | AvgPool | FullyConnected) -> Value:
    """The op, and its activation behind it."""
    require(op.activation is not Activation.NONE, "{!r} has no activation", node)
    return rw.add(_ACTIVATIONS[op.activation], rw.add(replace(op, activation=Activation.NONE), *node.inputs))


@DECOMPOSITIONS.on(SquaredDifference)
def squared_difference(rw: Rewriter, node: Node, op: SquaredDifference) -> Value:
    """(a - b) * (a - b)."""
    difference = Term(rw, node.input(0)) - node.input(1)
    return (difference * difference).value


@DECOMPOSITIONS.on(FMod)
def fmod(rw: Rewriter, node: Node, op: FMod) -> Value:
    """sign(a) * (|a| mod |b|): of numbers that are not negative both remainders are the same."""
    a, b = Term(rw, node.input(0)), Term(rw, node.input(1))
    if node.input(0).type.dtype.kind == "u":
        return a.apply(Mod(), b).value
    return (abs(a).apply(Mod(), b.apply(Abs())) * a.apply(Sign())).value


@DECOMPOSITIONS.on(LogicalXor)
def logical_xor(rw: Rewriter, node: Node, op: LogicalXor) -> Value:
    """a != b."""
    return rw.add(NotEqual(), *node.inputs)


# ---- fake quantization -------------------------------------------------------------------------------------------------
@DECOMPOSITIONS.on(FakeQuantize)
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
    level = (x.at_least(constant(in_low)).at_most(constant(in_high)) * constant(scale) - constant(in_low * scale)).apply(Round())
    result = level * constant((out_high - out_low) / steps) + constant(out_low)
    if bool(empty.any()):  # a step instead of a stair
        step = (x > constant(in_high)).choose(constant(out_high), constant(out_low))
        result = Term(rw, rw.constant(empty)).choose(step, result)
    return result.value


# ---- types of integers -------------------------------------------------------------------------------------------------
@DECOMPOSITIONS.on(Unary, Binary, Reduce, ArgReduce, AlongAxis)
def in_wider_integers(rw: Rewriter, node: Node, op: Op) -> Value:
    """The op on integers of a type that kernels have, cast there and back."""
    require(not isinstance(op, Cast), "{!r} is a Cast", node)
    dtype = node.input(0).type.dtype
    require(dtype.name in WIDER, "no other integer type can stand for {}", dtype.name)
    wider = WIDER[dtype.name]
    if dtype.itemsize > wider.itemsize:
        rw.graph.notes.append(f"'{node.origin.layer or node.output.name}' ({op.name}) is computed in {wider.name} instead of {dtype.name}")
    operands = [v if v is None or v.type.dtype != dtype else rw.add(Cast(wider), v) for v in node.inputs]
    result = rw.add(op, *operands)
    return result if result.type == node.output.type else rw.add(Cast(node.output.type.dtype), result)
