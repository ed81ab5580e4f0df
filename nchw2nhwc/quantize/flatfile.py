"""A TFLite file as the objects of its schema, which the quantizer works on too, and one subgraph of it to rewrite.

Files are written with equal vectors shared: shapes, and the zero points of thousands of channels, which are all 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Array

if TYPE_CHECKING:
    from ai_edge_litert.schema_py_generated import ModelT, OperatorT, SubGraphT

FLOAT32, INT8, UINT8, INT16 = (getattr(schema.TensorType, name) for name in ("FLOAT32", "INT8", "UINT8", "INT16"))
INT4 = schema.TensorType.INT4
TYPES: Mapping[str, int] = {"float32": FLOAT32, "int8": INT8, "uint8": UINT8, "int16": INT16}
NUMPY: Mapping[int, str] = {number: name for name, number in TYPES.items()}
_BIASES: Mapping[int, str] = {FLOAT32: "float32", schema.TensorType.INT32: "int32", schema.TensorType.INT64: "int64"}
_ALIGNMENT = 16


@dataclass(frozen=True)
class Params:
    """Of a tensor with one scale: `real = scale * (stored - zero_point)`."""

    type: int
    scale: float
    zero_point: int


def read(content: bytes | bytearray | memoryview) -> ModelT:
    """A file's objects; the contents of buffers are views of it."""
    return flatbuffer_utils.read_model_from_bytearray(content)


def write(model: ModelT) -> bytes:
    """The file of a model. Raises TargetError when it is larger than FlatBuffer offsets reach."""
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        tensor.shape, tensor.shapeSignature = _sizes(tensor.shape), _sizes(tensor.shapeSignature)
        q = tensor.quantization
        if q is not None and q.scale is not None:
            q.scale, q.zeroPoint = np.asarray(q.scale, np.float32), np.asarray(q.zeroPoint, np.int64)
            q.min = q.max = None
    for buffer in model.buffers:
        if buffer.data is not None:
            buffer.data = np.frombuffer(np.ascontiguousarray(buffer.data), np.uint8)
    builder = _Builder(1 << 16)
    try:
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    except flatbuffers.builder.BuilderSizeError:
        raise TargetError("the quantized file is larger than 2 GB", advice="Quantize to fewer bits: --quantize weight4.") from None
    return bytes(builder.Output())


def _sizes(shape: Sequence[int] | None) -> Array | None:
    return None if shape is None else np.asarray(shape, np.int32)


class _Builder(flatbuffers.Builder):  # type: ignore[misc]
    """Writes equal vectors once, and bytes aligned as the schema wants the contents of buffers."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._vectors: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: Array) -> int:
        content = x.tobytes()
        key = (x.dtype.str, content)
        if key not in self._vectors:
            self.StartVector(x.itemsize, x.size, _ALIGNMENT if x.dtype == np.uint8 else x.dtype.alignment)
            self.head -= len(content)
            self.Bytes[self.head:self.head + len(content)] = content
            self._vectors[key] = self.EndVector()
        return self._vectors[key]


class Part:
    """A subgraph of a model, and who makes and reads each of its tensors. `refresh` after the operators changed."""

    def __init__(self, model: ModelT, graph: SubGraphT) -> None:
        self.model, self.graph = model, graph
        self._names = {tensor.name for each in model.subgraphs for tensor in each.tensors}
        self.refresh()

    def refresh(self) -> None:
        self.maker: dict[int, OperatorT] = {i: op for op in self.graph.operators for i in op.outputs}
        self.readers: dict[int, list[OperatorT]] = defaultdict(list)
        for op in self.graph.operators:
            for i in dict.fromkeys(op.inputs):
                if i >= 0:
                    self.readers[i].append(op)

    def code(self, op: OperatorT) -> str:
        """An operator's name in the schema."""
        return str(flatbuffer_utils.opcode_to_name(self.model, op.opcodeIndex))

    def made_by(self, tensor: int, code: str) -> OperatorT | None:
        """The operator that makes a tensor, if it is of this kind."""
        op = self.maker.get(tensor)
        return op if op is not None and self.code(op) == code else None

    def constant(self, tensor: int) -> Array | None:
        """A constant's float32 or integer values; None for a tensor that is computed."""
        found = self.graph.tensors[tensor]
        data = self.model.buffers[found.buffer].data
        if found.buffer == 0 or data is None or found.type not in NUMPY:
            return None
        return np.frombuffer(np.ascontiguousarray(data), NUMPY[found.type]).reshape(found.shape if found.shape is not None else ())

    def integers(self, tensor: int) -> Array | None:
        """A constant's int32 values, as sizes and axes are; None for other tensors."""
        found = self.graph.tensors[tensor]
        data = self.model.buffers[found.buffer].data
        known = found.buffer != 0 and data is not None and found.type == schema.TensorType.INT32
        return np.frombuffer(np.ascontiguousarray(data), np.int32) if known else None

    def params(self, tensor: int) -> Params | None:
        """The scale of a quantized tensor; None for one that is not, or that has many."""
        found = self.graph.tensors[tensor]
        q = found.quantization
        if q is None or q.scale is None or len(q.scale) != 1 or found.type not in (INT8, UINT8, INT16):
            return None
        return Params(found.type, float(q.scale[0]), int(q.zeroPoint[0]))

    def quantize(self, tensor: int, params: Params) -> None:
        """Give a tensor a type and scale."""
        found = self.graph.tensors[tensor]
        found.type = params.type
        found.quantization = schema.QuantizationParametersT(scale=[params.scale], zeroPoint=[params.zero_point])

    def add_tensor(self, like: int, ending: str, params: Params | None) -> int:
        """Another tensor of the same shape; float32 without `params`."""
        old = self.graph.tensors[like]
        name = old.name + ending.encode()
        while name in self._names:
            name += b"_"
        self._names.add(name)
        self.graph.tensors.append(schema.TensorT(shape=old.shape, shapeSignature=old.shapeSignature, hasRank=old.hasRank, name=name,
                                                 type=FLOAT32))
        index = len(self.graph.tensors) - 1
        if params is not None:
            self.quantize(index, params)
        return index

    def add_constant(self, like: int, ending: str, values: Array, params: Params) -> int:
        """A constant with another tensor's shape."""
        index = self.add_tensor(like, ending, params)
        self.store(index, values)
        return index

    def store(self, tensor: int, values: Array) -> None:
        """Give a tensor a constant's content, in a buffer of its own."""
        self.model.buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
        self.graph.tensors[tensor].buffer = len(self.model.buffers) - 1

    def shift(self, bias: int, by: Array) -> None:
        """Add real numbers to a constant bias, which has floats, or int32 or int64 numbers with a scale for each or one for all."""
        found = self.graph.tensors[bias]
        old = np.frombuffer(np.ascontiguousarray(self.model.buffers[found.buffer].data), _BIASES[found.type])
        scaled = by if found.type == FLOAT32 else np.round(by / np.asarray(found.quantization.scale, np.float64))
        self.store(bias, (old + scaled).astype(old.dtype))

    def operator(self, code: str, source: int, target: int) -> OperatorT:
        """A QUANTIZE or DEQUANTIZE operator, not yet in the subgraph."""
        return schema.OperatorT(opcodeIndex=self.number_of(code, 2), inputs=[source], outputs=[target])

    def number_of(self, code: str, version: int) -> int:
        """The place of a kind of operators among the file's; if it has none yet, it gets one of this version."""
        number = getattr(schema.BuiltinOperator, code)
        known = [k for k, each in enumerate(self.model.operatorCodes) if each.builtinCode == number]
        if not known:
            self.model.operatorCodes.append(schema.OperatorCodeT(deprecatedBuiltinCode=number, builtinCode=number, version=version))
            known = [len(self.model.operatorCodes) - 1]
        return known[0]

    def insert(self, op: OperatorT, *, after: OperatorT | None) -> None:
        """Put an operator behind another one, or first."""
        place = 0 if after is None else next(k for k, each in enumerate(self.graph.operators) if each is after) + 1
        self.graph.operators.insert(place, op)

    def drop(self, ops: Iterable[OperatorT]) -> None:
        """Take operators out."""
        gone = {id(op) for op in ops}
        self.graph.operators = [op for op in self.graph.operators if id(op) not in gone]

    def redirect(self, old: int, new: int) -> None:
        """Let all readers of a tensor, and the subgraph's outputs, take another one instead."""
        for op in self.readers[old]:
            op.inputs = [new if i == old else i for i in op.inputs]
        self.redirect_output(old, new)

    def redirect_output(self, old: int, new: int) -> None:
        """Make another tensor an output of the subgraph."""
        self.graph.outputs = [new if i == old else i for i in self.graph.outputs]
        for signature in self._signatures():
            for entry in signature.outputs:
                entry.tensorIndex = new if entry.tensorIndex == old else entry.tensorIndex

    def _signatures(self) -> Sequence[schema.SignatureDefT]:
        place = next(k for k, each in enumerate(self.model.subgraphs) if each is self.graph)
        return [each for each in self.model.signatureDefs or () if each.subgraphIndex == place]

    def raise_version(self, op: OperatorT, version: int) -> None:
        """Say that an operator needs at least this version of its kernel."""
        old = self.model.operatorCodes[op.opcodeIndex]
        if old.version >= version:
            return
        for k, each in enumerate(self.model.operatorCodes):
            if each.builtinCode == old.builtinCode and each.version == version:
                op.opcodeIndex = k
                return
        self.model.operatorCodes.append(schema.OperatorCodeT(deprecatedBuiltinCode=old.deprecatedBuiltinCode, version=version,
                                                             builtinCode=old.builtinCode, customCode=old.customCode))
        op.opcodeIndex = len(self.model.operatorCodes) - 1


def prune(model: ModelT) -> None:
    """Drop tensors that nothing refers to any more, and the buffers and operator codes that only they used."""
    for number, graph in enumerate(model.subgraphs):
        used = {i for op in graph.operators for i in (*op.inputs, *op.outputs, *(op.intermediates or ())) if i >= 0}
        used |= {*graph.inputs, *graph.outputs}
        place = {old: new for new, old in enumerate(sorted(used))}
        graph.tensors = [graph.tensors[old] for old in sorted(used)]
        for op in graph.operators:
            op.inputs, op.outputs = [place.get(i, -1) for i in op.inputs], [place.get(i, -1) for i in op.outputs]
            op.intermediates = [place[i] for i in op.intermediates] if op.intermediates else None
        graph.inputs, graph.outputs = [place[i] for i in graph.inputs], [place[i] for i in graph.outputs]
        for signature in (each for each in model.signatureDefs or () if each.subgraphIndex == number):
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensorIndex = place[entry.tensorIndex]
    _prune_buffers(model)
    codes = sorted({op.opcodeIndex for graph in model.subgraphs for op in graph.operators})
    model.operatorCodes = [model.operatorCodes[k] for k in codes]
    for op in (op for graph in model.subgraphs for op in graph.operators):
        op.opcodeIndex = codes.index(op.opcodeIndex)


def _prune_buffers(model: ModelT) -> None:
    kept = {0} | {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors} | {e.buffer for e in model.metadata or ()}
    place = {old: new for new, old in enumerate(sorted(kept))}
    model.buffers = [model.buffers[old] for old in sorted(kept)]
    model.metadataBuffer = None
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        tensor.buffer = place[tensor.buffer]
    for entry in model.metadata or ():
        entry.buffer = place[entry.buffer]
