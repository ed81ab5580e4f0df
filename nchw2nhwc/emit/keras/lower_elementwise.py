"""Lowerings of ops that treat every element alike."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from nchw2nhwc.emit.keras.addition import added
from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lower_movement import expanded
from nchw2nhwc.emit.keras.lowering import ANY, BOOL, FLOAT, INTEGER, NUMBER, lowering, taking
from nchw2nhwc.ir import Node
from nchw2nhwc.ops import binary, elementwise
from nchw2nhwc.ops.base import Op

_FUNCTIONS: dict[tuple[str, ...], str] = {
    FLOAT: "Exp=exp Log=log Sqrt=sqrt Rsqrt=rsqrt Reciprocal=reciprocal Erf=erf Sin=sin Cos=cos Tan=tan Asin=arcsin Acos=arccos "
           "Atan=arctan Sinh=sinh Cosh=cosh Asinh=arcsinh Acosh=arccosh Atanh=arctanh IsNaN=isnan Atan2=arctan2",
    NUMBER: "Abs=abs Neg=negative Sign=sign Mod=mod FloorDiv=floor_divide Less=less LessEqual=less_equal Greater=greater "
            "GreaterEqual=greater_equal",
    (*NUMBER, *BOOL): "Equal=equal NotEqual=not_equal",
    BOOL: "LogicalNot=logical_not LogicalAnd=logical_and LogicalOr=logical_or LogicalXor=logical_xor",
}
"""Ops that are one function of keras.ops, by the element types it takes."""

_MERGES = {binary.Add: (layers.Add, ops.add), binary.Sub: (layers.Subtract, ops.subtract), binary.Mul: (layers.Multiply, ops.multiply),
           binary.Maximum: (layers.Maximum, ops.maximum), binary.Minimum: (layers.Minimum, ops.minimum)}
"""Ops that are a layer for two tensors of one shape, and a function otherwise."""


def _class(name: str) -> type[Op]:
    found: type[Op] = getattr(elementwise, name, None) or getattr(binary, name)
    return found


def _register_function(cls: type[Op], function: str, types: tuple[str, ...]) -> None:
    @lowering(cls, taking(types))
    def lower(e: Emitter, node: Node, op: Op) -> None:
        e.set(node, e.op(getattr(ops, function), *e.operands(node)))


def _register_merge(cls: type[Op]) -> None:
    layer, function = _MERGES[cls]

    @lowering(cls, taking(NUMBER))
    def lower(e: Emitter, node: Node, op: Op) -> None:
        a, b = node.input(0), node.input(1)
        plain = a.const is None and b.const is None and a.shape == b.shape and a.rank > 1 and a.type.dtype == np.float32
        if plain:
            e.set(node, e.layer(layer(name=e.name()), e.of(a), e.of(b)))
        elif cls is binary.Add:
            e.set(node, added(e, e.operand(a), e.operand(b)))
        else:
            e.set(node, e.op(function, *e.operands(node)))


for _types, _pairs in _FUNCTIONS.items():
    for _pair in _pairs.split():
        _register_function(_class(_pair.partition("=")[0]), _pair.partition("=")[2], _types)
for _cls in _MERGES:
    _register_merge(_cls)


# ---- bits ------------------------------------------------------------------------------------------------------------
@lowering(elementwise.BitwiseNot, taking((*INTEGER, *BOOL)))
def bitwise_not(e: Emitter, node: Node, op: elementwise.BitwiseNot) -> None:
    """bitwise_not, or logical_not."""
    e.set(node, e.op(ops.logical_not if node.output.type.dtype == np.bool_ else ops.bitwise_not, e.of(node.input(0))))


def _register_bitwise(cls: type[Op], function: str) -> None:
    """Keras 3.15 infers the shape of a bitwise function from its first operand alone, so both are broadcast before. It takes no numbers."""
    @lowering(cls, taking((*INTEGER, *BOOL)))
    def lower(e: Emitter, node: Node, op: Op) -> None:
        if node.output.type.dtype == np.bool_:
            e.set(node, e.op(getattr(ops, f"logical_{function}"), *e.operands(node)))
            return
        wide = [value.const if value.const is not None and value.rank and value.shape == node.output.shape else
                expanded(e, e.of(value), value.shape, node.output.shape, "wide") for value in map(node.input, (0, 1))]
        e.set(node, e.op(getattr(ops, f"bitwise_{function}"), *wide))


_register_bitwise(binary.BitwiseAnd, "and")
_register_bitwise(binary.BitwiseOr, "or")
_register_bitwise(binary.BitwiseXor, "xor")


# ---- the rest ----------------------------------------------------------------------------------------------------------
@lowering(elementwise.Identity, taking(ANY))
def identity(e: Emitter, node: Node, op: elementwise.Identity) -> None:
    """Nothing."""
    e.set(node, e.of(node.input(0)))


@lowering(elementwise.Dropout, taking(FLOAT))
def dropout(e: Emitter, node: Node, op: elementwise.Dropout) -> None:
    """Dropout."""
    e.set(node, e.layer(layers.Dropout(op.rate, name=e.name()), e.of(node.input(0))))


def _whole(cls: type[Op], function: str) -> None:
    @lowering(cls, taking(NUMBER))
    def lower(e: Emitter, node: Node, op: Op) -> None:
        x = e.of(node.input(0))
        e.set(node, e.op(getattr(ops, function), x) if node.output.type.dtype == np.float32 else x)


_whole(elementwise.Floor, "floor")
_whole(elementwise.Ceil, "ceil")


def _half_to_even(node: Node, op: elementwise.Round) -> str:
    return taking(NUMBER)(node, op) or ("" if op.mode == "half_to_even" else "Keras rounds halves to the even number")


@lowering(elementwise.Round, _half_to_even)
def round_(e: Emitter, node: Node, op: elementwise.Round) -> None:
    """round, which rounds halves to even; integers as they are."""
    x = e.of(node.input(0))
    e.set(node, e.op(ops.round, x) if node.output.type.dtype == np.float32 else x)


@lowering(elementwise.IsInf, lambda node, op: taking(FLOAT)(node, op) or (
    "" if op.detect_negative and op.detect_positive else "Keras tells no signs of infinities apart"))
def is_inf(e: Emitter, node: Node, op: elementwise.IsInf) -> None:
    """isinf."""
    e.set(node, e.op(ops.isinf, e.of(node.input(0))))


@lowering(elementwise.Cast, taking(ANY))
def cast(e: Emitter, node: Node, op: elementwise.Cast) -> None:
    """cast; to booleans by comparing with 0."""
    x = e.of(node.input(0))
    e.set(node, x if op.dtype == node.input(0).type.dtype else e.op(ops.not_equal, x, 0) if op.dtype == np.bool_
          else e.op(ops.cast, x, op.dtype.name))


def _viewed(node: Node, op: elementwise.BitCast) -> str:
    of_bools = np.dtype(np.bool_) in (node.input(0).type.dtype, op.dtype)
    return "TensorFlow shows no bits of truth values" if of_bools else taking(ANY)(node, op)


@lowering(elementwise.BitCast, _viewed)
def bit_cast(e: Emitter, node: Node, op: elementwise.BitCast) -> None:
    """view, which Keras 3.15 computes along a last axis whose size is known."""
    x = e.of(node.input(0))
    if op.dtype == node.input(0).type.dtype:
        e.set(node, x)
    elif x.shape and x.shape[-1] is None:
        viewed = e.op(ops.view, e.op(ops.expand_dims, x, -1, part="elements"), op.dtype.name, part="bits")
        e.set(node, e.op(ops.squeeze, viewed, -1))
    else:
        e.set(node, e.op(ops.view, x, op.dtype.name))


@lowering(binary.Div, taking(NUMBER))
def div(e: Emitter, node: Node, op: binary.Div) -> None:
    """divide; of integers the quotient of the magnitudes with the sign that the truncated one has."""
    operands = e.operands(node)
    if node.output.type.dtype == np.float32:
        e.set(node, e.op(ops.divide, *operands))
        return
    sizes, signs = ([e.op(function, x, part=part) if isinstance(x, keras.KerasTensor) else getattr(np, part)(x) for x in operands]
                    for function, part in ((ops.abs, "abs"), (ops.sign, "sign")))
    whole, sign = e.op(ops.floor_divide, *sizes, part="whole"), e.op(ops.multiply, *signs, part="signs")
    e.set(node, e.op(ops.multiply, whole, sign))


def _power(node: Node, op: binary.Pow) -> str:
    base, exponent = (node.input(k).type.dtype for k in (0, 1))
    known = node.input(1).const
    if base.kind in "iu" and (base != exponent or known is None or bool(np.less(known, 0).any())):
        return "integers have powers with constant whole exponents that are not negative"
    return "" if base.name in NUMBER and exponent.name in ANY else f"Pow of {base.name} to {exponent.name} is not available"


@lowering(binary.Pow, _power)
def power(e: Emitter, node: Node, op: binary.Pow) -> None:
    """power, with the exponent in the base's element type."""
    base, exponent = e.operands(node)
    if node.input(1).type.dtype != node.output.type.dtype:
        exponent = e.op(ops.cast, e.of(node.input(1)), node.output.type.dtype.name, part="exponent")
    e.set(node, e.op(ops.power, base, exponent))


@lowering(binary.SquaredDifference, taking(NUMBER))
def squared_difference(e: Emitter, node: Node, op: binary.SquaredDifference) -> None:
    """square of subtract."""
    e.set(node, e.op(ops.square, e.op(ops.subtract, *e.operands(node), part="difference")))


@lowering(binary.Where, taking(ANY))
def where(e: Emitter, node: Node, op: binary.Where) -> None:
    """where; numbers get their element type from the result's: two of them as arrays that keep it in files, which those without axes
    do not."""
    condition, a, b = e.operands(node)
    numbers = [isinstance(x, (int, float)) for x in (a, b)]
    if all(numbers):
        a, b = (np.full((1,) * node.output.rank, x, node.output.type.dtype) if node.output.rank else e.of(node.input(k))
                for k, x in enumerate((a, b), 1))
    e.set(node, e.op(ops.where, condition, a, b))
