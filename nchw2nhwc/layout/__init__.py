"""Layout: solved for once, over the whole graph, to proven optimality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.layout.apply import apply_assignment
from nchw2nhwc.layout.explain import explain
from nchw2nhwc.layout.interface import wanted_layouts
from nchw2nhwc.layout.problem import Problem

__all__ = ["LayoutResult", "TransposeLeft", "solve_layout"]

SECONDS = 60.0
"""Time limit of the solver. Networks of a thousand ops take well below one second."""


@dataclass(frozen=True)
class TransposeLeft:
    """A Transpose in the result: bytes of one tensor it moves (symbolic sizes counted as 1) and why it is there."""

    value: Value
    bytes: int
    explanation: str


@dataclass(frozen=True)
class LayoutResult:
    """The graph in stored order and what was decided.

    `inputs` and `outputs` hold a permutation per interface name: result = source.transpose(perm). `transposes` are those in bodies, too.
    `gap` is 0.0 and `proven` true when no assignment moves less. `stored` says for each value of `graph` how it relates to the source
    tensor.
    """

    graph: Graph
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    transposes: tuple[TransposeLeft, ...]
    gap: float
    proven: bool
    stored: Mapping[str, Stored]


def solve_layout(graph: Graph, *, input_layouts: Mapping[str, str] | None = None, output_layouts: Mapping[str, str] | None = None,
                 keep_layout: bool = False, seconds: float = SECONDS) -> LayoutResult:
    """Choose every layout of `graph` so that the least data moves, and rewrite it into that order.

    `input_layouts`/`output_layouts` map names to "auto" (default), "source" or "nhwc"; `keep_layout` makes "source" the default. An
    "auto" input becomes channels-last when it reaches a windowed op as its data; an "auto" output takes whichever of channels-last and
    source order is cheaper, source order on a tie. Bodies of control flow are solved first, with their inputs and outputs in source
    order. Raises OptionError for a name or choice that does not exist.
    """
    inner = [result for node in graph.nodes for result in _solve_bodies(node, seconds)]
    inputs, outputs = wanted_layouts(graph, input_layouts or {}, output_layouts or {}, keep=keep_layout)
    problem = Problem(graph, inputs, outputs)
    assignment = problem.solve(seconds)
    applied = apply_assignment(problem, assignment)
    left = tuple(TransposeLeft(m.result, problem.bytes_moved(m.value), explain(m, problem.tensors[m.value])) for m in applied.moves)
    return LayoutResult(applied.result, dict(zip((v.name for v in graph.inputs), assignment.inputs)),
                        dict(zip(graph.output_names, applied.outputs)), (*left, *(t for result in inner for t in result.transposes)),
                        max((assignment.gap, *(result.gap for result in inner))),
                        assignment.proven and all(result.proven for result in inner), applied.stored)


def _solve_bodies(node: Node, seconds: float) -> list[LayoutResult]:
    """Bring the bodies of a node into the layouts that suit them inside; outside nothing changes."""
    found = [solve_layout(body, keep_layout=True, seconds=seconds) for body in node.op.bodies]
    node.op = node.op.with_bodies([result.graph for result in found])
    return found
