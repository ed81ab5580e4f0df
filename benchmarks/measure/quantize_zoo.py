"""Quantized files of the zoo: that every mode loads and runs, what it loses on random numbers, how large and how fast it is."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import nchw2nhwc
from measure.cases import Case
from measure.child import python_path, run
from nchw2nhwc.checking import source_tensors
from nchw2nhwc.checking.inputs import random_inputs
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir import Array
from nchw2nhwc.options.quantize import MODES, QuantizeOptions
from nchw2nhwc.quantize.accuracy import LIMIT, output_accuracy
from nchw2nhwc.quantize.run import Quantization

SMALL, FAST = ("mobilenet_v2", "resnet18", "u2netp"), ("mobilenet_v2", "resnet18", "u2netp")
"""Networks whose int8 files are held to `LARGEST` of the float32 file's size, and to be faster."""
LARGEST = 0.27
SAMPLES = 4
"""Of each network, the last of which is tested with."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class ZooRow:
    """By mode: SQNR in dB of the worst output, with XNNPACK and with the built-in kernels, and size relative to the float32 file."""

    network: str
    sqnr: dict[str, float] = field(default_factory=dict)
    plain: dict[str, float] = field(default_factory=dict)
    size: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


def measure_zoo(case: Case, folder: Path) -> ZooRow:
    """Convert and quantize in a process of its own, so that a crash of the runtime is a failure of this network alone."""
    row = ZooRow(case.network)
    shapes = [f"{name}={','.join(map(str, shape))}" for name, shape in case.input_shapes.items()]
    command = [sys.executable, "-m", "measure.quantize_zoo", str(case.path), str(folder), *shapes]
    outcome = run(command, python_path(ROOT, ROOT / "benchmarks"))
    row.seconds = outcome.seconds
    for line in outcome.stdout.splitlines():
        mode, _, rest = line.partition(" ")
        if rest.startswith("failed"):
            row.failures.append(f"{mode} {rest}")
        elif mode in MODES:
            row.sqnr[mode], row.plain[mode], row.size[mode] = map(float, rest.split())
    row.failures += [] if outcome.ok else [outcome.complaint]
    row.failures += [f"{mode}: no file" for mode in MODES if mode not in row.size and not any(f.startswith(mode) for f in row.failures)]
    row.failures += [f"{mode}: values that are not finite, or of another shape" for mode in row.size
                     if min(row.sqnr[mode], row.plain[mode]) <= -LIMIT]
    if case.network in SMALL:
        row.failures += [f"{mode} is {row.size[mode]:.2%} of float32's size" for mode in ("int8", "int8-full")
                         if row.size.get(mode, 0.0) > LARGEST]
    return row


def work(argv: Sequence[str]) -> None:
    """Of the process: MODEL FOLDER [NAME=SHAPE...]; prints a line for each mode."""
    model, folder, *shapes = argv
    given = {name: tuple(map(int, sizes.split(","))) for name, _, sizes in (each.rpartition("=") for each in shapes)}
    converted = nchw2nhwc.convert(model, input_shape=given)
    whole = len(converted.tflite())
    drawn = [random_inputs(converted.inputs, converted.index_limits, seed) for seed in range(SAMPLES)]
    quantization = Quantization(converted, QuantizeOptions(list(MODES), calibration=drawn))
    sample, expected = _held_out(quantization, converted)
    for mode in MODES:
        try:
            content = converted.tflite(float16=True) if mode == "float16" else quantization.content(mode)
            Path(folder, f"{mode}.tflite").write_bytes(content)
            ratios = [_worst(expected, LoadedFile(content, converted.inputs, plain=plain).run(converted.outputs, sample))
                      for plain in (False, True)]
            print(f"{mode} {ratios[0]:.1f} {ratios[1]:.1f} {len(content) / whole:.4f}", flush=True)
        except ConversionError as error:
            print(f"{mode} failed: {' '.join(str(error).split())[:200]}", flush=True)


def _held_out(quantization: Quantization, converted: nchw2nhwc.Converted) -> tuple[Mapping[str, Array], dict[str, Array]]:
    """The random sample that is not calibrated with, and what the source makes of it."""
    assert quantization.given.calibration is not None
    sample = quantization.given.calibration.tested[0]
    tensors = source_tensors(converted.source, converted.inputs, [info.tensor for info in converted.outputs if info.tensor], sample)
    return sample, {info.name: tensors[info.tensor] for info in converted.outputs if info.tensor}


def _worst(expected: Mapping[str, Array], actual: Mapping[str, Array]) -> float:
    """SQNR of the worst output of floats; those of integers are compared by what is equal, which is not measured here."""
    found = output_accuracy([expected], [actual]).values()
    return min((each.sqnr for each in found if each.equal is None), default=LIMIT)


# ---- accuracy of digits ------------------------------------------------------------------------------------------------
@dataclass
class DigitsRow:
    """Right answers among the 360 held-out images, in points, and the difference from the float32 source."""

    mode: str
    accuracy: float
    difference: float
    failures: list[str] = field(default_factory=list)


ALLOWED = {"float16": 0.0, "dynamic": 0.2, "int8": 0.5, "int8-full": 0.5, "int16x8": 0.0}
"""Largest loss of accuracy in points; the other modes are not limited."""


def measure_digits() -> list[DigitsRow]:
    """All modes, calibrated with 200 of the training images."""
    sys.path.insert(0, str(ROOT / "docs" / "examples" / "digits"))
    from accuracy import source_logits  # type: ignore[import-not-found]
    from split import images  # type: ignore[import-not-found]

    from nchw2nhwc.checking.litert import run_litert

    folder = ROOT / "docs" / "examples" / "digits"
    (x, labels), (train, _) = images(held_out=True), images(held_out=False)
    converted = nchw2nhwc.convert(folder / "digits.onnx")
    expected = 100 * float(np.mean(source_logits(x).argmax(1) == labels))
    rows = [DigitsRow("source", expected, 0.0)]
    for mode in MODES:
        content = converted.tflite(quantize=QuantizeOptions([mode], calibration=[{"image": train[:200]}]))
        logits = run_litert(content, converted.inputs, converted.outputs, {"image": x})["logits"]
        found = 100 * float(np.mean(logits.argmax(1) == labels))
        lost = expected - found
        failures = [f"{mode} loses {lost:.2f} points"] if mode in ALLOWED and lost > ALLOWED[mode] + 1e-9 else []
        rows.append(DigitsRow(mode, found, found - expected, failures))
    return rows


# ---- latency -----------------------------------------------------------------------------------------------------------
@dataclass
class LatencyRow:
    """Median latencies in ms with XNNPACK and one thread, the files taking turns, and the median of the rounds' ratios."""

    network: str
    milliseconds: dict[str, float]
    ratio: dict[str, float]
    failures: list[str] = field(default_factory=list)


def measure_latency(case: Case, folder: Path, seconds: float) -> LatencyRow:
    """The float32 file against the quantized ones, in one process."""
    converted = nchw2nhwc.convert(case.path, input_shape=case.input_shapes)
    files = {"float32": folder / "float32.tflite"}
    converted.save(files["float32"])
    for mode in ("dynamic", "int8", "int8-full"):
        files[mode] = folder / f"{mode}.tflite"
        converted.save(files[mode], quantize=QuantizeOptions([mode], calibration="random" if mode.startswith("int8") else None))
    loaded = {name: _loaded(file) for name, file in files.items()}
    times: dict[str, list[float]] = {name: [] for name in loaded}
    end, turn = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or turn < 5:
        order = list(loaded) if turn % 2 else list(loaded)[::-1]
        for name in order:
            start = time.perf_counter()
            loaded[name].invoke()
            times[name].append(1000 * (time.perf_counter() - start))
        turn += 1
    ratio = {name: statistics.median(a / b for a, b in zip(each, times["float32"])) for name, each in times.items() if name != "float32"}
    failures = [f"int8 takes {ratio['int8']:.2f} of float32's time"] if case.network in FAST and ratio["int8"] >= 1 else []
    return LatencyRow(case.network, {name: statistics.median(each) for name, each in times.items()}, ratio, failures)


def _loaded(file: Path) -> Interpreter:
    interpreter = Interpreter(model_path=str(file), num_threads=1, experimental_op_resolver_type=OpResolverType.AUTO)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(0)
    for detail in interpreter.get_input_details():
        values = rng.standard_normal(detail["shape"])
        scale, zero = detail["quantization"]
        interpreter.set_tensor(detail["index"], (values / scale + zero if scale else values).astype(detail["dtype"]))
    for _ in range(3):
        interpreter.invoke()
    return interpreter


if __name__ == "__main__":
    work(sys.argv[1:])
