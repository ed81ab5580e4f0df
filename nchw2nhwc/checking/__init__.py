"""Compare a result with its source: both run on the same inputs, outputs are compared through the declared layouts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from nchw2nhwc.checking.compare import SMALLEST, OutputErrors, Rankings, Rounding, TensorError, agree, compare, worst_of
from nchw2nhwc.checking.inputs import random_inputs, sample_sizes, validate_inputs
from nchw2nhwc.checking.litert import run_litert
from nchw2nhwc.checking.positions import fitted, positions
from nchw2nhwc.errors import CheckError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array, Graph
from nchw2nhwc.source import Format, Source

__all__ = ["CheckResult", "MissingRuntimeError", "Rankings", "Reference", "Rounding", "reference"]

RUNTIMES = {Format.ONNX: "onnxruntime", Format.OPENVINO: "openvino"}
"""The package that runs a source format."""


class MissingRuntimeError(CheckError):
    """The package that runs the source is not installed."""

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(f"{package} is not installed, so the source cannot be run", advice="pip install 'nchw2nhwc[check]'")


@dataclass(frozen=True)
class CheckResult:
    """The error of every output (see `relative_error`) and the tolerance it is held against.

    Of a quantized source, `sqnr` is the ratio of signal to noise of every output in decibels (200: no noise), and `min_sqnr` what it is
    held against: an error of one step is then none.

    `rankings` is there where nearly equal numbers rank in another order: outputs behind rankings are then compared from the result's own
    numbers on, see `checking.rankings`. `rounding` is there where outputs are above the tolerance, but as near as rounding lets them be,
    see `checking.rounding`.

    `uniform` are the floating point outputs that the source makes one number throughout, as untrained networks with a last layer of zeros
    do: that says nothing about the layers before.
    """

    outputs: Mapping[str, float]
    tolerance: float
    sqnr: Mapping[str, float] = field(default_factory=dict)
    min_sqnr: float | None = None
    rankings: Rankings | None = None
    uniform: tuple[str, ...] = ()
    rounding: Rounding | None = None

    @property
    def max_rel_error(self) -> float:
        """The largest error, of what rankings read too; 0 for a model without outputs."""
        read = 0.0 if self.rankings is None else self.rankings.max_rel_error
        return max(read, *self.outputs.values(), 0.0)

    @property
    def least_sqnr(self) -> float:
        """The smallest ratio of signal to noise."""
        return min(self.sqnr.values(), default=math.inf)

    @property
    def passed(self) -> bool:
        agreeing = agree(self.outputs, self.tolerance, self.rankings, self.rounding)
        return agreeing or (self.min_sqnr is not None and self.least_sqnr >= self.min_sqnr)


@dataclass(frozen=True)
class Reference:
    """What the source computes: `data` in, `expected` out, both by name and in the source's axis order; `more`: the same for other sizes of
    what is open."""

    inputs: Sequence[TensorInfo]
    outputs: Sequence[TensorInfo]
    data: Mapping[str, Array]
    expected: Mapping[str, Array]
    more: tuple[Reference, ...] = ()

    def compare(self, result: Path | bytes, tolerance: float, min_sqnr: float | None = None) -> OutputErrors:
        """Run a TFLite file, or its content, on the same inputs. Raises CheckError when it does not run."""
        return self.errors([run_litert(result, self.inputs, self.outputs, each.data) for each in self.runs], tolerance, min_sqnr)

    @property
    def runs(self) -> tuple[Reference, ...]:
        """This and `more`, one after the other."""
        return (self, *self.more)

    def errors(self, actual: Iterable[Mapping[str, Array]], tolerance: float, min_sqnr: float | None = None) -> OutputErrors:
        """Compare outputs by name, in the source's axis order, one mapping for each of `runs`; the largest error of each counts."""
        found: dict[str, list[TensorError]] = {name: [] for name in self.expected}
        for each, outputs in zip(self.runs, actual, strict=True):
            for name, errors in found.items():
                errors.append(compare(each.expected[name], outputs[name]))
        return OutputErrors({name: worst_of(errors) for name, errors in found.items()}, tolerance, min_sqnr=min_sqnr)

    def outcome(self, errors: OutputErrors) -> CheckResult:
        """What errors of the outputs come to."""
        uniform = tuple(name for name in self.expected if _is_uniform([each.expected[name] for each in self.runs]))
        sqnr = {name: error.sqnr for name, error in errors.outputs.items()}
        return CheckResult(errors.relative, errors.tolerance, sqnr, errors.min_sqnr, errors.rankings, uniform, errors.rounding)


def _is_uniform(runs: Sequence[Array]) -> bool:
    """Whether floating point tensors of several elements are one number throughout, as far as `compare` tells numbers apart."""
    first = runs[0]
    if first.dtype.kind != "f" or first.size < 2:
        return False
    return all(bool(np.isclose(each, first.flat[0], rtol=0.0, atol=SMALLEST).all()) for each in runs)


def reference(source: Source, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], given: Mapping[str, Array] | None = None,
              limits: Mapping[str, range] | None = None, graph: Callable[[], Graph] | None = None,
              stored: Graph | None = None) -> Reference:
    """Run the source on `given` inputs (by name, in its axis order), or on random ones: see `random_inputs`, which takes `limits`. Where
    sizes are open it runs twice, with `drawn_sizes`. `graph` is as for `source_outputs`.

    Raises MissingRuntimeError when the source's runtime is not installed, CheckError when it does not run the model, OptionError and
    ShapeError for inputs that do not fit.
    """
    if given is not None:
        samples = [validate_inputs(inputs, given)]
    else:
        samples = [random_inputs(inputs, limits or {}, sizes=sizes) for sizes in drawn_sizes(inputs, graph, stored)]
    return run_source(source, inputs, outputs, samples, graph)


def run_source(source: Source, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], samples: Sequence[Mapping[str, Array]],
               graph: Callable[[], Graph] | None = None) -> Reference:
    """Run the source on each of `samples`, at least one. `graph` is as for `source_outputs`. Raises MissingRuntimeError, CheckError."""
    first, *more = (Reference(inputs, outputs, data, source_outputs(source, inputs, outputs, data, graph)) for data in samples)
    return replace(first, more=tuple(more))


def drawn_sizes(inputs: Sequence[TensorInfo], graph: Callable[[], Graph] | None, stored: Graph | None) -> list[dict[str, int]]:
    """Numbers for what is open, for each run on random inputs: `sample_sizes` for the graph `stored`, changed so that the `positions` of
    the source's graph fit."""
    runs = sample_sizes(inputs, stored)
    needs = positions(graph()) if graph is not None and runs[0] else []
    return [fitted(needs, sizes) for sizes in runs]


def source_outputs(source: Source, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], data: Mapping[str, Array],
                   graph: Callable[[], Graph] | None = None) -> dict[str, Array]:
    """Run the source once: its outputs by name. Those that only the result has are computed by `graph()`, which has to be the source's
    graph with them, from the source's tensors. Raises MissingRuntimeError, CheckError."""
    own = {info.name: info.tensor for info in outputs if info.tensor}
    added = [info.name for info in outputs if not info.tensor]
    if not added:
        arrays = source_tensors(source, inputs, list(own.values()), data)
        return {name: arrays[tensor] for name, tensor in own.items()}
    from nchw2nhwc.checking.added import before, compute

    assert graph is not None, "outputs that the source does not have"
    part = before(graph(), added)
    arrays = source_tensors(source, inputs, [*own.values(), *(v.origin or v.name for v in part.inputs)], data)
    made = compute(part, arrays)
    return {info.name: arrays[info.tensor] if info.tensor else made[info.name] for info in outputs}


def source_tensors(source: Source, inputs: Sequence[TensorInfo], wanted: Sequence[str], data: Mapping[str, Array],
                   optional: Sequence[str] = (), *, by_itself: bool = False) -> dict[str, Array]:
    """Run the source once: tensors by their names in it, those of `optional` that it has included. `data` is by input name, in its order of
    axes, and raw where the result preprocesses it. `by_itself`: with what the runtime fuses, which leaves out roundings that a quantized
    source has. Raises MissingRuntimeError, CheckError."""
    try:
        if source.format is Format.ONNX:
            from nchw2nhwc.checking.onnx_source import run_onnx as run
        else:
            from nchw2nhwc.checking.openvino_source import run_openvino as run
        return run(source, inputs, wanted, {info.name: info.to_network(data[info.name]) for info in inputs}, optional, by_itself=by_itself)
    except ImportError:
        raise MissingRuntimeError(RUNTIMES[source.format]) from None
