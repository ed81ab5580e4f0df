"""The best of each class that are above a threshold, chosen class by class, as detectors do: for all classes at once.

What is not above the threshold becomes the threshold itself, which comes behind everything that is: the best of each class are then as
many for all of them, and a single condition takes those away that are not above it. How many are left is one size that data decides,
where each class had one. Sources that may take any of equal scores stay as they are: what each of their rankings took has to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from nchw2nhwc.ir.dim import Dim, size_min, substitute
from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import Op, symbols_in
from nchw2nhwc.ops.binary import Greater
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.indexing import Gather, TopK
from nchw2nhwc.ops.movement import Concat, Expand, Reshape, Transpose
from nchw2nhwc.ops.selection import Compress
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.exchanged_sizes import Exchange, values_within
from nchw2nhwc.passes.match import array, is_float, op_of, producer, require, scalar, static_shape
from nchw2nhwc.passes.rewrite import Mismatch

PASS = "best_of_each"
_INT32 = np.dtype(np.int32)
_MANY = 1 << 40
"""More than any class has."""


@dataclass(frozen=True)
class _Class:
    """The `most` best scores of a class, which is at `place` along `axis` of all scores, that are above `threshold`."""

    top: Node
    condition: Value
    scores: Value
    axis: int
    place: int
    threshold: float
    most: int
    count: str

    def like(self, other: _Class) -> bool:
        """Whether another class is chosen from by the same rule."""
        return self.scores is other.scores and (self.axis, self.threshold, self.most) == (other.axis, other.threshold, other.most)


def _class(value: Value) -> _Class:
    """The class whose best scores a value is. Raises Mismatch."""
    top = producer(value, TopK)
    op, left = op_of(top, TopK), producer(top.input(0), Compress)
    compress, column, condition = op_of(left, Compress), left.input(0), left.input(1)
    require(value is top.outputs[0] and op.axis == compress.axis == 0 and op.largest and column.rank == 1, "{!r} has other scores", top)
    scores, axis, place = _column(column)
    require(is_float(scores), "{!r} are whole numbers", scores)
    most = substitute(op.k, {compress.count: _MANY})
    if not isinstance(most, int) or size_min(most, left.output.shape[0]) != op.k:
        raise Mismatch("{!r} takes as many as something else says", top)
    return _Class(top, condition, scores, axis, place, _threshold(condition, column), min(most, static_shape(column)[0]), compress.count)


def _column(value: Value) -> tuple[Value, int, int]:
    """The matrix, the axis and the place along it that a Gather picks a vector from. Raises Mismatch."""
    pick = producer(value, Gather)
    axis, index = op_of(pick, Gather).axis, array(pick.input(1))
    require(pick.input(0).rank == 2 and index.shape == (), "{!r} picks no row or column", pick)
    return pick.input(0), axis, int(index) % static_shape(pick.input(0))[axis]


def _threshold(condition: Value, column: Value) -> float:
    """The number above which a vector is where a condition holds. Raises Mismatch."""
    above = producer(condition, Greater, Gather)
    if isinstance(above.op, Gather):
        whole, *where = _column(condition)
        scores, *wanted = _column(column)
        above = producer(whole, Greater)
        require(where == wanted and above.input(0) is scores, "{!r} is about other scores", condition)
    else:
        require(above.input(0) is column, "{!r} is about other scores", condition)
    return scalar(above.input(1))


def _classes(node: Node) -> list[_Class]:
    """The classes whose best scores a Concat puts one behind the other. Raises Mismatch."""
    require(node.op == Concat(0) and len(node.inputs) > 1 and node.output.rank == 1, "{!r} puts nothing together", node)
    found = [_class(node.input(k)) for k in range(len(node.inputs))]
    require(all(each.like(found[0]) for each in found), "the parts of {!r} are chosen by other rules", node)
    require(len({each.count for each in found}) == len(found), "{!r} has a class twice", node)
    return found


def _rows(node: Node, classes: Sequence[_Class]) -> Value:
    """Of a Concat that has for each class the rows, of one value, of its best scores: that value. Raises Mismatch."""
    require(node.op == Concat(0) and len(node.inputs) == len(classes), "{!r} has other parts", node)
    wholes = []
    for k, each in enumerate(classes):
        pick = producer(node.input(k), Gather)
        left = producer(pick.input(0), Compress, Reshape)
        if isinstance(left.op, Reshape):
            require(left.output.shape[:1] == left.input(0).shape[:1], "{!r} divides or joins rows", left)
            left = producer(left.input(0), Compress)
        require(pick.op == Gather(0) and pick.input(1) is each.top.outputs[1], "{!r} picks otherwise", pick)
        require(left.op == Compress(0, each.count) and left.input(1) is each.condition, "{!r} is left by another condition", left)
        wholes.append(left.input(0))
    require(all(map(partial(_equal, wholes[0]), wholes)), "{!r} has rows of several values", node)
    return wholes[0]


def _equal(one: Value, other: Value) -> bool:
    """Whether two values are one, or constants of any size with the same content: `merge_equal` compares large ones by their memory, since
    it looks at those of all nodes."""
    return one is other or (one.const is not None and other.const is not None and one.type == other.type
                            and np.array_equal(one.const, other.const))


def _numbers(node: Node, classes: Sequence[_Class]) -> Array:
    """Of a Concat that has for each class one number, as often as it has best scores: these numbers. Raises Mismatch."""
    require(node.op == Concat(0) and len(node.inputs) == len(classes) and node.output.rank == 1, "{!r} has other parts", node)
    parts = [producer(node.input(k), Expand) for k in range(len(node.inputs))]
    for part, each in zip(parts, classes):
        require(part.output.shape == each.top.outputs[0].shape and part.input(0).is_const, "{!r} repeats something else", part)
    contents = [array(part.input(0)) for part in parts]
    require(all(content.size == 1 for content in contents), "{!r} repeats several numbers", node)
    return np.concatenate([content.reshape(1) for content in contents])


@dataclass
class _Plan:
    """What is done with the Concats of some classes: their best scores, rows of values, and numbers of their own."""

    classes: list[_Class]
    scores: Node
    rows: dict[Node, Value]
    numbers: dict[Node, Array]

    @property
    def replaced(self) -> list[Node]:
        return [self.scores, *self.rows, *self.numbers]


def _plan(graph: Graph, node: Node) -> _Plan:
    """Raises Mismatch where a node is no Concat of the best of each class."""
    plan = _Plan(_classes(node), node, {}, {})
    for other in graph.nodes:
        if isinstance(other.op, Concat) and other is not node:
            try:
                plan.rows[other] = _rows(other, plan.classes)
            except Mismatch:
                try:
                    plan.numbers[other] = _numbers(other, plan.classes)
                except Mismatch:
                    continue
    return plan


def _dying(graph: Graph, replaced: Sequence[Node]) -> set[Node]:
    """The nodes that nothing needs without these."""
    dying = set(replaced)
    for node in reversed(graph.nodes):
        if node not in dying and not any(map(graph.is_output, node.outputs)) and all(u in dying for v in node.outputs for u in v.users):
            dying.add(node)
    return dying


def _check(graph: Graph, plan: _Plan, exchange: Exchange) -> None:
    """Raises Mismatch where anything that stays has the size of a single class."""
    dying = _dying(graph, plan.replaced)
    for value in graph.outputs:
        require(not symbols_in(value.shape) & exchange.counts, "{!r} has a size of its own", value)
    for value in values_within(graph):
        if value.producer not in dying and any(user not in dying for user in value.users):
            exchange.shape(value.shape)
            if value.producer is not None:
                exchange.op(value.producer.op)
    for node in plan.replaced:
        exchange.shape(node.output.shape)


def _choose_together(graph: Graph, plan: _Plan) -> None:
    """Raises Mismatch, with nothing changed, where the sizes of single classes are needed."""
    classes, one = plan.classes, plan.classes[0]
    count = graph.unique_name(f"{plan.scores.origin.layer or PASS}_count")
    many = len(classes) * one.most
    exchange = Exchange([each.count for each in classes], one.most, Dim.symbol(count, many, least=0))
    _check(graph, plan, exchange)
    place = {node: k for k, node in enumerate(graph.nodes)}
    first = min(plan.replaced, key=place.__getitem__)
    origin = plan.scores.origin.through(PASS)

    def add(op: Op, *inputs: Value, before: Node = first) -> Value:
        return graph.add1(op, inputs, origin=origin, before=before)

    rows = add(Gather(one.axis), one.scores, graph.constant(np.array([each.place for each in classes], np.int64)))
    rows = add(Transpose((1, 0)), rows) if one.axis else rows
    best, order = graph.add(TopK(1, one.most, dtype=_INT32), (add(Clip(one.threshold, None), rows),), origin=origin, before=first)
    flat = add(Reshape((many,)), best)
    kept = add(Greater(), flat, graph.constant(np.array(one.threshold, flat.type.dtype)))
    results = {plan.scores: add(Compress(0, count), flat, kept)}
    places = add(Compress(0, count), add(Reshape((many,)), order), kept)
    results |= {node: _taken(graph, node, whole, places) for node, whole in plan.rows.items()}
    for node, numbers in plan.numbers.items():
        results[node] = add(Compress(0, count), graph.constant(np.repeat(numbers, one.most)), kept, before=node)
    for node, result in results.items():
        graph.replace_uses(node.output, result)
    graph.prune()
    exchange.everywhere(graph)


def _taken(graph: Graph, node: Node, whole: Value, places: Value) -> Value:
    """The rows of a value at some places, in front of a node."""
    counts = whole.const is not None and np.array_equal(whole.const.ravel(), np.arange(len(whole.const)))
    op, operands = (Cast(whole.type.dtype), (places,)) if counts else (Gather(0), (whole, places))
    rows = graph.add1(op, operands, origin=node.origin.through(PASS), before=node)
    return graph.add1(Reshape((*places.shape, *node.output.shape[1:])), (rows,), origin=node.origin.through(PASS), before=node)


def _choose(graph: Graph) -> int:
    count = 0
    for node in [] if graph.ranks_freely else [node for node in graph.nodes if isinstance(node.op, Concat)]:
        try:
            _choose_together(graph, _plan(graph, node))
        except Mismatch:
            continue
        count += 1
    return count


BEST_OF_EACH = Pass(PASS, _choose)
"""The best of each class above a threshold are chosen for all classes at once."""
