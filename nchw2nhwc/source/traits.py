"""What is remembered of a graph that was just read, before passes change it: its inputs and outputs, and what its source is like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.interface import TensorInfo, describe
from nchw2nhwc.ir.preprocessing import PREPROCESSING, Preprocessing
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.source.model import Format, Source

if TYPE_CHECKING:
    from nchw2nhwc.ir import Graph, TensorType, Value
    from nchw2nhwc.layout import LayoutResult


class Boundary:
    """Inputs and outputs as the source has them, remembered before passes change the graph."""

    def __init__(self, graph: Graph, options: ConvertOptions) -> None:
        self._inputs, self._draws = inputs_of(graph), graph.draws
        self._outputs = [(name, tensor_of(name, v, options), v.type) for name, v in zip(graph.output_names, graph.outputs)]

    def described(self, layout: LayoutResult) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
        """The same with what they have become."""
        graph = layout.graph
        inputs = {v.name: v.type for v in graph.inputs}
        outputs = dict(zip(graph.output_names, (v.type for v in graph.outputs)))
        return (tuple(describe(name, tensor, type, inputs[name], layout.inputs[name], found, self._draws.get(name))
                      for name, tensor, type, found in self._inputs),
                tuple(describe(name, tensor, type, outputs[name], layout.outputs[name]) for name, tensor, type in self._outputs))


def inputs_of(graph: Graph) -> list[tuple[str, str, TensorType, Preprocessing | None]]:
    """Of the inputs of a graph that was read: name, the source's name of the tensor, its type there, and what is done to raw data first."""
    found: list[tuple[str, str, TensorType, Preprocessing | None]] = []
    for value in graph.inputs:
        raw = graph.preprocessing.get(value.name)
        found.append((value.name, value.origin or value.name, value.type, None) if raw is None else
                     (value.name, raw.tensor, value.type.with_dtype(raw.dtype), raw))
    return found


def tensor_of(name: str, value: Value, options: ConvertOptions) -> str:
    """The source's name of the tensor that is an output; "" for one that the source does not have."""
    from nchw2nhwc.parse.detection import NAMES

    if options.nms == "detection-postprocess" and name in NAMES and not value.origin:
        return ""
    return value.origin or name


def count_layers(graph: Graph) -> int:
    """How many layers of the source depend on its inputs: constants, and what is computed from them alone, do not count."""
    live = {id(v) for v in graph.inputs}
    layers = set()
    for node in graph.nodes:
        if any(id(v) in live for v in node.inputs):
            live |= {id(v) for v in node.outputs}
            layers.add((node.origin.layer, node.origin.type))
    return sum(type != PREPROCESSING for _, type in layers)


def in_half(source: Source, graph: Graph) -> bool:
    """Whether the source's runtime rounds to float16: its results, or what it computes, as ONNX Runtime does (OpenVINO is told to compute
    in float32)."""
    if any(v.type.dtype == np.float16 for v in graph.outputs):
        return True
    return source.format is Format.ONNX and any(v.type.dtype == np.float16 for part in graph.graphs() for node in part.nodes
                                                for v in node.outputs if node.op.name != "Cast")


def is_quantized(graph: Graph) -> bool:
    """Whether a source rounds numbers to integers, or to levels, somewhere inside; reading it says of those that become arithmetic why."""
    from nchw2nhwc.ops.binary import FakeQuantize
    from nchw2nhwc.ops.quantized import Dequantize, Quantize

    return any(part.remarks or any(isinstance(node.op, (FakeQuantize, Quantize, Dequantize)) for node in part.nodes)
               for part in graph.graphs())
