"""A reversal of channels (BGR to RGB) goes into the weights of the convolution behind it."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Mul, Sub
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.movement import Pad, Slice
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.match import array, op_of, producer, require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

REVERSED_CHANNELS = RuleSet()
_ARITHMETIC: tuple[type[Op], ...] = (Add, Sub, Mul, Div)


@REVERSED_CHANNELS.on(Conv)
def into_weights(rw: Rewriter, node: Node, op: Conv) -> Value:
    """conv(f(x reversed)) with constant weights, f computing every element by itself or padding: conv', whose weights are reversed along
    their input channels, of f' whose constants are."""
    require(op.groups == 1 and not op.channels_last, "{!r} has groups or is stored channels-last", node)
    weights = array(node.input(1))
    value, path = node.input(0), list[Node]()
    while value.producer is not None and not isinstance(value.producer.op, Slice):
        rw.require_single_use(value)
        path.append(value.producer)
        value = _through(value.producer)
    rw.require_single_use(value)
    first = producer(value, Slice)
    _require_reversal(first)
    result = first.input(0)
    for each in reversed(path):
        result = rw.add_for(each, each.op, *(result if not v.is_const else _reversed(rw, v, value.rank) for v in _operands(each)))
    return rw.add(op, result, rw.constant(np.flip(weights, 1)), *node.inputs[2:])


def _operands(node: Node) -> list[Value]:
    return [node.input(k) for k in range(len(node.inputs))]


def _through(node: Node) -> Value:
    """The operand of a node that treats all channels alike, but for constants. Raises Mismatch for any other node."""
    if isinstance(node.op, Pad):
        sides = (*node.op.pads_begin[:2], *node.op.pads_end[:2])
        require(not any(sides), "{!r} pads the batch or the channels", node)
        return node.input(0)
    require(isinstance(node.op, (Unary, *_ARITHMETIC)), "{!r} may mix channels", node)
    computed = [v for v in _operands(node) if not v.is_const]
    require(len(computed) == 1 and computed[0].shape == node.output.shape, "{!r} combines values or broadcasts", node)
    return computed[0]


def _require_reversal(node: Node) -> None:
    """Raises Mismatch unless a Slice reverses the channels and nothing else."""
    op = op_of(node, Slice)
    rank = node.output.rank
    steps = (1, -1, *(1,) * (rank - 2))
    require(op.steps == steps and op.starts == op.stops == (None,) * rank, "{!r} does more or less than to reverse channels", node)


def _reversed(rw: Rewriter, constant: Value, rank: int) -> Value:
    """A constant of a computation over channels, for channels in the other order."""
    content = array(constant)
    axis = content.ndim - rank + 1
    return rw.constant(np.flip(content, axis)) if axis >= 0 and content.shape[axis] > 1 else constant
