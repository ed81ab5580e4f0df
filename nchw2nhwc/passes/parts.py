"""Parts that are put together and cut again, or the other way about."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.movement import Concat, Reshape, Split, Transpose
from nchw2nhwc.passes.identities import pass_through
from nchw2nhwc.passes.match import op_of, producer, require, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

PARTS = RuleSet()

_LEAST = 4
"""Fewer parts take no more nodes than the views and transposes in their place."""


@PARTS.on(Split)
def split_of_concat(rw: Rewriter, node: Node, op: Split) -> Sequence[Value]:
    """A Concat cut where its operands meet."""
    first = producer(node.input(0), Concat)
    require(op_of(first, Concat).axis == op.axis, "{!r} and {!r} are along different axes", node, first)
    parts = [first.input(k) for k in range(len(first.inputs))]
    ends = list(accumulate(size for part in parts for size in static_sizes(part, (op.axis,))))
    cuts = [0, *accumulate(op.sizes)]
    require(set(cuts) <= {0, *ends}, "{!r} cuts operands of {!r}", node, first)
    held = [[part for part, end in zip(parts, ends) if start < end <= stop] for start, stop in pairwise(cuts)]
    require(sum(len(each) > 1 for each in held) <= 1, "{!r} takes several operands of {!r} more than once", node, first)
    require(all(held), "{!r} has an empty result", node)
    require(not any(map(rw.graph.is_output, node.outputs)), "{!r} would be an interface twice", node)
    return [each[0] if len(each) == 1 else rw.add(Concat(op.axis), *each) for each in held]


@PARTS.on(Concat)
def concat_of_split(rw: Rewriter, node: Node, op: Concat) -> Value:
    """All parts of a Split, in order."""
    first = producer(node.input(0), Split)
    require(op_of(first, Split).axis == op.axis, "{!r} and {!r} are along different axes", node, first)
    require(len(node.inputs) == len(first.outputs) and all(a is b for a, b in zip(node.inputs, first.outputs)),
            "{!r} puts other parts together", node)
    return pass_through(rw, node, first.input(0))


@PARTS.on(Concat)
def stacked_parts(rw: Rewriter, node: Node, op: Concat) -> Value:
    """Equal parts of a tensor that are seen in another shape, all in the same, and put together along some axis: what the parts are
    numbered by is an axis of its own, which moves. So blocks of pixels become channels where a network stacks rows or columns."""
    views = [producer(node.input(k), Reshape) for k in range(len(node.inputs))]
    parts = [view.input(0) for view in views]
    split = producer(parts[0], Split)
    whole = len(parts) == len(split.outputs) and all(a is b for a, b in zip(parts, split.outputs))
    require(len(parts) >= _LEAST and whole, "{!r} puts other parts together, or few", node)
    sizes, shapes = op_of(split, Split).sizes, {view.output.shape for view in views}
    require(len(set(sizes)) == len(shapes) == 1, "the parts of {!r} differ", split)
    for value in (*parts, *(view.output for view in views)):
        rw.require_single_use(value)
    x, axis, count, shape = split.input(0), op_of(split, Split).axis, len(parts), views[0].output.shape
    numbered = rw.add(Reshape((*x.shape[:axis], count, sizes[0], *x.shape[axis + 1:])), x)
    ahead = rw.add(Transpose((axis, *(k for k in range(x.rank + 1) if k != axis))), numbered)
    seen = rw.add(Reshape((count, *shape)), ahead)
    placed = rw.add(Transpose((*range(1, op.axis + 1), 0, *range(op.axis + 1, len(shape) + 1))), seen)
    return rw.add(Reshape(node.output.shape), placed)
