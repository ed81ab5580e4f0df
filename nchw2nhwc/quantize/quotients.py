"""Quotients by constants as products with their reciprocals.

LiteRT's integer kernel of DIV shifts by more bits than a number has where the result's scale is large for a quotient: of operands next to 0
it makes the largest numbers that there are. (A choice or a concatenation has the scale of its largest operand, and a divisor with a value
for each channel has one scale for all of them.) MUL has no such limit, and XNNPACK has it for integers. What is left of DIV stays in
float32 (`coarse`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nchw2nhwc.quantize.flatfile import FLOAT32, Part

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT


def as_products(model: ModelT, exact: Collection[str]) -> None:
    """Multiply instead, in place, but for what is called as in `exact`: a product is up to a rounding beside the quotient."""
    for graph in model.subgraphs:
        part = Part(model, graph)
        for op in graph.operators:
            result = graph.tensors[op.outputs[0]]
            divisor = part.constant(op.inputs[1]) if part.code(op) == "DIV" and result.type == FLOAT32 else None
            if divisor is None or result.name.decode() in exact:
                continue
            with np.errstate(divide="ignore", over="ignore"):
                reciprocal = np.divide(1, divisor, dtype=np.float32)
            if np.isfinite(reciprocal).all() and reciprocal.all():
                constant = part.add_tensor(op.inputs[1], "_reciprocal", None)
                part.store(constant, reciprocal)
                op.inputs, op.opcodeIndex = [op.inputs[0], constant], part.number_of("MUL", 1)
                op.builtinOptionsType = schema.BuiltinOptions.MulOptions
                op.builtinOptions = schema.MulOptionsT(fusedActivationFunction=op.builtinOptions.fusedActivationFunction)
