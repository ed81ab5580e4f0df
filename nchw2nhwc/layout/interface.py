"""Which layouts the graph's inputs and outputs may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from nchw2nhwc.errors import OptionError
from nchw2nhwc.ir.dim import Shape
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.layout.tensor import channels_last_perm, source_perm
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.rules import Along, Elementwise, Normalization, Spatial

CHOICES = ("auto", "source", "nhwc")


Perm: TypeAlias = tuple[int, ...]


def wanted_layouts(graph: Graph, inputs: Mapping[str, str], outputs: Mapping[str, str], *,
                   keep: bool) -> tuple[list[list[Perm]], list[list[Perm]]]:
    """The permutations that each input and output may be stored in, best first.

    `inputs`/`outputs` map names to "auto", "source" or "nhwc"; `keep` makes "source" the default instead of "auto".
    Raises OptionError for an unknown name or choice, or "nhwc" below rank 3.
    """
    for given, known, what in ((inputs, [v.name for v in graph.inputs], "input"), (outputs, graph.output_names, "output")):
        for name, choice in given.items():
            if name not in known:
                raise OptionError(f"there is no {what} '{name}'", advice=f"The {what}s are: {', '.join(known)}.")
            if choice.lower() not in CHOICES:
                raise OptionError(f"unknown layout '{choice}' for {what} '{name}'", advice=f"Choose one of: {', '.join(CHOICES)}.")
    default = "source" if keep else "auto"
    image = spatial_inputs(graph)
    perms_in = []
    for value in graph.inputs:
        choice = inputs.get(value.name, default).lower()
        last = choice == "nhwc" or (choice == "auto" and id(value) in image)
        either = choice == "auto" and value.name in graph.draws and value.rank > 2
        one = channels_last_perm(_rank(value, choice)) if last else source_perm(value.rank)
        perms_in.append(list(dict.fromkeys((one, source_perm(value.rank), channels_last_perm(value.rank)))) if either else [one])
    perms_out = []
    for name, value in zip(graph.output_names, graph.outputs):
        choice = outputs.get(name, default).lower()
        both = (source_perm(value.rank), channels_last_perm(_rank(value, choice)))
        perms_out.append(list(dict.fromkeys({"source": both[:1], "nhwc": both[1:]}.get(choice, both))))
    return perms_in, perms_out


def _rank(value: Value, choice: str) -> int:
    if choice == "nhwc" and value.rank < 3:
        raise OptionError(f"'{value.name}' has rank {value.rank}: there is no channels-last form of it", advice="Leave its layout away.")
    return value.rank


def spatial_inputs(graph: Graph) -> set[int]:
    """Inputs (by id) that are channels-first data: they reach a spatial op's data operand with their axes still in the same places, spatial
    axes of size 1 aside (kernels have a convolution over one axis as one over two)."""
    reaches: set[int] = set()
    for node in reversed(graph.nodes):
        rule, operands = node.op.rule, [v for v in node.inputs if v is not None]
        if isinstance(rule, Spatial):
            reaches |= {id(v) for v, kind in zip(operands, rule.operands) if kind == "data"}
        elif isinstance(rule, (Elementwise, Along, Normalization)) and any(id(v) in reaches for v in node.outputs):
            data = operands[: rule.data] if isinstance(rule, Along) else operands
            reaches |= {id(v) for v in data if v.rank == node.outputs[0].rank}
        elif isinstance(node.op, Reshape) and id(node.output) in reaches and _same_but_for_ones(operands[0].shape, node.output.shape):
            reaches.add(id(operands[0]))
    return {id(v) for v in graph.inputs if id(v) in reaches}


def _same_but_for_ones(before: Shape, after: Shape) -> bool:
    """Whether two shapes have the same batch and channels, and spatial axes that differ by some of size 1."""
    return len(before) > 2 and before[:2] == after[:2] and [s for s in before[2:] if s != 1] == [s for s in after[2:] if s != 1]
