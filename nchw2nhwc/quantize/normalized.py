"""Vectors that are normalized: each has to have its own precision for that, and a scale for all has only that of the largest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.coarse import PICKED, follows
from nchw2nhwc.quantize.flatfile import Part
from nchw2nhwc.quantize.ranges import size
from nchw2nhwc.quantize.weighted import CODES

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT

_LAYERS = (*CODES, "TRANSPOSE_CONV", "CONV_3D", "BATCH_MATMUL", "SOFTMAX")
_SQUARES = ("MUL", "SQUARE", "SQUARED_DIFFERENCE")
_FINE = 10 / math.sqrt(12)
"""How many steps the root of the mean square of a vector has to be large for a tenth of it, 20 dB, to be what rounding adds."""
_UNEVEN = 8
"""How many times the values of one operand may be larger than those of another."""


def uneven(model: ModelT, found: Mapping[str, dict[str, Array]]) -> list[str]:
    """The results, by name, from concatenations of small with large values on to the next layers, where vectors are normalized on the way:
    each has to have its own precision for that (a class token beside the patches of an image), and a scale for all has only that of the
    largest."""
    kept: dict[str, None] = {}
    for graph in model.subgraphs:
        part = Part(model, graph)
        for op in graph.operators:
            sizes = [_extent(part, i, found) for i in op.inputs] if part.code(op) == "CONCATENATION" else []
            if sizes and 0 < _UNEVEN * min(sizes) < max(sizes) < math.inf:
                behind = _before_layers(part, op)
                if any(part.code(each) == "RSQRT" for each in behind):
                    kept |= dict.fromkeys(graph.tensors[i].name.decode() for each in behind for i in each.outputs)
    return list(kept)


def faint(model: ModelT, found: Mapping[str, dict[str, Array]]) -> list[str]:
    """The sums, by name, of vectors that are normalized and some of which are small beside the steps that all of them would have: rounding
    would leave nothing of these, and normalizing makes them as large as the others. They stay in float32 from the layers on, whose results
    have scales of their own."""
    kept: dict[str, None] = {}
    for graph in model.subgraphs:
        part = Part(model, graph)
        for op in graph.operators:
            measured = found.get(graph.tensors[op.outputs[0]].name.decode())
            vectors, count = _normalized(part, op) if measured is not None else (None, 1)
            known = found.get(graph.tensors[vectors].name.decode()) if vectors is not None else None
            if measured is None or vectors is None or known is None:
                continue
            root = float(np.min(measured["min"])) if part.code(op) == "SQRT" else 1 / float(np.max(measured["max"]))
            if 0 < root / math.sqrt(count) < _FINE * (float(np.max(known["max"])) - float(np.min(known["min"]))) / 255:
                kept |= dict.fromkeys(graph.tensors[each.outputs[0]].name.decode() for each in _summed(part, vectors))
    return list(kept)


def _normalized(part: Part, op: OperatorT) -> tuple[int | None, int]:
    """The vectors whose squares a root or its reciprocal is the sum or mean of, and how many are summed; None for other operators."""
    if part.code(op) not in ("SQRT", "RSQRT"):
        return None, 1
    total = part.maker.get(op.inputs[0])
    if total is not None and part.code(total) in ("ADD", "MAXIMUM"):  # a small number that keeps it from being 0
        variable = [i for i in total.inputs if part.constant(i) is None]
        total = part.maker.get(variable[0]) if len(variable) == 1 else None
    square = part.maker.get(total.inputs[0]) if total is not None and part.code(total) in ("MEAN", "SUM") else None
    if total is None or square is None or part.code(square) not in _SQUARES:
        return None, 1
    centred = part.made_by(square.inputs[0], "SUB")
    mean = part.made_by(centred.inputs[1], "MEAN") if centred is not None else None
    about_mean = centred is not None and mean is not None and mean.inputs[0] == centred.inputs[0]
    vectors = int(centred.inputs[0] if centred is not None and about_mean else square.inputs[0])
    sizes = [math.prod(part.graph.tensors[i].shape) for i in (total.inputs[0], total.outputs[0])]
    return vectors, sizes[0] // max(sizes[1], 1) if part.code(total) == "SUM" else 1


def _summed(part: Part, tensor: int) -> list[OperatorT]:
    """The sums, and what only moves or scales them, that make a tensor, back to the layers."""
    pending, found = [tensor], dict[int, "OperatorT"]()
    while pending:
        op = part.maker.get(pending.pop())
        if op is None or id(op) in found or not (part.code(op) in PICKED or part.code(op) in ("ADD", "SUB") or follows(part, op)):
            continue
        found[id(op)] = op
        pending += [i for i in op.inputs if i >= 0 and part.constant(i) is None]
    return list(found.values()) if any(part.code(op) in ("ADD", "SUB") for op in found.values()) else []


def _extent(part: Part, tensor: int, found: Mapping[str, dict[str, Array]]) -> float:
    values, name = part.constant(tensor), part.graph.tensors[tensor].name.decode()
    if values is not None:
        return float(np.abs(values).max(initial=0.0))
    return size(found[name]) if name in found else math.inf


def _before_layers(part: Part, op: OperatorT) -> list[OperatorT]:
    """An operator and those that its result gets to without a layer."""
    pending: list[OperatorT] = [op]
    seen: dict[int, OperatorT] = {}
    while pending:
        op = pending.pop()
        if id(op) not in seen and part.code(op) not in _LAYERS:
            seen[id(op)] = op
            pending += [reader for i in op.outputs for reader in part.readers[i]]
    return list(seen.values())
