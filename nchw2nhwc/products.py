"""What a conversion makes, for `Converted` and the command line: files under temporary names, models, and how far they are off."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.files import Staging, size_of
from nchw2nhwc.interface import METADATA, TensorInfo
from nchw2nhwc.options import APPROXIMATED, KERAS_FILES, MIN_SQNR, TOLERANCE_FLOAT16, WITH_INT16, ConvertOptions, Route
from nchw2nhwc.options.quantize import FOR_DEVICE
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import Source
from nchw2nhwc.source.open_sizes import naming_inputs

if TYPE_CHECKING:
    from nchw2nhwc.checking import CheckResult, Reference
    from nchw2nhwc.checking.compare import OutputErrors
    from nchw2nhwc.checking.results import Result
    from nchw2nhwc.emit.keras import Network
    from nchw2nhwc.emit.tflite import FlatBuffer
    from nchw2nhwc.emit.tflite.model import Model
    from nchw2nhwc.ir import Array, Graph
    from nchw2nhwc.ir.stored import Stored
    from nchw2nhwc.layout import LayoutResult
    from nchw2nhwc.quantize.accuracy import Accuracy
    from nchw2nhwc.quantize.run import Quantization


class Products:
    """A conversion's graphs, and the files and models that are made of them. What is documented for `Converted` holds here too."""

    def __init__(self, source: Source, options: ConvertOptions, layout: LayoutResult, inputs: tuple[TensorInfo, ...],
                 outputs: tuple[TensorInfo, ...], *, source_ops: int, half: bool, quantized: bool, index_limits: Mapping[str, range],
                 stages: Stages, route: Route = "tflite", keep_integers: bool = False) -> None:
        self.source, self.options, self.inputs, self.outputs = source, options, inputs, outputs
        self.source_ops, self.half, self.quantized, self.stages, self.route = source_ops, half, quantized, stages, route
        self.keep_integers = keep_integers
        """Whether weights that consist of integers are stored as such."""
        self.checks: dict[str, CheckResult] = {}
        self.accuracy: dict[str, Accuracy] = {}
        """Of the quantized files that were measured, by mode."""
        self.files: dict[str, tuple[Path, int]] = {}
        self.sample: Reference | None = None
        """What the source computed when the result was last checked."""
        self._keras_outputs: Mapping[str, Array] = {}
        self.index_limits = index_limits
        """For integer inputs that select something the first value that is too large."""
        self._layouts: dict[Route, LayoutResult] = {route: layout}
        self.tensor_names: Mapping[str, str] = {}
        """What the float32 TFLite file calls the tensors of the graph's values."""
        self._on_device: Model | None = None
        self._made: dict[tuple[bool, bool], FlatBuffer] = {}
        self._keras_ops = 0
        if route == "tflite":
            with stages.stage("emit"):
                self.flatbuffer()

    @property
    def layout(self) -> LayoutResult:
        """What was decided, with the graph that is written."""
        return self._layouts[self.route]

    @property
    def graph(self) -> Graph:
        """The graph that is written: stored order, nothing left to decide."""
        return self.layout.graph

    @property
    def min_sqnr(self) -> float | None:
        """The ratio of signal to noise, in decibels, with which outputs of a quantized source pass the check; None for other sources."""
        return MIN_SQNR if self.quantized else None

    # ---- TFLite ----------------------------------------------------------------------------------------------------------
    def unquantized(self, float16: bool = False) -> bytes:
        """The content of the file that is not quantized, whatever the device. Raises TargetError."""
        with self.stages.stage("write"):
            content = self.flatbuffer(float16).tobytes()
        self._validate(content, float16)
        return content

    def stage_file(self, staging: Staging, path: Path, float16: bool, *, xnnpack: bool = True) -> None:
        """Write the file of `path` (added to `staging` before) under its temporary name and see that LiteRT takes it.

        `xnnpack=False` spares the time and memory of loading it with XNNPACK too. Raises as `save` does.
        """
        with self.stages.stage("write"), staging.open(path) as file:
            result = self.flatbuffer(float16)
            result.write(file)
        self._validate(staging.temporary(path), float16, xnnpack=xnnpack)
        self.files[_kind(float16)] = (path, result.size)

    def stage_quantized(self, staging: Staging, path: Path, quantization: Quantization, mode: str, *, xnnpack: bool = True) -> None:
        """Write a quantized file under the temporary name of `path` and see that LiteRT takes it; raises as `save` does."""
        content = self.quantized_content(quantization, mode, xnnpack=xnnpack)
        with self.stages.stage("write"), staging.open(path) as file:
            file.write(content)
        self.files[mode] = (path, len(content))

    def flatbuffer(self, float16: bool = False, *, widened: bool = False) -> FlatBuffer:
        """The TFLite file, ready to be written; `widened`: without integers that are made float32 while it is loaded."""
        kept = self.keep_integers and not widened
        if (float16, kept) not in self._made:
            self._made[float16, kept] = self._emitted(self._layout_of("tflite"), float16=float16, keep_integers=kept)
        return self._made[float16, kept]

    def with_layers(self, *, as_openvino: Collection[str], floats: Collection[str]) -> tuple[FlatBuffer, Graph]:
        """The TFLite file of a quantized source that computes some layers as OpenVINO does, and some in float, with the graph that it is
        made from. Raises ConversionError."""
        from nchw2nhwc.conversion import run_again

        with naming_inputs(self.source, self.options):
            layout = run_again(self, "tflite", Stages(), as_openvino)
        return self._emitted(layout, keep_integers=self.keep_integers, floats=floats, wide=True), layout.graph

    def _emitted(self, layout: LayoutResult, *, float16: bool = False, keep_integers: bool, floats: Collection[str] = (),
                 wide: bool = False) -> FlatBuffer:
        """The file of a graph; `wide`: with results of 16 bits where the source does not round, if the device has such kernels."""
        from nchw2nhwc.emit.tflite import emit
        from nchw2nhwc.emit.tflite.integers import ALWAYS, AT_NEED, NEVER
        from nchw2nhwc.model_card import card
        from nchw2nhwc.targets import TABLES

        described, files = card(self.options, self.source.stem, self.inputs, self.outputs)
        device = TABLES.get(self.options.target)
        widenings = NEVER if self.options.target not in WITH_INT16 else ALWAYS if wide or device is not None else AT_NEED
        return emit(layout.graph, float16=float16, keep_integers=keep_integers, files=files, floats=floats,
                    widenings=widenings, available=None if device is None else device.computes,
                    metadata=lambda names: {METADATA: self._metadata(layout, names, float16), **described})

    @property
    def inner_tensors(self) -> dict[str, Stored]:
        """How the tensors of the TFLite file that equal one of the source are stored, by their names in the file."""
        from nchw2nhwc.metadata import tensors_of

        self.flatbuffer()
        return tensors_of(self._layout_of("tflite").stored, self.tensor_names)

    def _metadata(self, layout: LayoutResult, names: Mapping[str, str], float16: bool) -> bytes:
        """The metadata of the TFLite file of a graph; `names` says what the file calls the tensor of each value."""
        from nchw2nhwc.metadata import tensors_of, to_json
        from nchw2nhwc.report import interface_json

        if not float16 and layout is self._layouts.get("tflite"):
            self.tensor_names = names
        return to_json(interface_json(self.inputs, self.outputs), self.options, tensors_of(layout.stored, names), float16=float16)

    def quantized_content(self, quantization: Quantization, mode: str, *, xnnpack: bool = True) -> bytes:
        """The content of a quantized file, which LiteRT has loaded."""
        from nchw2nhwc.emit.tflite.validate import validate

        with self.stages.stage("quantize"):
            content = quantization.content(mode)
        with self.stages.stage("validate"):
            validate(content, xnnpack=xnnpack)
        if mode == FOR_DEVICE.get(self.options.target):
            from nchw2nhwc.targets.quantized import quantized_model

            self._on_device = quantized_model(content, self.flatbuffer().model)
        return content

    def _validate(self, result: Path | bytes, float16: bool, *, xnnpack: bool = True) -> None:
        from nchw2nhwc.emit.tflite.validate import validate
        from nchw2nhwc.ir.mapped import release_pages

        # LiteRT maps the result and packs its weights: the source's do not have to stay beside them.
        release_pages(self._layout_of("tflite").graph)
        with self.stages.stage("validate"):
            validate(result, self.flatbuffer(float16), xnnpack=xnnpack)

    # ---- by way of Keras -------------------------------------------------------------------------------------------------
    def keras_network(self, trainable: bool = False) -> Network:
        """`keras` with the source's layers behind the model's."""
        route: Route = "trainable" if trainable else "keras"
        with naming_inputs(self.source, self.options):
            graph = self._layout_of(route).graph
            from nchw2nhwc.emit.keras import emit_keras

            with self.stages.stage("keras"):
                network = emit_keras(graph, trainable=trainable)
        self._keras_ops = sum(type(operation).__name__ != "InputLayer" for operation in network.model.operations)
        return network

    def stage_keras(self, staging: Staging, folder: Path, to: Sequence[str], network: Network) -> None:
        """Write the files of `network` (see `reserve_keras`) under their temporary names. Raises OutputError.

        What TensorFlow's own tools read is made of a narrow model where they need that: the same but for steps in which axes move.
        """
        from nchw2nhwc.emit.keras import emit_keras
        from nchw2nhwc.emit.keras.files import write
        from nchw2nhwc.metadata import tensors_of, to_json
        from nchw2nhwc.report import interface_json

        with self.stages.stage("write"):
            layout = self._layout_of("trainable" if network.trainable else "keras")
            tensors = tensors_of(layout.stored, network.tensors)
            interface = to_json(interface_json(self.inputs, self.outputs), self.options, tensors, float16=False)
            narrow = (emit_keras(layout.graph, trainable=network.trainable, narrow=True)
                      if network.wide and not {"saved_model", "pb"}.isdisjoint(to) else network)
            inputs, outputs = ([info.name for info in infos] for infos in (self.inputs, self.outputs))
            for final, target in keras_paths(folder, self.source.stem, to).items():
                with staging.writing(final) as temporary:
                    write(narrow if target in ("saved_model", "pb") else network, temporary, inputs, outputs, interface)
                known = target if target not in self.files else f"{target}{final.suffix}"
                self.files[known] = (final, size_of(temporary))

    # ---- the check -------------------------------------------------------------------------------------------------------
    def reference(self, inputs: Mapping[str, Array] | None = None) -> Reference:
        """What the source computes; see `check`."""
        from nchw2nhwc.checking import reference
        from nchw2nhwc.source.reading import read

        self.sample = reference(self.source, self.inputs, self.outputs, inputs, self.index_limits, lambda: read(self.source, self.options),
                                self.graph)
        return self.sample

    def compare(self, reference: Reference, result: Path | bytes, float16: bool, tolerance: float) -> CheckResult:
        """Compare a file of this result, or its content, with what the source computes; see `check`."""
        loose = float16 or self.half or self.options.target in APPROXIMATED
        errors = reference.compare(result, max(tolerance, TOLERANCE_FLOAT16) if loose else tolerance, self.min_sqnr)
        if not errors.passed:
            from nchw2nhwc.checking.results import TfliteResult

            errors = self._closer(errors, reference, TfliteResult(result), self.inner_tensors)
        self.checks[_kind(float16)] = reference.outcome(errors)
        return self.checks[_kind(float16)]

    def _closer(self, errors: OutputErrors, reference: Reference, result: Result, tensors: Mapping[str, Stored]) -> OutputErrors:
        """The errors of a result that is off from end to end, after a closer look at it."""
        from nchw2nhwc.checking.closer import Pair, looked_at_closely
        from nchw2nhwc.source.reading import read

        pair = Pair(self.source, lambda: read(self.source, self.options), self.inputs, self.outputs, result, tensors)
        return looked_at_closely(errors, pair, reference)

    def measure(self, quantization: Quantization, mode: str, result: Path | bytes) -> Accuracy:
        """How far a quantized file is from what the source computes. Raises CheckError."""
        with self.stages.stage("accuracy"):
            self.accuracy[mode] = quantization.accuracy(mode, result)
        return self.accuracy[mode]

    def compare_keras(self, reference: Reference, network: Network, tolerance: float) -> CheckResult:
        """Compare a Keras model of this conversion with what the source computes; see `check`."""
        from nchw2nhwc.checking.results import KerasResult
        from nchw2nhwc.metadata import tensors_of

        result = KerasResult(network.model)
        actual = [result.run(self.inputs, self.outputs, each.data) for each in reference.runs]
        errors = reference.errors(actual, max(tolerance, TOLERANCE_FLOAT16) if self.half else tolerance, self.min_sqnr)
        if not errors.passed:
            stored = self._layout_of("trainable" if network.trainable else "keras").stored
            errors = self._closer(errors, reference, result, tensors_of(stored, network.tensors))
        self.checks["keras"], self._keras_outputs = reference.outcome(errors), actual[0]
        return self.checks["keras"]

    def run(self, result: Path | None = None) -> Mapping[str, Array]:
        """The outputs of the float32 file (`result`, where it is written already) by name and in the source's axis order, for the inputs of
        the last check; of a conversion by way of Keras alone those that were checked. Raises CheckError."""
        from nchw2nhwc.checking.litert import run_litert

        assert self.sample is not None, "nothing has been checked"
        if self.route != "tflite":
            return self._keras_outputs
        return run_litert(result or self.flatbuffer().tobytes(), self.inputs, self.outputs, self.sample.data)

    # ---- inside ----------------------------------------------------------------------------------------------------------
    def _layout_of(self, route: Route) -> LayoutResult:
        """The graph of a route, made when it is first needed."""
        from nchw2nhwc.conversion import run_again

        if route not in self._layouts:
            self._layouts[route] = run_again(self, route, self.stages)
        return self._layouts[route]


def _kind(float16: bool) -> str:
    return "float16" if float16 else "float32"


def keras_paths(folder: Path, stem: str, to: Sequence[str]) -> dict[Path, str]:
    """The files of Keras targets, with the target each belongs to."""
    return {folder / f"{stem}{ending}": target for target in to for ending in KERAS_FILES[target]}


def reserve_keras(staging: Staging, folder: Path, stem: str, to: Sequence[str]) -> None:
    """Reserve the files of Keras targets. Raises OutputError."""
    for path, target in keras_paths(folder, stem, to).items():
        staging.add_named(path, folder="saved_model.pb" if target == "saved_model" else "")
