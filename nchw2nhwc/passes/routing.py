"""Channel shuffles between convolutions: every convolution takes its channels straight from those that make them.

Concatenations, splits and shuffles of channels compute nothing: each channel they hand on is one of some convolution's. Which ones a
convolution reads is fixed by the network, in which order is not, because its weights can follow. So the convolutions that make channels put
those first that are read first, and what was a chain of concatenation, shuffle and split becomes one split behind each maker and one
concatenation before each reader. No shuffle, which is real work in a channels-last layout, is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.indexing import Gather, from_front
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Concat, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.reduce import Reduce
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes import Pass

NAME = "route_channels"
Order = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


# ---- what moves channels ---------------------------------------------------------------------------------------------
def _channels(value: Value) -> int | None:
    size = value.shape[1] if value.rank >= 2 else None
    return size if isinstance(size, int) else None


def _shuffle(node: Node) -> tuple[Value, tuple[Node, ...], Order] | None:
    """The operand, the inner nodes and the order of a Reshape-Transpose-Reshape that moves channels only, seen from its last node."""
    if not isinstance(node.op, Reshape):
        return None
    middle = node.input(0).producer
    first = None if middle is None or not isinstance(middle.op, Transpose) else middle.input(0).producer
    if middle is None or first is None or not isinstance(first.op, Reshape) or len(middle.output.uses) != 1 or len(first.output.uses) != 1:
        return None
    x, split, perm = first.input(0), first.output, middle.op.perm  # type: ignore[attr-defined]
    channels, extra = _channels(x), split.rank - x.rank
    around = (split.shape[0], *split.shape[extra + 2 :]) == (x.shape[0], *x.shape[2:])
    if channels is None or extra < 1 or x.shape != node.output.shape or not around:
        return None
    parts = [p for p in split.shape[1 : extra + 2] if isinstance(p, int)]
    if len(parts) != extra + 1 or perm[0] != 0 or perm[extra + 2 :] != tuple(range(extra + 2, split.rank)):
        return None
    order = np.arange(channels).reshape(parts).transpose([p - 1 for p in perm[1 : extra + 2]])
    return x, (first, middle), order.reshape(-1)


def _moves(node: Node) -> tuple[list[Value], list[Order], tuple[Node, ...]] | None:
    """Of a node that only moves channels: operands, per result its channels as numbers of the operands' joined ones, and inner nodes."""
    op = node.op
    if isinstance(op, Concat) and op.axis == 1 and all(_channels(node.input(k)) is not None for k in range(len(node.inputs))):
        values = [node.input(k) for k in range(len(node.inputs))]
        return values, [np.arange(sum(int(_channels(v) or 0) for v in values))], ()
    shuffle = _shuffle(node)
    if shuffle is not None:
        return [shuffle[0]], [shuffle[2]], shuffle[1]
    channels = _channels(node.input(0)) if node.inputs and isinstance(op, (Split, Slice, Gather)) else None
    if channels is None:
        return None
    every = np.arange(channels)
    if isinstance(op, Split) and op.axis == 1:
        return [node.input(0)], np.split(every, np.cumsum(op.sizes)[:-1].tolist()), ()
    if isinstance(op, Slice) and op.special_axes() == {1} and isinstance(op.starts[1], int | None) and isinstance(op.stops[1], int | None):
        return [node.input(0)], [every[op.starts[1] : op.stops[1] : op.steps[1]]], ()
    indices = node.input(1) if isinstance(op, Gather) and op.axis == 1 else None
    if indices is not None and indices.const is not None and indices.rank == 1:
        return [node.input(0)], [from_front(indices.const, channels, "the channels")], ()
    return None


# ---- what can follow another order -----------------------------------------------------------------------------------
def _reorders(node: Node, index: int) -> bool:
    """Whether `node` can read its channels in another order with its weights following, or hand the order on to readers that can."""
    op, constant = node.op, all(v is None or v.is_const for v in node.inputs[1:])
    if index != 0 or not constant:
        return False
    if isinstance(op, Conv) and not op.channels_last:
        return op.groups == 1 or (_depthwise(node) and _handed_on(node))
    if isinstance(op, FullyConnected):
        return op.keep_num_dims and node.input(0).rank == 2
    if isinstance(op, Reduce):
        return min(op.axes, default=2) > 1 and _handed_on(node)
    if isinstance(op, Reshape):
        x = node.input(0)
        return node.output.shape == x.shape[:2] and all(s == 1 for s in x.shape[2:]) and _handed_on(node)
    return isinstance(op, (Unary, MaxPool, AvgPool)) and not getattr(op, "channels_last", False) and _handed_on(node)


def _handed_on(node: Node) -> bool:
    return all(_reorders(user, index) for user, index in node.output.uses)


def _depthwise(node: Node) -> bool:
    op = node.op
    return isinstance(op, Conv) and op.groups == _channels(node.input(0)) == node.input(1).shape[0]


def _reorder(graph: Graph, node: Node, order: Order) -> None:
    """Let `node` read its channels in another order: channel k is the one that was `order[k]`."""
    op = node.op
    if isinstance(op, FullyConnected) or (isinstance(op, Conv) and op.groups == 1):
        _permute(graph, node, 1, 1, order)
        return
    if isinstance(op, Conv):
        _make_in(graph, node, order)
    node.output.origin = ""
    for user, _ in node.output.uses:
        _reorder(graph, user, order)


def _permute(graph: Graph, node: Node, operand: int, axis: int, order: Order) -> None:
    value = node.input(operand)
    assert value.const is not None
    node.set_input(operand, graph.constant(np.take(value.const, order, axis), value.name))


def _make_in(graph: Graph, node: Node, order: Order) -> None:
    """Let a convolution make its channels in another order; what it makes no longer equals a tensor of the source."""
    node.output.origin = ""
    for operand in range(1, len(node.inputs)):
        if node.inputs[operand] is not None:
            _permute(graph, node, operand, 0, order)
    node.origin = node.origin.through(NAME)


def _maker(value: Value) -> Node | None:
    """The convolution whose weights decide the order of a value's channels, None if there is none."""
    node = value.producer
    while node is not None and isinstance(node.op, Unary):
        if any(len(v.uses) != 1 for v in (node.input(0),)):
            return None
        node = node.input(0).producer
    if node is None or not isinstance(node.op, Conv) or node.op.groups != 1 or node.op.channels_last:
        return None
    return node if all(v is None or v.is_const for v in node.inputs[1:]) else None


def _forget(value: Value, maker: Node) -> None:
    """What lies between a convolution that makes its channels in another order and `value` no longer equals tensors of the source."""
    while value is not maker.output:
        value.origin = ""
        assert value.producer is not None
        value = value.producer.input(0)


# ---- one connected region --------------------------------------------------------------------------------------------
@dataclass
class _Region:
    """Nodes that only move channels and hang together, and where each of their results' channels comes from."""

    nodes: list[Node]
    inner: set[Node]
    content: dict[int, Order] = field(default_factory=dict)
    """By value: one row (source number, channel) per channel."""
    sources: list[Value] = field(default_factory=list)

    def trace(self) -> None:
        for node in self.nodes:
            moves = _moves(node)
            assert moves is not None
            operands, orders, _ = moves
            joined = np.concatenate([self._of(v) for v in operands])
            for value, order in zip(node.outputs, orders):
                self.content[id(value)] = joined[order]

    def _of(self, value: Value) -> Order:
        if id(value) not in self.content:
            channels = _channels(value)
            assert channels is not None
            self.content[id(value)] = np.stack([np.full(channels, len(self.sources)), np.arange(channels)], 1)
            self.sources.append(value)
        return self.content[id(value)]

    def results(self) -> list[Value]:
        """Values that something outside of the region reads, in order."""
        own = {*self.nodes, *self.inner}
        return [v for n in self.nodes for v in n.outputs if any(user not in own for user in v.users)]

    def readers(self, value: Value) -> list[tuple[Node, int]]:
        own = {*self.nodes, *self.inner}
        return [(node, index) for node, index in value.uses if node not in own]


def _regions(graph: Graph) -> Iterator[_Region]:
    """Regions that contain a shuffle."""
    found = {node: moves for node in graph.nodes if (moves := _moves(node)) is not None}
    inner = {node: inside for node, (_, _, inside) in found.items()}
    if not any(inner.values()):
        return
    import networkx as nx  # takes longer to import than most networks take to convert

    links: nx.Graph[Node | int] = nx.Graph()
    for node, (operands, _, _) in found.items():
        links.add_edges_from((node, id(v)) for v in (*operands, *node.outputs))
    for members in nx.connected_components(links):
        nodes = [n for n in inner if n in members]
        if any(inner[n] for n in nodes):
            yield _Region(nodes, {i for n in nodes for i in inner[n]})


def _pieces(region: _Region, source: int, results: Iterable[Value]) -> list[tuple[tuple[int, ...], Order]]:
    """The channels of one source by who reads them, those first that are read first; channels that nothing reads come last."""
    readers: dict[int, list[int]] = {}
    channels = _channels(region.sources[source]) or 0
    for number, value in enumerate(results):
        rows = region.content[id(value)]
        for channel in dict.fromkeys(rows[rows[:, 0] == source][:, 1].tolist()):
            readers.setdefault(channel, []).append(number)
    found: dict[tuple[int, ...], list[int]] = {}
    for channel in range(channels):
        found.setdefault(tuple(readers.get(channel, ())), []).append(channel)
    return sorted(((key, np.array(members)) for key, members in found.items()), key=lambda piece: (not piece[0], piece[0]))


def _route(graph: Graph, region: _Region) -> bool:
    """Rebuild one region; False, with nothing changed, where an order is fixed by something."""
    region.trace()
    results = region.results()
    if any(graph.is_output(v) for n in region.nodes for v in n.outputs) or not results:
        return False
    if not all(_reorders(node, index) for v in results for node, index in region.readers(v)):
        return False
    makers = [_maker(v) for v in region.sources]
    if None in makers or len(set(makers)) != len(makers) or any(region.readers(v) or graph.is_output(v) for v in region.sources):
        return False
    if any(len(np.unique(region.content[id(v)], axis=0)) != len(region.content[id(v)]) for v in results):
        return False
    parts: dict[int, list[tuple[Value, Order]]] = {k: [] for k in range(len(results))}
    for number, (value, maker) in enumerate(zip(region.sources, makers)):
        assert maker is not None
        pieces = _pieces(region, number, results)
        _make_in(graph, maker, np.concatenate([members for _, members in pieces]))
        _forget(value, maker)
        before = value.users[0] if len(value.uses) == 1 else min(value.users, key=graph.nodes.index)
        made = (value,) if len(pieces) == 1 else graph.add(Split(1, tuple(len(m) for _, m in pieces)), [value], before=before,
                                                            origin=maker.origin.through(NAME))
        for piece, (key, members) in zip(made, pieces):
            for reader in key:
                parts[reader].append((piece, np.stack([np.full(len(members), number), members], 1)))
    for number, value in enumerate(results):
        _feed(graph, region, value, parts[number])
    graph.prune()
    return True


def _feed(graph: Graph, region: _Region, value: Value, parts: list[tuple[Value, Order]]) -> None:
    """Let the readers of `value` read its channels from the pieces that hold them."""
    assert value.producer is not None
    rows = np.concatenate([members for _, members in parts])
    position = {tuple(row): k for k, row in enumerate(region.content[id(value)].tolist())}
    order = np.array([position[tuple(row)] for row in rows.tolist()])
    origin = value.producer.origin.through(NAME)
    joined = parts[0][0] if len(parts) == 1 else graph.add1(Concat(1), [p for p, _ in parts], origin=origin, before=value.producer)
    for node, index in region.readers(value):
        _reorder(graph, node, order)
        node.set_input(index, joined)


def _route_all(graph: Graph) -> int:
    return sum(_route(graph, region) for region in list(_regions(graph)))


ROUTE_CHANNELS = Pass(NAME, _route_all)
"""Shuffles of channels between convolutions become splits and concatenations, with the convolutions' weights in an order that suits."""
