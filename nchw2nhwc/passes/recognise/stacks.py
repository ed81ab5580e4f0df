"""Values that are stacked along a new axis only to be added up along it."""

from __future__ import annotations

from functools import reduce

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Maximum, Minimum, Mul
from nchw2nhwc.ops.movement import Concat, Reshape
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum
from nchw2nhwc.passes.match import op_of, producer, require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

STACKS = RuleSet()
_MOST = 8
"""More operands than that are left to one reduction."""
_PAIRWISE: dict[type[Op], Op] = {ReduceSum: Add(), ReduceMean: Add(), ReduceMax: Maximum(), ReduceMin: Minimum(), ReduceProd: Mul()}


@STACKS.on(*_PAIRWISE)
def reduced_stack(rw: Rewriter, node: Node, op: ReduceSum | ReduceMean | ReduceMax | ReduceMin | ReduceProd) -> Value:
    """A reduction of the axis along which a Concat puts values of size 1: they are combined two by two, without being copied together."""
    concat = producer(node.input(0), Concat)
    require(op.axes == (op_of(concat, Concat).axis,), "{!r} reduces other axes", node)
    rw.require_single_use(concat.output)
    parts = [concat.input(k) for k in range(len(concat.inputs))]
    require(len(parts) <= _MOST and all(v.shape[op.axes[0]] == 1 for v in parts), "{!r} joins more than single elements", concat)
    require(concat.output.type.dtype.kind in "fiu", "{!r} is not of numbers", concat)
    if not op.keepdims:
        parts = [rw.add(Reshape(node.output.shape), v) for v in parts]
    total = reduce(lambda a, b: rw.add(_PAIRWISE[type(op)], a, b), parts)
    if not isinstance(op, ReduceMean):
        return total
    require(concat.output.type.dtype.kind == "f", "the mean of integers is truncated")
    return rw.add(Mul(), total, rw.scalar(1 / len(parts), total))
