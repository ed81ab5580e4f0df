"""Operators that are wrong in integers whatever the ranges of their tensors: those that integer kernels do not take in this form, and those
that compute where something is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nchw2nhwc.quantize.flatfile import FLOAT32, Part
from nchw2nhwc.quantize.islands import KEPT

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
_INTEGERS = (schema.TensorType.INT32, schema.TensorType.INT64)
_JUMPS: Mapping[str, int] = {
    "FLOOR": 1, "CEIL": 1, "ROUND": 1, "FLOOR_MOD": 2, "EQUAL": 2, "NOT_EQUAL": 2, "LESS": 2, "LESS_EQUAL": 2, "GREATER": 2,
    "GREATER_EQUAL": 2, "NON_MAX_SUPPRESSION_V4": 1, "NON_MAX_SUPPRESSION_V5": 1}
"""Operators, with the number of operands, whose results jump with these: a little less is the next integer, or another answer."""
_BACK = ("ADD", "SUB", "MUL", "DIV", "NEG", "ABS", "EXP", "SQUARE", "FLOOR", "CEIL", "ROUND", "FLOOR_MOD", "MINIMUM", "MAXIMUM", "RELU",
         "RELU6", "RELU_N1_TO_1", "SELECT_V2", "CONCATENATION", "PACK", "UNPACK", "BROADCAST_TO", *KEPT)
"""Operators that make coordinates of others: what makes their operands is as exact as they have to be, a layer or a sigmoid is not."""
_NEXT = ("ADD", "SUB", "MUL", "DIV", "MINIMUM", "MAXIMUM", "EQUAL", "NOT_EQUAL")
"""Operators that make of coordinates what is no coordinate any more, as the distance to the next pixel."""


def unfit(model: ModelT) -> list[str]:
    """The tensors, by name, whose makers have to stay in float32."""
    found: dict[str, None] = {}
    for graph in model.subgraphs:
        part = Part(model, graph)
        made = [*(op for op in graph.operators if _computed_weights(part, op) or _reads_no_numbers(part, op) or _is_kept(part, op)),
                *_coordinates(part)]
        found |= dict.fromkeys(graph.tensors[i].name.decode() for op in made for i in op.outputs)
    return list(found)


def _computed_weights(part: Part, op: OperatorT) -> bool:
    """Whether the weights of a layer are computed: with a zero point, which kernels do not know, and in int16 files as int16."""
    weights = op.inputs[1] if part.code(op) in _WEIGHTED else -1
    return weights >= 0 and part.graph.tensors[weights].type == FLOAT32 and part.constant(weights) is None


def _is_kept(part: Part, op: OperatorT) -> bool:
    """Whether an operator writes a variable, as the initial states of a layer are: no other tensor may be between it and the layer."""
    return any(part.graph.tensors[i].isVariable for i in op.outputs)


def _reads_no_numbers(part: Part, op: OperatorT) -> bool:
    """Whether an operand is a constant that is infinite somewhere or not a number; what is padded with infinity has a scale (`settle`)."""
    if part.code(op) == "PADV2":
        return False
    constants = (part.constant(i) for i in op.inputs if i >= 0 and part.graph.tensors[i].type == FLOAT32)
    return any(values is not None and not bool(np.isfinite(values).all()) for values in constants)


def _coordinates(part: Part) -> Iterator[OperatorT]:
    """What computes numbers that become integers (indices, as those of the pixels around a point) or boxes, back to the layers, and what
    reads them: steps of 1/255 of an image are whole pixels."""
    pending = [i for op in part.graph.operators for i in op.inputs[:_jumps(part, op)]]
    yield from (op for op in part.graph.operators if part.code(op) in _NEXT and _jumps(part, op))
    seen: set[int] = set()
    while pending:
        tensor = pending.pop()
        maker = part.maker.get(tensor)
        if tensor in seen or maker is None or part.code(maker) not in _BACK or part.graph.tensors[tensor].type != FLOAT32:
            continue
        seen.add(tensor)
        yield maker
        yield from (op for op in part.readers[tensor] if part.code(op) in _NEXT)
        pending += [i for i in maker.inputs if i >= 0 and part.constant(i) is None]


def _jumps(part: Part, op: OperatorT) -> int:
    """How many operands of an operator its result jumps with."""
    tensors, code = part.graph.tensors, part.code(op)
    if code == "CAST" and tensors[op.outputs[0]].type in _INTEGERS:
        return 1
    return _JUMPS.get(code, 0) if tensors[op.inputs[0]].type == FLOAT32 else 0


def constant_left(model: ModelT) -> list[str]:
    """The results, by name, of matrix products whose left operand is constant: kernels take int8 there beside int8 alone, neither beside
    floats nor beside int16."""
    return [part.graph.tensors[op.outputs[0]].name.decode() for part, op in _products(model) if part.constant(op.inputs[0]) is not None]


def has_constant_products(model: ModelT) -> bool:
    """Whether a matrix product has a constant operand."""
    return any(part.constant(i) is not None for part, op in _products(model) for i in op.inputs)


def _products(model: ModelT) -> Iterator[tuple[Part, OperatorT]]:
    return ((part, op) for graph in model.subgraphs for part in (Part(model, graph),) for op in graph.operators
            if part.code(op) == "BATCH_MATMUL")
