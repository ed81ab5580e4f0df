"""Parts of a stored graph that compute the same whatever axes count their rows, or their matrices.

The last axis of a row, and the last two of a matrix, are *kept*; the axes before them are the *batch*. In a region all values have one
batch, which may be written as any axes of as many elements.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate, pairwise
from math import prod
from operator import mul
from typing import TypeAlias

from nchw2nhwc.ir import Array, Graph, Node, Shape, Value, is_static
from nchw2nhwc.ops.binary import Binary
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Reshape, Split
from nchw2nhwc.ops.reduce import Reduce, Softmax

Batch: TypeAlias = tuple[int, ...]
"""Sizes of the axes of a batch."""

ROWS, MATRICES = 1, 2
"""Axes that are kept."""


def shape_of(value: Value) -> tuple[int, ...]:
    """The shape of a value all of whose sizes are known."""
    return tuple(size for size in value.shape if isinstance(size, int))


def source_of(value: Value) -> Value | None:
    """What a value is a view of."""
    return value.producer.input(0) if value.producer is not None and isinstance(value.producer.op, Reshape) else None


class Region:
    """Nodes, in their order, whose results have one batch; so has what they read, but for a Split along the batch: its parts have it."""

    def __init__(self, graph: Graph, nodes: Sequence[Node], kept: int) -> None:
        self.graph, self.nodes, self.kept, self.inside = graph, tuple(nodes), kept, set(nodes)
        self.made = {id(v): v for node in nodes for v in node.outputs}

    def batch(self, value: Value) -> Batch:
        return shape_of(value)[:-self.kept]

    def matrix(self, value: Value) -> tuple[int, ...]:
        """The sizes that are kept."""
        return shape_of(value)[-self.kept:]

    def splits(self, node: Node) -> bool:
        """Whether a node is a Split along the batch."""
        return _splits_batch(node, self.kept)

    def key(self, value: Value, node: Node) -> tuple[int, Node | None]:
        """What stands for a value as a node reads it."""
        return id(value), node if self.splits(node) else None

    def entering(self) -> Iterator[tuple[Value, Node]]:
        """Each value from outside, with a node that reads it: once for all nodes but Splits along the batch, and for each of those."""
        seen = set[tuple[int, Node | None]]()
        for node in self.nodes:
            for value in operands(node):
                if id(value) not in self.made and self.key(value, node) not in seen:
                    seen.add(self.key(value, node))
                    yield value, node

    def leaving(self) -> list[Value]:
        """Each value that is read outside."""
        return [value for value in self.made.values() if self.is_read(value)]

    def is_read(self, value: Value, but: Collection[Node] = ()) -> bool:
        """Whether anything outside reads a value, the nodes of `but` left out."""
        return self.graph.is_output(value) or any(user not in self.inside and user not in but for user in value.users)

    def views(self, value: Value) -> list[Node]:
        """The Reshapes outside that read a value."""
        return [user for user in value.users if user not in self.inside and isinstance(user.op, Reshape)]

    def cut(self, value: Value, view: Value) -> Batch:
        """The batch of a value with the axes that a view of it has for the same elements: the view's own if it has the same rows or
        matrices, else with those axes that both have."""
        if _has_batch(view, self.kept) and self.matrix(value) == self.matrix(view):
            return self.batch(view)
        size = prod(self.batch(value))
        ends = [1]
        for end in sorted({*accumulate(shape_of(view), mul), size} if is_static(view.shape) else {size}):
            if end % ends[-1] == 0 and size % end == 0 and end != ends[-1]:
                ends.append(end)
        return tuple(b // a for a, b in pairwise(ends))

    def whole(self, node: Node, batch: Batch) -> Batch | None:
        """The batch of what a node reads whose results have this batch: more for what is split; None if that is no axis of it."""
        if not self.splits(node):
            return batch
        axis = self.axis(node, batch)
        return None if axis is None else (*batch[:axis], batch[axis] * len(node.outputs), *batch[axis + 1:])

    def part(self, node: Node, whole: Batch) -> Batch | None:
        """The batch of a node's results that reads something with this batch."""
        if not self.splits(node):
            return whole
        axis, count = self.axis(node, whole), len(node.outputs)
        return None if axis is None or whole[axis] % count else (*whole[:axis], whole[axis] // count, *whole[axis + 1:])

    def axis(self, node: Node, batch: Batch) -> int | None:
        """The axis of a batch along which a node splits."""
        assert isinstance(node.op, Split), "a Split"
        products, before = list(accumulate(batch[:-1], mul, initial=1)), prod(shape_of(node.input(0))[: node.op.axis])
        return products.index(before) if before in products else None

    def constants(self, batch: Batch) -> dict[tuple[Node, int], Array] | None:
        """The constants that are added, multiplied and the like, for a batch; None if one of them does not allow it."""
        found = {}
        for node in self.nodes:
            for k, value in enumerate(node.inputs) if isinstance(node.op, Binary) else ():
                if value is not None and value.const is not None:
                    seen = _seen(value.const, self.batch(node.output), batch, self.kept)
                    if seen is None:
                        return None
                    found[node, k] = seen
        return found


def regions(graph: Graph, kept: int) -> list[Region]:
    """The regions of a graph. A Split along the batch is the border of what it splits: only its parts are in its region."""
    fitting = [node for node in graph.nodes if _takes_any(node, kept)]
    place = {node: k for k, node in enumerate(fitting)}
    parent = list(range(len(fitting)))

    def find(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = parent[k]
        return k

    for node in fitting:
        for value in () if _splits_batch(node, kept) else operands(node):
            if value.producer in place:
                parent[find(place[value.producer])] = find(place[node])
    members: dict[int, list[Node]] = {}
    for node in fitting:
        members.setdefault(find(place[node]), []).append(node)
    found = [Region(graph, nodes, kept) for nodes in members.values()]
    return [region for region in found if not any(id(node.input(0)) in region.made for node in region.nodes if region.splits(node))]


def operands(node: Node) -> Iterator[Value]:
    """What a node reads that is computed."""
    return (v for v in node.inputs if v is not None and not v.is_const)


def _has_batch(value: Value, kept: int) -> bool:
    return not value.is_const and value.rank > kept and is_static(value.shape) and 0 not in value.shape


def _splits_batch(node: Node, kept: int) -> bool:
    return isinstance(node.op, Split) and node.op.axis < node.input(0).rank - kept


def _takes_any(node: Node, kept: int) -> bool:
    """Whether a node computes the same with other axes for the batch."""
    op, read = node.op, list(operands(node))
    if not read or not all(_has_batch(v, kept) for v in (*read, *node.outputs)):
        return False
    last = node.outputs[0].rank - 1
    if isinstance(op, Reshape):
        return read[0].shape[-kept:] == node.output.shape[-kept:]
    if _splits_batch(node, kept):
        assert isinstance(op, Split)
        return len(set(op.sizes)) == 1
    if isinstance(op, FullyConnected) and kept == ROWS and read == [node.input(0)] and read[0].shape[-1] == node.input(1).shape[1]:
        return True
    if len({_without_ones(v.shape[:-kept]) for v in (*read, *node.outputs)}) > 1:
        return False
    if isinstance(op, MatMul):
        return kept == MATRICES and len(read) == len(node.inputs)
    if isinstance(op, (Softmax, Concat, Split)):
        return op.axis == last and len(read) == len(node.inputs) and (kept == ROWS or isinstance(op, Softmax))
    if isinstance(op, Reduce):
        return kept == ROWS and op.axes == (last,) and op.keepdims
    return isinstance(op, (Unary, Binary)) and not op.special_axes() and (kept == ROWS or len({v.shape[-kept:] for v in read}) == 1)


def _without_ones(shape: Shape) -> Shape:
    """A shape without the leading axes of size 1, which broadcasting supplies."""
    return shape[next((k for k, size in enumerate(shape) if size != 1), len(shape)):]


def _seen(constant: Array, batch: Batch, wanted: Batch, kept: int) -> Array | None:
    """A constant that is repeated along some axes of a batch, for other axes of it; None if these do not separate what is repeated."""
    if constant.ndim <= kept:
        return constant
    shape = (1,) * (len(batch) + kept - constant.ndim) + constant.shape
    if prod(shape[:-kept]) == 1:
        return constant.reshape((1,) * len(wanted) + shape[-kept:])
    ends, others = list(accumulate(batch, mul)), list(accumulate(wanted, mul))
    cuts = sorted({*ends, *others} - {1})
    if any(b % a for a, b in pairwise(cuts)):
        return None
    sizes = [b // a for a, b in zip([1, *cuts], cuts)]
    owner = [next(k for k, end in enumerate(ends) if end >= cut) for cut in cuts]
    there = [shape[k] == batch[k] for k in owner]
    groups = [[k for k, cut in enumerate(cuts) if (others[n - 1] if n else 1) < cut <= end] for n, end in enumerate(others)]
    if any(len({there[k] for k in group}) > 1 for group in groups):
        return None
    return constant.reshape(*(prod(sizes[k] for k in group if there[k]) for group in groups), *shape[-kept:])
