"""Outputs of a result that its source does not have: what they are by definition is computed from the source's tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nchw2nhwc.ir import Array, Graph, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.parse.cut import cut


def before(graph: Graph, names: Sequence[str]) -> Graph:
    """What computes the outputs `names` of `graph`, which is used up, from the nearest tensors of the source."""
    graph.outputs = [graph.outputs[graph.output_names.index(name)] for name in names]
    graph.output_names = list(names)
    found: dict[str, None] = {}
    pending, seen = list(graph.outputs), set[int]()
    while pending:
        value: Value = pending.pop()
        if id(value) in seen or value.is_const:
            continue
        seen.add(id(value))
        if value.origin:
            found[value.origin] = None
        elif value.producer is not None:
            pending += [v for v in value.producer.inputs if v is not None]
    cut(graph, list(found), ())
    return graph


def compute(graph: Graph, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of such a graph from the source's tensors, by name."""
    return dict(run(graph, {v.name: arrays[v.origin or v.name] for v in graph.inputs}))
