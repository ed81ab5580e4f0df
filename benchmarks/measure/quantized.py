"""Models that are quantized already, and what becomes of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime

import nchw2nhwc
from nchw2nhwc.checking import source_outputs
from nchw2nhwc.checking.inputs import random_inputs
from nchw2nhwc.converted import Converted
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize.run import Quantization
from nchw2nhwc.source import Format

Array: TypeAlias = npt.NDArray[np.float32]
Samples: TypeAlias = Sequence[Mapping[str, Array]]

NETWORKS = ("mobilenet_v2", "resnet18", "squeezenet", "mobilenet_v3_large", "shufflenet_v2")
DIGITS = Path(__file__).resolve().parents[2] / "docs" / "examples" / "digits"
LEAST, LEAST_PLAIN, LEAST_EVER = 40.0, 35.0, 30.0
"""Decibels that pass, with XNNPACK and with LiteRT's built-in kernels, which round some results twice; and where roundings alone make more
noise: of the source's runtime against itself, or of LiteRT's kernels."""
MIXED_SAMPLES = 32
"""On how many it is found out what has to be done otherwise to come near to the source's runtime."""


@dataclass(frozen=True)
class Way:
    """How ONNX Runtime's quantizer is asked to quantize."""

    name: str
    form: str
    activations: str
    per_channel: bool
    weights: str = "QInt8"
    symmetric: bool = False


WAYS = (Way("QDQ int8 per channel", "QDQ", "QInt8", True), Way("QDQ uint8 per channel", "QDQ", "QUInt8", True),
        Way("QDQ uint8", "QDQ", "QUInt8", False), Way("QDQ uint8, weights uint8", "QDQ", "QUInt8", False, "QUInt8"),
        Way("QOperator uint8", "QOperator", "QUInt8", False), Way("QDQ int16 per channel", "QDQ", "QInt16", True, symmetric=True),
        Way("QDQ int8, weights int4", "QDQ", "QInt8", True, "QInt4"))


@dataclass(frozen=True)
class QuantizedRow:
    """What became of one model. SQNR is in decibels, over all samples, that of the output with the smallest (infinite: equal): of the
    result in LiteRT with XNNPACK and without, against the source's runtime as it is, and against that with all of the file's roundings; of
    the one against the other; and of LiteRT without XNNPACK against LiteRT with it. `float` and `remarks` are the report's."""

    network: str
    xnnpack: float
    plain: float
    written: float
    written_plain: float
    source: float
    kernels: float
    convolutions: tuple[int, int]
    products: tuple[int, int]
    megabytes: float
    float: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def failure(self) -> tuple[str, ...]:
        """What does not pass."""
        found = []
        for name, wanted, sqnr in (("XNNPACK", LEAST, max(self.xnnpack, self.written)),
                                   ("built-in kernels", LEAST_PLAIN, max(self.plain, self.written_plain))):
            least = min(wanted, max(min(self.source, self.kernels) - 1, LEAST_EVER))
            found += [f"{name}: SQNR below {least:.1f} dB"] if sqnr < least else []
        unexplained = self.convolutions[1] - self.convolutions[0] > len(self.float)
        return (*found, *(["not every convolution in float has its reason"] if unexplained else []))


def find_networks(models: Path | None) -> Iterator[tuple[str, Path]]:
    """The digits network of the documentation, and those of the zoo that are there."""
    yield "digits", DIGITS / "digits.onnx"
    for name in NETWORKS if models is not None else ():
        assert models is not None
        if (models / f"{name}.onnx").exists():
            yield name, models / f"{name}.onnx"
        else:
            print(f"{name}: skipped, {models / name}.onnx is not there")


def find_omz(folder: Path | None) -> list[Path]:
    """The quantized models of the Open Model Zoo."""
    return [] if folder is None else sorted(folder.glob("*FP16-INT8.xml"))


def quantize(model: Path, way: Way, scratch: Path) -> Path:
    """The model quantized by ONNX Runtime's quantizer, calibrated with samples of its own."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, samples: Samples) -> None:
            self._samples = iter(samples)

        def get_next(self) -> Mapping[str, Array] | None:
            return next(self._samples, None)

    prepared, result = scratch / f"{model.stem}_prepared.onnx", scratch / f"{model.stem}_{WAYS.index(way)}.onnx"
    if not prepared.exists():
        quant_pre_process(model, prepared, skip_symbolic_shape=True)
    session = onnxruntime.InferenceSession(prepared)
    shapes = {i.name: tuple(size if isinstance(size, int) else 1 for size in i.shape) for i in session.get_inputs()}
    quantize_static(prepared, result, Reader(_samples(model.stem, shapes, 8, seed=100)), quant_format=getattr(QuantFormat, way.form),
                    per_channel=way.per_channel, activation_type=getattr(QuantType, way.activations),
                    weight_type=getattr(QuantType, way.weights),
                    extra_options={"ActivationSymmetric": True} if way.symmetric else {})
    return result


def _samples(name: str, shapes: Mapping[str, tuple[int, ...]], count: int, seed: int) -> Samples:
    """Scanned digits, smooth pictures of values 0..255 for the Open Model Zoo, normal numbers for the zoo, whose weights are drawn, too."""
    rng = np.random.default_rng(seed)
    if name.startswith("digits"):
        sys.path.insert(0, str(DIGITS))
        from split import images

        pixels = images(held_out=seed == 0)[0]
        return [dict.fromkeys(shapes, pixels[k:k + 1]) for k in range(0, 8 * count, 8)]
    if "FP16-INT8" in name:
        return [_pictures(rng, shapes) for _ in range(count)]
    return [{key: rng.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()} for _ in range(count)]


def _with_integers(converted: Converted, sample: Mapping[str, Array], seed: int) -> Mapping[str, Array]:
    """A sample in which inputs that are no floating point numbers are drawn from the numbers that they can have."""
    drawn = random_inputs(converted.inputs, converted.index_limits, seed)
    return {**sample, **{info.name: drawn[info.name] for info in converted.inputs
                        if kind_of(info.source_type.dtype) != "floating point"}}


def _pictures(rng: np.random.Generator, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """The same picture for all inputs, in the size of each."""
    grids = {leading: rng.uniform(0, 255, (*leading, 8, 8)) for leading in dict.fromkeys(shape[:-2] for shape in shapes.values())}
    return {name: _picture(grids[shape[:-2]], shape) for name, shape in shapes.items()}


def _picture(coarse: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Array:
    """A grid of 8 x 8 numbers, interpolated."""
    for axis in (-2, -1):
        places = np.linspace(0, 7, shape[axis])
        coarse = np.apply_along_axis(lambda line: np.interp(places, np.arange(8), line), axis, coarse)  # noqa: B023
    return coarse.astype(np.float32)


def measure(title: str, model: Path, count: int, decibels: float | None = None) -> QuantizedRow:
    """Convert a model and compare; with `decibels` the file that is made to be that near to the source's runtime, on other samples."""
    converted = nchw2nhwc.convert(model)
    content, found = converted.tflite(), converted.integers
    assert found is not None, f"{model} is not quantized"
    shapes = {info.name: tuple(size if size > 0 else 1 for size in info.source_shape) for info in converted.inputs}
    kept: tuple[str, ...] = ()
    if decibels is not None:
        others = [_with_integers(converted, sample, k) for k, sample in enumerate(_samples(model.stem, shapes, MIXED_SAMPLES, seed=100))]
        quantization = Quantization(converted, QuantizeOptions(["source"], calibration=others, auto_mixed=decibels), hold_out=False)
        content = quantization.content("source")
        accuracy = quantization.accuracy("source", content)
        assert accuracy.integers is not None, "the file of a quantized source"
        found, kept = accuracy.integers, accuracy.kept
    samples = [_with_integers(converted, sample, k) for k, sample in enumerate(_samples(model.stem, shapes, count, seed=0))]
    wanted = [_source(converted, model, data) for data in samples]
    written = [source_outputs(converted.source, converted.inputs, converted.outputs, data) for data in samples]
    results = {xnnpack: [_result(converted, content, data, xnnpack=xnnpack) for data in samples] for xnnpack in (True, False)}
    return QuantizedRow(title, _sqnr(wanted, results[True]), _sqnr(wanted, results[False]), _sqnr(written, results[True]),
                        _sqnr(written, results[False]), _sqnr(wanted, written), _sqnr(results[True], results[False]), found.convolutions,
                        found.products, len(content) / 1e6,
                        tuple(f"float: {where.type} '{where.layer}': {text}" for where, text in found.floats),
                        (*kept, *(f"{where.type} '{where.layer}': {text}" for where, text in found.remarks)))


def _sqnr(wanted: Sequence[Mapping[str, Array]], found: Sequence[Mapping[str, Array]]) -> float:
    """That of the output with the smallest, over all samples."""
    def decibels(name: str) -> float:
        signal = sum(float(np.square(w[name], dtype=np.float64).sum()) for w in wanted)
        noise = sum(float(np.square(np.subtract(w[name], f[name], dtype=np.float64)).sum()) for w, f in zip(wanted, found))
        return 10 * math.log10(signal / noise) if noise else math.inf

    return min(decibels(name) for name in wanted[0])


def _source(converted: Converted, model: Path, data: Mapping[str, Array]) -> dict[str, Array]:
    """The source in its own runtime, with the integer kernels that it chooses."""
    if converted.source.format is Format.ONNX:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return dict(zip([o.name for o in session.get_outputs()], session.run(None, dict(data))))
    import openvino

    source = openvino.Core().read_model(model)
    source.reshape({info.name: list(data[info.name].shape) for info in converted.inputs})
    compiled = openvino.Core().compile_model(source, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    outcome = compiled([data[info.name] for info in converted.inputs])
    return {info.name: np.array(outcome[k]) for k, info in enumerate(converted.outputs)}


def _result(converted: Converted, content: bytes, data: Mapping[str, Array], *, xnnpack: bool) -> dict[str, Array]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kind)
    inputs = interpreter.get_signature_runner().get_input_details()
    arrays = {info.name: info.to_result(data[info.name]) for info in converted.inputs}
    for info in converted.inputs:
        interpreter.resize_tensor_input(inputs[info.name]["index"], arrays[info.name].shape)
    interpreter.allocate_tensors()
    for name, array in arrays.items():
        interpreter.set_tensor(inputs[name]["index"], array)
    interpreter.invoke()
    outputs = interpreter.get_signature_runner().get_output_details()
    return {info.name: info.to_source(interpreter.get_tensor(outputs[info.name]["index"])) for info in converted.outputs}
