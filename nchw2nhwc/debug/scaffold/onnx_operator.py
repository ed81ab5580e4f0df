"""The signature of an ONNX operator: from its schema, of the onnx package or of ONNX Runtime, else from the model's own nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from onnx import AttributeProto, NodeProto, defs

from nchw2nhwc.debug.scaffold.operator import Attribute, Operator, Presence, operands_of, sentence
from nchw2nhwc.errors import Location, OptionError, UnsupportedError
from nchw2nhwc.parse.cut import unknown_name
from nchw2nhwc.parse.onnx.control import CONTROL
from nchw2nhwc.parse.onnx.functions import has_definition
from nchw2nhwc.parse.onnx.model import Model, domain_of, load, subgraphs
from nchw2nhwc.parse.onnx.order import layer_name
from nchw2nhwc.parse.onnx.registry import MAPPINGS, find_mapping, operator_version
from nchw2nhwc.source import Format, Source
from nchw2nhwc.wording import counted

_ANNOTATIONS = {AttributeProto.INT: "int", AttributeProto.FLOAT: "float", AttributeProto.STRING: "str", AttributeProto.INTS: "Ints",
                AttributeProto.FLOATS: "Floats", AttributeProto.STRINGS: "Strings", AttributeProto.TENSOR: "Array",
                AttributeProto.SPARSE_TENSOR: "SparseTensor"}
"""How a mapping annotates an attribute that is stored so."""

_PRESENCE = {"Single": Presence.REQUIRED, "Optional": Presence.OPTIONAL, "Variadic": Presence.MANY}


class _Member(Protocol):
    """A member of an enumeration of the onnx package or of ONNX Runtime, whose type stubs lack them."""

    name: str
    value: int


class _Parameter(Protocol):
    """An operand or a result of a schema."""

    name: str
    option: _Member


class _Attribute(Protocol):
    """An attribute of a schema; `_default_value` is a serialized AttributeProto in ONNX Runtime's."""

    type: _Member
    required: bool
    default_value: AttributeProto
    _default_value: bytes


class _PackageSchema(Protocol):
    """An operator's schema as both packages have it."""

    domain: str
    name: str
    since_version: int
    inputs: Sequence[_Parameter]
    outputs: Sequence[_Parameter]
    attributes: Mapping[str, _Attribute]
    min_output: int
    max_output: int
    doc: str


@dataclass(frozen=True)
class _Schema:
    """What the schemas of both packages say."""

    version: int
    operands: Sequence[tuple[str, Presence]]
    attributes: Mapping[str, tuple[int, bool, AttributeProto]]
    results: int | None
    doc: str
    origin: str


def onnx_operator(source: Source, layer: str) -> tuple[Operator, str, bool]:
    """The operator of a layer (given by its name or that of a tensor it makes), the layer's name, and whether it is in the main graph.

    Raises OptionError for a layer that does not exist or whose operator is supported, UnsupportedError for an operator that no mapping can
    describe, and what reading the file raises.
    """
    model = load(source.model)
    node = _find(model, layer)
    name, where = layer_name(node), Location(source.name, layer_name(node), node.op_type)
    domain, opset = domain_of(node.domain), model.opsets.get(domain_of(node.domain), 1)
    _require_unmapped(model, node, opset, where)
    schema = _of_onnx(domain, node.op_type, opset) or _of_runtime(domain, node.op_type, opset) or _of_nodes(model, node, opset, source)
    attributes = tuple(_attribute(name, *given, where) for name, given in sorted(schema.attributes.items()))
    operator = Operator(Format.ONNX, domain, node.op_type, schema.version, operands_of(schema.operands, {"b", *schema.attributes}),
                        tuple(sorted(attributes, key=lambda a: a.default is not None)), schema.results, sentence(schema.doc), schema.origin)
    return operator, name, any(node is each for each in model.graph.node)


def _find(model: Model, layer: str) -> NodeProto:
    nodes = list(_all_nodes([*model.graph.node, *(n for f in model.functions.values() for n in f.node)]))
    for node in nodes:
        if layer_name(node) == layer or layer in node.output:
            return node
    raise unknown_name(layer, [layer_name(node) for node in nodes])


def _all_nodes(nodes: Sequence[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from _all_nodes(graph.node)


def _require_unmapped(model: Model, node: NodeProto, opset: int, where: Location) -> None:
    domain, op = domain_of(node.domain), node.op_type
    known = MAPPINGS.get((domain, op), {})
    if known and find_mapping(domain, op, opset) is None:
        version = opset if domain else operator_version(op, opset)
        function = next(iter(known.values())).function
        others = ", ".join(map(str, sorted(known)))
        raise OptionError(f"other versions of {op} are supported ({others}), this one ({version}) is not", where,
                          f"Add the version to a function in {function.__module__.replace('.', '/')}.py, or write one for it there.")
    if known or (f"{domain}.{op}" if domain else op) in CONTROL or (not domain and has_definition(op, opset)) or any(
            (domain, op) == key[:2] for key in model.functions):
        raise OptionError(f"{op} is supported; there is nothing to scaffold", where,
                          "If its result is wrong, openvino2tf bisect says where it goes wrong.")


# ---- where a signature is from -------------------------------------------------------------------------------------------
def _of_onnx(domain: str, op: str, opset: int) -> _Schema | None:
    try:
        schema = cast("_PackageSchema", defs.get_schema(op, opset, domain))
    except defs.SchemaError:
        return None
    attributes = {name: (int(a.type.value), a.required, a.default_value) for name, a in schema.attributes.items()}
    results = _count(schema.min_output, schema.max_output, [o.option.name for o in schema.outputs])
    return _Schema(schema.since_version, [(i.name, _PRESENCE[i.option.name]) for i in schema.inputs], attributes, results,
                   schema.doc or "", "the onnx package's schema")


def _of_runtime(domain: str, op: str, opset: int) -> _Schema | None:
    """ONNX Runtime knows the operators of its own domains; None where it is not installed or does not."""
    try:
        from onnxruntime.capi import onnxruntime_pybind11_state as runtime
    except ImportError:
        return None
    known: Sequence[_PackageSchema] = runtime.get_all_operator_schema()
    found = [s for s in known if (s.domain, s.name) == (domain, op) and s.since_version <= opset]
    if not found:
        return None
    schema = max(found, key=lambda s: int(s.since_version))
    attributes = {}
    for name, a in schema.attributes.items():
        default = AttributeProto.FromString(a._default_value)
        attributes[name] = (AttributeProto.AttributeType.Value(a.type.name), bool(a.required), default)
    results = _count(schema.min_output, schema.max_output, [o.option.name for o in schema.outputs])
    return _Schema(schema.since_version, [(i.name, _PRESENCE[i.option.name]) for i in schema.inputs], attributes, results,
                   schema.doc or "", "ONNX Runtime's schema")


def _of_nodes(model: Model, node: NodeProto, opset: int, source: Source) -> _Schema:
    """What all nodes of the operator in the model have in common: an attribute that only some have is optional."""
    nodes = [n for n in _all_nodes(model.graph.node) if (n.domain, n.op_type) == (node.domain, node.op_type)] or [node]
    counts = [len(n.input) for n in nodes]
    operands = [(f"x{k}", Presence.REQUIRED if k < min(counts) and all(n.input[k] for n in nodes) else Presence.OPTIONAL)
                for k in range(max(counts))]
    given = {a.name: a for n in nodes for a in n.attribute}
    attributes = {name: (int(a.type), all(name in {x.name for x in n.attribute} for n in nodes), AttributeProto())
                  for name, a in given.items()}
    results = {len(n.output) for n in nodes}
    origin = f"the {counted(len(nodes), 'layer')} of this type in {source.name or 'the model'}"
    return _Schema(opset, operands, attributes, max(results), "", origin)


def _count(least: int, most: int, options: Sequence[str]) -> int | None:
    return None if "Variadic" in options or least < 1 else most


def _attribute(name: str, type: int, required: bool, default: AttributeProto, where: Location) -> Attribute:
    annotation = _ANNOTATIONS.get(type)  # type: ignore[call-overload]
    if annotation is None or not name.isidentifier():
        raise UnsupportedError(f"attribute '{name}' of {where.type} is a {AttributeProto.AttributeType.Name(type)}", where,
                               "A mapping cannot describe it; operators with subgraphs belong to nchw2nhwc/parse/onnx/control.py.")
    return Attribute(name, name, annotation, None if required else _default(default))


def _default(a: AttributeProto) -> str:
    """A default as Python text; of an attribute without one that may be absent "None"."""
    if a.type == AttributeProto.INT:
        return str(a.i)
    if a.type == AttributeProto.FLOAT:
        return _float(a.f)
    if a.type == AttributeProto.STRING:
        return _text(a.s)
    lists = {AttributeProto.INTS: [str(i) for i in a.ints], AttributeProto.FLOATS: [_float(f) for f in a.floats],
             AttributeProto.STRINGS: [_text(s) for s in a.strings]}
    parts = lists.get(a.type)
    return "None" if parts is None else f"({', '.join(parts)}{',' * (len(parts) == 1)})"


def _float(value: float) -> str:
    """The shortest text that is the same number in single precision."""
    return str(float(str(np.float32(value))))


def _text(value: bytes) -> str:
    quoted = value.decode("utf-8", "replace").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'
