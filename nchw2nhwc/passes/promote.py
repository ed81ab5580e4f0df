"""Every floating point type becomes float32, the one that the targets compute in, and integers of 4 and 2 bits become 8 bits wide; the
interface included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nchw2nhwc.errors import CUT, UnsupportedError
from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.elementwise import BitCast, Cast, Narrow
from nchw2nhwc.ops.kinds import FLOAT, kind_of
from nchw2nhwc.passes import Pass

FLOAT32 = np.dtype(np.float32)
INT32 = np.dtype(np.int32)


_NARROW_INTEGERS = {"int4": np.dtype(np.int8), "int2": np.dtype(np.int8), "uint4": np.dtype(np.uint8), "uint2": np.dtype(np.uint8)}


def _carrier(dtype: DType) -> DType:
    """The element type that stands for another one."""
    return FLOAT32 if kind_of(dtype) in FLOAT else _NARROW_INTEGERS.get(dtype.name, dtype)


def _is_other_float(dtype: DType) -> bool:
    return dtype != FLOAT32 and kind_of(dtype) in FLOAT


def _is_narrow(dtype: DType) -> bool:
    """Whether a conversion to this type does something that its carrier does not show: rounding, or cutting bits off."""
    return dtype.name in _NARROW_INTEGERS or (_is_other_float(dtype) and dtype.itemsize < np.dtype(np.float16).itemsize)


def _carried(array: Array) -> Array:
    """The array in its carrier; finite numbers stay finite (float64 masks such as -1e308 become float32's lowest number, not -inf)."""
    if array.dtype.itemsize <= 4:
        return array.astype(_carrier(array.dtype))
    largest = np.finfo(FLOAT32).max
    with np.errstate(over="ignore"):
        return np.where(np.isfinite(array), np.clip(array, -largest, largest), array).astype(FLOAT32)


def _promote_value(value: Value) -> bool:
    """Give a constant or an input its carrier; whether its type changed."""
    carrier = _carrier(value.type.dtype)
    if carrier == value.type.dtype:
        return False
    if value.const is not None:
        value.const = _carried(value.const)
    value.type = value.type.with_dtype(carrier)
    return True


def _narrowed(graph: Graph, node: Node, dtype: DType) -> None:
    """Let a cast to a narrow type cast to its carrier what has been rounded, or cut, in a type that kernels compute in."""
    wide = FLOAT32 if kind_of(dtype) in FLOAT else INT32
    x = node.input(0)
    if x.type.dtype == dtype:
        return
    if x.type.dtype != wide:
        x = graph.add1(Cast(wide), (x,), origin=node.origin, before=node)
    node.set_inputs((graph.add1(Narrow(dtype), (x,), origin=node.origin, before=node),))


def _require_bits(graph: Graph, node: Node) -> None:
    """Raises UnsupportedError for bits of floating point numbers that become float32."""
    if isinstance(node.op, BitCast):
        for dtype in (node.input(0).type.dtype, node.op.dtype):
            if _is_other_float(dtype):
                raise UnsupportedError(f"the bits of {dtype.name} are not there: it is float32 in the result", graph.where(node), CUT)


def _promote_node(graph: Graph, node: Node, changed: set[int]) -> bool:
    """Bring a node's results up to date with its operands, and with its bodies, which come first; whether any of them changed."""
    for operand in node.inputs:
        if operand is not None and operand.is_const and _promote_value(operand):
            changed.add(id(operand))
    stale = bool(node.op.bodies) or any(id(v) in changed for v in node.inputs if v is not None)
    if isinstance(node.op, Cast) and _carrier(node.op.dtype) != node.op.dtype:
        if _is_narrow(node.op.dtype):
            _narrowed(graph, node, node.op.dtype)
        node.op = replace(node.op, dtype=_carrier(node.op.dtype))
        stale = True
    if not stale:
        return False
    types: tuple[TensorType, ...] = node.op.infer_types(*(None if v is None else v.type for v in node.inputs))
    for value, type in zip(node.outputs, types):
        if value.type != type:
            value.type = type
            changed.add(id(value))
    return True


def _apply(graph: Graph) -> int:
    changed: set[int] = set()
    for node in graph.nodes:
        _require_bits(graph, node)
    for value in graph.inputs:
        before = value.type.dtype
        if _promote_value(value):
            changed.add(id(value))
            graph.notes.append(f"input '{value.name}' is {before.name} in the source and {value.type.dtype.name} in the result")
    before_types = [v.type.dtype for v in graph.outputs]
    count = sum(_promote_node(graph, node, changed) for node in list(graph.nodes))
    for name, value, before in zip(graph.output_names, graph.outputs, before_types):
        if value.is_const:
            count += _promote_value(value)
        if value.type.dtype != before:
            graph.notes.append(f"output '{name}' is {before.name} in the source and {value.type.dtype.name} in the result")
    return count + len(changed & {id(v) for v in graph.inputs})


PROMOTE_FLOATS = Pass("promote_floats", _apply)
"""float16, bfloat16, float64 (and narrower floats) become float32, and integers of 4 and 2 bits int8 or uint8: constants, values, casts,
inputs and outputs. Casts to floats of 8 bits and fewer still round, those to narrow integers still cut.

What changes at the interface is added to `Graph.notes`. Raises UnsupportedError for bits of floats that do not stay what they are.
"""
