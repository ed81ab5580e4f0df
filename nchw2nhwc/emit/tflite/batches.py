"""Batches of matrices that several ops hand on, as attention does: one way to count them for all, so that no RESHAPE stands between.

Layout leaves each product the batch that suits its own operands. What surrounds it (a split into queries, keys and values, masks and
biases per head or per window, softmax) wants other axes for the same batch. A *region* is what can be computed with any axes for the
batch; it takes those with which the fewest RESHAPEs are left in it and around it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate, pairwise
from math import prod
from operator import mul

from nchw2nhwc.emit.tflite.model import DELEGATE_RANK
from nchw2nhwc.ir import Array, Graph, Node, Value, is_static
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Binary
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Reshape, Split
from nchw2nhwc.ops.reduce import Softmax
from nchw2nhwc.passes import Pass

PASS = "choose_batches"
Batch = tuple[int, ...]
"""Sizes of the axes before those of the matrix."""

_MATRIX = 2
"""Axes of a matrix."""


def _shape(value: Value) -> tuple[int, ...]:
    return tuple(size for size in value.shape if isinstance(size, int))


def _batch(value: Value) -> Batch:
    return _shape(value)[:-_MATRIX]


def _is_batch(value: Value) -> bool:
    return not value.is_const and value.rank > _MATRIX and is_static(value.shape) and 0 not in value.shape


def _takes_any(node: Node) -> bool:
    """Whether a node computes the same with other axes for the batch."""
    op, operands = node.op, [v for v in node.inputs if v is not None]
    if not all(_is_batch(v) or v.is_const for v in operands) or not all(map(_is_batch, node.outputs)):
        return False
    shapes = {v.shape for v in (*operands, *node.outputs) if not v.is_const}
    if isinstance(op, MatMul):
        return not any(v.is_const for v in operands) and len({_batch(v) for v in operands}) == 1
    if isinstance(op, Reshape):
        return len({shape[-_MATRIX:] for shape in shapes}) == 1
    if isinstance(op, Softmax):
        return op.axis == node.output.rank - 1
    if isinstance(op, Split):
        return op.axis < node.input(0).rank - _MATRIX and len(set(op.sizes)) == 1
    return isinstance(op, (Unary, Binary)) and len(shapes) == 1 and not op.special_axes()


class _Region:
    """Nodes, in their order, that take any axes for one batch: their results have it, and what they read has it, but for a Split."""

    def __init__(self, graph: Graph, nodes: Sequence[Node]) -> None:
        self.graph, self.nodes, self.inside = graph, tuple(nodes), set(nodes)
        self.made = {id(v): v for node in nodes for v in node.outputs}

    def entering(self) -> Iterator[tuple[Value, Node]]:
        """Each value that comes from outside, with a node that reads it: once for all nodes but Splits, and for each of those."""
        seen = set[tuple[int, Node | None]]()
        for node in self.nodes:
            for value in node.inputs:
                if value is not None and not value.is_const and id(value) not in self.made and _key(value, node) not in seen:
                    seen.add(_key(value, node))
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


def _key(value: Value, node: Node) -> tuple[int, Node | None]:
    """What stands for a value as a node reads it."""
    return id(value), node if isinstance(node.op, Split) else None


def _regions(graph: Graph) -> list[_Region]:
    """The regions of a graph that have a product. A split is the border of those that it takes a whole for: only its parts are in them."""
    fitting = [node for node in graph.nodes if _takes_any(node)]
    place = {node: k for k, node in enumerate(fitting)}
    parent = list(range(len(fitting)))

    def find(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = parent[k]
        return k

    for node in fitting:
        for value in () if isinstance(node.op, Split) else node.inputs:
            if value is not None and value.producer in place:
                parent[find(place[value.producer])] = find(place[node])
    members: dict[int, list[Node]] = {}
    for node in fitting:
        members.setdefault(find(place[node]), []).append(node)
    found = [_Region(graph, nodes) for nodes in members.values() if any(isinstance(node.op, MatMul) for node in nodes)]
    return [region for region in found if not any(id(node.input(0)) in region.made for node in region.nodes if isinstance(node.op, Split))]


def _place_of(batch: Batch, before: int) -> int | None:
    """The axis of a batch that has this many elements before it."""
    products = list(accumulate(batch[:-1], mul, initial=1))
    return products.index(before) if before in products else None


def _whole(node: Node, batch: Batch) -> Batch | None:
    """The batch of what a node reads that makes, or is, something with this batch: more for what is split."""
    if not isinstance(node.op, Split):
        return batch
    axis = _place_of(batch, prod(_batch(node.input(0))[: node.op.axis]))
    return None if axis is None else (*batch[:axis], batch[axis] * len(node.outputs), *batch[axis + 1:])


def _part(node: Node, whole: Batch) -> Batch | None:
    """The batch of the parts of a whole with this batch."""
    if not isinstance(node.op, Split):
        return whole
    axis, count = _place_of(whole, prod(_batch(node.input(0))[: node.op.axis])), len(node.outputs)
    return None if axis is None or whole[axis] % count else (*whole[:axis], whole[axis] // count, *whole[axis + 1:])


def _seen(constant: Array, batch: Batch, wanted: Batch) -> Array | None:
    """A constant that is repeated along some axes of a batch, for other axes of it; None if these do not separate what is repeated."""
    shape = (1,) * (len(batch) + _MATRIX - constant.ndim) + constant.shape
    if prod(shape[:-_MATRIX]) == 1:
        return constant.reshape((1,) * len(wanted) + shape[-_MATRIX:]) if constant.ndim > _MATRIX else constant
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
    return constant.reshape(*(prod(sizes[k] for k in group if there[k]) for group in groups), *shape[-_MATRIX:])


def _constants(region: _Region, batch: Batch) -> dict[tuple[Node, int], Array] | None:
    """The constants of a region for a batch; None if one of them does not allow it."""
    found = {}
    for node in region.nodes:
        for k, value in enumerate(node.inputs):
            if value is not None and value.const is not None:
                seen = _seen(value.const, _batch(node.output), batch)
                if seen is None:
                    return None
                found[node, k] = seen
    return found


def _choices(region: _Region) -> list[Batch]:
    """The batches that something in a region or around it has, of few enough axes."""
    found: dict[Batch | None, None] = {}
    for value in region.made.values():
        found[_batch(value)] = None
        found.update({_batch(view.output): None for view in region.views(value) if _alike(value, view.output)})
    for value, node in region.entering():
        for whole in (value, _source(value)):
            if whole is not None and _alike(value, whole):
                found[_part(node, _batch(whole))] = None
    return [batch for batch in found if batch is not None and 0 < len(batch) <= DELEGATE_RANK - _MATRIX]


def _alike(value: Value, other: Value) -> bool:
    return _is_batch(other) and value.shape[-_MATRIX:] == other.shape[-_MATRIX:]


def _source(value: Value) -> Value | None:
    """What a value is a view of."""
    return value.producer.input(0) if value.producer is not None and isinstance(value.producer.op, Reshape) else None


def _reshapes_now(region: _Region) -> int:
    """The RESHAPEs in a region and on its border."""
    inside = sum(isinstance(node.op, Reshape) for node in region.nodes)
    before = sum(_source(value) is not None for value, _ in region.entering())
    return inside + before + sum(len(region.views(value)) for value in region.leaving())


def _reshapes_with(region: _Region, batch: Batch) -> int | None:
    """The RESHAPEs that are left with a batch; None where something does not allow it."""
    count = 0
    if _constants(region, batch) is None:
        return None
    for value, node in region.entering():
        whole = _whole(node, batch)
        if whole is None:
            return None
        source, wanted = _source(value), (*whole, *_shape(value)[-_MATRIX:])
        stays = source is not None and region.is_read(value)
        there = {v.shape for v in (source, value if stays or source is None else None) if v is not None}
        count += stays + (wanted not in there)
    for value in region.leaving():
        shape, views = (*batch, *_shape(value)[-_MATRIX:]), region.views(value)
        count += sum(view.output.shape != shape for view in views) + (region.is_read(value, views) and value.shape != shape)
    return count


def _with_batch(op: Op, node: Node, batch: Batch) -> Op:
    """The op of a node on matrices with this batch."""
    if isinstance(op, Softmax):
        return Softmax(len(batch) + _MATRIX - 1)
    if isinstance(op, Split):
        axis = _place_of(batch, prod(_batch(node.input(0))[: op.axis]))
        assert axis is not None, "a batch that suits the parts"
        return Split(axis, (batch[axis],) * len(op.sizes))
    return op


def _rebuild(region: _Region, batch: Batch) -> None:
    """Compute a region with a batch."""
    graph, constants = region.graph, _constants(region, batch)
    assert constants is not None, "constants that suit the batch"
    made: dict[tuple[int, Node | None], Value] = {}
    for value, node in region.entering():
        whole = _whole(node, batch)
        assert whole is not None, "a whole that suits the batch"
        made[_key(value, node)] = _viewed(graph, value, (*whole, *_shape(value)[-_MATRIX:]), node)
    for node in region.nodes:
        if isinstance(node.op, Reshape):
            made[id(node.output), None] = made[_key(node.input(0), node)]
            continue
        operands = [made[_key(v, node)] if v.const is None else graph.constant(constants[node, k], v.name)
                    for k, v in enumerate(node.inputs) if v is not None]
        results = graph.add(_with_batch(node.op, node, batch), operands, origin=node.origin.through(PASS), before=node)
        for old, new in zip(node.outputs, results):
            made[id(old), None] = new
            if new.type == old.type:  # the old value goes, so its name can live on
                old.name, new.name, new.origin = new.name, old.name, old.origin
    for value in region.leaving():
        assert value.producer is not None
        graph.replace_uses(value, _viewed(graph, made[id(value), None], _shape(value), value.producer))


def _viewed(graph: Graph, value: Value, shape: Sequence[int], node: Node) -> Value:
    """A value in a shape, in front of a node."""
    if value.shape == tuple(shape):
        return value
    return graph.add1(Reshape(tuple(shape)), (value,), origin=node.origin.through(PASS), before=node)


def _choose(graph: Graph) -> int:
    count = 0
    for region in _regions(graph):
        left = {batch: number for batch in _choices(region) if (number := _reshapes_with(region, batch)) is not None}
        best = min(left, key=lambda batch: (left[batch], len(batch)), default=None)
        if best is not None and left[best] < _reshapes_now(region):
            _rebuild(region, best)
            count += 1
    if count:
        graph.prune()
    return count


CHOOSE_BATCHES = Pass(PASS, _choose)
"""Products, and what surrounds them, count their matrices in the way that leaves the fewest RESHAPEs."""
