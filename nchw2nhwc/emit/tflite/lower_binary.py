"""Lowerings of ops of several operands that combine them element by element."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nchw2nhwc.emit.tflite.carriers import BOOL, refused_type
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_elementwise import direct, is_float, kernel
from nchw2nhwc.emit.tflite.lower_sizes import sizes_tensor
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.ir import Node
from nchw2nhwc.ops import binary
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.kinds import kind_of

FUSED: Mapping[Activation, int] = {Activation.NONE: 0, Activation.RELU: 1, Activation.RELU_N1_TO_1: 2, Activation.RELU6: 3}
"""`ActivationFunctionType` of the schema. TANH is missing: built-in kernels ignore it, and XNNPACK does not take operators that have it."""

direct({
    binary.Maximum: ("MAXIMUM", "MaximumMinimum"), binary.Minimum: ("MINIMUM", "MaximumMinimum"), binary.Mod: ("FLOOR_MOD", "FloorMod"),
    binary.FloorDiv: ("FLOOR_DIV", "FloorDiv"), binary.SquaredDifference: ("SQUARED_DIFFERENCE", "SquaredDifference"),
    binary.PRelu: ("PRELU", ""), binary.Less: ("LESS", "Less"), binary.LessEqual: ("LESS_EQUAL", "LessEqual"),
    binary.Greater: ("GREATER", "Greater"), binary.GreaterEqual: ("GREATER_EQUAL", "GreaterEqual"),
    binary.Equal: ("EQUAL", "Equal"), binary.NotEqual: ("NOT_EQUAL", "NotEqual"),
    binary.LogicalAnd: ("LOGICAL_AND", "LogicalAnd"), binary.LogicalOr: ("LOGICAL_OR", "LogicalOr"),
    binary.LogicalXor: ("NOT_EQUAL", "NotEqual"), binary.BitwiseAnd: ("LOGICAL_AND", "LogicalAnd"),
    binary.BitwiseOr: ("LOGICAL_OR", "LogicalOr")})


def refused_activation(node: Node, activation: Activation) -> str:
    """Why an activation cannot be fused into the operator of `node`; "" if it can."""
    if activation not in FUSED:
        return f"no kernel applies a fused {activation}"
    return "" if activation is Activation.NONE or is_float(node) else f"a fused {activation} needs float operands"


def _arithmetic(cls: type[binary.Arithmetic], code: str, table: str) -> None:
    def refuse(node: Node, op: binary.Arithmetic) -> str:
        return refused_activation(node, op.activation) or kernel(code)(node, op)

    def lower(e: Emitter, node: Node, op: binary.Arithmetic) -> None:
        any_scale = {"potScaleInt16": False} if e.integer is not None and code in ("ADD", "SUB") else {}
        e.op(code, e.operands(node), [e.out(node)], options(table, fusedActivationFunction=FUSED[op.activation], **any_scale))
    lowering(cls, refuse)(lower)


_arithmetic(binary.Add, "ADD", "AddOptions")
_arithmetic(binary.Sub, "SUB", "SubOptions")
_arithmetic(binary.Mul, "MUL", "MulOptions")
_arithmetic(binary.Div, "DIV", "DivOptions")

_POWERS: Mapping[float, str] = {2.0: "SQUARE", 0.5: "SQRT", -0.5: "RSQRT"}
"""Exponents with an operator of their own; unlike POW, XNNPACK takes it."""


def _exponent(node: Node) -> float:
    """The exponent of a float Pow if it is one constant number that adds no axes; else 0."""
    exponent = node.input(1).const
    single = exponent is not None and exponent.size == 1 and is_float(node) and node.output.shape == node.input(0).shape
    return float(exponent.reshape(())) if exponent is not None and single else 0.0


def _powers(node: Node, op: binary.Pow) -> str:
    if not is_float(node):
        exponent = node.input(1)
        if kind_of(exponent.type.dtype) != "integer" or exponent.const is None or int(np.min(exponent.const, initial=0)) < 0:
            return "POW of integers needs constant exponents that are not negative integers"
    return kernel("POW")(node, op)


@lowering(binary.Pow, _powers)
def power(e: Emitter, node: Node, op: binary.Pow) -> None:
    """POW, or the operator that a constant exponent has of its own."""
    a, b = node.input(0), node.input(1)
    code = _POWERS.get(_exponent(node))
    if code is not None:
        e.op(code, [e.of(a)], [e.out(node)], options("SquareOptions") if code == "SQUARE" else None)
    else:
        e.op("POW", [e.of(a), e.cast(e.of(b), a.type.dtype)], [e.out(node)], options("PowOptions"))


@lowering(binary.Atan2, kernel("ATAN2"))
def atan2(e: Emitter, node: Node, op: binary.Atan2) -> None:
    """The kernel does not broadcast."""
    shape, tensors = node.output.shape, e.operands(node)
    for k, value in enumerate(v for v in node.inputs if v is not None):
        if value.shape != shape:
            tensors[k] = e.run("BROADCAST_TO", [tensors[k], sizes_tensor(e, shape)], value.type.dtype, shape, options("BroadcastToOptions"))
    e.op("ATAN2", tensors, [e.out(node)])


@lowering(binary.BitwiseXor, lambda node, op: "" if node.input(0).type.dtype == BOOL else kernel("BITWISE_XOR")(node, op))
def bitwise_xor(e: Emitter, node: Node, op: binary.BitwiseXor) -> None:
    """Of booleans NOT_EQUAL."""
    if node.input(0).type.dtype == BOOL:
        e.op("NOT_EQUAL", e.operands(node), [e.out(node)], options("NotEqualOptions"))
    else:
        e.op("BITWISE_XOR", e.operands(node), [e.out(node)], options("BitwiseXorOptions"))


@lowering(binary.Where, lambda node, op: refused_type("SELECT_V2", node.input(1).type.dtype))
def where(e: Emitter, node: Node, op: binary.Where) -> None:
    """SELECT_V2."""
    e.op("SELECT_V2", e.operands(node), [e.out(node)], options("SelectV2Options"))
