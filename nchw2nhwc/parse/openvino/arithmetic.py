"""Functions of two and more operands, element by element."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import DType, Value
from nchw2nhwc.ops import binary as bi
from nchw2nhwc.ops.base import Op, require_shape
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.parse.bits import shifted
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.activations import cast
from nchw2nhwc.parse.openvino.common import reshaped
from nchw2nhwc.parse.openvino.registry import Results, add_mapping, mapping

F32: DType = np.dtype(np.float32)
AutoBroadcast: TypeAlias = Literal["numpy", "none", "pdpd", "explicit"]

_PLAIN: tuple[tuple[str, int, Op], ...] = (
    ("Add", 1, bi.Add()), ("Subtract", 1, bi.Sub()), ("Multiply", 1, bi.Mul()), ("Power", 1, bi.Pow()), ("Maximum", 1, bi.Maximum()),
    ("Minimum", 1, bi.Minimum()), ("Mod", 1, bi.FMod()), ("FloorMod", 1, bi.Mod()), ("SquaredDifference", 1, bi.SquaredDifference()),
    ("Equal", 1, bi.Equal()), ("NotEqual", 1, bi.NotEqual()), ("Less", 1, bi.Less()), ("LessEqual", 1, bi.LessEqual()),
    ("Greater", 1, bi.Greater()), ("GreaterEqual", 1, bi.GreaterEqual()), ("LogicalAnd", 1, bi.LogicalAnd()),
    ("LogicalOr", 1, bi.LogicalOr()), ("LogicalXor", 1, bi.LogicalXor()), ("Xor", 1, bi.LogicalXor()), ("BitwiseAnd", 13, bi.BitwiseAnd()),
    ("BitwiseOr", 13, bi.BitwiseOr()), ("BitwiseXor", 13, bi.BitwiseXor()),
)
"""Ops of two operands whose only attribute is how they broadcast: type, opset, and what they mean."""


def _register(type: str, since: int, op: Op) -> None:
    def apply(b: Builder, x: Value, y: Value, *, auto_broadcast: AutoBroadcast = "numpy", auto_broadcast_axis: int = 0) -> Results:
        return b.add1(op, *aligned(b, auto_broadcast, auto_broadcast_axis, x, y))
    add_mapping(type, (since,), apply)


for _entry in _PLAIN:
    _register(*_entry)


def aligned(b: Builder, auto_broadcast: str, axis: int, x: Value, *others: Value) -> tuple[Value, ...]:
    """Operands in forms that numpy's broadcasting combines as `auto_broadcast` says: "numpy" as they are; "none" (also spelled
    "explicit") only if their shapes are equal; "pdpd" with the axes of all others moved to begin at `axis` of the first (-1: to end with
    its last), trailing axes of size 1 not counted. Raises SourceError, ShapeError.
    """
    if auto_broadcast == "numpy":
        return (x, *others)
    if auto_broadcast != "pdpd":
        for other in others:
            require_shape(f"{x.type} and {other.type} differ in shape, but are not to be broadcast", other.shape, x.shape)
        return (x, *others)
    return (x, *(_moved(b, x, other, axis) for other in others))


def _moved(b: Builder, x: Value, other: Value, axis: int) -> Value:
    if not other.rank:
        return other
    start = x.rank - other.rank if axis == -1 else axis
    shape = list(other.shape)
    while shape and shape[-1] == 1 and start + len(shape) > x.rank:
        shape.pop()
    if start < 0 or start + len(shape) > x.rank:
        raise SourceError(f"{other.type} cannot be broadcast to {x.type} from axis {axis} on")
    return reshaped(b, other, (*shape, *(1,) * (x.rank - start - len(shape))))


@mapping("Divide", 1)
def divide(b: Builder, x: Value, y: Value, *, auto_broadcast: AutoBroadcast = "numpy", auto_broadcast_axis: int = 0,
           m_pythondiv: bool = True) -> Results:
    """`m_pythondiv`: the quotient of integers is rounded down, as Python's // does, else towards zero."""
    op = bi.FloorDiv() if m_pythondiv and kind_of(x.type.dtype) == "integer" else bi.Div()
    return b.add1(op, *aligned(b, auto_broadcast, auto_broadcast_axis, x, y))


@mapping("BitwiseLeftShift", 15)
def left_shift(b: Builder, x: Value, y: Value, *, auto_broadcast: AutoBroadcast = "numpy", auto_broadcast_axis: int = 0) -> Results:
    """x << y."""
    return shifted(b, *aligned(b, auto_broadcast, auto_broadcast_axis, x, y), left=True)


@mapping("BitwiseRightShift", 15)
def right_shift(b: Builder, x: Value, y: Value, *, auto_broadcast: AutoBroadcast = "numpy", auto_broadcast_axis: int = 0) -> Results:
    """x >> y."""
    return shifted(b, *aligned(b, auto_broadcast, auto_broadcast_axis, x, y), left=False)


@mapping("Select", 1)
def select(b: Builder, condition: Value, then: Value, otherwise: Value, *, auto_broadcast: AutoBroadcast = "numpy",
           auto_broadcast_axis: int = 0) -> Results:
    """With "pdpd" the second operand is the one that the other two are broadcast to."""
    then, condition, otherwise = aligned(b, auto_broadcast, auto_broadcast_axis, then, condition, otherwise)
    return b.add1(bi.Where(), condition, then, otherwise)


@mapping("FakeQuantize", 1)
def fake_quantize(b: Builder, x: Value, input_low: Value, input_high: Value, output_low: Value, output_high: Value, *, levels: int,
                  auto_broadcast: AutoBroadcast = "numpy", auto_broadcast_axis: int = 0) -> Results:
    """Rounds to one of `levels` values between the input bounds and maps those to the output bounds."""
    bounds = aligned(b, auto_broadcast, auto_broadcast_axis, x, input_low, input_high, output_low, output_high)
    return b.add1(bi.FakeQuantize(levels), *bounds)


# ---- element types ---------------------------------------------------------------------------------------------------------
@mapping("ConvertPromoteTypes", 14)
def convert_promote_types(b: Builder, x: Value, y: Value, *, promote_unsafe: bool = False, pytorch_scalar_promotion: bool = False,
                          u64_integer_promotion_target: DType = F32) -> Results:
    """Both operands in the element type that they have in common; of a scalar and a tensor the tensor's, when that is asked for and both
    are of one kind. `promote_unsafe` only permits what may lose precision, so it changes nothing here."""
    one, two = x.type.dtype, y.type.dtype
    if pytorch_scalar_promotion and (x.rank == 0) != (y.rank == 0) and _priority(one) == _priority(two):
        dtype = one if x.rank else two
    else:
        dtype = _common(one, two, u64_integer_promotion_target)
    return cast(b, x, dtype), cast(b, y, dtype)


def _priority(dtype: DType) -> int:
    """Floating point wins over integers, those over booleans."""
    return ("boolean", "integer", "floating point").index(kind_of(dtype))


def _common(one: DType, two: DType, u64_target: DType) -> DType:
    """The element type that holds all values of two others; none does of u64 and a signed one."""
    if _priority(one) != _priority(two):
        return max(one, two, key=_priority)
    if one.kind != two.kind and {one.kind, two.kind} == {"i", "u"} and np.dtype(np.uint64) in (one, two):
        return u64_target
    try:
        return np.promote_types(one, two)
    except TypeError:
        raise UnsupportedError(f"there is no type for both {one.name} and {two.name}") from None
