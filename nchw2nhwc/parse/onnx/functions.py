"""Standard operators that ONNX itself defines by simpler ones: what has no mapping of its own is read through that definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from onnx import AttributeProto, FunctionProto, NodeProto, TypeProto, defs, helper

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.parse.onnx.tensors import ELEMENT_TYPES


class Schema(Protocol):
    """What is used of `onnx.defs.OpSchema`; its type stubs lack the definitions."""

    attributes: Mapping[str, defs.OpSchema.Attribute]
    has_function: bool
    has_context_dependent_function: bool
    function_opset_versions: Sequence[int]
    context_dependent_function_opset_versions: Sequence[int]

    def get_function_with_opset_version(self, version: int, /) -> bytes: ...

    def get_context_dependent_function_with_opset_version(self, version: int, node: bytes, types: Sequence[bytes], /) -> bytes: ...


def has_definition(op: str, opset: int) -> bool:
    """Whether ONNX defines a standard operator by others in this operator set."""
    schema = _schema(op, opset)
    return schema is not None and (schema.has_function or schema.has_context_dependent_function)


def resolved(node: NodeProto, given: Mapping[str, AttributeProto]) -> NodeProto:
    """The node with the attributes that it takes from the function call around it (`given`) as its own; the others that refer to one are
    absent."""
    if not any(a.ref_attr_name for a in node.attribute):
        return node
    result = NodeProto()
    result.CopyFrom(node)
    del result.attribute[:]
    for attribute in node.attribute:
        found = given.get(attribute.ref_attr_name) if attribute.ref_attr_name else attribute
        if found is not None:
            result.attribute.add().CopyFrom(found)
            result.attribute[-1].name = attribute.name
    return result


def definition(node: NodeProto, opset: int, operands: Sequence[Value | None]) -> FunctionProto | None:
    """The definition of a node's operator for its own attributes and these operands; None when ONNX has none. Raises SourceError where the
    node does not fit."""
    schema = _schema(node.op_type, opset)
    if schema is None:
        return None
    if schema.has_function:
        version = _newest(schema.function_opset_versions, opset)
        return FunctionProto.FromString(schema.get_function_with_opset_version(version)) if version else None
    version = _newest(schema.context_dependent_function_opset_versions, opset)
    if not version:
        return None
    types = [b"" if value is None else _type(value).SerializeToString() for value in operands]
    try:
        body = schema.get_context_dependent_function_with_opset_version(version, node.SerializeToString(), types)
    except (ValueError, IndexError, RuntimeError) as error:
        raise SourceError(f"the layer does not fit the definition of {node.op_type}: {error}") from None
    return FunctionProto.FromString(body) if body else None


def default_attributes(op: str, opset: int) -> Mapping[str, AttributeProto]:
    """The default values of a standard operator's attributes, which its definition may refer to."""
    schema = _schema(op, opset)
    if schema is None:
        return {}
    return {name: attribute.default_value for name, attribute in schema.attributes.items() if attribute.default_value.name}


def _schema(op: str, opset: int) -> Schema | None:
    try:
        return cast(Schema, defs.get_schema(op, opset, ""))
    except defs.SchemaError:
        return None


def _newest(versions: Sequence[int], opset: int) -> int:
    """The newest form of a definition that an operator set may use, or 0."""
    return max((v for v in versions if v <= opset), default=0)


def _type(value: Value) -> TypeProto:
    number = next(n for n, dtype in ELEMENT_TYPES.items() if dtype == value.type.dtype)
    return helper.make_tensor_type_proto(number, [s if isinstance(s, int) else str(s) for s in value.shape])
