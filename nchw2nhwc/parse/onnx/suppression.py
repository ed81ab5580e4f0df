"""The operators of ONNX models that suppress boxes, those that other runtimes have added included."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import FunctionProto, GraphProto, NodeProto

from nchw2nhwc.parse.onnx.model import FunctionKey, function_key, subgraphs

SUPPRESSING = frozenset((
    "NonMaxSuppression", "EfficientNMS_TRT", "EfficientNMS_ONNX_TRT", "EfficientNMS_Explicit_TF_TRT", "BatchedNMS_TRT",
    "BatchedNMSDynamic_TRT", "NMS_TRT", "TRTBatchedNMS", "TRTBatchedRotatedNMS"))
"""Types of operators. The last ones are TensorRT's plugins and those of mmdeploy, which models for these runtimes end with."""

MEASURING = frozenset(("Shape", "Size"))
"""Types of operators whose results depend on shapes alone."""


def suppresses(node: NodeProto, functions: Mapping[FunctionKey, FunctionProto]) -> bool:
    """Whether a node, a subgraph of it or a function that it calls suppresses boxes. Functions do not call themselves."""
    if node.op_type in SUPPRESSING:
        return True
    bodies: list[GraphProto | FunctionProto] = [*subgraphs(node)]
    if (key := function_key(node)) in functions:
        bodies.append(functions[key])
    return any(suppresses(inner, functions) for body in bodies for inner in body.node)
