"""What a model holds, without converting it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.conversion import plan
from nchw2nhwc.errors import ConversionError, MissingOp, UnsupportedOpsError
from nchw2nhwc.ir import Dim, Graph, Node, TensorType, evaluate
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Transpose
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import Format, Model, Source, identify
from nchw2nhwc.source.reading import read, source_inputs

if TYPE_CHECKING:
    from onnx import NodeProto


@dataclass(frozen=True)
class Tensor:
    """An input or output: sizes that are not known are names or formulas."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str


@dataclass(frozen=True)
class Transposes:
    """How many the source's graph has, how many are left when layouts are solved, and whether less is proven impossible."""

    source: int
    result: int
    proven_minimal: bool


@dataclass(frozen=True)
class Inspection:
    """What a model holds.

    `ops` counts the source's layers by type, constants left out. `parameters` is the number of elements of its constants, those of 32- and
    64-bit integers and truth values (sizes and indices) left out. `macs` is the number of multiplications with addition in convolutions
    and products of matrices, dimensions of any size counted as 1, and `dynamic` the names of these dimensions. `outputs`, `macs` and
    `transposes` are None when the model cannot be read, `transposes` also when it cannot be converted: `reason` then says why.
    """

    format: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...] | None
    ops: Mapping[str, int]
    parameters: int
    macs: int | None
    unsupported: tuple[MissingOp, ...]
    transposes: Transposes | None
    dynamic: tuple[str, ...]
    reason: str = ""

    def to_json(self) -> bytes:
        """All of it as UTF-8 JSON."""
        return (json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n").encode()


def inspect(model: Model, options: ConvertOptions | None = None) -> Inspection:
    """Look at a model (what `convert` takes), as `options` say how to read it.

    Raises SourceError for what is no sound model, OptionError for options that do not fit.
    """
    chosen = options or ConvertOptions()
    source = identify(model, chosen.bin)
    inputs = source_inputs(source, chosen)
    dynamic = sorted({name for info in inputs for size in info.source_type.shape if isinstance(size, Dim) for name in size.symbols})
    ops, parameters = _content(source)
    known = (source.format.value, tuple(_tensor(info.name, info.source_type) for info in inputs))
    try:
        graph = read(source, replace(chosen, random="inputs"))
    except UnsupportedOpsError as error:
        return Inspection(*known, None, ops, parameters, None, error.missing, None, tuple(dynamic), "ops are not supported")
    outputs = tuple(_tensor(name, v.type) for name, v in zip(graph.output_names, graph.outputs))
    macs, before, reason = sum(map(_macs, graph.nodes)), _count_transposes(graph), ""
    try:
        layout = plan(graph, chosen, Stages())
        transposes = Transposes(before, len(layout.transposes), layout.proven)
    except ConversionError as error:
        transposes, reason = None, error.reason
    return Inspection(*known, outputs, ops, parameters, macs, (), transposes, tuple(dynamic), reason)


def _tensor(name: str, type: TensorType) -> Tensor:
    return Tensor(name, tuple(s if isinstance(s, int) else str(s) for s in type.shape), type.dtype.name)


def _count_transposes(graph: Graph) -> int:
    return sum(isinstance(node.op, Transpose) for node in graph.nodes)


def _macs(node: Node) -> int:
    """Multiplications with addition of one node."""
    def elements(shape: Sequence[object]) -> int:
        return prod(evaluate(s, dict.fromkeys(s.symbols, 1)) if isinstance(s, Dim) else int(str(s)) for s in shape)

    if isinstance(node.op, Conv):
        return elements(node.output.shape) * elements(node.input(1).shape[1:])
    if isinstance(node.op, ConvTranspose):
        return elements(node.input(0).shape) * elements(node.input(1).shape[1:])
    if isinstance(node.op, FullyConnected):
        return elements(node.input(0).shape) * elements(node.input(1).shape[:1])
    if isinstance(node.op, MatMul):
        return elements(node.output.shape) * elements(node.input(0).shape[-2 if node.op.adjoint_a else -1:][:1])
    return 0


# ---- the source as it is written -----------------------------------------------------------------------------------------
def _content(source: Source) -> tuple[dict[str, int], int]:
    """Layers by type, most frequent first, and the number of parameters."""
    counts, parameters = _onnx_content(source) if source.format is Format.ONNX else _openvino_content(source)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))), parameters


def _onnx_content(source: Source) -> tuple[Counter[str], int]:
    from onnx import TensorProto

    from nchw2nhwc.parse.onnx.model import load
    from nchw2nhwc.parse.onnx.unmapped import type_name

    assert not isinstance(source.model, os.PathLike) or isinstance(source.model, Path)
    model = load(source.model)
    left_out = {TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL}
    nodes = [node for nodes in (model.graph.node, *(f.node for f in model.functions.values())) for node in _all_nodes(nodes)]
    constants = [*model.graph.initializer,
                 *(a.t for node in nodes if node.op_type == "Constant" for a in node.attribute if a.HasField("t"))]
    return (Counter(type_name(node) for node in nodes if node.op_type != "Constant"),
            sum(prod(t.dims) for t in constants if t.data_type not in left_out))


def _all_nodes(nodes: Sequence[NodeProto]) -> Iterator[NodeProto]:
    """Nodes with those of their subgraphs."""
    from nchw2nhwc.parse.onnx.model import subgraphs

    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from _all_nodes(graph.node)


def _openvino_content(source: Source) -> tuple[Counter[str], int]:
    from nchw2nhwc.parse.openvino.attributes import integers
    from nchw2nhwc.parse.openvino.document import read_document

    assert isinstance(source.model, (Path, bytes)), "an IR is a path or bytes"
    layers = read_document(source.model).layers.values()
    constants = [layer.data for layer in layers if layer.type == "Const"]
    left_out = ("i32", "i64", "boolean", "u1", "string")
    return (Counter(layer.type for layer in layers if layer.type not in ("Const", "Parameter", "Result")),
            sum(prod(integers(data.get("shape", ""))) for data in constants if data.get("element_type", "").strip() not in left_out))
