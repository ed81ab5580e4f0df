"""Loads an ONNX model: from a path, bytes or a ModelProto to a checked protobuf whose large tensors are views of the source."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import onnx
import onnx.version_converter
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, numpy_helper

from nchw2nhwc.errors import Location, SourceError, UnsupportedError
from nchw2nhwc.parse.onnx.old_slopes import with_axes
from nchw2nhwc.parse.onnx.registry import OLDEST_OPSET, newest_opset
from nchw2nhwc.parse.onnx.tensors import TensorReader, mapped, rounded
from nchw2nhwc.parse.onnx.wire import NOTHING_OUTLINED, outline

FunctionKey: TypeAlias = tuple[str, str, str]
"""Domain, name and overload of a local function."""

LARGEST_EXPANSION = 200_000
"""Nodes that all calls of local functions may amount to."""

DEEPEST_CALL = 50
"""How deep calls of local functions may be nested."""


@dataclass(frozen=True)
class Model:
    """An ONNX model that was read and whose outer parts make sense."""

    graph: GraphProto
    functions: Mapping[FunctionKey, FunctionProto]
    opsets: Mapping[str, int]
    tensors: TensorReader
    where: Location


def domain_of(domain: str) -> str:
    """A domain as it is looked up: the standard one has two spellings."""
    return "" if domain == "ai.onnx" else domain


def function_key(node: NodeProto) -> FunctionKey:
    """The local function that a node calls, if there is one."""
    return domain_of(node.domain), node.op_type, _overload(node)


def _overload(proto: NodeProto | FunctionProto) -> str:
    # Overloads came with IR version 10; the oldest supported onnx package does not have the field.
    return str(getattr(proto, "overload", ""))


def load(model: str | os.PathLike[str] | bytes | ModelProto, name: str = "") -> Model:
    """Read a model; `name` is what errors call one that is no path. Raises SourceError when it is missing, damaged or no ONNX model,
    UnsupportedError when it is too old or too new."""
    where = Location(name or "ONNX model")
    if isinstance(model, ModelProto):
        return _checked(model, TensorReader(NOTHING_OUTLINED, None, where), where)
    if isinstance(model, bytes):
        return _parsed(memoryview(model), None, where)
    path = Path(model)
    where = Location(path.name)
    try:
        return _parsed(mapped(path), path.parent, where)
    except OSError as error:
        raise SourceError(f"the file cannot be read: {error.strerror or error}", where) from None


def _parsed(data: memoryview, folder: Path | None, where: Location) -> Model:
    if not data:
        raise SourceError("the file is empty", where)
    try:
        outlined = outline(data)
        proto = ModelProto.FromString(outlined.skeleton)
    except SourceError as error:
        raise error.at(where) from None
    except DecodeError:
        raise SourceError("the file is no ONNX model, or is damaged", where, "It cannot be read as a protobuf message.") from None
    if _is_old(proto):
        return _checked(ModelProto.FromString(bytes(data)), TensorReader(NOTHING_OUTLINED, folder, where), where)
    return _checked(proto, TensorReader(outlined, folder, where), where)


def _is_old(proto: ModelProto) -> bool:
    """Whether the operators are older than those that are known."""
    return any(not domain_of(entry.domain) and 0 < entry.version < OLDEST_OPSET for entry in proto.opset_import)


def _upgraded(proto: ModelProto, where: Location) -> ModelProto:
    """The model in the oldest operator set that is known, as onnx converts it. Raises UnsupportedError where that fails."""
    try:
        upgraded = onnx.version_converter.convert_version(proto, OLDEST_OPSET)
    except (onnx.version_converter.ConvertError, RuntimeError, ValueError) as error:
        version = next(entry.version for entry in proto.opset_import if not domain_of(entry.domain))
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise UnsupportedError(f"the model uses opset {version}, older than {OLDEST_OPSET}, and onnx cannot convert it: {reason}", where,
                               "Export the model again with a newer opset.") from None
    with_axes(upgraded, where)
    return upgraded


def _checked(proto: ModelProto, tensors: TensorReader, where: Location) -> Model:
    if not proto.HasField("graph") or not proto.ir_version or not proto.opset_import:
        missing = "graph" if not proto.HasField("graph") else "IR version" if not proto.ir_version else "operator set"
        raise SourceError(f"the file is no ONNX model, or is damaged: it has no {missing}", where)
    if proto.ir_version > onnx.IR_VERSION:
        raise UnsupportedError(f"the model has IR version {proto.ir_version}; the newest that is known is {onnx.IR_VERSION}", where,
                               "Install a newer onnx package.")
    _require_text(proto, where)
    proto = with_dense(proto, tensors)
    if _is_old(proto):
        proto = _upgraded(proto, where)
    functions: dict[FunctionKey, FunctionProto] = {}
    for function in proto.functions:
        key = domain_of(function.domain), function.name, _overload(function)
        if key in functions:
            raise SourceError(f"the local function '{function.name}' is defined twice", where)
        functions[key] = function
    _require_finite(proto.graph, functions, where)
    return Model(proto.graph, functions, opset_versions(proto.opset_import, where), tensors, where)


def with_dense(proto: ModelProto, tensors: TensorReader | None = None) -> ModelProto:
    """The model with dense initializers in the place of its sparse ones: a copy where there are any. `tensors` reads what the model is
    stored with elsewhere. Raises as `TensorReader.dense` does."""
    tensors = tensors or TensorReader(NOTHING_OUTLINED, None, Location("ONNX model"))
    if not any(graph.sparse_initializer for graph in _graphs(proto)):
        return proto
    copy = ModelProto()
    copy.CopyFrom(proto)
    for graph in _graphs(copy):
        for sparse in graph.sparse_initializer:
            name = sparse.values.name
            graph.initializer.append(numpy_helper.from_array(tensors.dense(sparse, f"initializer '{name}'"), name))
        del graph.sparse_initializer[:]
    return copy


def _graphs(proto: ModelProto) -> Iterator[GraphProto]:
    """The graph of a model and all graphs inside nodes, those of its functions too."""
    rest = [proto.graph, *(graph for function in proto.functions for node in function.node for graph in subgraphs(node))]
    while rest:
        graph = rest.pop()
        yield graph
        rest += [inner for node in graph.node for inner in subgraphs(node)]


def _require_text(proto: ModelProto, where: Location) -> None:
    """Raises SourceError where a name is not valid UTF-8: protobuf then gives bytes instead of text."""
    bodies = [body for function in proto.functions for body in _names_of_nodes(function.node)]
    heads = [name for f in proto.functions for name in (f.name, f.domain, _overload(f), *f.input, *f.output, *f.attribute)]
    domains = [entry.domain for owner in (proto, *proto.functions) for entry in owner.opset_import]
    for name in (*_names_of_graph(proto.graph), *heads, *domains, *bodies):
        if not isinstance(name, str):
            raise SourceError(f"the file is damaged: a name in it, {name[:80]!r}, is not valid text", where)


def _names_of_graph(graph: GraphProto) -> Iterator[str]:
    yield graph.name
    for tensor in (*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer)):
        yield tensor.name
    for info in (*graph.input, *graph.output):
        yield info.name
        yield from (dim.dim_param for dim in info.type.tensor_type.shape.dim)
    yield from _names_of_nodes(graph.node)


def _names_of_nodes(nodes: Iterable[NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, _overload(node), *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            yield attribute.ref_attr_name
        for graph in subgraphs(node):
            yield from _names_of_graph(graph)


def opset_versions(imports: Iterable[OperatorSetIdProto], where: Location) -> dict[str, int]:
    """Operator set versions by domain. Raises UnsupportedError for a version of the standard one that is not known."""
    versions: dict[str, int] = {}
    for entry in imports:
        domain = domain_of(entry.domain)
        if entry.version < 1 or versions.setdefault(domain, entry.version) != entry.version:
            raise SourceError(f"operator set '{domain}' is imported in version {entry.version}, which cannot be", where)
    standard = versions.get("")
    if standard is not None and standard < OLDEST_OPSET:
        raise UnsupportedError(f"the model uses opset {standard}; the oldest that is supported is {OLDEST_OPSET}", where,
                               "Upgrade the model with onnx.version_converter.")
    if standard is not None and standard > newest_opset():
        raise UnsupportedError(f"the model uses opset {standard}; the newest that is known is {newest_opset()}", where,
                               "Install a newer onnx package, or export the model with an older opset.")
    return versions


def called(nodes: Iterable[NodeProto], functions: Mapping[FunctionKey, FunctionProto]) -> list[FunctionKey]:
    """The local functions that nodes call, those in their subgraphs included; one entry for each call."""
    found: list[FunctionKey] = []
    for node in nodes:
        key = function_key(node)
        if key in functions:
            found.append(key)
        for graph in subgraphs(node):
            found += called(graph.node, functions)
    return found


def subgraphs(node: NodeProto) -> list[GraphProto]:
    """The graphs among a node's attributes."""
    found: list[GraphProto] = []
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            found.append(attribute.g)
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            found += attribute.graphs
    return found


def _require_finite(graph: GraphProto, functions: Mapping[FunctionKey, FunctionProto], where: Location) -> None:
    """Raises SourceError when local functions call themselves, or each other so often that the whole could not be meant."""
    calls = {key: called(function.node, functions) for key, function in functions.items()}
    sizes: dict[FunctionKey, int] = {}

    def size_of(key: FunctionKey, depth: int) -> int:
        if depth > DEEPEST_CALL:
            raise SourceError(f"the local function '{key[1]}' calls itself, or calls are nested more than {DEEPEST_CALL} deep", where)
        if key not in sizes:
            sizes[key] = len(functions[key].node) + sum(size_of(k, depth + 1) for k in calls[key])
        return sizes[key]

    total = sum(size_of(key, 0) for key in called(graph.node, functions)) if functions else 0
    if total > LARGEST_EXPANSION:
        raise SourceError(f"the calls of local functions amount to {rounded(total)} nodes", where)
