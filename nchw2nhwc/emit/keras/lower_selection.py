"""Lowerings of ops that keep some of their operand's elements."""

from __future__ import annotations

from keras import ops

from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lowering import ANY, lowering, taking
from nchw2nhwc.ir import Node
from nchw2nhwc.ops.selection import Compress


@lowering(Compress, taking(ANY))
def compress(e: Emitter, node: Node, op: Compress) -> None:
    """take of the positions that nonzero finds."""
    (positions,) = e.op(ops.nonzero, e.of(node.input(1)), part="positions")
    e.set(node, e.op(ops.take, e.operand(node.input(0)), positions, axis=op.axis))
