"""Weights of operators that ai-edge-quantizer does not know: int8 in the file, float32 again in the runtime, as in a file of quantized
weights alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nchw2nhwc.quantize.flatfile import FLOAT32, INT8, Part
from nchw2nhwc.quantize.recipes import SMALLEST

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT

_WEIGHTS: Mapping[str, tuple[Collection[int], int]] = {
    "CONV_3D": ((1,), 4), "UNIDIRECTIONAL_SEQUENCE_LSTM": (range(1, 9), 0),
    "BIDIRECTIONAL_SEQUENCE_LSTM": ((*range(1, 9), *range(18, 26)), 0), "GATHER": ((0,), 0)}
"""By operator the operands that are weights, and the axis along which each slice has a scale."""


def shrink(model: ModelT, kept: Collection[str], *, per_tensor: bool) -> None:
    """Store them as int8, in place; those of operators that make tensors called `kept` stay."""
    for graph in model.subgraphs:
        part, done = Part(model, graph), dict[int, int]()
        for op in list(graph.operators):
            operands, axis = _WEIGHTS.get(part.code(op), ((), 0))
            if any(graph.tensors[i].name.decode() in kept for i in op.outputs):
                continue
            for place in operands:
                tensor = op.inputs[place]
                if tensor not in done and tensor >= 0 and _is_large(part, tensor):
                    done[tensor] = _stored(part, tensor, None if per_tensor else axis)
                op.inputs[place] = done.get(tensor, tensor)


def _is_large(part: Part, tensor: int) -> bool:
    values = part.constant(tensor)
    return values is not None and part.graph.tensors[tensor].type == FLOAT32 and values.size >= SMALLEST


def _stored(part: Part, tensor: int, axis: int | None) -> int:
    """The float32 tensor that is made of the stored integers; `axis` has a scale for each slice, None one for all."""
    values = part.constant(tensor)
    assert values is not None, "only constants are weights"
    others = tuple(k for k in range(values.ndim) if k != axis) if axis is not None else None
    largest = np.abs(values).max(axis=others, keepdims=True).astype(np.float32)
    scale = np.maximum(largest, 1e-9) / np.float32(127)
    integers = np.clip(np.round(values.astype(np.float32) / scale), -127, 127).astype(np.int8)
    floats = part.add_tensor(tensor, "_dequantized", None)
    found = part.graph.tensors[tensor]
    part.model.buffers.append(schema.BufferT(data=np.frombuffer(integers.tobytes(), np.uint8)))
    found.buffer, found.type = len(part.model.buffers) - 1, INT8
    found.quantization = schema.QuantizationParametersT(scale=scale.reshape(-1), zeroPoint=np.zeros(scale.size, np.int64),
                                                        quantizedDimension=axis or 0)
    part.insert(part.operator("DEQUANTIZE", tensor, floats), after=None)
    return floats
