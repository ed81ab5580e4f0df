"""Every floating point type becomes float32, the one that the targets compute in; the interface included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.elementwise import BitCast, Cast
from nchw2nhwc.ops.kinds import FLOAT, kind_of
from nchw2nhwc.passes import Pass

FLOAT32 = np.dtype(np.float32)


def _is_other_float(dtype: DType) -> bool:
    return dtype != FLOAT32 and kind_of(dtype) in FLOAT


def _to_float32(array: Array) -> Array:
    """The array in float32; finite numbers stay finite (float64 masks such as -1e308 become float32's lowest number, not -inf)."""
    if array.dtype.itemsize <= 4:
        return array.astype(FLOAT32)
    largest = np.finfo(FLOAT32).max
    with np.errstate(over="ignore"):
        return np.where(np.isfinite(array), np.clip(array, -largest, largest), array).astype(FLOAT32)


def _promote_value(value: Value) -> bool:
    """Make a constant or an input float32; whether its type changed."""
    if not _is_other_float(value.type.dtype):
        return False
    if value.const is not None:
        value.const = _to_float32(value.const)
    value.type = value.type.with_dtype(FLOAT32)
    return True


def _require_rounding(graph: Graph, node: Node, dtype: DType) -> None:
    """Raises UnsupportedError for a cast whose rounding is what it is for: to floats of 8 bits and fewer."""
    if dtype.itemsize < np.dtype(np.float16).itemsize:
        raise UnsupportedError(f"a conversion to {dtype.name} rounds its operand, which no target can express", graph.where(node),
                               "Give the model before its quantization to narrow floats.")


def _require_bits(graph: Graph, node: Node) -> None:
    """Raises UnsupportedError for bits of floating point numbers that become float32."""
    if isinstance(node.op, BitCast):
        for dtype in (node.input(0).type.dtype, node.op.dtype):
            if _is_other_float(dtype):
                raise UnsupportedError(f"the bits of {dtype.name} are not there: it is float32 in the result", graph.where(node),
                                       "Cut the model before this layer with --outputs.")


def _promote_node(graph: Graph, node: Node, changed: set[int]) -> bool:
    """Bring a node's results up to date with its operands, and with its bodies, which come first; whether any of them changed."""
    for operand in node.inputs:
        if operand is not None and operand.is_const and _promote_value(operand):
            changed.add(id(operand))
    stale = bool(node.op.bodies) or any(id(v) in changed for v in node.inputs if v is not None)
    if isinstance(node.op, Cast) and _is_other_float(node.op.dtype):
        _require_rounding(graph, node, node.op.dtype)
        node.op = replace(node.op, dtype=FLOAT32)
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
            graph.notes.append(f"input '{value.name}' is {before.name} in the source and float32 in the result")
    before_types = [v.type.dtype for v in graph.outputs]
    count = sum(_promote_node(graph, node, changed) for node in graph.nodes)
    for name, value, before in zip(graph.output_names, graph.outputs, before_types):
        if value.is_const:
            count += _promote_value(value)
        if value.type.dtype != before:
            graph.notes.append(f"output '{name}' is {before.name} in the source and float32 in the result")
    return count + len(changed & {id(v) for v in graph.inputs})


PROMOTE_FLOATS = Pass("promote_floats", _apply)
"""float16, bfloat16, float64 (and narrower floats) become float32: constants, values, casts, inputs and outputs.

What changes at the interface is added to `Graph.notes`. Raises UnsupportedError for casts to floats of 8 bits and fewer, whose rounding
would be lost, and for bits of floats that do not stay what they are.
"""
