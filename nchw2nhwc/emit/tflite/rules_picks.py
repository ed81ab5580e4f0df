"""Reshapes of what a condition picks move up, to where there is one for all that is picked of the same tensor."""

from __future__ import annotations

from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.selection import Compress
from nchw2nhwc.passes.match import op_of, producer, require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

PICKS = RuleSet()


@PICKS.on(Reshape)
def reshaped_rows(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """A Reshape that leaves the axis alone along which rows are picked."""
    first = producer(node.input(0), Compress)
    rw.require_single_use(first.output)
    x, shape = first.input(0), node.output.shape
    require(op_of(first, Compress).axis == 0 and shape[:1] == first.output.shape[:1], "{!r} divides or joins rows", node)
    return rw.add_for(first, first.op, rw.add(Reshape((x.shape[0], *shape[1:])), x), first.input(1))
