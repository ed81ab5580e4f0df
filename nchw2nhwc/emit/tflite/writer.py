"""A `Model` as a TFLite file: the FlatBuffer skeleton is built in memory, the buffers' contents are streamed behind it.

The skeleton holds everything but weights. Every `Buffer.data` in it first points to one shared empty vector; the contents are then laid
out behind the skeleton as `[uint32 length][bytes]` vectors, 16-byte aligned as the schema demands (`force_align: 16`), and the offsets are
patched to point there. So a model is written with no second copy of its weights in memory.

Past 2 GiB, where FlatBuffer offsets end, a buffer says where its content is by `Buffer.offset` and `Buffer.size`, counted from the start of
the file; LiteRT reads those since schema version 3c.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import flatbuffers
import numpy as np

from nchw2nhwc.emit.tflite.model import CustomOptions, Model, Operator, Options, Quantization, Subgraph, Tensor, type_number
from nchw2nhwc.emit.tflite.task_metadata import archive

ALIGNMENT = 16
LIMIT = 2**31 - 1
"""Bytes that FlatBuffer offsets reach, by the verifier's rule."""
SIGNATURE = "serving_default"


class FlatBuffer:
    """A TFLite file, ready to be written. `model` is what it was made from."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._placed, self.size = [0] * len(model.blobs), 0
        skeleton, tables = _Skeleton(model, far=False).build()
        self._place(len(skeleton))
        if self.size > LIMIT:
            skeleton, tables = _Skeleton(model, far=True).build()
            self._place(len(skeleton))
            _patch_far(skeleton, tables, self._placed, [blob.nbytes for blob in model.blobs])
        else:
            _patch(skeleton, tables, self._placed)
        self._skeleton = skeleton

    def _place(self, end: int) -> None:
        """Set where every content starts (its length stands in the 4 bytes before) and where the file ends."""
        for k, blob in enumerate(self.model.blobs):
            start = -(-(end + 4) // ALIGNMENT) * ALIGNMENT
            self._placed[k], end = start, start + blob.nbytes
        self.size = -(-end // ALIGNMENT) * ALIGNMENT
        self._archive = archive(self.model.files, self.size) if self.model.files else b""
        self.size += len(self._archive)

    def chunks(self) -> Iterator[memoryview]:
        """The file's bytes in order, one buffer's content at a time."""
        yield memoryview(self._skeleton)
        end = len(self._skeleton)
        for start, blob in zip(self._placed, self.model.blobs):
            yield memoryview(bytes(start - 4 - end) + struct.pack("<I", blob.nbytes & 0xFFFFFFFF))
            yield blob.content().data
            end = start + blob.nbytes
        yield memoryview(bytes(self.size - len(self._archive) - end))
        yield memoryview(self._archive)

    def write(self, file: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write to a path or an open binary file. Raises OSError as the file does."""
        if isinstance(file, (str, os.PathLike)):
            with open(file, "wb") as opened:
                self.write(opened)
        else:
            for chunk in self.chunks():
                file.write(chunk)

    def tobytes(self) -> bytes:
        """The whole file in memory."""
        buffer = io.BytesIO()
        self.write(buffer)
        return buffer.getvalue()


def _patch(skeleton: bytearray, tables: Sequence[int], placed: Sequence[int]) -> None:
    """Point `data` of the Buffer tables at these positions to the vectors whose contents start at `placed`."""
    for table, start in zip(tables, placed):
        field = field_position(skeleton, table, 0)
        struct.pack_into("<I", skeleton, field, start - 4 - field)


def _patch_far(skeleton: bytearray, tables: Sequence[int], placed: Sequence[int], sizes: Sequence[int]) -> None:
    """Set `offset` and `size` of the Buffer tables at these positions."""
    for table, start, size in zip(tables, placed, sizes):
        struct.pack_into("<Q", skeleton, field_position(skeleton, table, 1), start)
        struct.pack_into("<Q", skeleton, field_position(skeleton, table, 2), size)


def field_position(content: bytes | bytearray, table: int, slot: int) -> int:
    """Where field number `slot` of a FlatBuffer table is: by its entry in the table's vtable, which stands `soffset` bytes before the
    table."""
    (back,) = struct.unpack_from("<i", content, table)
    (offset,) = struct.unpack_from("<H", content, table - back + 4 + 2 * slot)
    return table + int(offset)


def _flexbuffer(options: CustomOptions) -> bytes:
    """The attributes of a custom operator as its kernel reads them."""
    from flatbuffers import flexbuffers

    builder = flexbuffers.Builder()
    with builder.Map():
        for name, value in options.fields:
            builder.Key(name)
            builder.Add(value)
    return bytes(builder.Finish())


class _Skeleton:
    """Builds the tables of a model. Equal vectors, strings and option tables are written once and shared."""

    def __init__(self, model: Model, far: bool) -> None:
        from ai_edge_litert import schema_py_generated

        self.model, self.far, self.schema = model, far, schema_py_generated
        self.builder = flatbuffers.Builder(1 << 16)
        self._vectors: dict[tuple[int, ...], int] = {}
        self._options: dict[Options, int] = {}
        self._quantizations: dict[Quantization, int] = {}

    def build(self) -> tuple[bytearray, list[int]]:
        """The finished skeleton and the positions of the Buffer tables that hold the model's blobs."""
        s, b, model = self.schema, self.builder, self.model
        custom = {op.code for g in model.subgraphs for op in g.operators if isinstance(op.options, CustomOptions)}
        codes = {key: k for k, key in enumerate(sorted({(op.code, op.version) for g in model.subgraphs for op in g.operators}))}
        metadata = [self._metadata(name, 1 + len(model.blobs) + k) for k, name in enumerate(sorted(model.metadata))]
        ends = self._buffers()
        buffers = self._offsets(ends)
        subgraphs = self._offsets([self._subgraph(g, codes) for g in model.subgraphs])
        opcodes = self._offsets([self._opcode(code, version, code in custom) for code, version in codes])
        signatures = self._offsets([self._signature(model.subgraphs[0])])
        description, metadata_vector = b.CreateString(model.description), self._offsets(metadata)
        s.ModelStart(b)
        s.ModelAddVersion(b, 3)
        s.ModelAddOperatorCodes(b, opcodes)
        s.ModelAddSubgraphs(b, subgraphs)
        s.ModelAddDescription(b, description)
        s.ModelAddBuffers(b, buffers)
        s.ModelAddMetadata(b, metadata_vector)
        s.ModelAddSignatureDefs(b, signatures)
        b.Finish(s.ModelEnd(b), b"TFL3")
        skeleton = bytearray(b.Output())
        return skeleton, [len(skeleton) - end for end in ends[1:1 + len(model.blobs)]]

    # ---- tables ----------------------------------------------------------------------------------------------------
    def _buffers(self) -> list[int]:
        """The empty buffer, one for every blob (to be patched), then the metadata, whose small contents are in the skeleton."""
        s, b = self.schema, self.builder
        empty = b.CreateByteVector(b"")
        contents = [self._bytes(self.model.metadata[name]) for name in sorted(self.model.metadata)]
        ends = []
        for data in [0, *[empty] * len(self.model.blobs), *contents]:
            s.BufferStart(b)
            if data == empty and self.far:
                b.PrependUint64Slot(1, 2, 0)
                b.PrependUint64Slot(2, 1, 0)
            elif data:
                s.BufferAddData(b, data)
            ends.append(s.BufferEnd(b))
        return ends

    def _bytes(self, content: bytes) -> int:
        self.builder.StartVector(1, len(content), ALIGNMENT)
        self.builder.head -= len(content)
        self.builder.Bytes[self.builder.head:self.builder.head + len(content)] = content
        return int(self.builder.EndVector())

    def _subgraph(self, graph: Subgraph, codes: Mapping[tuple[str, int], int]) -> int:
        s, b = self.schema, self.builder
        tensors = self._offsets([self._tensor(t) for t in graph.tensors])
        operators = self._offsets([self._operator(op, codes[op.code, op.version]) for op in graph.operators])
        inputs, outputs, name = self._ints(graph.inputs), self._ints(graph.outputs), b.CreateString(graph.name)
        s.SubGraphStart(b)
        s.SubGraphAddTensors(b, tensors)
        s.SubGraphAddInputs(b, inputs)
        s.SubGraphAddOutputs(b, outputs)
        s.SubGraphAddOperators(b, operators)
        s.SubGraphAddName(b, name)
        return int(s.SubGraphEnd(b))

    def _tensor(self, tensor: Tensor) -> int:
        s, b = self.schema, self.builder
        name, shape = b.CreateString(tensor.name), self._ints(tensor.shape)
        signature = self._ints(tensor.signature) if tensor.signature is not None else 0
        quantization = self._quantization(tensor.quantization) if tensor.quantization is not None else 0
        s.TensorStart(b)
        s.TensorAddShape(b, shape)
        s.TensorAddType(b, type_number(tensor.dtype))
        s.TensorAddBuffer(b, tensor.buffer)
        s.TensorAddName(b, name)
        s.TensorAddIsVariable(b, tensor.variable)
        if quantization:
            s.TensorAddQuantization(b, quantization)
        if signature:
            s.TensorAddShapeSignature(b, signature)
        s.TensorAddHasRank(b, True)
        return int(s.TensorEnd(b))

    def _quantization(self, wanted: Quantization) -> int:
        if wanted not in self._quantizations:
            s, b = self.schema, self.builder
            scales = b.CreateNumpyVector(np.array(wanted.scales, np.float32))
            zeros = b.CreateNumpyVector(np.array(np.broadcast_to(wanted.zero_point, len(wanted.scales)), np.int64))
            s.QuantizationParametersStart(b)
            s.QuantizationParametersAddScale(b, scales)
            s.QuantizationParametersAddZeroPoint(b, zeros)
            s.QuantizationParametersAddQuantizedDimension(b, wanted.axis)
            self._quantizations[wanted] = int(s.QuantizationParametersEnd(b))
        return self._quantizations[wanted]

    def _operator(self, op: Operator, code: int) -> int:
        s, b = self.schema, self.builder
        inputs, outputs = self._ints(op.inputs), self._ints(op.outputs)
        builtin = self._option_table(op.options) if isinstance(op.options, Options) else 0
        custom = b.CreateByteVector(_flexbuffer(op.options)) if isinstance(op.options, CustomOptions) else 0
        s.OperatorStart(b)
        s.OperatorAddOpcodeIndex(b, code)
        s.OperatorAddInputs(b, inputs)
        s.OperatorAddOutputs(b, outputs)
        if isinstance(op.options, Options):
            s.OperatorAddBuiltinOptionsType(b, getattr(s.BuiltinOptions, op.options.table))
            s.OperatorAddBuiltinOptions(b, builtin)
        if custom:
            s.OperatorAddCustomOptions(b, custom)
        return int(s.OperatorEnd(b))

    def _option_table(self, wanted: Options) -> int:
        if wanted not in self._options:
            table = getattr(self.schema, f"{wanted.table}T")()
            for name, value in wanted.fields:
                assert hasattr(table, name), f"{wanted.table} has no field {name}"
                setattr(table, name, list(value) if isinstance(value, tuple) else value)
            self._options[wanted] = int(table.Pack(self.builder))
        return self._options[wanted]

    def _opcode(self, code: str, version: int, custom: bool) -> int:
        s, b = self.schema, self.builder
        number = s.BuiltinOperator.CUSTOM if custom else getattr(s.BuiltinOperator, code)
        name = b.CreateString(code) if custom else 0
        s.OperatorCodeStart(b)
        if custom:
            s.OperatorCodeAddCustomCode(b, name)
        s.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, s.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES))
        s.OperatorCodeAddVersion(b, version)
        s.OperatorCodeAddBuiltinCode(b, number)
        return int(s.OperatorCodeEnd(b))

    def _signature(self, graph: Subgraph) -> int:
        s, b = self.schema, self.builder
        inputs = self._offsets([self._tensor_map(n, t) for n, t in zip(graph.input_names, graph.inputs)])
        outputs = self._offsets([self._tensor_map(n, t) for n, t in zip(graph.output_names, graph.outputs)])
        key = b.CreateString(SIGNATURE)
        s.SignatureDefStart(b)
        s.SignatureDefAddInputs(b, inputs)
        s.SignatureDefAddOutputs(b, outputs)
        s.SignatureDefAddSignatureKey(b, key)
        return int(s.SignatureDefEnd(b))

    def _tensor_map(self, name: str, tensor: int) -> int:
        s, b = self.schema, self.builder
        text = b.CreateString(name)
        s.TensorMapStart(b)
        s.TensorMapAddName(b, text)
        s.TensorMapAddTensorIndex(b, tensor)
        return int(s.TensorMapEnd(b))

    def _metadata(self, name: str, buffer: int) -> int:
        s, b = self.schema, self.builder
        text = b.CreateString(name)
        s.MetadataStart(b)
        s.MetadataAddName(b, text)
        s.MetadataAddBuffer(b, buffer)
        return int(s.MetadataEnd(b))

    # ---- vectors ---------------------------------------------------------------------------------------------------
    def _ints(self, values: Sequence[int]) -> int:
        key = tuple(values)
        if key not in self._vectors:
            self._vectors[key] = int(self.builder.CreateNumpyVector(np.array(key, np.int32)))
        return self._vectors[key]

    def _offsets(self, offsets: Sequence[int]) -> int:
        b = self.builder
        b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            b.PrependUOffsetTRelative(offset)
        return int(b.EndVector())
