"""A quantized TFLite file as the tables of devices look at files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from nchw2nhwc.emit.tflite.model import TYPES, Blob, Model, Operator, Options, OptionValue, Subgraph, Tensor, type_number
from nchw2nhwc.errors import Location
from nchw2nhwc.quantize import flatfile

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT, SubGraphT, TensorT

_DTYPES = {type_number(dtype): dtype for dtype in TYPES}
_INT4 = 17
_PACKED = np.dtype(ml_dtypes.int4)


def quantized_model(content: bytes, plain: Model) -> Model:
    """A file that was quantized from `plain`. Its operators belong to the layers that those of `plain` come from, by the names of their
    results, with something behind them where the quantizer has changed or added a tensor."""
    file = flatfile.read(content)
    origins = {graph.tensors[i].name: op.origin for graph in plain.subgraphs for op in graph.operators for i in op.outputs}
    blobs: list[Blob] = []
    return Model([_subgraph(file, part, origins, blobs) for part in file.subgraphs], blobs)


def _subgraph(file: ModelT, part: SubGraphT, origins: Mapping[str, Location], blobs: list[Blob]) -> Subgraph:
    tensors = [_tensor(file, each, blobs) for each in part.tensors]
    codes = flatfile.Part(file, part)
    operators = [_operator(file, op, codes.code(op), _origin(tensors[op.outputs[0]].name, tensors[op.inputs[0]].name, origins))
                 for op in part.operators]
    inputs, outputs = ([int(i) for i in numbers] for numbers in (part.inputs, part.outputs))
    return Subgraph("", tensors, operators, inputs, outputs, [tensors[i].name for i in inputs], [tensors[i].name for i in outputs])


def _tensor(file: ModelT, tensor: TensorT, blobs: list[Blob]) -> Tensor:
    """A tensor, and its content among `blobs` if it is a constant."""
    dtype = _PACKED if tensor.type == _INT4 else _DTYPES[tensor.type]
    shape = tuple(int(size) for size in tensor.shape) if tensor.shape is not None else ()
    open_sizes = tensor.shapeSignature is not None and any(size < 0 for size in tensor.shapeSignature)
    data = file.buffers[tensor.buffer].data
    constant = tensor.buffer > 0 and data is not None and dtype != _PACKED
    if constant:
        blobs.append(Blob(np.frombuffer(np.ascontiguousarray(data).tobytes(), dtype), dtype))
    return Tensor(tensor.name.decode(), dtype, shape, tuple(tensor.shapeSignature) if open_sizes else None, len(blobs) if constant else 0)


def _operator(file: ModelT, op: OperatorT, code: str, origin: Location) -> Operator:
    options = op.builtinOptions
    fields: tuple[tuple[str, OptionValue], ...] = () if options is None else tuple(
        (name, value) for name, value in vars(options).items() if isinstance(value, (int, float)))
    version = file.operatorCodes[op.opcodeIndex].version
    return Operator(code, version, tuple(map(int, op.inputs)), tuple(map(int, op.outputs)),
                    None if options is None else Options(type(options).__name__.removesuffix("T"), fields), origin)


def _origin(result: str, operand: str, origins: Mapping[str, Location]) -> Location:
    """Where the operator that makes `result` comes from; where that is no layer's, it converts an input, which is its operand."""
    known = [name for name in origins if result == name or result.startswith(f"{name}_")]
    return origins[max(known, key=len)] if known else Location(layer=operand)
