"""What ai-edge-quantizer's files lack before LiteRT loads them, or gives out what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nchw2nhwc.quantize.flatfile import FLOAT32, INT16, Part

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT

_ANY_SCALE: Mapping[str, int] = {"ADD": 3, "SUB": 5}
"""Operators that take int16 scales for powers of two unless their options say no, and the versions that have the option."""


def correct(model: ModelT) -> None:
    """Make the quantizer's file right, in place."""
    _give_out_named(model)
    for graph in model.subgraphs:
        part = Part(model, graph)
        _type_unread(part)
        _take_any_scale(part)


def _give_out_named(model: ModelT) -> None:
    """Give out what the signature names: where something inside reads an output rounded, the quantizer gives out the rounded copy and
    leaves the signature as it was."""
    graph = model.subgraphs[0]
    part, named = Part(model, graph), {entry.tensorIndex for entry in model.signatureDefs[0].outputs}
    for place, tensor in enumerate(graph.outputs):
        copy = part.made_by(tensor, "QUANTIZE")
        if tensor not in named and copy is not None and copy.inputs[0] in named:
            graph.outputs[place] = copy.inputs[0]


def _type_unread(part: Part) -> None:
    """Round all results of an operator that picks parts of its operand: the quantizer rounds those that something reads, and kernels take
    one type for all."""
    for op in part.graph.operators:
        known = [params for i in op.outputs if (params := part.params(i)) is not None]
        if known and all(params == known[0] for params in known):
            for i in op.outputs:
                if part.graph.tensors[i].type == FLOAT32 and not part.readers[i] and i not in part.graph.outputs:
                    part.quantize(i, known[0])


def _take_any_scale(part: Part) -> None:
    """Let sums of int16 numbers have any scales: where all happen to be powers of two, kernels refuse most of them otherwise."""
    for op in part.graph.operators:
        code = part.code(op)
        if code in _ANY_SCALE and part.graph.tensors[op.outputs[0]].type == INT16:
            op.builtinOptions.potScaleInt16 = False
            part.raise_version(op, _ANY_SCALE[code])
