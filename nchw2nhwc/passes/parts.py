"""Parts that are put together and cut again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.movement import Concat, Split
from nchw2nhwc.passes.identities import pass_through
from nchw2nhwc.passes.match import op_of, producer, require, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

PARTS = RuleSet()


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
