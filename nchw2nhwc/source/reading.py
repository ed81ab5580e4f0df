"""A source as a graph in its own axis order: values given, random draws spelled out, cut and preprocessed as the options say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.interface import TensorInfo, describe
from nchw2nhwc.ir import Dim
from nchw2nhwc.options import FIXED_SIZES, ConvertOptions, Form
from nchw2nhwc.source.draws import with_uniform_draws
from nchw2nhwc.source.model import Format, Source
from nchw2nhwc.source.open_sizes import naming_inputs
from nchw2nhwc.source.values import with_values

if TYPE_CHECKING:
    from nchw2nhwc.ir import Graph, TensorType


def prepared(source: Source, options: ConvertOptions) -> Source:
    """The source as its runtime is to run it: with inputs that have become constants, and with what it draws at random spelled out where
    inputs are to take its place. Raises SourceError, OptionError."""
    return with_uniform_draws(with_values(source, options.input_value), options.random)


def settled(source: Source, options: ConvertOptions) -> ConvertOptions:
    """The options with what they imply for this source: a batch of any size is 1 for a device that takes fixed sizes. Raises as
    `source_inputs` does."""
    if options.target not in FIXED_SIZES or options.batch is not None:
        return options
    plain = replace(options, mean={}, scale={}, reverse_channels=(), input_dtype={}, random="refuse")
    shapes = [info.source_type.shape for info in source_inputs(source, plain)]
    return replace(options, batch=1) if any(shape and isinstance(shape[0], Dim) for shape in shapes) else options


def read(source: Source, options: ConvertOptions) -> Graph:
    """The source as a graph in its own axis order, cut as asked for, its loops in the form that is asked for, with the preprocessing of its
    inputs.

    Raises SourceError, OptionError, ShapeError, UnsupportedError."""
    with naming_inputs(source, options):
        return _read(source, options)


def _read(source: Source, options: ConvertOptions) -> Graph:
    graph = _parsed(prepared(source, options), options)
    graph.ranks_freely = source.format is Format.OPENVINO
    if options.inputs or options.outputs:
        from nchw2nhwc.parse.cut import cut

        cut(graph, options.inputs, options.outputs if options.nms == "builtin" else ())
    if options.preprocesses:
        from nchw2nhwc.source.preprocess import preprocess

        preprocess(graph, options)
    if options.rnn != "auto":
        _ask_for(graph, options.rnn)
    return graph


def _parsed(source: Source, options: ConvertOptions) -> Graph:
    if source.format is Format.ONNX:
        from nchw2nhwc.parse.onnx import read_onnx

        return read_onnx(source.model, input_shapes=options.input_shape, batch=options.batch, outputs=options.outputs, nms=options.nms,
                         random=options.random, name=source.name)
    from nchw2nhwc.parse.openvino import read_openvino

    assert isinstance(source.model, (Path, bytes)), "an IR is a path or bytes"
    return read_openvino(source.model, source.bin, input_shapes=options.input_shape, batch=options.batch, outputs=options.outputs,
                         nms=options.nms, random=options.random)


def _ask_for(graph: Graph, form: Form) -> None:
    """Let all recurrent layers and loops run in a form."""
    from nchw2nhwc.ops.control import Loop
    from nchw2nhwc.ops.recurrent import Recurrent

    for part in graph.graphs():
        for node in part.nodes:
            if isinstance(node.op, (Loop, Recurrent)):
                node.op = replace(node.op, form=form)


def source_inputs(source: Source, options: ConvertOptions) -> list[TensorInfo]:
    """The inputs of the source itself, in its order, whatever its ops are, and those for what it draws at random. Raises SourceError,
    OptionError, UnsupportedError."""
    source = prepared(source, options)
    types: Mapping[str, TensorType]
    if source.format is Format.ONNX:
        from nchw2nhwc.parse.onnx import read_inputs

        types = read_inputs(source.model, input_shapes=options.input_shape, batch=options.batch)
    else:
        from nchw2nhwc.parse.openvino.document import read_document
        from nchw2nhwc.parse.openvino.inputs import input_types

        assert isinstance(source.model, (Path, bytes)), "an IR is a path or bytes"
        types = input_types(read_document(source.model), options.input_shape, options.batch)[0]
    infos = [describe(name, name, type, type, tuple(range(type.rank))) for name, type in types.items()]
    if not options.preprocesses and options.random == "refuse":
        return infos
    graph = read(source, options)
    drawn = [describe(v.name, v.origin, v.type, v.type, tuple(range(v.rank)), draw=graph.draws[v.name])
             for v in graph.inputs if v.name in graph.draws]
    return [*(replace(info, preprocessing=graph.preprocessing.get(info.name)) for info in infos), *drawn]
