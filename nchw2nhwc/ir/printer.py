"""A graph as text: deterministic, diffable, one node a line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nchw2nhwc.ir.graph import Graph, Value


def _operand(value: Value | None) -> str:
    if value is None:
        return "-"
    if value.const is None:
        return f"%{value.name}"
    if value.const.size <= 8:
        return np.array2string(value.const, separator=", ", precision=6, max_line_width=10_000).replace("\n", "")
    return f"@{value.name}: {value.type}"


def to_text(graph: Graph) -> str:
    """The whole graph, bodies indented behind the nodes they belong to; constants of more than 8 elements by name and type only."""
    return "\n".join([*_lines(graph), ""])


def _lines(graph: Graph) -> Iterator[str]:
    head = ", ".join(f"%{v.name}: {v.type}" for v in graph.inputs)
    yield f"graph {graph.name}({head}) {{"
    for node in graph.nodes:
        results = ", ".join(f"%{v.name}: {v.type}" for v in node.outputs)
        yield f"  {results} = {node.op}({', '.join(map(_operand, node.inputs))})"
        for body in node.op.bodies:
            yield from (f"    {line}" for line in _lines(body))
    tail = ", ".join(f"{name}={_operand(v)}" for name, v in zip(graph.output_names, graph.outputs))
    yield f"  return {tail}"
    yield "}"
