"""Lowerings of ops whose result has sizes that an operand holds: kernels that read shapes and axes when they run."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.emit.tflite.carriers import BOOL, INT32, refused_type
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_elementwise import kernel
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.ir import DType, Node
from nchw2nhwc.ops import dynamic

_CODES = {"ReduceSum": "SUM", "ReduceMean": "MEAN", "ReduceMax": "REDUCE_MAX", "ReduceMin": "REDUCE_MIN", "ReduceProd": "REDUCE_PROD",
          "ReduceLogSumExp": "SUM"}
_FILLED = ("float32", "int32", "int64", "bool")


@lowering(dynamic.DynamicIota)
def iota(e: Emitter, node: Node, op: dynamic.DynamicIota) -> None:
    """RANGE. The kernel wants an end that is not before the start."""
    limit = e.run("MAXIMUM", [e.cast(e.of(node.input(0)), INT32), e.const(0, INT32)], INT32, (), options("MaximumMinimumOptions"))
    counted = e.run("RANGE", [e.const(0, INT32), limit, e.const(1, INT32)], INT32, node.output.shape, options("RangeOptions"))
    e.cast_to(counted, e.out(node))


@lowering(dynamic.DynamicReshape, kernel("RESHAPE"))
def reshape(e: Emitter, node: Node, op: dynamic.DynamicReshape) -> None:
    """RESHAPE."""
    x = e.of(node.input(0))
    if op.shape:
        e.op("RESHAPE", [x, e.cast(e.of(node.input(1)), INT32)], [e.out(node)], options("ReshapeOptions"))
    else:  # an empty vector is no operand to LiteRT
        e.op("RESHAPE", [x], [e.out(node)], options("ReshapeOptions", newShape=()))


@lowering(dynamic.DynamicBroadcast, kernel("BROADCAST_TO"))
def broadcast(e: Emitter, node: Node, op: dynamic.DynamicBroadcast) -> None:
    """FILL of a number, which may be of no elements at all, or BROADCAST_TO."""
    if not op.shape:
        e.alias(node, e.of(node.input(0)))
        return
    sizes = e.cast(e.of(node.input(1)), INT32)
    if node.input(0).rank == 0 and node.input(0).type.dtype.name in _FILLED:
        e.op("FILL", [sizes, e.of(node.input(0))], [e.out(node)], options("FillOptions"))
        return
    e.op("BROADCAST_TO", [e.of(node.input(0)), sizes], [e.out(node)], options("BroadcastToOptions"))


def _refuse(node: Node, op: dynamic.DynamicReduce) -> str:
    x = node.input(0)
    if op.kind == "ReduceLogSumExp" and x.type.dtype != np.float32:
        return f"EXP does not take {x.type.dtype.name}"
    return refused_type(_code(op, x.type.dtype), x.type.dtype)


def _code(op: dynamic.DynamicReduce, dtype: DType) -> str:
    """The largest of booleans is whether any holds, the smallest whether all do."""
    code = _CODES[op.kind]
    return {"REDUCE_MAX": "REDUCE_ANY", "REDUCE_MIN": "REDUCE_ALL"}.get(code, code) if dtype == BOOL else code


@lowering(dynamic.DynamicReduce, _refuse)
def reduce(e: Emitter, node: Node, op: dynamic.DynamicReduce) -> None:
    """The reduction's own kernel; LOG of the SUM of EXP, with the largest number taken off before and added again."""
    x, axes = node.input(0), e.cast(e.of(node.input(1)), INT32)
    code, opts = _code(op, x.type.dtype), options("ReducerOptions", keepDims=op.keepdims)
    if op.kind != "ReduceLogSumExp":
        e.op(code, [e.of(x), axes], [e.out(node)], opts)
        return
    dtype, shape = x.type.dtype, node.output.shape
    kept = shape if op.keepdims else tuple(1 for _ in x.shape)
    top = e.run("REDUCE_MAX", [e.of(x), axes], dtype, kept, options("ReducerOptions", keepDims=True))
    powers = e.run("EXP", [e.run("SUB", [e.of(x), top], dtype, x.shape, options("SubOptions"))], dtype, x.shape, options("ExpOptions"))
    logs = e.run("LOG", [e.run("SUM", [powers, axes], dtype, shape, opts)], dtype, shape)
    same = top if op.keepdims else e.run("REDUCE_MAX", [e.of(x), axes], dtype, shape, opts)
    e.op("ADD", [logs, same], [e.out(node)], options("AddOptions"))
