"""Small .tflite files made with LiteRT's own schema, and small ONNX models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

NAME = "squeezenet"
"""A network of the zoo whose name the small ONNX model takes; it has no limit on its ops."""


def write_tflite(path: Path, codes: Sequence[int | str], *, shape: Sequence[int] = (1, 4), signature: Sequence[int] | None = None,
                 old_codes: bool = False) -> Path:
    """A file with a chain of unary operators from tensor "a" to "b"; a string makes a custom operator of that name."""
    model = schema.ModelT()
    model.version, model.buffers = 3, [schema.BufferT()]
    graph = schema.SubGraphT()
    names = ["a", *(f"t{k}" for k in range(len(codes) - 1)), "b"]
    graph.tensors = [_tensor(name, shape, signature) for name in names]
    graph.inputs, graph.outputs = np.array([0], np.int32), np.array([len(codes)], np.int32)
    graph.operators, model.operatorCodes = [], []
    for k, code in enumerate(codes):
        entry, operator = schema.OperatorCodeT(), schema.OperatorT()
        number = schema.BuiltinOperator.CUSTOM if isinstance(code, str) else code
        entry.customCode, entry.version = code.encode() if isinstance(code, str) else None, 1
        entry.deprecatedBuiltinCode, entry.builtinCode = min(number, 127), 0 if old_codes else number
        operator.opcodeIndex, operator.inputs, operator.outputs = k, np.array([k], np.int32), np.array([k + 1], np.int32)
        model.operatorCodes.append(entry)
        graph.operators.append(operator)
    model.subgraphs = [graph]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _tensor(name: str, shape: Sequence[int], signature: Sequence[int] | None) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), np.array(shape, np.int32), schema.TensorType.FLOAT32, 0
    tensor.shapeSignature = None if signature is None else np.array(signature, np.int32)
    return tensor


def write_onnx(path: Path) -> Path:
    """A convolution and a global average pool, 1x3x8x8 to 1x5x1x1, with "image" and "y" at its ends."""
    weights = np.random.default_rng(0).standard_normal((5, 3, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["image", "w"], ["c"], pads=[1, 1, 1, 1]), helper.make_node("GlobalAveragePool", ["c"], ["y"])]
    image, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in (("image", [1, 3, 8, 8]), ("y", [1, 5, 1, 1])))
    graph = helper.make_graph(nodes, "small", [image], [y], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
