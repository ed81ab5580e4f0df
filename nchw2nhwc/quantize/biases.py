"""Biases that are too large for their integers.

A bias has the scale of its layer's data times that of its weights. Where a channel's weights are next to 0, as those of channels are that
training has left no use for, it is no 32-bit number in such steps, and ai-edge-quantizer cuts it off. Weights of those channels get a
larger scale: what is lost of their products is little beside the bias. (Beside int16 activations biases have 64 bits, but kernels of
convolutions take a scale below 2^-31 of the result's for 0.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nchw2nhwc.quantize.flatfile import INT8, Part, read
from nchw2nhwc.quantize.weighted import Doubles, Weighted, weighted

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT

_TYPES: Mapping[int, type[np.signedinteger]] = {schema.TensorType.INT32: np.int32, schema.TensorType.INT64: np.int64}
_LARGEST = 2.0**30
"""With room for the sum that is added."""


def restore(model: ModelT, file: bytes) -> None:
    """Give the large biases of a quantized file's main graph their values, in place. `file` is the float32 file."""
    source, part = read(file), Part(model, model.subgraphs[0])
    floats = Part(source, source.subgraphs[0])
    layers = {layer.result: layer for layer in weighted(floats)}
    for op in part.graph.operators:
        layer = layers.get(part.graph.tensors[op.outputs[0]].name.decode())
        if layer is not None and part.code(op) == layer.code and len(op.inputs) > 2 and op.inputs[2] >= 0:
            values = floats.constant(layer.op.inputs[2])
            if values is not None:
                _restore(part, op, layer, values.astype(np.float64))


def _restore(part: Part, op: OperatorT, layer: Weighted, values: Doubles) -> None:
    bias, weights = (part.graph.tensors[op.inputs[k]] for k in (2, 1))
    if bias.type not in _TYPES or weights.type != INT8 or len(part.readers[op.inputs[2]]) > 1:
        return
    scales, each = (np.asarray(tensor.quantization.scale, np.float64) for tensor in (bias, weights))
    grown = np.maximum(np.abs(values / scales) / _LARGEST, 1)
    if len(each) == len(values) and (grown > 1).any():
        weights.quantization.scale, bias.quantization.scale = each * grown, scales * grown
        rounded = np.clip(np.rint(np.divide(layer.matrices(), layer.of_results(each * grown))), -127, 127)
        part.store(op.inputs[1], layer.stored(rounded.astype(np.int8)))
        part.store(op.inputs[2], np.rint(values / (scales * grown)).astype(_TYPES[bias.type]))
