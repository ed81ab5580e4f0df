"""Compare an earlier result with its source, on any inputs, down to single layers."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nchw2nhwc.checking import run_source, source_tensors
from nchw2nhwc.checking.closer import Pair, looked_at_closely, tensors_past_rankings
from nchw2nhwc.checking.compare import NO_LIKENESS, OutputErrors, TensorError, compare
from nchw2nhwc.checking.growth import layer_errors
from nchw2nhwc.checking.inputs import random_inputs, validate_inputs
from nchw2nhwc.checking.layers import LayerError, LayerErrors
from nchw2nhwc.checking.results import TfliteResult, open_result
from nchw2nhwc.debug.data import checked_ranges
from nchw2nhwc.debug.subject import Subject, open_subject
from nchw2nhwc.errors import OptionError
from nchw2nhwc.ir import Array
from nchw2nhwc.metadata import read_tflite
from nchw2nhwc.options import TOLERANCE_INSIDE_QUANTIZED
from nchw2nhwc.source import Model, identify
from nchw2nhwc.source.reading import read

if TYPE_CHECKING:
    from nchw2nhwc.converted import Converted


@dataclass(frozen=True)
class Comparison(OutputErrors):
    """What comparing a result with its source has shown: the error of every output over all samples, the tolerance for their `max_rel`, how
    many samples there were and, if they were asked for, the errors of the tensors inside."""

    samples: int
    layers: LayerErrors | None = None

    def to_json(self) -> bytes:
        """All of it as UTF-8 JSON; null for what is not finite."""
        layers = None if self.layers is None else {"tolerance": self.layers.tolerance, "first": self.layers.first,
                                                   "layers": [_plain(each) for each in self.layers.layers]}
        rankings = None if self.rankings is None else {kind: {name: _finite(error) for name, error in errors.items()}
                                                       for kind, errors in asdict(self.rankings).items()}
        content = {"outputs": {name: _plain(error) for name, error in self.outputs.items()}, "max_rel_error": _finite(self.max_rel_error),
                   "tolerance": self.tolerance, "min_sqnr": self.min_sqnr, "rankings": rankings,
                   "rounding": None if self.rounding is None else asdict(self.rounding),
                   "passed": self.passed, "samples": self.samples, "layers": layers}
        return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _plain(error: TensorError | LayerError) -> dict[str, object]:
    return {name: _finite(value) for name, value in asdict(error).items()}


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check(model: Model, result: str | os.PathLike[str], *, bin: str | os.PathLike[str] | bytes | None = None,
          inputs: Mapping[str, Array] | None = None, samples: int = 1, input_range: Mapping[str, Sequence[float]] | None = None,
          tolerance: float | None = None, layers: bool = False) -> Comparison:
    """Compare an earlier result with the model that it was made from.

    `model` and `bin` are as `convert` takes them, `result` is the path of the result. `inputs` are arrays by input name, in the source's
    order of axes; without them `samples` random sets are drawn: integers that are indices below what they select from, and inputs in
    `input_range` between its two bounds (integers: both included). `tolerance` is the largest error relative to an output's largest
    magnitude (default 1e-4; 1e-2 for float16; 0.1 for a quantized file). `layers` compares the tensors inside too, on the first set.

    Raises SourceError when the result does not say how it is stored or belongs to another model, CheckError when one of both does not run,
    OptionError and ShapeError for inputs that do not fit.
    """
    if samples < 1:
        raise OptionError(f"samples={samples}: at least one is needed")
    subject = open_subject(identify(model, bin), Path(result))
    made = open_result(Path(result))
    sets = [validate_inputs(subject.inputs, inputs)] if inputs is not None else draw(subject, samples, input_range or {})
    allowed = subject.tolerance(tolerance)
    pair = Pair(subject.source, lambda: read(subject.source, subject.options), subject.inputs, subject.outputs, made,
                subject.metadata.tensors)
    found = output_errors(pair, sets, allowed, subject.min_sqnr)
    inside = None
    if layers:
        within = max(allowed, TOLERANCE_INSIDE_QUANTIZED) if subject.quantized else allowed
        inside = layer_errors(subject.graph, tensor_errors(pair, sets[0], within), within)
    return Comparison(found.outputs, allowed, len(sets), inside, min_sqnr=subject.min_sqnr, rankings=found.rankings,
                      rounding=found.rounding)


def output_errors(pair: Pair, sets: Sequence[Mapping[str, Array]], tolerance: float, min_sqnr: float | None = None) -> OutputErrors:
    """The errors of the outputs over all sets of inputs; past rankings of nearly equal numbers, or with what rounding does, where they pass
    only so. Raises CheckError."""
    reference = run_source(pair.source, pair.inputs, pair.outputs, sets, pair.graph)
    found = reference.errors((pair.result.run(pair.inputs, pair.outputs, data) for data in sets), tolerance, min_sqnr)
    return found if found.passed else looked_at_closely(found, pair, reference)


def inner_errors(converted: Converted, file: Path, data: Mapping[str, Array], tolerance: float) -> LayerErrors:
    """The errors of the tensors inside the TFLite file of a conversion, for inputs by name in the source's order of axes."""
    graph = read(converted.source, converted.options)
    pair = Pair(converted.source, lambda: graph, converted.inputs, converted.outputs, TfliteResult(file),
                read_tflite(file).tensors)
    allowed = max(tolerance, TOLERANCE_INSIDE_QUANTIZED) if converted.quantized else tolerance
    return layer_errors(graph, tensor_errors(pair, data, allowed), allowed)


def draw(subject: Subject, samples: int, ranges: Mapping[str, Sequence[float]]) -> list[dict[str, Array]]:
    """Sets of random inputs. Raises OptionError for a range of an input that does not exist, or that no number is in."""
    bounds = checked_ranges(subject.inputs, ranges)
    return [random_inputs(subject.inputs, subject.limits, seed, bounds) for seed in range(samples)]


def tensor_errors(pair: Pair, data: Mapping[str, Array], tolerance: float) -> list[tuple[str, TensorError]]:
    """Run source and result once each, with all tensors kept, and compare what both have; by the source's names, in the result's order.
    Where some are above `tolerance`, those behind rankings are compared past these. Raises CheckError."""
    errors = list(_from_end_to_end(pair, data))
    if all(error.max_rel <= tolerance for _, error in errors):
        return errors
    past = tensors_past_rankings(pair, data, {name for name, _ in errors})
    return [(name, past.get(name, error)) for name, error in errors]


def _from_end_to_end(pair: Pair, data: Mapping[str, Array]) -> Iterator[tuple[str, TensorError]]:
    wanted = {name: stored for name, stored in pair.tensors.items() if stored.source not in {info.tensor for info in pair.inputs}}
    expected = source_tensors(pair.source, pair.inputs, [], data, list(dict.fromkeys(stored.source for stored in wanted.values())))
    for name, array in pair.result.tensors(pair.inputs, data, wanted):
        stored = wanted[name]
        if stored.source in expected:
            there = expected[stored.source]
            try:
                yield stored.source, compare(there, stored.to_source(array, there.shape))
            except ValueError:  # the stored tensor has not the size that it should have
                yield stored.source, NO_LIKENESS
