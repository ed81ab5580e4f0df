"""How many nodes of an ONNX model compute something: what depends on the inputs' contents, not on their shapes alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx

SHAPES = frozenset({"Shape", "Size"})
"""Operators whose result is known where their operand's shape is."""

NOTHING = frozenset({"Identity", "Dropout"})
"""Operators that do nothing when a model is run."""


def live_nodes(path: Path) -> Counter[str]:
    """The nodes of a model by operator, without constants, what is computed from constants and from known shapes, and identities.

    Nodes in subgraphs are not counted; the operators that hold them are.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True)
    graph = model.graph
    known = {"", *(tensor.name for tensor in graph.initializer)}
    shaped = {value.name for value in (*graph.input, *graph.value_info, *graph.output) if _is_static(value)}
    shaped.update(tensor.name for tensor in graph.initializer)
    found = Counter[str]()
    for node in graph.node:
        if node.op_type == "Constant" or all(name in known for name in node.input) or (node.op_type in SHAPES and node.input[0] in shaped):
            known.update(node.output)
        elif node.op_type not in NOTHING:
            found[node.op_type] += 1
    return found


def _is_static(value: onnx.ValueInfoProto) -> bool:
    kind = value.type.tensor_type
    return kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim)
