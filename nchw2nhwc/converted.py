"""The result of a conversion."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.errors import OptionError
from nchw2nhwc.files import Staging, size_of
from nchw2nhwc.interface import METADATA, TensorInfo
from nchw2nhwc.open_inputs import naming_inputs
from nchw2nhwc.options import APPROXIMATED, KERAS_FILES, MIN_SQNR, TOLERANCE, TOLERANCE_FLOAT16, WITH_INT16, ConvertOptions, Route
from nchw2nhwc.options.quantize import FOR_DEVICE, PLAIN
from nchw2nhwc.progress import Stages
from nchw2nhwc.source import Source

if TYPE_CHECKING:
    from keras import Model as KerasModel

    from nchw2nhwc.check import CheckResult, Reference
    from nchw2nhwc.check.layers import LayerErrors
    from nchw2nhwc.check.results import Result
    from nchw2nhwc.emit.keras import Network
    from nchw2nhwc.emit.tflite import FlatBuffer
    from nchw2nhwc.emit.tflite.integers import Integers
    from nchw2nhwc.emit.tflite.model import Model
    from nchw2nhwc.ir import Array, Graph
    from nchw2nhwc.ir.stored import Stored
    from nchw2nhwc.layout import LayoutResult
    from nchw2nhwc.options.quantize import QuantizeOptions
    from nchw2nhwc.quantize.accuracy import Accuracy
    from nchw2nhwc.quantize.run import Quantization
    from nchw2nhwc.report import Report
    from nchw2nhwc.targets.fallbacks import Fallback, Judged

__all__ = ["METADATA", "Converted", "TensorInfo"]


class Converted:
    """A converted model: write it with `save`, or take its bytes with `tflite`; compare it with its source with `check`. `keras` and
    `save_keras` give the same network as a Keras model and in TensorFlow's formats.

    `inputs` and `outputs` tell name, shapes, element type and layout of each, in the source's order. `layout` holds the transposes that are
    left and why. `source_ops` is the number of ops of the source; `half` says that its runtime computes it in float16, `quantized` that it
    rounds to integers inside; `route` is the target whose graph decided the layouts.
    """

    def __init__(self, source: Source, options: ConvertOptions, layout: LayoutResult, inputs: tuple[TensorInfo, ...],
                 outputs: tuple[TensorInfo, ...], *, source_ops: int, half: bool, quantized: bool, index_limits: Mapping[str, int],
                 stages: Stages, route: Route = "tflite") -> None:
        self.source, self.options, self.inputs, self.outputs = source, options, inputs, outputs
        self.source_ops, self.half, self.quantized, self.stages, self.route = source_ops, half, quantized, stages, route
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
        self._made: dict[bool, FlatBuffer] = {}
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

    @property
    def integers(self) -> Integers | None:
        """What the TFLite file computes with integers because the source does; None where the source is not quantized."""
        if not self.quantized or self.options.dequantize or self.route != "tflite":
            return None
        from nchw2nhwc.emit.tflite.integers import summary

        return summary(self.graph, self.flatbuffer().model.plan)

    @property
    def report(self) -> Report:
        """What was done so far, the same content as `--report` writes; see docs/report.md."""
        from nchw2nhwc.report import build_report

        return build_report(self)

    @property
    def result_ops(self) -> int:
        """The number of operators in the float32 file; of a conversion by way of Keras alone that of the last model's layers and functions,
        without its inputs."""
        if self.route != "tflite":
            return self._keras_ops
        return self.operator_counts().total()

    def operator_counts(self) -> Counter[str]:
        """How many operators of each kind the float32 file has, by the TFLite schema's names; of a conversion by way of Keras alone how
        many ops the graph has that its layers are made from."""
        if self.route != "tflite":
            return Counter(node.op.name for node in self.graph.nodes)
        return Counter(operator.code for subgraph in self.flatbuffer().model.subgraphs for operator in subgraph.operators)

    def fallbacks(self) -> tuple[Fallback, ...]:
        """The operators that the device which the file is for (`options.target`) does not run, in the file's order: of the file that was
        quantized for it last, else of the float32 file. None for the CPU, and of a conversion by way of Keras alone."""
        judged = self.judged()
        return judged.fallbacks if judged is not None else ()

    def judged(self) -> Judged | None:
        """What the device runs, and of which file; see `fallbacks`."""
        from nchw2nhwc.targets import TABLES
        from nchw2nhwc.targets.fallbacks import judge

        target = self.options.target
        if target not in TABLES or self.route != "tflite":
            return None
        return judge(TABLES[target], self.flatbuffer().model, self._on_device, FOR_DEVICE.get(target, PLAIN),
                     integers=self.integers is not None)

    # ---- the result --------------------------------------------------------------------------------------------------
    def tflite(self, float16: bool = False, *, quantize: str | QuantizeOptions | None = None) -> bytes:
        """The TFLite file's content; with `float16` its weights are float16 and its arithmetic float32.

        `quantize` is one of the modes of `options.quantize.MODES`, the path of a recipe for ai-edge-quantizer (.json), or
        `QuantizeOptions` with one of them. Without it, a file for the Edge TPU is quantized by int8-full, which needs samples, unless the
        source is quantized already; "float32" asks for one that is not. Raises OptionError for options or samples that do not fit,
        TargetError when LiteRT does not take the result.
        """
        chosen = self._chosen(quantize, float16=float16)
        if chosen is not None:
            quantization, mode = self._quantization(chosen)
            return self._quantized(quantization, mode) if mode != "float16" else self.unquantized(True)
        return self.unquantized(float16)

    def unquantized(self, float16: bool = False) -> bytes:
        """The content of the file that is not quantized, whatever the device. Raises TargetError."""
        with self.stages.stage("write"):
            content = self.flatbuffer(float16).tobytes()
        self._validate(content, float16)
        return content

    def save(self, path: str | os.PathLike[str], float16: bool = False, *, quantize: str | QuantizeOptions | None = None) -> None:
        """Write the TFLite file, see `tflite`; on any error what stood at `path` before stays as it was.

        Raises OutputError, and errors as `tflite` does.
        """
        chosen = self._chosen(quantize, float16=float16)
        quantization, mode = self._quantization(chosen) if chosen is not None else (None, "")
        with Staging() as staging:
            staging.add(Path(path))
            if quantization is not None and mode != "float16":
                self.stage_quantized(staging, Path(path), quantization, mode)
            else:
                self.stage_file(staging, Path(path), float16 or mode == "float16")
            staging.commit()

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
        content = self._quantized(quantization, mode, xnnpack=xnnpack)
        with self.stages.stage("write"), staging.open(path) as file:
            file.write(content)
        self.files[mode] = (path, len(content))

    # ---- by way of Keras -----------------------------------------------------------------------------------------------
    def keras(self, trainable: bool = False) -> KerasModel:
        """The network as a Keras functional model, with `inputs` and `outputs` in their order.

        `trainable` keeps what is trained: batch norms and dropout as layers of their own, factors and shifts as weights. A dimension of any
        size is None; convert with `batch=-1` for a model that takes any batch. Raises OptionError when TensorFlow is not installed,
        TargetError when Keras cannot express a layer.
        """
        return self.keras_network(trainable).model

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

    def save_keras(self, folder: str | os.PathLike[str], to: Sequence[str] = ("keras",), *, trainable: bool = False) -> None:
        """Write the targets `to` (the keys of `options.KERAS_FILES`) into `folder`, all or none of them, named after the source.

        Raises OptionError for a target that does not exist, OutputError, and errors as `keras` does.
        """
        unknown = [target for target in to if target not in KERAS_FILES]
        if unknown:
            raise OptionError(f"there is no Keras target '{unknown[0]}'", advice=f"Choose from {', '.join(KERAS_FILES)}.")
        with Staging() as staging:
            reserve_keras(staging, Path(folder), self.source.stem, to)
            self.stage_keras(staging, Path(folder), to, self.keras_network(trainable))
            staging.commit()

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

    # ---- the check -----------------------------------------------------------------------------------------------------
    def check(self, inputs: Mapping[str, Array] | None = None, *, float16: bool = False, tolerance: float = TOLERANCE) -> CheckResult:
        """Run source and result on the same inputs and compare their outputs.

        `inputs` are arrays by input name, in the source's axis order; random ones by default. A float16 result, and any result of a source
        that computes in float16 itself, is allowed an error of 1e-2 if `tolerance` is less. A quantized source's outputs also pass with a
        ratio of signal to noise of 30 dB.

        Raises CheckError when one of them does not run or the source's runtime is not installed, OptionError and ShapeError for inputs that
        do not fit.
        """
        content = self.unquantized(float16)
        with self.stages.stage("check"):
            return self.compare(self.reference(inputs), content, float16, tolerance)

    def reference(self, inputs: Mapping[str, Array] | None = None) -> Reference:
        """What the source computes; see `check`."""
        from nchw2nhwc.check import reference
        from nchw2nhwc.conversion import read

        self.sample = reference(self.source, self.inputs, self.outputs, inputs, self.index_limits, lambda: read(self.source, self.options),
                                self.graph)
        return self.sample

    def compare(self, reference: Reference, result: Path | bytes, float16: bool, tolerance: float) -> CheckResult:
        """Compare a file of this result, or its content, with what the source computes; see `check`."""
        loose = float16 or self.half or self.options.target in APPROXIMATED
        outcome = reference.compare(result, max(tolerance, TOLERANCE_FLOAT16) if loose else tolerance, self.min_sqnr)
        if not outcome.passed:
            from nchw2nhwc.check.results import TfliteResult

            outcome = self._past_rankings(outcome, reference, TfliteResult(result), self.inner_tensors)
        self.checks[_kind(float16)] = outcome
        return outcome

    def _past_rankings(self, outcome: CheckResult, reference: Reference, result: Result, tensors: Mapping[str, Stored]) -> CheckResult:
        """The outcome of a result that is off from end to end, compared past rankings of nearly equal numbers."""
        from nchw2nhwc.check.ranked import Pair, past_rankings
        from nchw2nhwc.conversion import read

        pair = Pair(self.source, lambda: read(self.source, self.options), self.inputs, self.outputs, result, tensors)
        return past_rankings(outcome, pair, [each.data for each in reference.runs])

    def measure(self, quantization: Quantization, mode: str, result: Path | bytes) -> Accuracy:
        """How far a quantized file is from what the source computes. Raises CheckError."""
        with self.stages.stage("accuracy"):
            self.accuracy[mode] = quantization.accuracy(mode, result)
        return self.accuracy[mode]

    def compare_keras(self, reference: Reference, network: Network, tolerance: float) -> CheckResult:
        """Compare a Keras model of this conversion with what the source computes; see `check`."""
        from nchw2nhwc.check.results import KerasResult
        from nchw2nhwc.metadata import tensors_of

        result = KerasResult(network.model)
        actual = [result.run(self.inputs, self.outputs, each.data) for each in reference.runs]
        outcome = reference.judge(actual, max(tolerance, TOLERANCE_FLOAT16) if self.half else tolerance, self.min_sqnr)
        if not outcome.passed:
            stored = self._layout_of("trainable" if network.trainable else "keras").stored
            outcome = self._past_rankings(outcome, reference, result, tensors_of(stored, network.tensors))
        self.checks["keras"], self._keras_outputs = outcome, actual[0]
        return outcome

    def run(self, result: Path | None = None) -> Mapping[str, Array]:
        """The outputs of the float32 file (`result`, where it is written already) by name and in the source's axis order, for the inputs of
        the last check; of a conversion by way of Keras alone those that were checked. Raises CheckError."""
        from nchw2nhwc.check.litert import run_litert

        assert self.sample is not None, "nothing has been checked"
        if self.route != "tflite":
            return self._keras_outputs
        return run_litert(result or self.flatbuffer().tobytes(), self.inputs, self.outputs, self.sample.data)

    # ---- the page ----------------------------------------------------------------------------------------------------------
    def save_html(self, path: str | os.PathLike[str], layers: LayerErrors | None = None) -> None:
        """Write the report as one HTML page that works offline: what was done so far, both graphs, and, when they are given, the errors of
        `layers` inside the network. Thumbnails are shown after a `check`. See docs/report.md.

        Raises OutputError, and errors as `nchw2nhwc.convert` does when the source can no longer be read.
        """
        with Staging() as staging:
            staging.add(Path(path))
            self.stage_html(staging, Path(path), layers=layers, unchecked="" if self.checks else "not asked for")
            staging.commit()

    def stage_html(self, staging: Staging, path: Path, *, layers: LayerErrors | None = None, unchecked: str = "",
                   result: Path | None = None) -> None:
        """Write the page of `path` (added to `staging` before) under its temporary name; see `save_html` and `html.model.collect`."""
        from nchw2nhwc.html.model import collect
        from nchw2nhwc.html.page import render

        with self.stages.stage("html"):
            page = render(collect(self, layers=layers, unchecked=unchecked, result=result))
            with staging.open(path) as file:
                file.write(page)

    @property
    def inner_tensors(self) -> dict[str, Stored]:
        """How the tensors of the TFLite file that equal one of the source are stored, by their names in the file."""
        from nchw2nhwc.metadata import tensors_of

        self.flatbuffer()
        return tensors_of(self._layout_of("tflite").stored, self.tensor_names)

    # ---- inside --------------------------------------------------------------------------------------------------------
    def _layout_of(self, route: Route) -> LayoutResult:
        """The graph of a route, made when it is first needed."""
        from nchw2nhwc.conversion import run_again

        if route not in self._layouts:
            self._layouts[route] = run_again(self, route)
        return self._layouts[route]

    def flatbuffer(self, float16: bool = False) -> FlatBuffer:
        """The TFLite file, ready to be written."""
        from nchw2nhwc.emit.tflite import emit
        from nchw2nhwc.model_card import card
        from nchw2nhwc.targets import TABLES

        if float16 not in self._made:
            described, files = card(self.options, self.source.stem, self.inputs, self.outputs)
            device = TABLES.get(self.options.target)
            self._made[float16] = emit(self._layout_of("tflite").graph, float16=float16, files=files,
                                       wide=self.options.target in WITH_INT16,
                                       available=None if device is None else device.rows,
                                       metadata=lambda names: {METADATA: self._metadata(names, float16), **described})
        return self._made[float16]

    def _metadata(self, names: Mapping[str, str], float16: bool) -> bytes:
        """The TFLite file's metadata; `names` says what the file calls the tensor of each value."""
        from nchw2nhwc.metadata import tensors_of, to_json
        from nchw2nhwc.report import interface_json

        if not float16:
            self.tensor_names = names
        return to_json(interface_json(self.inputs, self.outputs), self.options, tensors_of(self._layout_of("tflite").stored, names),
                       float16=float16)

    def _chosen(self, quantize: str | QuantizeOptions | None, *, float16: bool) -> str | QuantizeOptions | None:
        """The quantization that is asked for, or that the device implies; None for none."""
        if quantize is None and not float16 and self.integers is None:
            return FOR_DEVICE.get(self.options.target)
        return None if quantize == PLAIN else quantize

    def _quantization(self, quantize: str | QuantizeOptions) -> tuple[Quantization, str]:
        """How to quantize, and the only mode that is asked for. Raises OptionError."""
        from nchw2nhwc.options.quantize import QuantizeOptions
        from nchw2nhwc.quantize.run import Quantization

        options = QuantizeOptions(quantize=[quantize]) if isinstance(quantize, str) else quantize
        if len(options.quantize) != 1:
            raise OptionError(f"one file has one quantization; {len(options.quantize)} are asked for")
        return Quantization(self, options, hold_out=False), options.quantize[0]

    def _quantized(self, quantization: Quantization, mode: str, *, xnnpack: bool = True) -> bytes:
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


def _kind(float16: bool) -> str:
    return "float16" if float16 else "float32"


def keras_paths(folder: Path, stem: str, to: Sequence[str]) -> dict[Path, str]:
    """The files of Keras targets, with the target each belongs to."""
    return {folder / f"{stem}{ending}": target for target in to for ending in KERAS_FILES[target]}


def reserve_keras(staging: Staging, folder: Path, stem: str, to: Sequence[str]) -> None:
    """Reserve the files of Keras targets. Raises OutputError."""
    for path, target in keras_paths(folder, stem, to).items():
        staging.add_named(path, folder="saved_model.pb" if target == "saved_model" else "")
