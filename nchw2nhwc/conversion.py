"""From a model to a `Converted`: the stages in order. Besides the command line this is the only place that knows all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.check.inputs import index_limits
from nchw2nhwc.converted import Converted
from nchw2nhwc.errors import Location, OptionError
from nchw2nhwc.fixed_inputs import with_values
from nchw2nhwc.integer_weights import integer_weights, told_of
from nchw2nhwc.interface import TensorInfo, describe
from nchw2nhwc.ir import Dim
from nchw2nhwc.ir.preprocessing import PREPROCESSING, Preprocessing
from nchw2nhwc.open_inputs import naming_inputs
from nchw2nhwc.options import CPU, EVERY, FIXED_SIZES, ConvertOptions, Form, Route
from nchw2nhwc.products import Products
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import Format, Model, Source, identify
from nchw2nhwc.spelled_draws import with_uniform_draws

if TYPE_CHECKING:
    from nchw2nhwc.ir import Graph, TensorType, Value
    from nchw2nhwc.layout import LayoutResult
    from nchw2nhwc.passes import Pass


def convert(model: Model, **options: object) -> Converted:
    """Convert an OpenVINO IR or ONNX model.

    `model` is the path of an .xml or .onnx file, the content of one (an IR then needs `bin=`), or an `onnx.ModelProto`; `options` are the
    fields of `ConvertOptions`. Raises ConversionError (SourceError, OptionError, ShapeError, UnsupportedError or TargetError) when the
    model cannot be converted, TypeError for an option that does not exist.
    """
    unknown = options.keys() - ConvertOptions.__dataclass_fields__.keys()
    if unknown:
        raise TypeError(f"convert() has no option '{sorted(unknown)[0]}'; its options are {', '.join(ConvertOptions.__dataclass_fields__)}")
    chosen = ConvertOptions(**options)  # type: ignore[arg-type]
    return run(identify(model, chosen.bin), chosen, Stages())


def run(source: Source, options: ConvertOptions, stages: Stages, route: Route = "tflite") -> Converted:
    """`convert` with the stages timed and reported by `stages`; the graph of `route` decides the layouts. Raises ConversionError."""
    if route != "tflite":
        require_tensorflow()
    with naming_inputs(source, options):
        return _run(source, options, stages, route)


def _run(source: Source, options: ConvertOptions, stages: Stages, route: Route) -> Converted:
    with stages.stage("read"):
        source = prepared(source, options)
        options = settled(source, options)
        graph = read(source, options)
        _require_fixed(graph, options)
        stages.show("read", graph)
        ends = _Boundary(graph, options)
        limits, source_ops, half, quantized = index_limits(graph), _count_layers(graph), in_half(source, graph), is_quantized(graph)
        integers = 0 if quantized else integer_weights(graph)
        keep = integers > 0 and not options.dequantize and options.target == CPU and route == "tflite"
        for part in graph.graphs():
            part.keeps_integers = keep
    layout = plan(graph, options, stages, route)
    inputs, outputs = ends.described(layout)
    converted = Converted(source, options, layout, inputs, outputs, source_ops=source_ops, half=half, quantized=quantized,
                          index_limits=limits, stages=stages, route=route, keep_integers=keep)
    if integers:
        layout.graph.notes.append(told_of(integers, converted))
    for note in layout.graph.notes:
        stages.progress.step(note)
    if converted.integers is not None:
        for where, text in converted.integers.floats:
            stages.progress.step(f"{where.type} '{where.layer}' computes in float: {text}")
        for where, text in converted.integers.remarks:
            stages.progress.step(f"{where.type} '{where.layer}': {text}")
    return converted


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


def _require_fixed(graph: Graph, options: ConvertOptions) -> None:
    """Raises OptionError for inputs of open sizes where the device takes none."""
    for value in graph.inputs:
        if options.target in FIXED_SIZES and any(isinstance(size, Dim) for size in value.shape):
            raise OptionError(f"--target {options.target} takes fixed sizes, and input '{value.name}' is {value.type}",
                              Location(graph.source), f"Give its sizes: --input-shape {value.name}=...")


def plan(graph: Graph, options: ConvertOptions, stages: Stages, route: Route = "tflite") -> LayoutResult:
    """The graph that a target is made from, of one in source order, which is used up. Raises ConversionError."""
    return _lowered(graph, route, options.target, stages, _every(options.input_layout, [v.name for v in graph.inputs]),
                    _every(options.output_layout, graph.output_names), keep_layout=options.keep_layout, dequantize=options.dequantize)


def run_again(converted: Products, route: Route) -> LayoutResult:
    """The same source by another route, with the same inputs and outputs in the same layouts. Raises ConversionError."""
    if route != "tflite":
        require_tensorflow()
    with converted.stages.stage("read"):
        graph = read(converted.source, converted.options)
    inputs, outputs = ({info.name: "source" if info.perm == tuple(range(len(info.perm))) else "nhwc" for info in infos}
                       for infos in (converted.inputs, converted.outputs))
    return _lowered(graph, route, converted.options.target, converted.stages, inputs, outputs, dequantize=converted.options.dequantize)


def _lowered(graph: Graph, route: Route, device: str, stages: Stages, input_layouts: Mapping[str, str],
             output_layouts: Mapping[str, str], *, keep_layout: bool = False, dequantize: bool = False) -> LayoutResult:
    """A graph in source order (which is used up) as the route's target takes it, and the device that it is for."""
    from nchw2nhwc.layout import solve_layout
    from nchw2nhwc.passes import run_passes

    def told(name: str, seconds: float, rewrites: int) -> None:
        stages.passes.append((name, seconds, rewrites))
        stages.progress.step(f"{name}: {rewrites} rewrite(s), {seconds:.3f} s")

    before, after = _passes_of(route, device, dequantize=dequantize)
    with stages.stage("passes"):
        run_passes(graph, before, told, watch=stages.show)
    with stages.stage("layout"):
        layout = solve_layout(graph, input_layouts=input_layouts, output_layouts=output_layouts, keep_layout=keep_layout)
    stages.show("layout", layout.graph, layout.stored)
    with stages.stage("target"):
        run_passes(layout.graph, after, told, watch=lambda name, changed: stages.show(name, changed, layout.stored))
    return layout


def _passes_of(route: Route, device: str, *, dequantize: bool = False) -> tuple[Sequence[Pass], Sequence[Pass]]:
    """The passes before layout, and those after it; a TFLite file's depend on the device that it is for."""
    if route == "tflite":
        from nchw2nhwc.emit.tflite import native
        from nchw2nhwc.emit.tflite.passes import target_passes
        from nchw2nhwc.passes.pipeline import source_passes

        if device == CPU:
            return source_passes(native, quantized=not dequantize), target_passes()
        from nchw2nhwc.targets.passes import moves_blocks, native_on, rules_before, stored_passes

        return (source_passes(native_on(device, native), rules_before(device), quantized=not dequantize),
                (*target_passes(blocks=moves_blocks(device), gathers=False), *stored_passes(device)))
    from nchw2nhwc.emit.keras import passes

    return passes.keras_source_passes(trainable=route == "trainable"), passes.target_passes()


def steps(route: Route, device: str = CPU) -> tuple[str, ...]:
    """The names of a conversion's steps, after each of which its `Stages` show the graph."""
    if route != "tflite":
        require_tensorflow()
    before, after = _passes_of(route, device)
    return ("read", *(each.name for each in before), "layout", *(each.name for each in after))


def require_tensorflow() -> None:
    """Raises OptionError when TensorFlow is not installed."""
    if find_spec("tensorflow") is None or find_spec("keras") is None:
        raise OptionError("TensorFlow is not installed, which Keras models, SavedModels, .h5 and .pb files are made with",
                          advice="pip install 'nchw2nhwc[keras]'")


def read(source: Source, options: ConvertOptions) -> Graph:
    """The source as a graph in its own axis order, cut as asked for, its loops in the form that is asked for, with the preprocessing of its
    inputs.

    Raises SourceError, OptionError, ShapeError, UnsupportedError."""
    with naming_inputs(source, options):
        return _read(source, options)


def _read(source: Source, options: ConvertOptions) -> Graph:
    graph = _parsed(prepared(source, options), options)
    if options.inputs or options.outputs:
        from nchw2nhwc.parse.cut import cut

        cut(graph, options.inputs, options.outputs if options.nms == "builtin" else ())
    if options.preprocesses:
        from nchw2nhwc.preprocess import preprocess

        preprocess(graph, options)
    if options.rnn != "auto":
        _ask_for(graph, options.rnn)
    return graph


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


def _parsed(source: Source, options: ConvertOptions) -> Graph:
    if source.format is Format.ONNX:
        from nchw2nhwc.parse.onnx import read_onnx

        return read_onnx(source.model, input_shapes=options.input_shape, batch=options.batch, outputs=options.outputs, nms=options.nms,
                         random=options.random)
    from nchw2nhwc.parse.openvino import read_openvino

    assert isinstance(source.model, (Path, bytes)), "an IR is a path or bytes"
    return read_openvino(source.model, source.bin, input_shapes=options.input_shape, batch=options.batch, outputs=options.outputs,
                         nms=options.nms, random=options.random)


def _count_layers(graph: Graph) -> int:
    """How many layers of the source depend on its inputs: constants, and what is computed from them alone, do not count."""
    live = {id(v) for v in graph.inputs}
    layers = set()
    for node in graph.nodes:
        if any(id(v) in live for v in node.inputs):
            live |= {id(v) for v in node.outputs}
            layers.add((node.origin.layer, node.origin.type))
    return sum(type != PREPROCESSING for _, type in layers)


def tensor_of(name: str, value: Value, options: ConvertOptions) -> str:
    """The source's name of the tensor that is an output; "" for one that the source does not have."""
    from nchw2nhwc.parse.detection import NAMES

    if options.nms == "detection-postprocess" and name in NAMES and not value.origin:
        return ""
    return value.origin or name


def in_half(source: Source, graph: Graph) -> bool:
    """Whether the source's runtime rounds to float16: its results, or what it computes, as ONNX Runtime does (OpenVINO is told to compute
    in float32)."""
    if any(v.type.dtype == np.float16 for v in graph.outputs):
        return True
    return source.format is Format.ONNX and any(v.type.dtype == np.float16 for part in graph.graphs() for node in part.nodes
                                                for v in node.outputs if node.op.name != "Cast")


def inputs_of(graph: Graph) -> list[tuple[str, str, TensorType, Preprocessing | None]]:
    """Of the inputs of a graph that was read: name, the source's name of the tensor, its type there, and what is done to raw data first."""
    found: list[tuple[str, str, TensorType, Preprocessing | None]] = []
    for value in graph.inputs:
        raw = graph.preprocessing.get(value.name)
        found.append((value.name, value.origin or value.name, value.type, None) if raw is None else
                     (value.name, raw.tensor, value.type.with_dtype(raw.dtype), raw))
    return found


def is_quantized(graph: Graph) -> bool:
    """Whether a source rounds numbers to integers, or to levels, somewhere inside; reading it says of those that become arithmetic why."""
    from nchw2nhwc.ops.binary import FakeQuantize
    from nchw2nhwc.ops.quantized import Dequantize, Quantize

    return any(part.remarks or any(isinstance(node.op, (FakeQuantize, Quantize, Dequantize)) for node in part.nodes)
               for part in graph.graphs())


class _Boundary:
    """Inputs and outputs as the source has them, remembered before passes change the graph."""

    def __init__(self, graph: Graph, options: ConvertOptions) -> None:
        self._inputs, self._draws = inputs_of(graph), graph.draws
        self._outputs = [(name, tensor_of(name, v, options), v.type) for name, v in zip(graph.output_names, graph.outputs)]

    def described(self, layout: LayoutResult) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
        """The same with what they have become."""
        graph = layout.graph
        inputs = {v.name: v.type for v in graph.inputs}
        outputs = dict(zip(graph.output_names, (v.type for v in graph.outputs)))
        return (tuple(describe(name, tensor, type, inputs[name], layout.inputs[name], found, self._draws.get(name))
                      for name, tensor, type, found in self._inputs),
                tuple(describe(name, tensor, type, outputs[name], layout.outputs[name]) for name, tensor, type in self._outputs))


def _every(given: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """`given` with the entry for every other name spelled out."""
    chosen = dict.fromkeys(names, given[EVERY]) if EVERY in given and EVERY not in names else {}
    return chosen | {name: layout for name, layout in given.items() if name in names or name != EVERY}
