"""Cuts a graph at named tensors or layers of its source: what lies before the inputs and behind the outputs goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from nchw2nhwc.errors import OptionError
from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ops.base import symbols_in


def cut(graph: Graph, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Make the named tensors the interface of `graph`, in place and in the given order.

    A name is a tensor's or a layer's of the source; a layer stands for all of its results. No names: that side stays as it is, except that
    inputs which no output needs any more go. Raises OptionError for names that the graph does not have, for inputs that no output needs,
    for outputs that need an input which is not named, and where a cut leaves a symbolic size without an input that says what it is.
    """
    if outputs:
        found = _named(graph, outputs)
        graph.outputs, graph.output_names = list(found.values()), list(found)
    if inputs:
        found = _named(graph, inputs)
        old = graph.inputs
        graph.inputs = [_as_input(graph, name, value) for name, value in found.items()]
        graph.prune()
        _require_used(graph)
        _require_complete(graph, old)
    else:
        graph.prune()
        _drop_unused(graph)
    _require_bound(graph)
    _release_names(graph)


def _named(graph: Graph, names: Sequence[str]) -> dict[str, Value]:
    """The values that the names stand for, by the names of their tensors."""
    tensors, layers = _tensors_and_layers(graph)
    found: dict[str, Value] = {}
    for name in names:
        if name in tensors:
            found[name] = tensors[name]
        elif layers.get(name):
            found.update(layers[name])
        else:
            raise unknown_name(name, (*tensors, *layers))
    return found


def unknown_name(name: str, known: Iterable[str]) -> OptionError:
    """The error for a name that is neither a tensor nor a layer of the model, with those of `known` that look like it."""
    close = get_close_matches(name, known, n=3)
    return OptionError(f"the model has no tensor or layer '{name}'",
                       advice=f"Did you mean {' or '.join(repr(c) for c in close)}?" if close else
                       "Tensors that depend on no input are computed while the model is read.")


def _tensors_and_layers(graph: Graph) -> tuple[dict[str, Value], dict[str, dict[str, Value]]]:
    """Values by the name of the source tensor they equal, and the same for every layer's results."""
    tensors: dict[str, Value] = {}
    layers: dict[str, dict[str, Value]] = {}
    for value in graph.values():
        if not value.origin or tensors.setdefault(value.origin, value) is not value:
            continue
        layer = value.producer.origin.layer if value.producer is not None else value.origin
        layers.setdefault(layer, {})[value.origin] = value
    return tensors, layers


def _as_input(graph: Graph, name: str, value: Value) -> Value:
    """An input that takes the place of `value`."""
    if value in graph.inputs:
        return value
    made = Value(name, value.type, origin=value.origin)
    graph.replace_uses(value, made)
    value.origin = ""
    return made


def _drop_unused(graph: Graph) -> None:
    """Take out the inputs that nothing reads, except those that alone say how large a named dimension is."""
    bound = _bound(v for v in graph.inputs if v.uses or graph.is_output(v))
    kept: list[Value] = []
    for value in graph.inputs:
        says = _bound([value]) & _symbols(graph) - bound
        if value.uses or graph.is_output(value) or says:
            kept.append(value)
            bound |= says
    graph.inputs = kept


def _require_used(graph: Graph) -> None:
    for value in graph.inputs:
        if not value.uses and not graph.is_output(value):
            raise OptionError(f"no output needs the input '{value.origin or value.name}'")


def _require_complete(graph: Graph, old: Sequence[Value]) -> None:
    """Raises OptionError when the graph still needs inputs that are not named."""
    kept = {id(v) for v in graph.inputs}
    needed = [v.name for v in old if id(v) not in kept and (v.uses or graph.is_output(v))]
    if needed:
        raise OptionError(f"the outputs also need {'the inputs' if len(needed) > 1 else 'the input'} {', '.join(needed)}",
                          advice="Name them in --inputs too, or cut closer to the outputs.")


def _require_bound(graph: Graph) -> None:
    """Raises OptionError when a named dimension is the size of no axis of an input."""
    decided = frozenset().union(*(node.op.decides for part in graph.graphs() for node in part.nodes))
    unbound = sorted(_symbols(graph) - _bound(graph.inputs) - decided)
    if unbound:
        raise OptionError(f"after the cut no input says how large the dimension '{unbound[0]}' is",
                          advice="Give fixed sizes with --input-shape NAME=... to cut here.")


def _bound(inputs: Iterable[Value]) -> set[str]:
    """The named dimensions that the size of an axis of one of these inputs tells by itself."""
    linear = [size.linear() for value in inputs for size in value.shape if isinstance(size, Dim)]
    return {each[1] for each in linear if each is not None}


def _symbols(graph: Graph) -> set[str]:
    """The named dimensions that the sizes of results and the attributes of ops depend on, those in bodies included."""
    found: set[str] = set()
    for value in graph.outputs:
        found |= symbols_in(value.shape)
    for node in (node for each in graph.graphs() for node in each.nodes):
        found |= node.op.symbols.union(*(symbols_in(v.shape) for v in node.outputs))
    return found


def _release_names(graph: Graph) -> None:
    """Give another name to values that are called as a new input is: inputs have the names of the source."""
    names = {v.name: v for v in graph.inputs}
    for value in graph.values():
        if names.get(value.name, value) is not value:
            value.name = graph.unique_name(value.name)
