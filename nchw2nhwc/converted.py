"""The result of a conversion."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.errors import OptionError
from nchw2nhwc.files import Staging
from nchw2nhwc.interface import METADATA, TensorInfo
from nchw2nhwc.ops.movement import Transpose
from nchw2nhwc.options import KERAS_FILES, TOLERANCE, check_tolerance
from nchw2nhwc.options.quantize import FOR_DEVICE, PLAIN
from nchw2nhwc.products import Products, reserve_keras

if TYPE_CHECKING:
    from keras import Model as KerasModel

    from nchw2nhwc.checking import CheckResult
    from nchw2nhwc.checking.layers import LayerErrors
    from nchw2nhwc.emit.tflite.integers import Integers
    from nchw2nhwc.ir import Array
    from nchw2nhwc.options.quantize import QuantizeOptions
    from nchw2nhwc.quantize.run import Quantization
    from nchw2nhwc.report import Report
    from nchw2nhwc.targets.fallbacks import Fallback, Judged

__all__ = ["METADATA", "Converted", "TensorInfo"]


class Converted(Products):
    """A converted model: write it with `save`, or take its bytes with `tflite`; compare it with its source with `check`. `keras` and
    `save_keras` give the same network as a Keras model and in TensorFlow's formats.

    `inputs` and `outputs` tell name, shapes, element type and layout of each, in the source's order. `layout` holds the transposes that are
    left and why. `source_ops` is the number of ops of the source; `half` says that its runtime computes it in float16, `quantized` that it
    rounds to integers inside; `route` is the target whose graph decided the layouts.
    """

    def __repr__(self) -> str:
        sides = (f"{info.name} {list(info.shape)}" for info in (*self.inputs, *self.outputs))
        return f"<Converted {self.source.name or self.source.format.value}: {', '.join(sides)}; {len(self.layout.transposes)} transposes>"

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

    @property
    def transpose_operators(self) -> int:
        """How many transposes the float32 file, or the graph that Keras layers are made from, has."""
        return self.operator_counts()["TRANSPOSE" if self.route == "tflite" else Transpose.__name__]

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
        """The TFLite file's content; with `float16` its weights are float16 and its arithmetic float32, so that it excludes `quantize`.

        `quantize` is one of the modes of `options.quantize.MODES`, the path of a recipe for ai-edge-quantizer (.json), or
        `QuantizeOptions` with one of them. Without it, a file for the Edge TPU is quantized by int8-full, which needs samples, unless the
        source is quantized already; "float32" asks for one that is not. Raises OptionError for options or samples that do not fit,
        TargetError when LiteRT does not take the result.
        """
        chosen = self._chosen(quantize, float16=float16)
        if chosen is not None:
            quantization, mode = self._quantization(chosen)
            return self.quantized_content(quantization, mode) if mode != "float16" else self.unquantized(True)
        return self.unquantized(float16)

    def save(self, path: str | os.PathLike[str], float16: bool = False, *, quantize: str | QuantizeOptions | None = None) -> None:
        """Write the TFLite file, see `tflite`; on any error what stood at `path` before stays as it was.

        Raises OutputError, and errors as `tflite` does.
        """
        chosen = self._chosen(quantize, float16=float16)
        quantization, mode = self._quantization(chosen) if chosen is not None else (None, "")
        with Staging(self.source.files) as staging:
            staging.add(Path(path))
            if quantization is not None and mode != "float16":
                self.stage_quantized(staging, Path(path), quantization, mode)
            else:
                self.stage_file(staging, Path(path), float16 or mode == "float16")
            staging.commit()

    # ---- by way of Keras -----------------------------------------------------------------------------------------------
    def keras(self, trainable: bool = False) -> KerasModel:
        """The network as a Keras functional model, with `inputs` and `outputs` in their order.

        `trainable` keeps what is trained: batch norms and dropout as layers of their own, factors and shifts as weights. A dimension of any
        size is None; convert with `batch=-1` for a model that takes any batch. Raises OptionError when TensorFlow is not installed,
        TargetError when Keras cannot express a layer.
        """
        return self.keras_network(trainable).model

    def save_keras(self, folder: str | os.PathLike[str], to: Sequence[str] = ("keras",), *, trainable: bool = False) -> None:
        """Write the targets `to` (the keys of `options.KERAS_FILES`) into `folder`, all or none of them, named after the source.

        Raises OptionError for a target that does not exist, OutputError, and errors as `keras` does.
        """
        unknown = [target for target in to if target not in KERAS_FILES]
        if unknown:
            raise OptionError(f"there is no Keras target '{unknown[0]}'", advice=f"Choose from {', '.join(KERAS_FILES)}.")
        with Staging(self.source.files) as staging:
            reserve_keras(staging, Path(folder), self.source.stem, to)
            self.stage_keras(staging, Path(folder), to, self.keras_network(trainable))
            staging.commit()

    # ---- the check -----------------------------------------------------------------------------------------------------
    def check(self, inputs: Mapping[str, Array] | None = None, *, float16: bool = False, tolerance: float = TOLERANCE) -> CheckResult:
        """Run source and result on the same inputs and compare their outputs.

        `inputs` are arrays by input name, in the source's axis order; random ones by default. A float16 result, and any result of a source
        that computes in float16 itself, is allowed an error of 1e-2 if `tolerance` is less. A quantized source's outputs also pass with a
        ratio of signal to noise of 30 dB.

        Raises CheckError when one of them does not run or the source's runtime is not installed, OptionError and ShapeError for inputs that
        do not fit.
        """
        allowed = check_tolerance(tolerance)
        content = self.unquantized(float16)
        with self.stages.stage("check"):
            return self.compare(self.reference(inputs), content, float16, allowed)

    # ---- the page ----------------------------------------------------------------------------------------------------------
    def save_html(self, path: str | os.PathLike[str], layers: LayerErrors | None = None) -> None:
        """Write the report as one HTML page that works offline: what was done so far, both graphs, and, when they are given, the errors of
        `layers` inside the network. Thumbnails are shown after a `check`. See docs/report.md.

        Raises OutputError, and errors as `nchw2nhwc.convert` does when the source can no longer be read.
        """
        with Staging(self.source.files) as staging:
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

    # ---- inside --------------------------------------------------------------------------------------------------------
    def _chosen(self, quantize: str | QuantizeOptions | None, *, float16: bool) -> str | QuantizeOptions | None:
        """The quantization that is asked for, or that the device implies; None for none. Raises OptionError for two kinds at once."""
        if float16 and quantize not in (None, PLAIN, "float16"):
            raise OptionError("float16 and quantize ask for two different files", advice="Leave one out.")
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
