"""bfloat16 models in float32, in which ONNX Runtime can run them on a CPU, as results do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nchw2nhwc.parse.onnx.model import subgraphs

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto

_TYPES = ("to", "dtype", "output_dtype")
"""Attributes that say an element type."""


def widen(model: ModelProto) -> bool:
    """Make all bfloat16 of a model without functions float32, in place: its numbers stay, and nothing is rounded to bfloat16 on the way.
    Returns whether there was any."""
    found = [_widen(graph) for graph in _graphs(model.graph)]
    return any(found)


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from _graphs(inner)


def _widen(graph: GraphProto) -> bool:
    found = [_retype(value) for values in (graph.input, graph.output, graph.value_info) for value in values]
    found += [_rewrite(tensor) for tensor in graph.initializer]
    found += [_change(attribute) for node in graph.node for attribute in node.attribute]
    return any(found)


def _retype(value: ValueInfoProto) -> bool:
    from onnx import TensorProto

    kind = value.type.tensor_type
    if kind.elem_type != TensorProto.BFLOAT16:
        return False
    kind.elem_type = TensorProto.FLOAT
    return True


def _rewrite(tensor: TensorProto) -> bool:
    import numpy as np
    from onnx import TensorProto, numpy_helper

    if tensor.data_type != TensorProto.BFLOAT16:
        return False
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    return True


def _change(attribute: AttributeProto) -> bool:
    from onnx import AttributeProto, TensorProto

    if attribute.type == AttributeProto.TENSOR:
        return _rewrite(attribute.t)
    if attribute.type != AttributeProto.INT or attribute.name not in _TYPES or attribute.i != TensorProto.BFLOAT16:
        return False
    attribute.i = TensorProto.FLOAT
    return True
