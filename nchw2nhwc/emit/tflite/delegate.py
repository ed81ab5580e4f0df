"""What kernels and XNNPACK make of a finished subgraph's operators, followed so that they do nothing else than is meant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nchw2nhwc.emit.tflite.in_place import add_tensor, copy_operand
from nchw2nhwc.emit.tflite.model import Operator, Subgraph, options, type_number
from nchw2nhwc.emit.tflite.versions import version_of
from nchw2nhwc.errors import Location

CHOOSING = frozenset({
    "RESHAPE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "CONCATENATION", "GATHER", "GATHER_ND", "PACK", "UNPACK", "TILE",
    "BROADCAST_TO", "REVERSE_V2", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "SELECT", "SELECT_V2", "MAXIMUM", "MINIMUM", "MAX_POOL_2D",
    "REDUCE_MAX", "REDUCE_MIN"})
"""Operators whose results are elements of their operands."""


def separate_squares(subgraph: Subgraph) -> int:
    """Let products of a matrix with itself read a copy of it; returns how many.

    Where nothing but a BATCH_MATMUL reads what a TRANSPOSE moves, XNNPACK lets the product read what the TRANSPOSE reads, as one operand:
    of the other, which is the same tensor, it forgets that it is transposed.
    """
    moved = {operator.outputs[0] for operator in subgraph.operators if operator.code == "TRANSPOSE"}
    places = [place for place, operator in enumerate(subgraph.operators)
              if operator.code == "BATCH_MATMUL" and operator.inputs[0] == operator.inputs[1] and operator.inputs[0] in moved]
    for place in reversed(places):
        copy_operand(subgraph, place, 1)
    return len(places)


def carry_quantization(subgraph: Subgraph) -> None:
    """Say of what is picked out of integers of 8 bits what was said of them: XNNPACK looks at an operand only to see whether it can take
    the operator, and then does not take the result. CONCATENATION would bring integers from one grid to another, so that of several grids
    it gets integers of which nothing is said."""
    operators: list[Operator] = []
    for operator in subgraph.operators:
        result = subgraph.tensors[operator.outputs[0]]
        if operator.code in CHOOSING and result.dtype.name in ("int8", "uint8"):
            of = {i: subgraph.tensors[i].quantization for i in operator.inputs if i >= 0 and subgraph.tensors[i].dtype == result.dtype}
            told = set(of.values())
            if len(told) > 1 and operator.code == "CONCATENATION":
                bare = {i: _without_grid(subgraph, operators, i, operator.origin) for i, known in of.items() if known is not None}
                operator = replace(operator, inputs=tuple(bare.get(i, i) for i in operator.inputs))
            for k in operator.outputs if len(told) == 1 else ():
                if subgraph.tensors[k].dtype == result.dtype and subgraph.tensors[k].quantization is None:
                    subgraph.tensors[k] = replace(subgraph.tensors[k], quantization=next(iter(told)))
        operators.append(operator)
    subgraph.operators[:] = operators


def _without_grid(subgraph: Subgraph, operators: list[Operator], tensor: int, origin: Location) -> int:
    """The same integers in a tensor of which nothing is said, by way of int32. The operators for that are appended."""
    bare = replace(subgraph.tensors[tensor], quantization=None, buffer=0)
    for dtype in (np.dtype(np.int32), bare.dtype):
        like = subgraph.tensors[tensor]
        new = add_tensor(subgraph, replace(bare, dtype=dtype))
        opts = options("CastOptions", inDataType=type_number(like.dtype), outDataType=type_number(dtype))
        version = version_of("CAST", [like], [subgraph.tensors[new]], opts)
        operators.append(Operator("CAST", version, (tensor,), (new,), opts, origin))
        tensor = new
    return tensor
