"""Turns the nodes of a loaded ONNX model into graph nodes: names, bodies and local functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod

from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto, TensorProto

from nchw2nhwc.errors import CUT, ConversionError, SourceError, UnsupportedError, UnsupportedOpsError
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ops.elementwise import Identity
from nchw2nhwc.ops.movement import FIX_SIZES
from nchw2nhwc.parse.body import Body
from nchw2nhwc.parse.onnx import operators
from nchw2nhwc.parse.onnx.control import CARRYING, CONTROL
from nchw2nhwc.parse.onnx.functions import default_attributes, definition, resolved
from nchw2nhwc.parse.onnx.model import Model, function_key, opset_versions
from nchw2nhwc.parse.onnx.order import Step, in_order, layer_name
from nchw2nhwc.parse.onnx.registry import LayerBuilder, find_mapping
from nchw2nhwc.parse.onnx.scope import Absent, Entry, Scope, Tensors, Unavailable
from nchw2nhwc.parse.onnx.sequences import reads_sequence
from nchw2nhwc.parse.onnx.suppression import MEASURING, suppresses
from nchw2nhwc.parse.onnx.tensors import MAX_ELEMENTS, rounded
from nchw2nhwc.parse.onnx.unmapped import Unmapped, is_defined, opset_of, type_name
from nchw2nhwc.parse.suppression import Part

__all__ = ["Reader", "Scope", "operators"]


class Reader:
    """Reads the bodies of one model into one graph. Ops that are not supported are collected; what depends on them is left out."""

    def __init__(self, model: Model, graph: Graph) -> None:
        self.model, self.graph = model, graph
        self.b = LayerBuilder(graph, model.tensors)
        self.missing = Unmapped(model)
        self._made: set[int] = set()
        """Identities of the values that the body at hand has given a name."""
        self._main: tuple[Sequence[NodeProto], Mapping[str, int], str] = (), {}, ""
        """The nodes of the main graph that are needed, the versions of their operator sets, and what stands before their names."""

    # ---- bodies ------------------------------------------------------------------------------------------------------
    def initializers(self, graph: GraphProto, scope: Scope) -> None:
        """Define the constants of a graph."""
        for tensor in graph.initializer:
            name = tensor.name
            if not name or name in scope.entries:
                raise SourceError(f"initializer '{name}' is defined twice" if name else "an initializer has no name", self.model.where)
            if tensor.data_type == TensorProto.STRING:
                scope.entries[name] = Unavailable(f"initializer '{name}' has strings, which no tensor of a TensorFlow Lite model can hold")
                continue
            array = self.model.tensors.array(tensor, f"initializer '{name}'")
            value = self.graph.constant(array, scope.prefix + name, origin=scope.prefix + name)
            self._made.add(id(value))
            scope.entries[name] = value

    def read(self, nodes: Iterable[NodeProto], outputs: Sequence[str], scope: Scope) -> list[Value]:
        """Add the nodes of the main graph that `outputs` need, and return their tensors.

        Raises UnsupportedOpsError, for all of them at once, when there are ops that are not supported."""
        steps = self._steps(nodes, outputs, scope)
        self._main = [step.node for step in steps], scope.opsets, scope.prefix
        self.missing.note(*self._main, everywhere=False)
        self._raise_missing()
        for step in steps:
            self._node(step, scope)
        self._raise_missing()
        return [self._available(scope.get(name), f"output '{name}'") for name in outputs]

    def parts(self, nodes: Iterable[NodeProto], outputs: Sequence[str], scope: Scope) -> list[Part[str]]:
        """What `outputs` need of the main graph, as far as suppression of boxes is concerned."""
        return [Part(step.reads, [name for name in step.writes if name], suppresses(step.node, self.model.functions),
                     step.node.op_type in MEASURING) for step in self._steps(nodes, outputs, scope)]

    def _raise_missing(self) -> None:
        """Raises UnsupportedOpsError when ops were found that are not supported, with those in branches that were not looked at yet."""
        if not self.missing:
            return
        self.missing.note(*self._main, everywhere=True)
        raise UnsupportedOpsError(self.missing.ops, self.model.where)

    def _steps(self, nodes: Iterable[NodeProto], outputs: Sequence[str], scope: Scope) -> list[Step]:
        steps = in_order(nodes, outputs, scope.holds, scope.entries.__contains__, self.model.where)
        written = {name for step in steps for name in step.writes}
        for name in outputs:
            if name not in written and not scope.holds(name):
                raise SourceError(f"output '{name}' is not defined anywhere", self.model.where)
        return steps

    def _inline(self, nodes: Iterable[NodeProto], outputs: Sequence[str], scope: Scope, graph: GraphProto | None = None) -> list[Entry]:
        """Add the nodes of an inner body in the place of the current node, and the constants of `graph` where it is one.

        What they make loses its inner name to the outer one."""
        origin, around = self.b.origin, self._made
        self._made = set()
        if graph is not None:
            self.initializers(graph, scope)
        for step in self._steps(nodes, outputs, scope):
            self._node(step, scope)
        results = [scope.get(name) for name in outputs]
        for entry in results:
            if isinstance(entry, Value) and id(entry) in self._made:
                entry.origin = ""
        self.b.origin, self._made = origin, around | self._made
        return results

    def _available(self, entry: Entry, what: str) -> Value:
        """The tensor of an entry that has to be there. Raises UnsupportedError or SourceError when it is not."""
        if isinstance(entry, Value):
            return entry
        if entry is None:
            raise SourceError(f"{what} is an operand that is absent", self.model.where)
        if isinstance(entry, (Tensors, Absent)):
            raise UnsupportedError(f"{what} is a sequence or an optional, not a tensor", self.model.where,
                                   "Cut the model with --outputs at the tensors that it is made of.")
        raise UnsupportedError(entry.reason, self.model.where)

    # ---- nodes -------------------------------------------------------------------------------------------------------
    def _node(self, step: Step, scope: Scope) -> None:
        self.b.layer(scope.prefix + layer_name(step.node), type_name(step.node))
        # Reserved first, so that no intermediate value of this layer takes one of them.
        names = [self.graph.unique_name(scope.prefix + name) if name else "" for name in step.writes]
        try:
            results = self._results(step, scope)
            self._define(step, names, results, scope)
        except ConversionError as error:
            self._raise_missing()
            if not error.advice and self._is_symbolic(step.node, scope):
                error.advice = FIX_SIZES
            if isinstance(error, UnsupportedError):
                error.advice = error.advice or CUT
            raise error.at(self.b.where) from None

    def _results(self, step: Step, scope: Scope) -> Sequence[Entry] | None:
        """What the results of a node stand for; None when they cannot be had."""
        node = step.node
        given: list[Entry] = []
        for name in node.input:
            entry = scope.get(name) if name else None
            if isinstance(entry, Unavailable):
                if entry.reason:
                    raise UnsupportedError(entry.reason)
                return None
            given.append(entry)
        key = function_key(node)
        if key in self.model.functions:
            return self._call(step, self.model.functions[key], given, scope, {})
        domain, opset = key[0], opset_of(node, scope.opsets)
        if not domain and node.op_type in CARRYING and (node.op_type not in CONTROL or any(isinstance(e, Tensors) for e in given)):
            return CARRYING[node.op_type](self, resolved(node, scope.attributes), given, scope, step.wanted)
        read = reads_sequence(domain, node.op_type, given)
        if read is not None:
            return (read(self.b, resolved(node, scope.attributes), given),)
        operands = [entry for entry in given if entry is None or isinstance(entry, Value)]
        if type_name(node) in CONTROL:
            return CONTROL[type_name(node)](self, resolved(node, scope.attributes), operands, scope, step.wanted, opset)
        found = find_mapping(domain, node.op_type, opset)
        if found is not None:
            mapping, self.b.version = found
            self.b.wanted = step.wanted
            return mapping.apply(self.b, node, operands, scope.attributes)
        body = definition(resolved(node, scope.attributes), opset, operands) if is_defined(node, opset) else None
        if body is not None:
            return self._call(step, body, operands, scope, default_attributes(node.op_type, opset))
        self.missing.note([node], scope.opsets, scope.prefix, everywhere=True)
        return None

    def _define(self, step: Step, names: Sequence[str], results: Sequence[Entry] | None, scope: Scope) -> None:
        for k, name in enumerate(step.writes):
            if not name:
                continue
            if results is None:
                entry: Entry = Unavailable()
            elif k < len(results):
                entry = results[k]
            else:
                entry = Unavailable(f"result {k + 1} of layer '{self.b.origin.layer}' ({self.b.origin.type}) is not supported")
            scope.entries[name] = self._named(entry, names[k], scope.prefix + name) if isinstance(entry, Value) else entry

    def _named(self, value: Value, name: str, source: str) -> Value:
        """A result under its name. What already is another tensor of the source gets an Identity, unless it is a constant."""
        elements = prod(s for s in value.shape if isinstance(s, int))
        if elements > MAX_ELEMENTS:
            raise SourceError(f"tensor '{source}' would have {rounded(elements)} elements")
        if value.origin:
            if value.is_const:
                return value
            value = self.b.add1(Identity(), value)
        value.name, value.origin = name, source
        self._made.add(id(value))
        return value

    # ---- calls and subgraphs -----------------------------------------------------------------------------------------
    def _call(self, step: Step, function: FunctionProto, operands: Sequence[Entry], scope: Scope,
              defaults: Mapping[str, AttributeProto]) -> list[Entry]:
        """The body of a function in the place of its call."""
        if len(operands) > len(function.input) or len(step.writes) > len(function.output):
            raise SourceError(f"function '{function.name}' has {len(function.input)} operands and {len(function.output)} results, "
                              f"not {len(operands)} and {len(step.writes)}")
        attributes = {**defaults, **{a.name: a for a in function.attribute_proto}}
        for attribute in step.node.attribute:
            given = scope.attributes.get(attribute.ref_attr_name) if attribute.ref_attr_name else attribute
            if given is not None:
                attributes[attribute.name] = given
        opsets = {**scope.opsets, **opset_versions(function.opset_import, self.model.where)}
        body = Scope(opsets, f"{self.b.origin.layer}/", attributes)
        body.entries.update(dict.fromkeys(function.input))
        body.entries.update(zip(function.input, operands))
        wanted = [name for name, needed in zip(function.output, step.wanted) if needed]
        found = dict(zip(wanted, self._inline(function.node, wanted, body)))
        return [found.get(name, Unavailable()) for name in function.output]

    def inside(self, node: NodeProto, name: str, scope: Scope, taken: Body | None = None) -> tuple[GraphProto, Scope]:
        """A subgraph of the current node and its scope; `taken` where it becomes a body of its own. Raises SourceError when
        it is absent."""
        for attribute in node.attribute:
            if attribute.name == name and attribute.type == AttributeProto.GRAPH:
                take = None if taken is None else taken.take
                return attribute.g, Scope(scope.opsets, scope.prefix, scope.attributes, scope, take=take)
        raise SourceError(f"{node.op_type} needs the graph '{name}'")

    def inline(self, graph: GraphProto, scope: Scope) -> list[Entry]:
        """Add the nodes of a subgraph in the place of the current node."""
        return self._inline(graph.node, [v.name for v in graph.output], scope, graph)

    def read_body(self, body: Body, graph: GraphProto, scope: Scope) -> list[Value] | None:
        """Add the nodes of a subgraph to a body of its own; its results, None when an op that is missing makes one. Inside, `b` adds to the
        body."""
        entries = self.inline(graph, scope)
        if any(isinstance(entry, Unavailable) and not entry.reason for entry in entries):
            return None
        return [self._available(entry, f"result '{info.name}' of a subgraph") for entry, info in zip(entries, graph.output)]

    @contextmanager
    def building(self, body: Body) -> Iterator[LayerBuilder]:
        """For a while, what is read belongs to a body of the current node."""
        around = self.graph, self.b
        self.graph, self.b = body.graph, LayerBuilder(body.graph, self.model.tensors)
        around[1].shares(self.b)
        try:
            yield self.b
        finally:
            self.graph, self.b = around

    @staticmethod
    def _is_symbolic(node: NodeProto, scope: Scope) -> bool:
        """Whether a size of an operand is not known."""
        entries = [scope.get(name) for name in node.input if name]
        return any(isinstance(entry, Value) and not entry.type.is_static for entry in entries)
