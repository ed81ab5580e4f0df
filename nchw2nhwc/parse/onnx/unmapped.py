"""The ops of a model that are not supported, of all bodies at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from onnx import NodeProto

from nchw2nhwc.errors import Location, MissingOp, SourceError
from nchw2nhwc.parse.onnx.control import CARRYING, CONTROL
from nchw2nhwc.parse.onnx.functions import has_definition
from nchw2nhwc.parse.onnx.missing import reason_of
from nchw2nhwc.parse.onnx.model import FunctionKey, Model, domain_of, function_key, opset_versions, subgraphs
from nchw2nhwc.parse.onnx.order import layer_name
from nchw2nhwc.parse.onnx.registry import MAPPINGS, find_mapping
from nchw2nhwc.parse.onnx.sequences import SEQUENCES


class Unmapped:
    """Collects the layers of a model by the types of ops that are not supported."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._found: dict[str, dict[str, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def ops(self) -> list[MissingOp]:
        """The types, each with the number of its layers, some of them, and why it is not supported where that is known."""
        return [MissingOp(kind, len(layers), tuple(layers)[:3], reason_of(kind)) for kind, layers in sorted(self._found.items())]

    def note(self, nodes: Iterable[NodeProto], opsets: Mapping[str, int], prefix: str, *, everywhere: bool) -> None:
        """Collect the ops that are not supported, those in the bodies of functions and loops included.

        The branches of an If are looked at only when `everywhere`: one of them may never be needed."""
        for kind, layer in self._among(nodes, opsets, prefix, set(), everywhere):
            self._found.setdefault(kind, {})[layer] = None

    def _among(self, nodes: Iterable[NodeProto], opsets: Mapping[str, int], prefix: str, seen: set[FunctionKey],
               everywhere: bool) -> Iterator[tuple[str, str]]:
        for node in nodes:
            layer, key = prefix + layer_name(node), function_key(node)
            if key in self._model.functions:
                if key not in seen:
                    seen.add(key)
                    function = self._model.functions[key]
                    inner = {**opsets, **opset_versions(function.opset_import, self._model.where)}
                    yield from self._among(function.node, inner, f"{layer}/", seen, everywhere)
                continue
            is_control = type_name(node) in CONTROL or (not key[0] and (node.op_type in CARRYING or node.op_type in SEQUENCES))
            opset = opset_of(node, opsets)
            if not is_control and find_mapping(key[0], node.op_type, opset) is None and not is_defined(node, opset):
                yield _missing_name(node, opset), layer
            if everywhere or node.op_type != "If":
                for graph in subgraphs(node):
                    yield from self._among(graph.node, opsets, prefix, seen, everywhere)


def is_defined(node: NodeProto, opset: int) -> bool:
    """Whether an op without a mapping can be read through its standard definition."""
    domain = domain_of(node.domain)
    return not domain and (domain, node.op_type) not in MAPPINGS and has_definition(node.op_type, opset)


_ONLY_VERSION: Mapping[str, int] = {"com.microsoft": 1}
"""Domains that ONNX Runtime runs operators of without an import, and the only version they have."""


def opset_of(node: NodeProto, opsets: Mapping[str, int]) -> int:
    """The version of the operator set that a node's op belongs to; 0 where none is imported of a domain that is not known anyway."""
    domain = domain_of(node.domain)
    if domain not in opsets and domain in _ONLY_VERSION:
        return _ONLY_VERSION[domain]
    if domain not in opsets and (domain, node.op_type) in MAPPINGS:
        raise SourceError(f"the model imports no operator set of the domain '{domain}', which the layer uses",
                          Location("", layer_name(node), type_name(node)))
    return opsets.get(domain, 0)


def type_name(node: NodeProto) -> str:
    """An op's type as messages show it: with its domain, unless that is the standard one."""
    domain = domain_of(node.domain)
    return f"{domain}.{node.op_type}" if domain else node.op_type


def _missing_name(node: NodeProto, opset: int) -> str:
    """The type of an op that is not supported; with the operator set where only this version of the op is not."""
    known = (domain_of(node.domain), node.op_type) in MAPPINGS
    return f"{type_name(node)} (opset {opset})" if known else type_name(node)
