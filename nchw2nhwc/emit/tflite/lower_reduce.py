"""Lowerings of reductions, softmax and cumulative sums."""

from __future__ import annotations

from nchw2nhwc.emit.tflite.carriers import BOOL, INT32, INT64, refused_type
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_elementwise import kernel
from nchw2nhwc.emit.tflite.lower_movement import reshape
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import DType, Node, product
from nchw2nhwc.ops import reduce
from nchw2nhwc.ops.norm import LRN
from nchw2nhwc.ops.reduce import ArgReduce, Reduce

_CODES: dict[type[Reduce], str] = {
    reduce.ReduceSum: "SUM", reduce.ReduceMean: "MEAN", reduce.ReduceMax: "REDUCE_MAX", reduce.ReduceMin: "REDUCE_MIN",
    reduce.ReduceProd: "REDUCE_PROD", reduce.ReduceAnd: "REDUCE_ALL", reduce.ReduceOr: "REDUCE_ANY"}


def _code(op: Reduce, dtype: DType) -> str:
    """The largest of booleans is whether any holds, the smallest whether all do."""
    code = _CODES[type(op)]
    return {"REDUCE_MAX": "REDUCE_ANY", "REDUCE_MIN": "REDUCE_ALL"}.get(code, code) if dtype == BOOL else code


def _refuse(node: Node, op: Reduce) -> str:
    dtype = node.input(0).type.dtype
    return refused_type(_code(op, dtype), dtype)


def _reduce(e: Emitter, node: Node, op: Reduce) -> None:
    x = node.input(0)
    if not op.axes:
        e.alias(node, e.of(x))
        return
    e.op(_code(op, x.type.dtype), [e.of(x), e.ints(op.axes)], [e.out(node)], options("ReducerOptions", keepDims=op.keepdims))


for _cls in _CODES:
    lowering(_cls, _refuse)(_reduce)


def _positions(node: Node, op: ArgReduce) -> str:
    if op.dtype not in (INT32, INT64):
        return f"positions are int32 or int64, not {op.dtype.name}"
    if op.select_last_index:
        return "the kernel gives the first of equal elements"
    return refused_type("ARG_MAX", node.input(0).type.dtype)


def _arg(e: Emitter, node: Node, op: ArgReduce) -> None:
    """The kernel drops the axis."""
    x, result = node.input(0), node.output
    code = "ARG_MAX" if isinstance(op, reduce.ArgMax) else "ARG_MIN"
    opts = options("ArgMaxOptions" if code == "ARG_MAX" else "ArgMinOptions", outputType=2 if op.dtype == INT32 else 4)
    operands = [e.of(x), e.const(op.axis, INT32)]
    if not op.keepdims:
        e.op(code, operands, [e.out(node)], opts)
        return
    dropped = e.run(code, operands, op.dtype, (*x.shape[:op.axis], *x.shape[op.axis + 1:]), opts)
    reshape(e, dropped, e.out(node), result.shape)


lowering(reduce.ArgMax, _positions)(_arg)
lowering(reduce.ArgMin, _positions)(_arg)


def _along_last(e: Emitter, node: Node, op: reduce.AlongAxis, code: str) -> None:
    if op.axis != node.input(0).rank - 1:
        raise TargetError(f"{code} works along the last axis, not along axis {op.axis} of {node.input(0).type}", e.where)
    e.op(code, e.operands(node), [e.out(node)], options("SoftmaxOptions", beta=1.0) if code == "SOFTMAX" else options("LogSoftmaxOptions"))


@lowering(reduce.Softmax, kernel("SOFTMAX"))
def softmax(e: Emitter, node: Node, op: reduce.Softmax) -> None:
    """SOFTMAX."""
    _along_last(e, node, op, "SOFTMAX")


@lowering(reduce.LogSoftmax, kernel("LOG_SOFTMAX"))
def log_softmax(e: Emitter, node: Node, op: reduce.LogSoftmax) -> None:
    """LOG_SOFTMAX."""
    _along_last(e, node, op, "LOG_SOFTMAX")


@lowering(reduce.CumSum, kernel("CUMSUM"))
def cumsum(e: Emitter, node: Node, op: reduce.CumSum) -> None:
    """CUMSUM."""
    opts = options("CumsumOptions", exclusive=op.exclusive, reverse=op.reverse)
    e.op("CUMSUM", [e.of(node.input(0)), e.const(op.axis, INT32)], [e.out(node)], opts)


def _odd(node: Node, op: LRN) -> str:
    if op.size % 2 == 0:
        return "LOCAL_RESPONSE_NORMALIZATION takes an odd number of channels"
    return kernel("LOCAL_RESPONSE_NORMALIZATION")(node, op)


@lowering(LRN, _odd)
def lrn(e: Emitter, node: Node, op: LRN) -> None:
    """The kernel sums over `radius` channels on either side and multiplies by alpha; it takes rank 4 only."""
    x = node.input(0)
    opts = options("LocalResponseNormalizationOptions", radius=op.size // 2, bias=op.bias, alpha=op.alpha / op.size, beta=op.beta)
    code = "LOCAL_RESPONSE_NORMALIZATION"
    if x.rank == 4:
        e.op(code, [e.of(x)], [e.out(node)], opts)
        return
    shape = (product(x.shape[:-1]), 1, 1, x.shape[-1])
    flat = e.temp(x.type.dtype, shape)
    reshape(e, e.of(x), flat, shape)
    reshape(e, e.run(code, [flat], x.type.dtype, shape, opts), e.out(node), x.shape)


