"""Layers that draw with chances which data decides, spelled out in the source itself as uniform numbers that are compared with the chances:
then an input can take the place of the uniform numbers, and the source's runtime takes the same inputs as the result.

Functions that draw are written out where they are called, and what branches and loops draw is moved to the main graph (`inner_draws`). What
stays where it is, is refused when the model is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.options import Random
from nchw2nhwc.source import Format, Source
from nchw2nhwc.source.inner_draws import graphs_inside, is_draw, known, moved_out
from nchw2nhwc.source.native import inlined, onnx_model

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, ModelProto, NodeProto

OLDEST = 15
"""The operator set that has CastLike."""


def with_uniform_draws(source: Source, random: Random) -> Source:
    """The source with Bernoulli, Multinomial and Dropout in training mode spelled out, and all draws in its main graph, if random numbers
    are to be inputs; itself where there is nothing to do. For IRs see `openvino_draws`. Raises SourceError for a source that cannot be
    read."""
    if random != "inputs":
        return source
    origin = source.model if isinstance(source.model, Path) else source.origin
    if source.format is Format.OPENVINO:
        from nchw2nhwc.source.openvino_draws import spelled_out

        files = spelled_out(source)
        return source if files is None else replace(source, model=files[0], bin=files[1], origin=origin)
    from nchw2nhwc.parse.onnx.model import load as checked

    found = checked(source.model)
    spelled = found.opsets.get("", 0) >= OLDEST and any(_form_of(node, [found.graph]) for node in found.graph.node)
    called = any(_draws(node) for function in found.functions.values() for node in _nodes(function))
    inside = any(_draws(node) for graph in graphs_inside(found.graph) for node in graph.node)
    if not spelled and not called and not inside:
        return source
    model: ModelProto = onnx_model(source.model)
    if called:
        model = inlined(model)
    free = _Free(set(_names(model.graph)))
    if found.opsets.get("", 0) >= OLDEST:
        _spell([model.graph], free)
    if any(is_draw(node) for graph in graphs_inside(model.graph) for node in graph.node):
        moved_out(model, free)
    return replace(source, model=model, origin=origin)


def _nodes(body: GraphProto | FunctionProto) -> Iterator[NodeProto]:
    """All nodes, those in subgraphs included."""
    yield from body.node
    for graph in graphs_inside(body):
        yield from graph.node


def _draws(node: NodeProto) -> bool:
    """Whether a node may draw random numbers."""
    return is_draw(node) or (node.op_type in _FORMS and node.domain in ("", "ai.onnx"))


def _names(graph: GraphProto) -> Iterator[str]:
    """The names of all tensors, those in subgraphs included."""
    for each in (graph, *graphs_inside(graph)):
        yield from (tensor.name for tensor in (*each.input, *each.initializer))
        for node in each.node:
            yield from (*node.input, *node.output)


@dataclass
class _Free:
    """Gives names that a model does not have."""

    names: set[str]

    def __call__(self, wanted: str) -> str:
        name = next(n for n in _numbered(wanted) if n not in self.names)
        self.names.add(name)
        return name


def _spell(graphs: Sequence[GraphProto], free: _Free) -> None:
    """Spell such nodes out, in place, in the last of these graphs, which the others are around, and in those of its nodes."""
    from nchw2nhwc.parse.onnx.model import subgraphs

    graph = graphs[-1]
    nodes: list[NodeProto] = []
    for node in graph.node:
        form = _form_of(node, graphs)
        for inner in subgraphs(node):
            _spell([*graphs, inner], free)
        if form is None:
            nodes.append(node)
        else:
            text = _Text(graph, node, free)
            form(text)
            nodes += text.nodes
    kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)


@dataclass
class _Text:
    """What a node is spelled out as, so far."""

    graph: GraphProto
    node: NodeProto
    free: _Free
    nodes: list[NodeProto] = field(default_factory=list)

    def add(self, op: str, *operands: str, result: str = "", **attributes: int) -> str:
        """Add a node; its result, a new tensor unless it is given."""
        from onnx import helper

        # The last node has the layer's name; the one that draws is known by its tensor.
        name = self.node.name if result == self.node.output[0] else ""
        made = result or self.free(f"{self.node.output[0]}_{op.lower()}")
        node = helper.make_node(op, list(operands), [made], name)
        node.attribute.extend(helper.make_attribute(key, number) for key, number in attributes.items())
        self.nodes.append(node)
        return made

    def const(self, numbers: object, dtype: type[np.generic] = np.float32) -> str:
        from onnx import numpy_helper

        name = self.free(f"{self.node.output[0]}_const")
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(numbers, dtype), name))
        return name

    def attribute(self, name: str, default: int) -> int:
        return next((a.i for a in self.node.attribute if a.name == name), default)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        yield f"{name}_{number}"
        number += 1


# ---- forms -------------------------------------------------------------------------------------------------------------------
def _form_of(node: NodeProto, graphs: Sequence[GraphProto]) -> Callable[[_Text], None] | None:
    """How a node of the last of these graphs is spelled out; None for all that are not."""
    if node.domain not in ("", "ai.onnx") or not node.output or not node.output[0]:
        return None
    if node.op_type == "Dropout" and not _trains(node, graphs):
        return None
    return _FORMS.get(node.op_type)


def _trains(node: NodeProto, graphs: Sequence[GraphProto]) -> bool:
    """Whether a Dropout is known to be in training mode, and not known to keep everything."""
    ratio, training = (known(graphs, node.input[k]) if len(node.input) > k else None for k in (1, 2))
    return training is not None and bool(training.all()) and (ratio is None or bool(ratio.any()))


def _bernoulli(t: _Text) -> None:
    """1 where a uniform number is below the chance."""
    chances, kind = t.node.input[0], t.attribute("dtype", 0)
    below = t.add("Less", t.add("RandomUniformLike", chances), chances)
    if kind:
        t.add("Cast", below, result=t.node.output[0], to=kind)
    else:
        t.add("CastLike", below, chances, result=t.node.output[0])


def _multinomial(t: _Text) -> None:
    """The first class whose share of the softmax, with those of all classes before it, is above a uniform number."""
    from onnx import TensorProto

    scores, count = t.node.input[0], t.attribute("sample_size", 1)
    best = t.add("Reshape", t.add("ArgMax", scores, axis=1, keepdims=1), t.const([0, 1], np.int64))
    each = t.add("MatMul", t.add("CastLike", best, scores), t.add("CastLike", t.const(np.ones((1, count))), scores))
    drawn = t.add("Reshape", t.add("RandomUniformLike", each), t.const([0, count, 1], np.int64))
    sums = t.add("CumSum", t.add("Softmax", scores, axis=1), t.const(1, np.int64))
    above = t.add("Greater", t.add("Unsqueeze", sums, t.const([1], np.int64)), drawn)
    first = t.add("ArgMax", t.add("CastLike", above, scores), axis=2, keepdims=0)
    t.add("Cast", first, result=t.node.output[0], to=t.attribute("dtype", TensorProto.INT32))


def _dropout(t: _Text) -> None:
    """What is kept, where a uniform number is not below the ratio, divided by 1 - ratio; the mask."""
    data, results = t.node.input[0], [*t.node.output, ""]
    ratio = t.add("CastLike", (t.node.input[1] if len(t.node.input) > 1 else "") or t.const(0.5), data)
    mask = t.add("Not", t.add("Less", t.add("RandomUniformLike", data), ratio), result=results[1])
    kept = t.add("Div", data, t.add("Sub", t.add("CastLike", t.const(1.0), data), ratio))
    t.add("Where", mask, kept, t.add("CastLike", t.const(0.0), data), result=results[0])


_FORMS: Mapping[str, Callable[[_Text], None]] = {"Bernoulli": _bernoulli, "Multinomial": _multinomial, "Dropout": _dropout}
