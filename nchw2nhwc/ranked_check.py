"""The check of a TFLite file past rankings of nearly equal numbers: `check.rankings` for a conversion's own file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from nchw2nhwc.check import CheckResult, Rankings, Reference, source_tensors
from nchw2nhwc.check.litert import litert_outputs
from nchw2nhwc.check.rankings import RankingErrors, Run, compare_in_parts, in_parts, worst_in_parts
from nchw2nhwc.conversion import read
from nchw2nhwc.errors import CheckError
from nchw2nhwc.interface import TensorInfo
from nchw2nhwc.ir import Array
from nchw2nhwc.ir.stored import Stored
from nchw2nhwc.source import Format

if TYPE_CHECKING:
    from nchw2nhwc.converted import Converted
    from nchw2nhwc.emit.tflite import FlatBuffer

_INSIDE = "inside:"


def past_rankings(converted: Converted, reference: Reference, outcome: CheckResult, file: FlatBuffer) -> CheckResult:
    """`outcome`, of a file that is off, with the outputs behind rankings compared part by part; the same where there are none, and where
    the file is off by more than the order of nearly equal numbers.

    The file runs once more, with the tensors that rankings read as outputs. Raises CheckError when it does not.
    """
    tensors: dict[str, tuple[str, Stored]] = {}
    for name, stored in converted.inner_tensors.items():
        tensors.setdefault(stored.source, (name, stored))
    parts = in_parts(read(converted.source, converted.options), tensors.keys(), free=converted.source.format is Format.OPENVINO)
    outputs = {info.name: info for info in converted.outputs}
    if not parts.inside or any(not outputs[name].tensor for name in parts.behind):
        return outcome
    content = file.giving_out({_INSIDE + name: tensors[name][0] for name in parts.inside}).tobytes()
    relations = {name: tensors[name][1] for name in parts.inside}
    runs = []
    for each in reference.runs:
        found = litert_outputs(content, converted.inputs, each.data)
        actual = {name: info.to_source(found[name]) for name, info in outputs.items() if name in parts.behind}
        inside = {name: found[_INSIDE + name] for name in parts.inside}
        try:
            runs.append(compare_in_parts(parts, _runner(converted, each.data), inside, relations, outputs, actual))
        except CheckError:  # the source's runtime does not take tensors as far off as these
            return outcome
    past = _past(outcome, worst_in_parts(runs))
    return past if past.passed else outcome


def _past(outcome: CheckResult, found: RankingErrors) -> CheckResult:
    """An outcome in which the outputs behind rankings have the errors that were found part by part."""
    errors = {name: found.outputs[name].max_rel if name in found.outputs else error for name, error in outcome.outputs.items()}
    noise = {name: found.outputs[name].sqnr if name in found.outputs else ratio for name, ratio in outcome.sqnr.items()}
    rankings = Rankings({name: error.max_rel for name, error in found.tensors.items()},
                        {name: error for name, error in outcome.outputs.items() if name in found.outputs})
    return replace(outcome, outputs=errors, sqnr=noise, rankings=rankings)


def _runner(converted: Converted, data: Mapping[str, Array]) -> Run:
    """Runs the source on these inputs and on tensors inside it."""
    def run(entries: list[TensorInfo], wanted: list[str], given: Mapping[str, Array]) -> dict[str, Array]:
        return source_tensors(converted.source, [*converted.inputs, *entries], wanted, {**data, **given})

    return run
