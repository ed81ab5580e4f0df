"""Images turned around, where that spares padding.

SAME adds the smaller half of what it adds in front, so that convolutions and pools of stride 2 that pad one row in front of an even number
of rows need a PAD of their own. Seen in a mirror that row is behind, where SAME has it: a part of the graph can compute with all spatial
axes in the opposite order, with its kernels turned around as well. What enters and leaves that part has to be turned around by REVERSE_V2,
unless its spatial axes have size 1, or are reduced, as at the end of a classifier.

Which part is best is a minimum cut between what is turned around and what is not: each node costs its PAD on either side (or
a STRIDED_SLICE, where it leaves out the last row), and each value between the sides costs its REVERSE_V2.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from math import prod

import networkx as nx
from networkx.algorithms.flow import dinitz

from nchw2nhwc.emit.tflite.mirrored_ops import Turned, is_same_turned, reads_either, turned
from nchw2nhwc.ir import Graph, Node, Value
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.ops.movement import Slice
from nchw2nhwc.passes import Pass

_FIXED = 500_000
"""What an operator costs besides its elements, in elements of a REVERSE_V2: so much that fewer operators are better for maps of any usual
size."""

_PAD = 2
"""How much more an element of a PAD costs."""

_PLAIN, _TURNED = "plain", "turned"


def mirroring(stored: MutableMapping[str, Stored]) -> Pass:
    """`mirror` as a pass."""
    return Pass("mirror", lambda graph: mirror(graph, stored))


def mirror(graph: Graph, stored: MutableMapping[str, Stored]) -> int:
    """Turn around what is better turned around; how many nodes that are. `stored` is brought up to date."""
    found = {node: turned(node) for node in graph.nodes}
    if not any(t is not None and t.elements[0] for t in found.values()):
        return 0
    side = _best(graph, found)
    crossing = _crossing(graph, side)
    spared = sum(1 for node in side if (t := found[node]) is not None and t.elements[0] and not t.elements[1])
    added = sum(1 for node in side if (t := found[node]) is not None and t.elements[1] and not t.elements[0])
    if spared - added <= len(crossing):
        return 0
    _Mirror(graph, stored, side).apply(found, crossing)
    return len(side)


def _cost(elements: int, factor: int) -> int:
    return _FIXED + factor * elements if elements else 0


def _elements(value: Value) -> int:
    return prod(size if isinstance(size, int) else 1 for size in value.shape)


def _best(graph: Graph, found: Mapping[Node, Turned | None]) -> set[Node]:
    """The nodes to turn around: a minimum cut."""
    net: nx.DiGraph[object] = nx.DiGraph()
    net.add_nodes_from((_TURNED, _PLAIN))
    for node, each in found.items():
        if each is None:
            net.add_edge(node, _PLAIN)  # without a capacity: that edge is never cut
            continue
        plain, mirrored = (_cost(n, _PAD) for n in each.elements)
        net.add_edge(_TURNED, node, capacity=plain)
        net.add_edge(node, _PLAIN, capacity=mirrored)
    for value in graph.values():
        readers = _readers(value)
        if not value.is_const and not is_same_turned(value) and (readers or graph.is_output(value)):
            _connect(net, graph, value, readers)
    turned_side = nx.minimum_cut(net, _TURNED, _PLAIN, flow_func=dinitz)[1][0]
    return {node for node in graph.nodes if node in turned_side}


def _readers(value: Value) -> list[Node]:
    """The nodes to which it matters whether a value is turned around."""
    return [node for node in value.users if not reads_either(node)]


def _connect(net: nx.DiGraph[object], graph: Graph, value: Value, readers: list[Node]) -> None:
    """Edges for a value that is turned around once if any reader is on another side than its maker."""
    price, maker = _cost(_elements(value), 1), value.producer or _PLAIN
    some, every = ("some", id(value)), ("every", id(value))
    net.add_edge(some, maker, capacity=price)
    net.add_edge(maker, every, capacity=price)
    for reader in [*readers, *([_PLAIN] if graph.is_output(value) else [])]:
        net.add_edge(reader, some)
        net.add_edge(every, reader)


def _crossing(graph: Graph, side: set[Node]) -> list[Value]:
    """The values that readers on another side than their maker's take."""
    found = []
    for value in graph.values():
        if value.is_const or is_same_turned(value):
            continue
        inside = value.producer in side
        if any((node in side) != inside for node in _readers(value)) or (inside and graph.is_output(value)):
            found.append(value)
    return found


@dataclass
class _Mirror:
    """Carries it out."""

    graph: Graph
    stored: MutableMapping[str, Stored]
    side: set[Node]
    place: dict[Node, int] = field(default_factory=dict)

    def apply(self, found: Mapping[Node, Turned | None], crossing: list[Value]) -> None:
        """Turn the nodes of the side around, and what crosses."""
        self.place = {node: k for k, node in enumerate(self.graph.nodes)}
        made = [v for node in self.graph.nodes if node in self.side for v in node.outputs if not is_same_turned(v)]
        for value in crossing:
            self._turn(value)
        for node in self.graph.nodes:
            each = found.get(node)
            if node in self.side and each is not None:
                if any(each.unread):
                    self._leave_out(node, each.unread)
                node.op = each.op
                for index, array in each.constants.items():
                    node.set_input(index, self.graph.constant(array, node.input(index).name))
        for value in made:
            self._tell(value)

    def _leave_out(self, node: Node, unread: tuple[int, ...]) -> None:
        """Let a node read its data without the first elements."""
        starts = (None, *(skip or None for skip in unread), None)
        whole = (None,) * len(starts)
        cut = self.graph.add1(Slice(starts, whole, (1,) * len(starts)), (node.input(0),), origin=node.origin.through("mirror"), before=node)
        node.set_input(0, cut)

    def _turn(self, value: Value) -> None:
        """Turn a value around for the readers on the other side."""
        inside = value.producer in self.side
        readers = [(node, k) for node, k in value.uses if not reads_either(node) and (node in self.side) != inside]
        first = min((node for node, _ in readers), key=lambda node: self.place[node]) if readers else None
        origin = (first or value.producer or self.graph.nodes[0]).origin.through("mirror")
        steps = tuple(-1 if 0 < k < value.rank - 1 else 1 for k in range(value.rank))
        result = self.graph.add1(Slice((None,) * value.rank, (None,) * value.rank, steps), (value,), origin=origin, before=first)
        for node, k in readers:
            node.set_input(k, result)
        if inside:
            self.graph.outputs = [result if v is value else v for v in self.graph.outputs]
            result.name, value.name = value.name, result.name
            result.origin, value.origin = value.origin, ""

    def _tell(self, value: Value) -> None:
        """Say how a value is stored that is turned around."""
        known = self.stored.get(value.name)
        if known is None or not value.origin:
            return
        wide = [k for k, size in enumerate(value.shape) if size != 1]
        if len(wide) != len(known.order):
            value.origin = ""
            del self.stored[value.name]
            return
        axes = [known.axes[piece] for k, piece in zip(wide, known.order) if 0 < k < value.rank - 1]
        self.stored[value.name] = replace(known, mirrored=tuple(sorted(axes)))
