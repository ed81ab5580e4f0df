"""What ai-edge-quantizer's files lack before LiteRT loads them, or gives out what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ai_edge_litert import schema_py_generated as schema

from nchw2nhwc.quantize.flatfile import FLOAT32, INT16, Part

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT

_RELU6 = schema.ActivationFunctionType.RELU6
_TOO_FAR = 2.0**31
_ANY_SCALE: Mapping[str, int] = {"ADD": 3, "SUB": 5}
"""Operators that take int16 scales for powers of two unless their options say no, and the versions that have the option."""


def correct(model: ModelT) -> None:
    """Make the quantizer's file right, in place."""
    _give_out_named(model)
    for graph in model.subgraphs:
        part = Part(model, graph)
        _type_unread(part)
        _read_integers(part)
        _take_any_scale(part)
        _drop_unreachable(part)


def _give_out_named(model: ModelT) -> None:
    """Let the signature name what is given out, as floats: where something inside reads an output rounded, the quantizer gives out the
    rounded copy and leaves the signature as it was; where something reads it as floats that were integers, it gives out those floats and
    leaves the signature at the integers."""
    graph = model.subgraphs[0]
    part, named = Part(model, graph), {entry.tensorIndex: entry for entry in model.signatureDefs[0].outputs}
    for place, tensor in enumerate(graph.outputs):
        rounded, floats = part.made_by(tensor, "QUANTIZE"), part.made_by(tensor, "DEQUANTIZE")
        if tensor not in named and rounded is not None and rounded.inputs[0] in named:
            graph.outputs[place] = rounded.inputs[0]
        elif tensor not in named and floats is not None and floats.inputs[0] in named:
            named[floats.inputs[0]].tensorIndex = tensor


def _type_unread(part: Part) -> None:
    """Round all results of an operator that picks parts of its operand: the quantizer rounds those that something reads, and kernels take
    one type for all."""
    for op in part.graph.operators:
        known = [params for i in op.outputs if (params := part.params(i)) is not None]
        if known and all(params == known[0] for params in known):
            for i in op.outputs:
                if part.graph.tensors[i].type == FLOAT32 and not part.readers[i] and i not in part.graph.outputs:
                    part.quantize(i, known[0])


def _read_integers(part: Part) -> None:
    """Let operators that make integers read integers: where an output is read inside as well, the quantizer gives that reader the floats
    which it gives out."""
    for op in part.graph.operators:
        types = {params.type for i in op.outputs if (params := part.params(i)) is not None}
        if part.code(op) == "QUANTIZE" or not types:
            continue
        copied = {i: made.inputs[0] for i in op.inputs if i >= 0 and (made := part.made_by(i, "DEQUANTIZE")) is not None}
        op.inputs = [copied[i] if i in copied and part.graph.tensors[copied[i]].type in types else i for i in op.inputs]
    part.refresh()


def _take_any_scale(part: Part) -> None:
    """Let sums of int16 numbers have any scales: where all happen to be powers of two, kernels refuse most of them otherwise."""
    for op in part.graph.operators:
        code = part.code(op)
        if code in _ANY_SCALE and part.graph.tensors[op.outputs[0]].type == INT16:
            op.builtinOptions.potScaleInt16 = False
            part.raise_version(op, _ANY_SCALE[code])


def _drop_unreachable(part: Part) -> None:
    """Leave out the 6 of a RELU6 that is so many steps away that it is no 32-bit integer: kernels refuse that."""
    for op in part.graph.operators:
        made = part.params(op.outputs[0])
        if made is not None and getattr(op.builtinOptions, "fusedActivationFunction", None) == _RELU6 and 6 / made.scale >= _TOO_FAR:
            op.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.RELU
