"""Ops between Reshapes, in the axes of one of them: fewer are left than where each op has the axes that layout gave it."""

from __future__ import annotations

from dataclasses import replace

from nchw2nhwc.ir import Node, Shape, Value, is_static, product
from nchw2nhwc.ops.binary import Binary
from nchw2nhwc.ops.movement import Pad, Reshape
from nchw2nhwc.passes.match import op_of, producer, require
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

BETWEEN_VIEWS = RuleSet()


@BETWEEN_VIEWS.on(Reshape)
def arithmetic_seen_as_an_operand(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """Arithmetic of two views, of which one axis may be padded, seen in the shape of what one of the two is a view of: in that shape."""
    around = producer(node.input(0), Binary, Pad)
    pad = around if isinstance(around.op, Pad) else None
    inner = around if pad is None else producer(pad.input(0), Binary)
    wanted, padding = (node.output.shape, None) if pad is None else _before_padding(pad, node.output.shape)
    views = [producer(inner.input(k), Reshape) for k in range(2)]
    require(all(view.output.shape == inner.output.shape for view in views), "{!r} repeats elements", inner)
    require(any(view.input(0).shape == wanted for view in views), "{!r} has other axes than the operands of {!r}", node.output, inner)
    for each in (inner, around):
        rw.require_single_use(each.output)
    result = rw.add_for(inner, inner.op, *(rw.add(Reshape(wanted), view.input(0)) for view in views))
    return result if pad is None or padding is None else rw.add_for(pad, padding, result)


def _before_padding(pad: Node, shape: Shape) -> tuple[Shape, Pad]:
    """What is padded along one axis, and how, where the result is seen in this shape: the shape of the same before that."""
    op, special = op_of(pad, Pad), op_of(pad, Pad).special_axes()
    require(len(special) == 1 and is_static(pad.output.shape), "{!r} pads several axes, or sizes are not known", pad)
    (axis,) = special
    size, before = pad.output.shape[axis], product(pad.output.shape[:axis])
    place = next((k for k, other in enumerate(shape) if other == size and product(shape[:k]) == before), None)
    if place is None:
        raise Mismatch("the axis along which {!r} pads is divided or joined", pad)
    begin, end = (tuple(given[axis] if k == place else 0 for k in range(len(shape))) for given in (op.pads_begin, op.pads_end))
    return (*shape[:place], pad.input(0).shape[axis], *shape[place + 1:]), replace(op, pads_begin=begin, pads_end=end)
