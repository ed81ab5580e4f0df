"""The source's and the result's graph as the page draws them: ops, tensors, and levels of modules arranged in layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

from nchw2nhwc.html.levels import LevelData, build_levels
from nchw2nhwc.html.modules import Link, group
from nchw2nhwc.ir import Graph, Node, Value
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.layout import LayoutResult
from nchw2nhwc.layout.tensor import channels_last_perm, factor_names, source_perm
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.rules import Along, Elementwise, Last, Normalization

Kind: TypeAlias = Literal["last", "source", "other", "plain"]
"""How a tensor is stored: channels-last, in the source's order, in some other order, or where orders cannot differ."""


class TensorData(TypedDict):
    """A tensor: its name, element type and shape as text, the order that it is stored in (`n h w c`) and what kind of order that is."""

    name: str
    type: str
    order: str
    kind: Kind


class OpData(TypedDict):
    """An op: its type, the name and type of its layer in the source, its attributes (one line for each op that the layer became), tensors
    by number, constants as text, and the passes that made it.

    `end` is "input" or "output" for an end of the graph. `transpose` is the place among the transposes that are left, or -1. `twins` are
    the ops of the other graph that it corresponds to.
    """

    type: str
    name: str
    layer_type: str
    end: Literal["", "input", "output"]
    text: list[str]
    inputs: list[int]
    outputs: list[int]
    constants: list[str]
    passes: list[str]
    transpose: int
    twins: list[int]


class GraphData(TypedDict):
    """A graph. Level 0 is the outermost."""

    ops: list[OpData]
    tensors: list[TensorData]
    levels: list[LevelData]


def source_graph(graph: Graph) -> GraphData:
    """The source as it was read. Constants, and what is computed from them alone, are not drawn."""
    live, groups = {id(v) for v in graph.inputs}, list[list[Node]]()
    for node in graph.nodes:
        if any(id(v) in live for v in node.inputs):
            live |= {id(v) for v in node.outputs}
            key = (node.origin.layer, node.origin.type)
            if groups and key == (groups[-1][0].origin.layer, groups[-1][0].origin.type):
                groups[-1].append(node)
            else:
                groups.append([node])
    builder = _Builder(lambda value: ("", "source" if value.rank > 2 else "plain"), {}, by_layer=True)
    return builder.build(graph, groups)


def result_graph(layout: LayoutResult) -> GraphData:
    """The stored graph, with the transposes that are left marked."""
    left = {id(move.value): k for k, move in enumerate(layout.transposes)}
    return _Builder(_Orders(layout).of, left, by_layer=False).build(layout.graph, [[node] for node in layout.graph.nodes])


def twins(source: GraphData, result: GraphData) -> None:
    """Fill in which ops correspond: those of the same layer, and those that make the same tensor."""
    for mine, other in ((source, result), (result, source)):
        places: dict[tuple[str, str, str], list[int]] = {}
        for k, op in enumerate(other["ops"]):
            for mark in _marks(other, op):
                places.setdefault(mark, []).append(k)
        for op in mine["ops"]:
            op["twins"] = sorted({k for mark in _marks(mine, op) for k in places.get(mark, ())})


def _marks(graph: GraphData, op: OpData) -> set[tuple[str, str, str]]:
    """What an op has in common with its twins; an end of the graph only has ends."""
    tensors = op["inputs"] if op["end"] == "output" else op["outputs"]
    return {(op["end"], "layer", op["name"]), *((op["end"], "tensor", graph["tensors"][t]["name"]) for t in tensors)}


class _Orders:
    """How the tensors of a stored graph are stored."""

    def __init__(self, layout: LayoutResult) -> None:
        self._stored = layout.stored
        self._by_source = {stored.source: stored for stored in layout.stored.values() if stored.source}

    def of(self, value: Value) -> tuple[str, Kind]:
        """The order as letters, and its kind."""
        stored = self._find(value)
        if stored is None:
            return "", "plain"
        names = factor_names(stored.rank, stored.axes)
        order = " ".join(names[k] for k in stored.order)
        axes = list(dict.fromkeys(stored.axes[k] for k in stored.order))
        whole = tuple(stored.order) == tuple(sorted(range(len(stored.order)), key=lambda k: (axes.index(stored.axes[k]), k)))
        source, last = ([axis for axis in perm(stored.rank) if axis in axes] for perm in (source_perm, channels_last_perm))
        if whole and axes == source:
            return order, "plain" if source == last else "source"
        return order, "last" if whole and axes == last else "other"

    def _find(self, value: Value) -> Stored | None:
        """What is known of a value; of one that a pass has made since, what is known before or behind it along ops that keep the order."""
        for step in (_before, _behind):
            at: Value | None = value
            while at is not None:
                known = self._stored.get(at.name) or (self._by_source.get(at.origin) if at.origin else None)
                if known is not None:
                    return known
                at = step(at)
        return None


def _keeps_order(operand: Value, result: Value) -> bool:
    """Whether the op that makes `result` of `operand` leaves the order of its elements alone."""
    node = result.producer
    assert node is not None
    same = isinstance(node.op.rule, (Elementwise, Along, Normalization, Last)) and operand.rank == result.rank
    return not operand.is_const and (same or isinstance(node.op, Reshape))


def _before(value: Value) -> Value | None:
    operands = value.producer.inputs if value.producer is not None else ()
    return next((v for v in operands if v is not None and _keeps_order(v, value)), None)


def _behind(value: Value) -> Value | None:
    return next((node.outputs[0] for node in value.users if _keeps_order(value, node.outputs[0])), None)


@dataclass
class _Builder:
    """Collects the ops and tensors of one graph."""

    order: Callable[[Value], tuple[str, Kind]]
    left: dict[int, int]
    by_layer: bool
    """Whether an op is called by the type of its layer, as in the source, or by its own."""

    def __post_init__(self) -> None:
        self.ops: list[OpData] = []
        self.tensors: list[TensorData] = []
        self._numbers: dict[int, int] = {}
        self._made: dict[int, int] = {}
        self._links: dict[Link, None] = {}

    def build(self, graph: Graph, groups: Iterable[Sequence[Node]]) -> GraphData:
        """The whole graph, for its nodes grouped into what is one op on the page."""
        for value in graph.inputs:
            self._op("input", value.name, "input", [], [value])
        for nodes in groups:
            inside = {id(v) for node in nodes for v in node.outputs}
            reads = [v for node in nodes for v in node.inputs if v is not None and id(v) not in inside]
            outputs = [v for node in nodes for v in node.outputs if self._seen(graph, v, nodes)] or list(nodes[-1].outputs)
            origin = nodes[0].origin
            name = nodes[0].op.name
            op = self._op(origin.type or name if self.by_layer else name, origin.layer or nodes[0].outputs[0].name, "", reads, outputs)
            op["layer_type"] = origin.type
            op["text"] = [str(node.op) for node in nodes]
            op["passes"] = list(dict.fromkeys(name for node in nodes for name in node.origin.passes))
            op["transpose"] = next((self.left[id(v)] for v in outputs if id(v) in self.left), -1)
        for name, value in zip(graph.output_names, graph.outputs):
            self._op("output", name, "output", [value], [])
        names = ["" if op["end"] else op["name"] for op in self.ops]
        links = list(self._links)
        return {"ops": self.ops, "tensors": self.tensors, "levels": build_levels(group(names, links), links)}

    @staticmethod
    def _seen(graph: Graph, value: Value, nodes: Sequence[Node]) -> bool:
        """Whether anyone but `nodes` reads a value."""
        return graph.is_output(value) or any(user not in nodes for user in value.users)

    def _op(self, type: str, name: str, end: Literal["", "input", "output"], reads: Sequence[Value], outputs: Sequence[Value]) -> OpData:
        number, inputs, constants = len(self.ops), list[int](), list[str]()
        for value in reads:
            source = self._made.get(id(value))
            if source is None:
                constants.append(f"{value.origin or value.name}: {value.type}")
            else:
                inputs.append(self._tensor(value))
                self._links[Link(source, number, self._tensor(value))] = None
        op: OpData = {"type": type, "name": name, "layer_type": "", "end": end, "text": [], "inputs": inputs,
                      "outputs": [self._tensor(v) for v in outputs], "constants": constants, "passes": [], "transpose": -1, "twins": []}
        self.ops.append(op)
        self._made.update((id(v), number) for v in outputs)
        return op

    def _tensor(self, value: Value) -> int:
        if id(value) not in self._numbers:
            order, kind = self.order(value)
            self._numbers[id(value)] = len(self.tensors)
            self.tensors.append({"name": value.origin or value.name, "type": str(value.type), "order": order, "kind": kind})
        return self._numbers[id(value)]
