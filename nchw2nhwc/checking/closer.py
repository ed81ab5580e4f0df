"""A closer look at any result that is off from any source: past rankings of nearly equal numbers (see `checking.rankings`), and beside what
rounding does (see `checking.rounding`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from nchw2nhwc.checking import Reference, source_outputs, source_tensors
from nchw2nhwc.checking.compare import OutputErrors, TensorError
from nchw2nhwc.checking.rankings import End, RankingErrors, Run, compare_in_parts, in_parts, worst_in_parts
from nchw2nhwc.checking.results import Result
from nchw2nhwc.checking.rounding import measure
from nchw2nhwc.errors import CheckError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array, Graph
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.options import TOLERANCE
from nchw2nhwc.source import Format, Source


@dataclass(frozen=True)
class Pair:
    """A source and a result of it, with what comparing them takes: the source's graph, cut as the result is; inputs and outputs as both
    know them; and by its names in the result how each tensor inside is stored."""

    source: Source
    graph: Callable[[], Graph]
    inputs: Sequence[TensorInfo]
    outputs: Sequence[TensorInfo]
    result: Result
    tensors: Mapping[str, Stored]

    def run(self, data: Mapping[str, Array]) -> Run:
        """Runs the source on inputs by name, and on tensors inside it."""
        def run(entries: list[TensorInfo], wanted: list[str], given: Mapping[str, Array]) -> dict[str, Array]:
            return source_tensors(self.source, [*self.inputs, *entries], wanted, {**data, **given})

        return run

    def by_source(self) -> dict[str, tuple[str, Stored]]:
        """By the source's names of tensors, the first of the result that equals each, and how it is stored."""
        there = self.result.names()
        found: dict[str, tuple[str, Stored]] = {}
        for name, stored in self.tensors.items():
            if name in there:
                found.setdefault(stored.source, (name, stored))
        return found

    @property
    def is_free(self) -> bool:
        """Whether the source's rankings may take any of equal numbers."""
        return self.source.format is Format.OPENVINO


def outputs_past_rankings(pair: Pair, samples: Sequence[Mapping[str, Array]]) -> RankingErrors | None:
    """The errors of the outputs behind rankings over all samples (inputs by name), compared part by part; None where there are none, and
    where the source does not run from numbers as far off as the result's.

    The result runs once more, with the tensors that rankings read as outputs. Raises CheckError when it does not.
    """
    tensors = pair.by_source()
    parts = in_parts(pair.graph(), tensors.keys(), free=pair.is_free)
    outputs = {info.name: info for info in pair.outputs}
    if not parts.inside or any(not outputs[name].tensor for name in parts.behind):
        return None
    relations = {name: tensors[name][1] for name in parts.inside}
    runs = []
    for data in samples:
        actual, found = pair.result.run_with(pair.inputs, pair.outputs, data, [tensors[name][0] for name in parts.inside])
        ends = {name: End(outputs[name].tensor, partial(_as_it_is, actual[name])) for name in parts.behind}
        inside = {name: found[tensors[name][0]] for name in parts.inside}
        try:
            runs.append(compare_in_parts(parts, pair.run(data), inside, relations, ends))
        except CheckError:  # the source's runtime does not take tensors as far off as these
            return None
    return worst_in_parts(runs)


def tensors_past_rankings(pair: Pair, data: Mapping[str, Array], available: Collection[str]) -> Mapping[str, TensorError]:
    """The errors of the tensors behind rankings among those that are `available` in source and result (by the source's names), compared
    part by part; none where the source does not run from numbers as far off as the result's. Raises CheckError when the result does not
    run."""
    tensors = {name: each for name, each in pair.by_source().items() if name in available}
    parts = in_parts(pair.graph(), tensors.keys(), free=pair.is_free, inside=True)
    if not parts.inside:
        return {}
    arrays = dict(pair.result.tensors(pair.inputs, data, {name for name, _ in tensors.values()}))
    inside = {source: arrays[name] for source, (name, _) in tensors.items()}
    stored = {source: relation for source, (_, relation) in tensors.items()}
    ends = {name: End(name, partial(stored[name].to_source, inside[name])) for name in parts.behind}
    try:
        found = compare_in_parts(parts, pair.run(data), inside, stored, ends)
    except CheckError:  # the source's runtime does not take tensors as far off as these
        return {}
    return {**found.ends, **found.tensors}


def _as_it_is(array: Array, shape: tuple[int, ...]) -> Array:
    """An output, which is compared in its own shape."""
    return array


def looked_at_closely(errors: OutputErrors, pair: Pair, reference: Reference) -> OutputErrors:
    """`errors`, of a result that is off from end to end, where it passes past rankings of nearly equal numbers, or because it is off by no
    more than rounding, where the tolerance leaves room for that; the same where it does neither. Raises CheckError."""
    samples = [each.data for each in reference.runs]
    ranked = outputs_past_rankings(pair, samples)
    past = errors if ranked is None else replace(errors, outputs={**errors.outputs, **ranked.ends}, rankings=ranked.beside(errors.relative))
    if past.passed or errors.tolerance < TOLERANCE:
        return past if past.passed else errors
    rounded = replace(errors, rounding=measure(lambda data: source_outputs(pair.source, pair.inputs, pair.outputs, data, pair.graph),
                                               pair.graph(), samples, [each.expected for each in reference.runs]))
    return rounded if rounded.passed else errors
