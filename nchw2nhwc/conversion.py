"""From a model to a `Converted`: the stages in order. Besides the command line this is the only place that knows all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from nchw2nhwc.checking.inputs import index_limits
from nchw2nhwc.converted import Converted
from nchw2nhwc.errors import Location, OptionError
from nchw2nhwc.extras import require_tensorflow
from nchw2nhwc.integer_weights import integer_weights, told_of
from nchw2nhwc.ir import Dim
from nchw2nhwc.options import CPU, EVERY, FIXED_SIZES, ConvertOptions, Route
from nchw2nhwc.products import Products
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import Model, Source, identify
from nchw2nhwc.source.open_sizes import naming_inputs
from nchw2nhwc.source.reading import prepared, read, settled
from nchw2nhwc.source.traits import Boundary, count_layers, in_half, is_quantized
from nchw2nhwc.wording import counted

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nchw2nhwc.ir import Graph
    from nchw2nhwc.layout import LayoutResult
    from nchw2nhwc.options.arguments import ConvertArguments
    from nchw2nhwc.passes import Pass


def convert(model: Model, **options: Unpack[ConvertArguments]) -> Converted:
    """Convert an OpenVINO IR or ONNX model.

    `model` is the path of an .xml or .onnx file, the content of one as bytes, an `onnx.ModelProto` or an `openvino.Model`. All options are
    given by name, and names of inputs, outputs, tensors and layers are the source's:

    - `bin`: an IR's weights, as a path or bytes. Default: the .bin beside the .xml.
    - `input_shape`: shapes by input, in the source's axis order; -1 is a dimension of any size. Default: as in the model.
    - `batch`: the size of every input's first axis; -1 is any size. Default: as in the model.
    - `input_value`: numbers by input, all elements in row-major order; these inputs become constants.
    - `input_layout`, `output_layout`: "auto", "source" or "nhwc" by name, "*" being all others. Default "auto": inputs that are image-like
      become channels-last, outputs take whichever of channels-last and the source's order costs nothing.
    - `keep_layout`: True keeps the source's order for all that are not given a layout by name. Default False.
    - `rnn`: how recurrent layers and loops run: "auto" (default), "while" (a loop for all) or "unroll" (no loop).
    - `nms`: what becomes of non-maximum suppression: "builtin" (default), "detection-postprocess" or "cut" (the model ends before it).
    - `random`: what becomes of numbers that are drawn at random: "refuse" (default; an error) or "inputs" (an input in their place).
    - `dequantize`: True computes in float what the source quantizes. Default False: with integers, and the source's scales.
    - `inputs`, `outputs`: tensors or layers that become the model's inputs or outputs, which cuts it. Default: its own.
    - `target`: what the TFLite file is for: "cpu" (default), "gpu", "edgetpu", "nnapi" or "micro".
    - `mean`, `scale`, `reverse_channels`, `input_dtype`: the result takes raw images x and gives `(x - mean) / scale` to the source, the
      channels of x reversed first where `reverse_channels` is True. Numbers are one for all channels or one for each, in the source's
      order; `input_dtype` is "float32" or "uint8". Each is for the only image-like input, or a mapping by input (`reverse_channels`:
      names).
    - `labels`: of an output's last axis, as texts or the path of a file with one a line, or a mapping by output to either.
    - `model_name`, `model_description`, `model_version`, `model_author`, `model_license`: texts for the TFLite file's metadata, where
      `labels` go too; the TFLite Task Library and MediaPipe read it.

    Raises ConversionError when the model cannot be converted (SourceError: it cannot be read; OptionError: an option does not fit;
    ShapeError; UnsupportedError: an op has no mapping; TargetError: TFLite cannot express it), TypeError for an option that does not exist,
    and for what is no model.
    """
    unknown = options.keys() - ConvertOptions.__dataclass_fields__.keys()
    if unknown:
        raise TypeError(f"convert() has no option '{sorted(unknown)[0]}'; its options are {', '.join(ConvertOptions.__dataclass_fields__)}")
    chosen = ConvertOptions(**options)
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
        ends = Boundary(graph, options)
        limits, source_ops, half, quantized = index_limits(graph), count_layers(graph), in_half(source, graph), is_quantized(graph)
        integers = 0 if quantized else integer_weights(graph)
        keep = (quantized or integers > 0) and not options.dequantize and options.target == CPU and route == "tflite"
        for part in graph.graphs():
            part.keeps_integers = keep
    layout = plan(graph, options, stages, route)
    inputs, outputs = ends.described(layout)
    converted = Converted(source, options, layout, inputs, outputs, source_ops=source_ops, half=half, quantized=quantized,
                          index_limits=limits, stages=stages, route=route, keep_integers=keep)
    told = told_of(integers, converted)
    if told:
        layout.graph.notes.append(told)
    for note in layout.graph.notes:
        stages.progress.step(note)
    if converted.integers is not None:
        for where, text in converted.integers.floats:
            stages.progress.step(f"{where.type} '{where.layer}' computes in float: {text}")
        for where, text in converted.integers.remarks:
            stages.progress.step(f"{where.type} '{where.layer}': {text}")
    return converted


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


def run_again(converted: Products, route: Route, stages: Stages, openvino_layers: Collection[str] = ()) -> LayoutResult:
    """The same source by another route, or with some layers as OpenVINO computes them; with the same inputs and outputs in the same
    layouts. Raises ConversionError."""
    if route != "tflite":
        require_tensorflow()
    with stages.stage("read"):
        graph = read(converted.source, converted.options)
        for part in graph.graphs():
            part.keeps_integers = converted.keep_integers and route == "tflite"
    inputs, outputs = ({info.name: "source" if info.perm == tuple(range(len(info.perm))) else "nhwc" for info in infos}
                       for infos in (converted.inputs, converted.outputs))
    return _lowered(graph, route, converted.options.target, stages, inputs, outputs, dequantize=converted.options.dequantize,
                    openvino_layers=openvino_layers)


def _lowered(graph: Graph, route: Route, device: str, stages: Stages, input_layouts: Mapping[str, str],
             output_layouts: Mapping[str, str], *, keep_layout: bool = False, dequantize: bool = False,
             openvino_layers: Collection[str] = ()) -> LayoutResult:
    """A graph in source order (which is used up) as the route's target takes it, and the device that it is for."""
    from nchw2nhwc.layout import solve_layout
    from nchw2nhwc.passes import run_passes

    def told(name: str, seconds: float, rewrites: int) -> None:
        stages.passes.append((name, seconds, rewrites))
        stages.progress.step(f"{name}: {counted(rewrites, 'rewrite')}, {seconds:.3f} s")

    before, after = _passes_of(route, device, dequantize=dequantize, openvino_layers=openvino_layers)
    with stages.stage("passes"):
        run_passes(graph, before, told, watch=stages.show)
    with stages.stage("layout"):
        layout = solve_layout(graph, input_layouts=input_layouts, output_layouts=output_layouts, keep_layout=keep_layout)
    stages.show("layout", layout.graph, layout.stored)
    with stages.stage("target"):
        run_passes(layout.graph, after, told, watch=lambda name, changed: stages.show(name, changed, layout.stored))
    return layout


def _passes_of(route: Route, device: str, *, dequantize: bool = False,
               openvino_layers: Collection[str] = ()) -> tuple[Sequence[Pass], Sequence[Pass]]:
    """The passes before layout, and those after it; a TFLite file's depend on the device that it is for."""
    if route == "tflite":
        from nchw2nhwc.emit.tflite import native
        from nchw2nhwc.emit.tflite.passes import target_passes
        from nchw2nhwc.passes.pipeline import source_passes

        if device == CPU:
            return source_passes(native, quantized=not dequantize, openvino_layers=openvino_layers), target_passes()
        from nchw2nhwc.targets.passes import moves_blocks, native_on, rules_before, stored_passes

        return (source_passes(native_on(device, native), rules_before(device), quantized=not dequantize, openvino_layers=openvino_layers),
                (*target_passes(blocks=moves_blocks(device), gathers=False), *stored_passes(device)))
    from nchw2nhwc.emit.keras import passes

    return passes.keras_source_passes(trainable=route == "trainable"), passes.target_passes()


def steps(route: Route, device: str = CPU) -> tuple[str, ...]:
    """The names of a conversion's steps, after each of which its `Stages` show the graph."""
    if route != "tflite":
        require_tensorflow()
    before, after = _passes_of(route, device)
    return ("read", *(each.name for each in before), "layout", *(each.name for each in after))


def _every(given: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """`given` with the entry for every other name spelled out."""
    chosen = dict.fromkeys(names, given[EVERY]) if EVERY in given and EVERY not in names else {}
    return chosen | {name: layout for name, layout in given.items() if name in names or name != EVERY}
