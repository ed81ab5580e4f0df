"""Layers on one tensor as one layer: what rules about different kinds of layers share."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.quantized import Dequantize, QuantizeDequantize
from nchw2nhwc.passes.match import array
from nchw2nhwc.passes.quantization import chooses
from nchw2nhwc.passes.rewrite import Rewriter


def joint_layer(rw: Rewriter, alike: list[Node]) -> Value:
    """The results of layers with equal ops and constant weights and biases (operands 1 and 2, by result channel), one behind the other
    along the channels: one layer on what all of them read."""
    weights = [array(node.input(1)) for node in alike]
    biases = [node.inputs[2] if len(node.inputs) > 2 else None for node in alike]
    parts = [np.zeros(len(w), w.dtype) if bias is None else array(bias) for w, bias in zip(weights, biases)]
    bias = None if all(each is None for each in biases) else rw.constant(np.concatenate(parts))
    return rw.add(alike[0].op, alike[0].input(0), rw.constant(np.concatenate(weights)), bias)


def is_quantized(x: Value) -> bool:
    """Whether a value is rounded to a grid, or its elements are chosen from one that is."""
    while x.producer is not None and chooses(x.producer.op):
        x = x.producer.input(0)
    return x.producer is not None and isinstance(x.producer.op, (QuantizeDequantize, Dequantize))
