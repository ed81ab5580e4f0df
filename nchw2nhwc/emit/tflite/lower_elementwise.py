"""Lowerings of ops of one operand that treat every element alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nchw2nhwc.emit.tflite.carriers import BOOL, FLOAT32, INT64, UINT64, refused_type
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import TYPES, options
from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops import activation_functions as act
from nchw2nhwc.ops import binary, elementwise, movement, reduce
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.kinds import kind_of


def is_float(node: Node) -> bool:
    """Whether operand 0 is of a floating point type."""
    return kind_of(node.input(0).type.dtype) == "floating point"


def kernel(code: str) -> Callable[[Node, Op], str]:
    """A refusal of what the kernel of `code` cannot compute: the element type of operand 0."""
    return lambda node, op: refused_type(code, node.input(0).type.dtype)


def direct(table: Mapping[type[Op], tuple[str, str]]) -> None:
    """Register ops that are one operator with the same operands: its code and its options table ("" for none)."""
    for cls, (code, name) in table.items():
        lowering(cls, kernel(code))(_Direct(code, name))


class _Direct:
    def __init__(self, code: str, table: str) -> None:
        self.code, self.options = code, options(f"{table}Options") if table else None

    def __call__(self, e: Emitter, node: Node, op: Op) -> None:
        e.op(self.code, e.operands(node), [e.out(node)], self.options)


direct({
    elementwise.Abs: ("ABS", "Abs"), elementwise.Neg: ("NEG", "Neg"), elementwise.Sign: ("SIGN", "Sign"), elementwise.Exp: ("EXP", "Exp"),
    elementwise.Log: ("LOG", ""), elementwise.Sqrt: ("SQRT", ""), elementwise.Sin: ("SIN", ""),
    elementwise.Cos: ("COS", "Cos"), act.Sigmoid: ("LOGISTIC", ""), elementwise.Tanh: ("TANH", ""),
    act.HardSwish: ("HARD_SWISH", "HardSwish"), elementwise.LogicalNot: ("LOGICAL_NOT", "LogicalNot")})


@lowering(elementwise.Identity)
def identity(e: Emitter, node: Node, op: elementwise.Identity) -> None:
    """No operator: the result is the operand."""
    e.alias(node, e.of(node.input(0)))


def _floats_by(code: str) -> Callable[[Node, Op], str]:
    """Refuses floats that the kernel does not take; integers need no operator at all."""
    return lambda node, op: refused_type(code, node.input(0).type.dtype) if is_float(node) else ""


def _rounding(code: str) -> Callable[[Emitter, Node, Op], None]:
    def lower(e: Emitter, node: Node, op: Op) -> None:
        if is_float(node):
            e.op(code, e.operands(node), [e.out(node)])
        else:
            e.alias(node, e.of(node.input(0)))
    return lower


def _rounds(node: Node, op: elementwise.Round) -> str:
    return "ROUND rounds halves to even" if is_float(node) and op.mode != "half_to_even" else _floats_by("ROUND")(node, op)


lowering(elementwise.Floor, _floats_by("FLOOR"))(_rounding("FLOOR"))
lowering(elementwise.Ceil, _floats_by("CEIL"))(_rounding("CEIL"))
lowering(elementwise.Round, _rounds)(_rounding("ROUND"))


@lowering(elementwise.Reciprocal, kernel("DIV"))
def reciprocal(e: Emitter, node: Node, op: elementwise.Reciprocal) -> None:
    """DIV of 1."""
    x = node.input(0)
    e.op("DIV", [e.const(np.ones((), x.type.dtype)), e.of(x)], [e.out(node)], options("DivOptions"))


@lowering(elementwise.Rsqrt, kernel("RSQRT"))
def rsqrt(e: Emitter, node: Node, op: elementwise.Rsqrt) -> None:
    """RSQRT. XNNPACK refines an estimate, which makes NaN of 0: POW with -1/2 on the CPU unless the operand is known to be larger, as
    LiteRT's own DIV of 1 by 0 is the largest finite number."""
    x = node.input(0)
    if not e.for_cpu or _is_above_zero(x) or x.rank > _POW_RANK:
        e.op("RSQRT", [e.of(x)], [e.out(node)])
    else:
        e.op("POW", [e.of(x), e.const(np.asarray(-0.5, x.type.dtype))], [e.out(node)], options("PowOptions"))


_POW_RANK = 4
"""Axes up to which LiteRT's POW broadcasts."""
_SMALL = float(np.finfo(np.float32).tiny)
"""XNNPACK takes what is below for 0."""


def _is_above_zero(value: Value) -> bool:
    """Whether a tensor is a sum with positive numbers, as variances and squared lengths with an epsilon are, or cut to them; or a sum of
    squares, whose zero divides zeros in a norm, which is no number anyway."""
    node = value.producer
    if node is None:
        return _is_positive(value)
    if isinstance(node.op, act.Clip):
        return node.op.min is not None and node.op.min >= _SMALL
    if isinstance(node.op, (binary.Add, binary.Maximum)):
        return any(_is_positive(v) for v in node.inputs if v is not None)
    if isinstance(node.op, (reduce.ReduceMean, reduce.ReduceSum)):
        squares = node.input(0).producer
        return squares is not None and _is_square(squares)
    return isinstance(node.op, movement.Reshape) and _is_above_zero(node.input(0))


def _is_positive(value: Value) -> bool:
    return value.const is not None and bool(np.greater_equal(value.const, _SMALL).all())


def _is_square(node: Node) -> bool:
    return isinstance(node.op, binary.SquaredDifference) or (isinstance(node.op, binary.Mul) and node.inputs[0] is node.inputs[1])


@lowering(act.Relu, lambda node, op: kernel("RELU" if is_float(node) else "MAXIMUM")(node, op))
def relu(e: Emitter, node: Node, op: act.Relu) -> None:
    """RELU, which takes floats only; of integers MAXIMUM with 0."""
    x = node.input(0)
    if is_float(node):
        e.op("RELU", [e.of(x)], [e.out(node)])
    else:
        e.op("MAXIMUM", [e.of(x), e.const(np.zeros((), x.type.dtype))], [e.out(node)], options("MaximumMinimumOptions"))


_CLIPS: Mapping[tuple[float | None, float | None], str] = {(0.0, None): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}
"""Bounds with an operator of their own. RELU_0_TO_1 is not used: XNNPACK does not take it, so it would split the delegated part in two."""


@lowering(act.Clip, kernel("MAXIMUM"))
def clip(e: Emitter, node: Node, op: act.Clip) -> None:
    """The operator that the bounds have of their own, else MAXIMUM and MINIMUM with them."""
    x, dtype = node.input(0), node.input(0).type.dtype
    low, high = (None if b is None or not np.isfinite(b) else b for b in (op.min, op.max))
    if is_float(node) and (low, high) in _CLIPS:
        e.op(_CLIPS[low, high], [e.of(x)], [e.out(node)])
        return
    if not is_float(node):  # as whole numbers of the type: what the op makes of its smallest and largest
        low, high = (int(v) for v in op.reference(np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)))  # type: ignore[type-var]
    steps = [(code, bound) for code, bound in (("MAXIMUM", low), ("MINIMUM", high)) if bound is not None]
    tensor = e.of(x)
    for k, (code, bound) in enumerate(steps):
        target = e.out(node) if k == len(steps) - 1 else e.temp(dtype, x.shape)
        e.op(code, [tensor, e.const(np.asarray(bound, dtype))], [target], options("MaximumMinimumOptions"))
        tensor = target
    if not steps:
        e.alias(node, tensor)


@lowering(act.LeakyRelu, kernel("LEAKY_RELU"))
def leaky_relu(e: Emitter, node: Node, op: act.LeakyRelu) -> None:
    """LEAKY_RELU."""
    e.op("LEAKY_RELU", e.operands(node), [e.out(node)], options("LeakyReluOptions", alpha=op.alpha))


@lowering(act.Elu, lambda node, op: kernel("ELU")(node, op) if op.alpha == 1 else "ELU has no alpha but 1")
def elu(e: Emitter, node: Node, op: act.Elu) -> None:
    """ELU."""
    e.op("ELU", e.operands(node), [e.out(node)])


@lowering(act.Gelu, kernel("GELU"))
def gelu(e: Emitter, node: Node, op: act.Gelu) -> None:
    """GELU."""
    e.op("GELU", e.operands(node), [e.out(node)], options("GeluOptions", approximate=op.approximate))


@lowering(elementwise.IsNaN, kernel("NOT_EQUAL"))
def is_nan(e: Emitter, node: Node, op: elementwise.IsNaN) -> None:
    """NaN is not equal to itself."""
    x = e.of(node.input(0))
    e.op("NOT_EQUAL", [x, x], [e.out(node)], options("NotEqualOptions"))


def _detects(node: Node, op: elementwise.IsInf) -> str:
    return kernel("EQUAL")(node, op) if op.detect_negative or op.detect_positive else "an IsInf that detects nothing is a constant"


@lowering(elementwise.IsInf, _detects)
def is_inf(e: Emitter, node: Node, op: elementwise.IsInf) -> None:
    """EQUAL to infinity, of |x| if the sign does not matter."""
    value = node.input(0)
    x, sign = e.of(value), 1 if op.detect_positive else -1
    if op.detect_negative and op.detect_positive:
        x = e.run("ABS", [x], value.type.dtype, value.shape, options("AbsOptions"))
    e.op("EQUAL", [x, e.const(np.asarray(sign * np.inf, value.type.dtype))], [e.out(node)], options("EqualOptions"))


@lowering(elementwise.BitwiseNot, lambda node, op: "" if node.input(0).type.dtype in (BOOL, INT64) else kernel("BITWISE_XOR")(node, op))
def bitwise_not(e: Emitter, node: Node, op: elementwise.BitwiseNot) -> None:
    """LOGICAL_NOT of booleans, BITWISE_XOR with all ones of integers."""
    x, dtype = e.of(node.input(0)), node.input(0).type.dtype
    if dtype == BOOL:
        e.op("LOGICAL_NOT", [x], [e.out(node)], options("LogicalNotOptions"))
    elif dtype == INT64:  # not x = -1 - x in two's complement; BITWISE_XOR does not take int64
        e.op("SUB", [e.const(np.asarray(-1, dtype)), x], [e.out(node)], options("SubOptions"))
    else:
        e.op("BITWISE_XOR", [x, e.const(np.invert(np.zeros((), dtype)))], [e.out(node)], options("BitwiseXorOptions"))


def _casts(node: Node, op: elementwise.Cast) -> str:
    types = node.input(0).type.dtype, op.dtype
    if types[0] == types[1]:
        return ""
    if UINT64 in types and FLOAT32 in types:
        return "CAST does not take uint64"
    return next((refused for t in types if t != UINT64 and (refused := refused_type("CAST", t))), "")


@lowering(elementwise.Cast, _casts)
def cast(e: Emitter, node: Node, op: elementwise.Cast) -> None:
    """CAST; no operator if the type stays."""
    x = node.input(0)
    if x.type.dtype == op.dtype:
        e.alias(node, e.of(x))
    else:
        e.cast_to(e.of(x), e.out(node))


def _same_bits(node: Node, op: elementwise.BitCast) -> str:
    unknown = [t.name for t in (node.input(0).type.dtype, op.dtype) if t not in TYPES]
    return f"BITCAST does not take {unknown[0]}" if unknown else ""


@lowering(elementwise.BitCast, _same_bits)
def bit_cast(e: Emitter, node: Node, op: elementwise.BitCast) -> None:
    """BITCAST; no operator if the type stays."""
    x = node.input(0)
    if x.type.dtype == op.dtype:
        e.alias(node, e.of(x))
    else:
        e.op("BITCAST", [e.of(x)], [e.out(node)], options("BitcastOptions"))
