"""What a conversion did, as plain data: `Converted.report`, `--report`, and what the summary prints. Described in docs/report.md."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from nchw2nhwc.checking import CheckResult
from nchw2nhwc.interface import TensorInfo

if TYPE_CHECKING:
    from nchw2nhwc.converted import Converted
    from nchw2nhwc.emit.tflite.integers import Integers
    from nchw2nhwc.errors import Location
    from nchw2nhwc.quantize.accuracy import Accuracy


class PreprocessingReport(TypedDict):
    """What the result does to raw data before it is what the source takes: `(x - mean) / scale`, with the channels of `x` reversed before
    that if `reverse_channels` says so. One number for all channels, or one for each in the source's order of them."""

    mean: list[float]
    scale: list[float]
    reverse_channels: bool


class TensorReport(TypedDict):
    """`result = source.transpose(perm)`; -1 is a dimension of any size. `preprocessing` is null for an input that takes what the source
    takes, and for outputs."""

    name: str
    source_shape: list[int]
    shape: list[int]
    perm: list[int]
    dtype: str
    preprocessing: PreprocessingReport | None


class OpsReport(TypedDict):
    """Number of ops before and after."""

    source: int
    result: int


class TransposesReport(TypedDict):
    """Transposes that the layout leaves and the bytes they move in one run, dimensions of any size counted as 1; whether less is proven
    impossible, and if not, the part of the layout's cost by which it might be less. `operators` is how many the result has: some become
    part of what is next to them."""

    count: int
    operators: int
    bytes: int
    proven_minimal: bool
    gap: float


class RankingsReport(TypedDict):
    """A check past rankings: `tensors` are the errors of the source's tensors that rankings read. Errors of outputs behind them are those
    that arise from the result's own tensors on; `end_to_end` has them from the inputs on."""

    tensors: dict[str, float | None]
    end_to_end: dict[str, float | None]


class RoundingReport(TypedDict):
    """What rounding does to outputs of which some are above the tolerance: `moved`, how far the source's own move when inputs change in
    their last bit; `allowed`, how far those of the result may be off for that reason. Relative to each output's largest magnitude."""

    moved: dict[str, float]
    allowed: dict[str, float]


class ErrorsReport(TypedDict):
    """Errors relative to each output's largest magnitude; null for one that cannot be compared (NaN or infinity on one side).

    `sqnr` is the ratio of signal to noise of each output in decibels, from -200 to 200 (no noise). The outputs of a quantized source pass
    with at least `min_sqnr`; it is null for other sources.

    `rankings` is null unless nearly equal numbers rank in another order than in the source, `rounding` unless outputs are above the
    tolerance by no more than rounding. `uniform` are outputs that the source makes one number throughout, which says nothing about the
    layers before.
    """

    outputs: dict[str, float | None]
    max_rel_error: float | None
    tolerance: float
    sqnr: dict[str, float]
    min_sqnr: float | None
    rankings: RankingsReport | None
    rounding: RoundingReport | None
    uniform: list[str]
    passed: bool


class FallbackReport(TypedDict):
    """An operator that the device does not run: its kind by the TFLite schema's name, the source's layer and its type, and the reason."""

    op: str
    layer: str
    type: str
    reason: str


class TargetReport(TypedDict):
    """The device that the TFLite file is for; of `file` (float32, or the one that was quantized for the device, by its mode) the number of
    operators, and those among them that the device does not run."""

    name: str
    file: str
    ops: int
    fallbacks: list[FallbackReport]


class CheckReport(ErrorsReport):
    """The check of the float32 file or, where none was made, of the Keras model; `passed` says that all that was checked passed. `float16`
    and `keras` are null when there was no such result."""

    float16: ErrorsReport | None
    keras: ErrorsReport | None


class LayerNote(TypedDict):
    """A layer of the source and what is to be said about it."""

    layer: str
    type: str
    reason: str


class QuantizedReport(TypedDict):
    """What the TFLite file computes with integers because the source does. `float` are layers that compute in float on what the source
    quantizes, `remarks` say what else is not quite the source's."""

    integer_convolutions: int
    convolutions: int
    integer_products: int
    products: int
    integer_ops: int
    float: list[LayerNote]
    remarks: list[LayerNote]


class QuantizationOutputReport(TypedDict):
    """An output of a quantized file: signal to quantization noise ratio in dB (200: no difference; -200: not comparable) and cosine over
    all samples; the share of equal elements of integers and truth values; of classifiers in which share of rows the largest, or one of
    the five largest, is the source's largest. Null where it does not apply."""

    sqnr: float
    cosine: float
    equal: float | None
    top1: float | None
    top5: float | None


class QuantizationLayerReport(TypedDict):
    """A tensor inside a quantized file: its name there, the source's layer and type, SQNR against the float32 file, and what that would be
    if only the noise counted that is not in its operator's operands already."""

    tensor: str
    layer: str
    type: str
    sqnr: float
    own: float


class QuantizationReport(TypedDict):
    """How far a quantized file is from the source; `data` says on what that was measured, `plain` is the SQNR of each output on the first
    sample with LiteRT's built-in kernels, `kept` the layers that were kept finer to reach what was asked for (of a source that is quantized
    already with what is done otherwise there)."""

    outputs: dict[str, QuantizationOutputReport]
    plain: dict[str, float]
    layers: list[QuantizationLayerReport]
    samples: int
    data: str
    sqnr: float
    min_sqnr: float
    passed: bool
    kept: list[str]


class FileReport(TypedDict):
    """A file that was written."""

    path: str
    bytes: int


class Report(TypedDict):
    """The whole report. `notes` say what is not as in the source, or needs care: element types that are computed in others, for
    instance."""

    inputs: list[TensorReport]
    outputs: list[TensorReport]
    ops: OpsReport
    transposes: TransposesReport
    target: TargetReport | None
    quantized: QuantizedReport | None
    check: CheckReport | None
    quantizations: dict[str, QuantizationReport]
    files: dict[str, FileReport]
    seconds: dict[str, float]
    notes: list[str]


def build_report(converted: Converted) -> Report:
    """The report of what has happened to `converted` so far."""
    layout, stages = converted.layout, converted.stages
    return {
        "inputs": [_tensor(info) for info in converted.inputs],
        "outputs": [_tensor(info) for info in converted.outputs],
        "ops": {"source": converted.source_ops, "result": converted.result_ops},
        "transposes": {"count": len(layout.transposes), "operators": converted.transpose_operators,
                       "bytes": sum(t.bytes for t in layout.transposes), "proven_minimal": layout.proven, "gap": layout.gap},
        "target": _target(converted),
        "quantized": _quantized(converted.integers),
        "check": _check(converted.checks),
        "quantizations": {mode: _quantization(accuracy) for mode, accuracy in converted.accuracy.items()},
        "files": {kind: {"path": str(path), "bytes": size} for kind, (path, size) in converted.files.items()},
        "seconds": {**{name: round(s, 6) for name, s in stages.seconds.items()}, "total": round(stages.total, 6)},
        "notes": list(dict.fromkeys(layout.graph.notes)),
    }


def _target(converted: Converted) -> TargetReport | None:
    judged = converted.judged()
    if judged is None:
        return None
    found: list[FallbackReport] = [{"op": f.op, "layer": f.layer, "type": f.type, "reason": f.reason} for f in judged.fallbacks]
    return {"name": converted.options.target, "file": judged.file, "ops": judged.ops, "fallbacks": found}


def interface_json(inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> bytes:
    """The report's `inputs` and `outputs` as compact UTF-8 JSON: what a result says about its layouts in its own metadata."""
    content = {"inputs": [_tensor(info) for info in inputs], "outputs": [_tensor(info) for info in outputs]}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def to_json(report: Report) -> bytes:
    """The report as UTF-8 JSON."""
    return (json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _tensor(info: TensorInfo) -> TensorReport:
    return {"name": info.name, "source_shape": list(info.source_shape), "shape": list(info.shape), "perm": list(info.perm),
            "dtype": info.dtype.name, "preprocessing": _preprocessing(info)}


def _preprocessing(info: TensorInfo) -> PreprocessingReport | None:
    found = info.preprocessing
    if found is None:
        return None
    return {"mean": list(found.mean), "scale": list(found.scale), "reverse_channels": found.reverse}


def _quantized(found: Integers | None) -> QuantizedReport | None:
    if found is None:
        return None

    def notes(entries: Sequence[tuple[Location, str]]) -> list[LayerNote]:
        return [{"layer": where.layer, "type": where.type, "reason": reason} for where, reason in entries]

    return {"integer_convolutions": found.convolutions[0], "convolutions": found.convolutions[1], "integer_products": found.products[0],
            "products": found.products[1], "integer_ops": found.nodes, "float": notes(found.floats), "remarks": notes(found.remarks)}


def _check(checks: dict[str, CheckResult]) -> CheckReport | None:
    if not checks:
        return None
    first = checks.get("float32") or next(iter(checks.values()))
    others = {kind: errors_report(checks[kind]) if kind in checks else None for kind in ("float16", "keras")}
    return {**errors_report(first), "passed": all(check.passed for check in checks.values()), "float16": others["float16"],
            "keras": others["keras"]}


def _quantization(accuracy: Accuracy) -> QuantizationReport:
    return {"outputs": {name: {"sqnr": o.sqnr, "cosine": o.cosine, "equal": o.equal, "top1": o.top1, "top5": o.top5}
                        for name, o in accuracy.outputs.items()},
            "plain": dict(accuracy.plain),
            "layers": [{"tensor": each.tensor, "layer": each.layer, "type": each.type, "sqnr": each.sqnr, "own": each.own}
                       for each in accuracy.layers],
            "samples": accuracy.samples, "data": accuracy.data, "sqnr": accuracy.sqnr, "min_sqnr": accuracy.min_sqnr,
            "passed": accuracy.passed, "kept": list(accuracy.kept)}


def errors_report(check: CheckResult) -> ErrorsReport:
    """The outcome of one check."""
    def plain(error: float) -> float | None:
        return error if math.isfinite(error) else None

    return {"outputs": {name: plain(error) for name, error in check.outputs.items()}, "max_rel_error": plain(check.max_rel_error),
            "tolerance": check.tolerance, "sqnr": {name: round(ratio, 2) for name, ratio in check.sqnr.items()},
            "min_sqnr": check.min_sqnr, "rankings": None if check.rankings is None else
            {"tensors": {name: plain(error) for name, error in check.rankings.tensors.items()},
             "end_to_end": {name: plain(error) for name, error in check.rankings.end_to_end.items()}},
            "rounding": None if check.rounding is None else {"moved": dict(check.rounding.moved), "allowed": dict(check.rounding.allowed)},
            "uniform": list(check.uniform), "passed": check.passed}
