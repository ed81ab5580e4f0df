"""ONNX models, opset 7 to the newest of the installed onnx package, as graphs in source axis order."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence

from onnx import ModelProto, NodeProto

from nchw2nhwc.errors import ConversionError, SourceError
from nchw2nhwc.ir.graph import Graph
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.options import Nms, Random
from nchw2nhwc.parse.cut import unknown_name
from nchw2nhwc.parse.detection import NAMES, only
from nchw2nhwc.parse.draws import declare
from nchw2nhwc.parse.onnx.endings import numeric_ends
from nchw2nhwc.parse.onnx.interface import Input, declared_inputs, reshaped
from nchw2nhwc.parse.onnx.model import Model, load
from nchw2nhwc.parse.onnx.order import layer_name
from nchw2nhwc.parse.onnx.reader import Reader, Scope
from nchw2nhwc.parse.open_sizes import OpenSizes, read_with_open_sizes
from nchw2nhwc.parse.suppression import ends_before, ends_with

__all__ = ["read_inputs", "read_onnx"]


def read_onnx(model: str | os.PathLike[str] | bytes | ModelProto, *, input_shapes: Mapping[str, Sequence[int]] | None = None,
              batch: int | None = None, outputs: Sequence[str] = (), nms: Nms = "builtin", random: Random = "refuse",
              name: str = "") -> Graph:
    """Read an ONNX model from a path, its bytes or a ModelProto; `name` is what errors call one that is no path.

    `input_shapes`: sizes by input name in the place of the declared ones, -1 for dynamic. `batch`: the size of axis 0 of every input, -1
    for dynamic. `outputs`: tensors or layers of the main graph to stop at; what they do not need is not read, whatever it is. Default: the
    model's own outputs; see `endings` for those that are no tensors of numbers. `nms="cut"` stops before non-maximum suppression: at what
    it and the nodes behind it read; "detection-postprocess" ends with another op in its place (see `parse.detection`). `random="inputs"`
    makes an input of each tensor of random numbers, after the model's own.

    Constants are views of the mapped file where the format allows that. Raises SourceError for a damaged or contradictory model,
    UnsupportedOpsError for ops that are not supported, UnsupportedError for what else cannot be expressed, ShapeError where operands do
    not fit, and OptionError for inputs and outputs that do not exist.
    """
    source = load(model, name)
    try:
        declared = _declared(source, input_shapes or {})
        inputs = reshaped(declared, input_shapes or {}, batch)
        sizes = OpenSizes(*({i.name: i.shape for i in entries} for entries in (inputs, declared)))
        return read_with_open_sizes(sizes, lambda sizes: _read(source, inputs, sizes, outputs, nms, random))
    except ConversionError as error:
        raise error.at(source.where) from None


def read_inputs(model: str | os.PathLike[str] | bytes | ModelProto, *, input_shapes: Mapping[str, Sequence[int]] | None = None,
                batch: int | None = None) -> dict[str, TensorType]:
    """The type of every input by name, in order, whatever ops the model has; see `read_onnx`."""
    source = load(model)
    try:
        return {entry.name: entry.type for entry in reshaped(_declared(source, input_shapes or {}), input_shapes or {}, batch)}
    except ConversionError as error:
        raise error.at(source.where) from None


def _declared(source: Model, input_shapes: Mapping[str, Sequence[int]]) -> list[Input]:
    """The inputs that are no initializers, as the model declares them."""
    known = {i.name for i in source.graph.initializer}
    ranks = {name: len(sizes) for name, sizes in input_shapes.items()}
    return declared_inputs((info for info in source.graph.input if info.name not in known), ranks, source.where)


def _read(source: Model, inputs: Sequence[Input], sizes: OpenSizes, outputs: Sequence[str], nms: Nms,
          random: Random) -> Graph:
    graph = Graph(source.graph.name or "model", source.where.file)
    reader, scope = Reader(source, graph), Scope(source.opsets)
    reader.b.draws, reader.b.limits, reader.b.counts = [] if random == "inputs" else None, sizes.limits, sizes.counts
    reader.initializers(source.graph, scope)
    for entry in inputs:
        scope.entries[entry.name] = graph.add_input(entry.name, entry.type.with_shape(sizes.shape(entry.name)))
    listed, notes = (_stops(source.graph.node, outputs), []) if outputs else numeric_ends(source.graph, source.where)
    names = list(dict.fromkeys(listed))
    if not names:
        raise SourceError("the model has no outputs")
    repeated = [(name, count) for name, count in Counter(listed).items() if count > 1]
    graph.notes += [f"output '{name}' is listed {count} times, the result has it once" for name, count in repeated]
    if nms == "detection-postprocess":
        reader.b.detections = []
        names, results = ends_with(reader.parts(source.graph.node, names, scope), names)
        values = reader.read(source.graph.node, [*names, *results], scope)[:len(names)]
        names, values = [*NAMES, *names], [*only(reader.b), *values]
    else:
        if nms == "cut":
            names = ends_before(reader.parts(source.graph.node, names, scope), [v.name for v in graph.inputs], names)
        values = reader.read(source.graph.node, names, scope)
    for name, value in zip(names, values, strict=True):
        graph.add_output(value, name)
    graph.prune()
    graph.notes += notes
    graph.other_outputs += notes
    declare(graph, reader.b.draws or (), {name for node in source.graph.node for name in node.output})
    return graph


def _stops(nodes: Sequence[NodeProto], wanted: Sequence[str]) -> list[str]:
    """The tensors that the names of tensors or layers stand for; a layer stands for all of its results. Raises OptionError."""
    tensors = {name for node in nodes for name in node.output if name}
    layers = {layer_name(node): [name for name in node.output if name] for node in nodes}
    found: dict[str, None] = {}
    for name in wanted:
        if name not in tensors and name not in layers:
            raise unknown_name(name, (*tensors, *layers))
        found.update(dict.fromkeys([name] if name in tensors else layers[name]))
    return list(found)
