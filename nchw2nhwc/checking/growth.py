"""Where in a network the error begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nchw2nhwc.checking.compare import TensorError
from nchw2nhwc.checking.layers import LayerError, LayerErrors
from nchw2nhwc.ir import Graph, Value

GROWTH = 10.0
"""An op is to blame for an error that is this many times that of its operands: rounding grows by less."""


def layer_errors(graph: Graph, errors: Iterable[tuple[str, TensorError]], tolerance: float) -> LayerErrors:
    """The errors of tensors (by their names in the source, in order of execution) with the layers of the source's graph that make them."""
    values = {v.origin: v for v in graph.values() if v.origin}
    layers = tuple(_named(name, error, values.get(name)) for name, error in errors)
    return LayerErrors(layers, tolerance, next(iter(beginnings(graph, layers, tolerance)), None))


def beginnings(graph: Graph, layers: Sequence[LayerError], tolerance: float) -> Iterator[int]:
    """The indices of tensors that are off while everything they are computed from agrees."""
    values = {v.origin: v for v in graph.values() if v.origin}
    known = {**{layer.tensor: layer.max_rel for layer in layers}, **{v.origin: 0.0 for v in graph.inputs}}
    for k, layer in enumerate(layers):
        if not layer.max_rel <= tolerance:
            worst = max((known[v.origin] for v in compared_before(values.get(layer.tensor), known)), default=0.0)
            if worst <= tolerance and not layer.max_rel <= GROWTH * worst:
                yield k


def _named(name: str, error: TensorError, value: Value | None) -> LayerError:
    origin = value.producer.origin if value is not None and value.producer is not None else None
    return LayerError(name, origin.layer if origin else "", origin.type if origin else "", error.max_abs, error.max_rel, error.rms,
                      error.cosine)


def compared_before(value: Value | None, known: Iterable[str]) -> list[Value]:
    """The nearest values before `value` whose origin is in `known`, each once."""
    names = set(known)
    found: dict[int, Value] = {}
    seen: set[int] = set()
    pending = list(value.producer.inputs) if value is not None and value.producer is not None else []
    while pending:
        each = pending.pop()
        if each is None or each.is_const or id(each) in seen:
            continue
        seen.add(id(each))
        if each.origin in names:
            found[id(each)] = each
        elif each.producer is not None:
            pending += each.producer.inputs
    return list(found.values())
