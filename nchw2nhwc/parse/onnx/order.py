"""Puts the nodes of an ONNX graph in order: what each reads and writes, dependencies first, only those that are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from onnx import GraphProto, NodeProto

from nchw2nhwc.errors import Location, SourceError
from nchw2nhwc.parse.onnx.model import subgraphs


class Step(NamedTuple):
    """A node, the tensors it reads (those that its subgraphs take from outside included), writes, and which of those are needed."""

    node: NodeProto
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    wanted: tuple[bool, ...] = ()


def layer_name(node: NodeProto) -> str:
    """What a node is called in messages: its name, or else its first result's."""
    return node.name or next((name for name in node.output if name), node.op_type)


def in_order(nodes: Iterable[NodeProto], outputs: Iterable[str], given: Callable[[str], bool], own: Callable[[str], bool],
             where: Location) -> list[Step]:
    """The nodes that `outputs` need, in an order in which every tensor is written before it is read.

    `given` says which tensors exist without a node; `own` which of those belong to this very graph, so that no node may write them.
    Raises SourceError for tensors that are written twice or never, and for cycles.
    """
    steps = [Step(node, (*node.input, *_captured(node)), tuple(node.output)) for node in nodes]
    writers: dict[str, int] = {}
    for index, step in enumerate(steps):
        for name in step.writes:
            if name and (writers.setdefault(name, index) != index or own(name) or step.writes.count(name) > 1):
                raise SourceError(f"tensor '{name}' is defined more than once", _at(step, where))
    for index, step in enumerate(steps):
        for name in step.reads:
            writer = writers.get(name, -1)
            if writer >= index:
                return _needed([steps[k] for k in _sorted(steps, writers, where)], outputs)
            if writer < 0 and name and not given(name):
                raise SourceError(f"tensor '{name}' is read, but is not defined anywhere", _at(step, where))
    return _needed(steps, outputs)


def _at(step: Step, where: Location) -> Location:
    return Location(where.file, layer_name(step.node), step.node.op_type)


def _needed(steps: Sequence[Step], outputs: Iterable[str]) -> list[Step]:
    """The ordered steps that lead to `outputs`."""
    needed = set(outputs)
    found: list[Step] = []
    for step in reversed(steps):
        wanted = tuple(name != "" and name in needed for name in step.writes)
        if any(wanted):
            found.append(step._replace(wanted=wanted))
            needed.update(step.reads)
    return found[::-1]


def _sorted(steps: Sequence[Step], writers: dict[str, int], where: Location) -> list[int]:
    """An order in which every tensor is written before it is read, as close as possible to the given one."""
    import networkx as nx

    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(steps)))
    graph.add_edges_from((writers[name], index) for index, step in enumerate(steps) for name in step.reads if name in writers)
    try:
        return list(nx.lexicographical_topological_sort(graph))
    except nx.NetworkXUnfeasible:
        layers = [layer_name(steps[edge[0]].node) for edge in nx.find_cycle(graph)]
        raise SourceError(f"layers form a cycle: {' -> '.join((*layers[:8], '...') if len(layers) > 8 else (*layers, layers[0]))}",
                          where) from None


def _captured(node: NodeProto) -> tuple[str, ...]:
    """The tensors that the subgraphs of a node take from the graph around them."""
    return tuple(dict.fromkeys(name for graph in subgraphs(node) for name in _free_names(graph)))


def _free_names(graph: GraphProto) -> list[str]:
    defined = {v.name for v in graph.input} | {t.name for t in graph.initializer} | {name for n in graph.node for name in n.output}
    read = [name for node in graph.node for name in (*node.input, *_captured(node))] + [v.name for v in graph.output]
    return [name for name in read if name and name not in defined]
