"""Runs source and result and narrows down where they part."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product
from pathlib import Path

from nchw2nhwc.checking.closer import Pair
from nchw2nhwc.checking.growth import beginnings, compared_before, layer_errors
from nchw2nhwc.checking.results import TfliteResult
from nchw2nhwc.converted import Converted
from nchw2nhwc.debug.bisect.delegate import first_delegated
from nchw2nhwc.debug.bisect.finding import Bisection
from nchw2nhwc.debug.bisect.fixture import culprit_fixture
from nchw2nhwc.debug.bisect.loading import running, what_fails
from nchw2nhwc.debug.bisect.stages import first_operator, first_stage
from nchw2nhwc.debug.check import output_errors, tensor_errors
from nchw2nhwc.debug.data import source_data
from nchw2nhwc.debug.fixture import Region
from nchw2nhwc.errors import ConversionError, OptionError, SourceError
from nchw2nhwc.ir import Array, Graph
from nchw2nhwc.options import TOLERANCE, TOLERANCE_FLOAT16, TOLERANCE_INSIDE_QUANTIZED, ConvertOptions
from nchw2nhwc.source import Source
from nchw2nhwc.source.reading import read, settled

_TRIED = 5
"""Tensors with which an error seems to begin that are looked into before giving up."""

_WIDER = 4
"""Regions around an op that are tried for one that is wrong by itself: what passes make of an op may need what is before it."""

_LOCAL = 0.1
"""The part of the tolerance that a single op, given the right operands, may use up."""

_SHARES = (1.0, 0.01)
"""Parts of the tolerance below which tensors count as right, one after the other: what is right enough at first may hide an op whose small
error another one enlarges."""


def bisect(source: Source, options: ConvertOptions, *, inputs: Mapping[str, Array] | None = None,
           ranges: Mapping[str, tuple[float, float]] | None = None, tolerance: float | None = None,
           folder: Path | None = None) -> Bisection:
    """Convert a model and find the first stage and op with which the result differs from it.

    `inputs` are arrays by input name, in the source's order of axes; else random ones are drawn, those in `ranges` between two numbers.
    `tolerance` is the largest error relative to a tensor's largest magnitude (default 1e-4, 1e-2 for sources that compute in float16,
    5e-2 for quantized ones).
    `folder`: where the culprit is written as a fixture.

    Raises SourceError for what is no model, OptionError and ShapeError for options and inputs that do not fit, CheckError when the source
    or the result does not run.
    """
    options = settled(source, options)
    _, data = source_data(source, options, inputs, ranges or {})
    try:
        converted, content = running(source, options, data)
    except (OptionError, SourceError):
        raise
    except ConversionError as error:
        finding, rest = what_fails(source, options, data, error)
        if rest is not None:
            before, content = running(source, rest, data)
            found = _compared(before, content, data, _allowed(before, tolerance), folder)
            if found.finding is not None:  # what does not load may only be the reader of what is wrong
                return replace(found, outputs={})
        path, reproduced = culprit_fixture(source, options, data, [Region(finding.layer, finding.layer)], tolerance, folder)
        return Bisection({}, None, tolerance or TOLERANCE, finding, path, reproduced)
    return _compared(converted, content, data, _allowed(converted, tolerance), folder)


def _allowed(converted: Converted, given: float | None) -> float:
    if given is not None:
        return given
    return TOLERANCE_INSIDE_QUANTIZED if converted.quantized else TOLERANCE_FLOAT16 if converted.half else TOLERANCE


def _compared(converted: Converted, content: bytes, data: Mapping[str, Array], tolerance: float, folder: Path | None) -> Bisection:
    """The bisection of a result that runs."""
    graph = read(converted.source, converted.options)
    pair = Pair(converted.source, lambda: graph, converted.inputs, converted.outputs, TfliteResult(content), converted.inner_tensors)
    layers = layer_errors(graph, tensor_errors(pair, data, tolerance), tolerance)
    ends = output_errors(pair, [data], tolerance)
    suspects = [layers.layers[k].tensor for k in islice(beginnings(graph, layers.layers, tolerance), _TRIED)]
    entries = {info.tensor if info.preprocessing is None else info.preprocessing.raw for info in converted.inputs}
    suspects = suspects or [error.tensor for error in layers.off[:1]]
    for share, wanted in product(_SHARES, suspects):
        agreeing = {e.tensor for e in layers.layers if e.max_rel <= tolerance * share} | entries
        finding = (first_stage(converted, wanted, agreeing, data, tolerance * _LOCAL)
                   or first_operator(converted, content, wanted, agreeing, data, tolerance * _LOCAL))
        if finding is not None:
            later = [error.tensor for error in layers.off if error.tensor != wanted][:_WIDER]
            regions = [Region(finding.layer, finding.layer), *_around(graph, [wanted, *later], agreeing)]
            fixture = culprit_fixture(converted.source, converted.options, data, regions, tolerance * _LOCAL, folder)
            return Bisection(ends.outputs, layers, tolerance, finding, *fixture, ends.rankings, ends.rounding)
    finding = None
    if not layers.off and not ends.passed:
        finding = first_delegated(converted, content, data, tolerance)
    regions = [Region(finding.layer, finding.layer)] if finding is not None else []
    fixture = culprit_fixture(converted.source, converted.options, data, regions, tolerance, folder)
    return Bisection(ends.outputs, layers, tolerance, finding, *fixture, ends.rankings, ends.rounding)


def _around(graph: Graph, off: Sequence[str], agreeing: Collection[str]) -> Iterator[Region]:
    """Regions that begin with tensors which agree and end with one that is off: from the nearest tensors before the first that is off, from
    those before them, and so on; then from there to tensors that are off further on."""
    values = {v.origin: v for v in graph.values() if v.origin}
    stops = [values[off[0]]] if off[0] in values else []
    for _ in range(_WIDER):
        stops = list({v.origin: v for stop in stops for v in compared_before(stop, agreeing) or [stop]}.values())
        if stops and off[0] not in {v.origin for v in stops}:
            yield Region("", off[0], tuple(v.origin for v in stops))
    for last in off[1:] if stops else ():
        yield Region("", last, tuple(v.origin for v in stops))
