"""How many nodes of an ONNX model compute something: what depends on the inputs' contents, not on their shapes alone.

Two things are followed from the inputs to the outputs: whether a tensor's contents depend on the inputs' contents, and whether its shape
does. Nothing has to be evaluated for that, so there is no chain of shapes that is too long for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import onnx

SHAPES = frozenset({"Shape", "Size"})
"""Operators that look at their operand's shape only."""

NOTHING = frozenset({"Identity", "Dropout"})
"""Operators that do nothing when a model is run."""

SIZED_BY: dict[str, tuple[int, ...]] = {
    "Reshape": (1,), "Expand": (1,), "Tile": (1,), "ConstantOfShape": (0,), "Range": (0, 1, 2), "Slice": (1, 2, 3, 4), "Pad": (1, 3),
    "Resize": (1, 2, 3), "Upsample": (1,), "OneHot": (1,), "TopK": (1,), "Squeeze": (1,), "Unsqueeze": (1,), "Split": (1,),
    "CenterCropPad": (1,), "DFT": (1, 2), "STFT": (1, 3), "Col2Im": (1, 2), "MaxUnpool": (2,), "AffineGrid": (1,), "BlackmanWindow": (0,),
    "HammingWindow": (0,), "HannWindow": (0,), "MelWeightMatrix": (0, 1), "NonZero": (0,), "Unique": (0,), "Compress": (1,),
    "NonMaxSuppression": (0, 1, 2, 3, 4)}
"""Operands whose contents decide the size of a result. Those of axes (of ReduceSum and the like) are constants everywhere."""


def live_nodes(path: Path) -> Counter[str]:
    """The nodes of a model by operator that an output depends on, without constants, what is computed from constants and from shapes that
    are the same whatever the inputs contain, and identities.

    A size that is open in the model (a batch) counts as known. Nodes in subgraphs are not counted; the operators that hold them are.
    """
    graph = onnx.load(path).graph
    computed = {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}
    sized = set[str]()
    live = []
    for node in graph.node:
        contents, sizes = _depends(node, computed, sized)
        computed.update(node.output if contents else ())
        sized.update(node.output if sizes else ())
        if contents:
            live.append(node)
    return Counter(node.op_type for node in _needed(live, {value.name for value in graph.output}) if node.op_type not in NOTHING)


def _depends(node: onnx.NodeProto, computed: set[str], sized: set[str]) -> tuple[bool, bool]:
    """Whether the contents of a node's results depend on the inputs' contents, and whether their shapes do."""
    names = {*node.input, *_captured(node)}
    if node.op_type in SHAPES:
        return node.input[0] in sized, False
    deciding = [node.input[k] for k in SIZED_BY.get(node.op_type, ()) if k < len(node.input)]
    sizes = not sized.isdisjoint(names) or not computed.isdisjoint(deciding)
    if any(attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for attribute in node.attribute):
        sizes = sizes or not computed.isdisjoint(names)
    return sizes or not computed.isdisjoint(names), sizes


def _captured(node: onnx.NodeProto) -> set[str]:
    """The names that a node's subgraphs read, their own among them."""
    return {name for attribute in node.attribute for graph in (attribute.g, *attribute.graphs)
            for inner in graph.node for name in (*inner.input, *_captured(inner))}


def _needed(nodes: Sequence[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes, last first, on which the wanted names depend."""
    found = []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.output):
            found.append(node)
            wanted.update((*node.input, *_captured(node)))
    return found
