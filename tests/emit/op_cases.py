"""Models of one operator through a whole target: ONNX's node tests and the OpenVINO cases are converted, run through their declared
layouts, and compared with what ONNX and OpenVINO say. The targets have one runner and a list of exceptions each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from onnx import ModelProto

from nchw2nhwc.checking.compare import relative_error
from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir import Array
from nchw2nhwc.ops.kinds import kind_of
from tests.parse.onnx.node_cases import TOLERANCE, all_subjects, cases, prepared, tolerance_of, wanted_of
from tests.parse.openvino import harness
from tests.parse.openvino.all_cases import FAMILIES

Run: TypeAlias = Callable[[Mapping[str, Array]], Mapping[str, Sequence[Array]]]
"""Runs a converted model: inputs by name to the outputs in each of the target's runtimes, all in the source's axis order."""

Target: TypeAlias = Callable[[ModelProto | Path], Run]
"""Converts a model. Raises ConversionError."""

@dataclass(frozen=True)
class OpCase:
    """A model, its inputs by name, and its outputs. The name ends in " constants" when only the first operand is an input."""

    name: str
    model: ModelProto | Path
    data: Mapping[str, Array]
    wanted: Sequence[Array]
    tolerance: float


@dataclass(frozen=True)
class Exceptions:
    """Cases that a target cannot do. Patterns are regular expressions for whole names."""

    refused: Mapping[str, Sequence[str]]
    """Reason to the cases whose conversion is a ConversionError."""

    deviating: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Runtime to the cases whose result is another one there, because of the runtime."""

    def lists(self, name: str) -> bool:
        """Whether the conversion of a case has to be an error."""
        return _matches(name, self.refused.values())

    def unused(self, names: Iterable[str]) -> list[str]:
        """The patterns that no name matches."""
        known = list(names)
        patterns = [p for group in (*self.refused.values(), *self.deviating.values()) for p in group]
        return [p for p in patterns if not any(re.fullmatch(p, name) for name in known)]


CARRIERS = {"int4": np.int8, "int2": np.int8, "uint4": np.uint8, "uint2": np.uint8}
"""What narrow integers are in a result."""


def _matches(name: str, groups: Iterable[Sequence[str]]) -> bool:
    return any(re.fullmatch(pattern, name) for group in groups for pattern in group)


# ---- where the cases come from -----------------------------------------------------------------------------------------
def onnx_cases(subject: str) -> Iterator[OpCase]:
    """ONNX's cases of an operator, as they are and with all inputs but the first as constants."""
    for case in cases().get(subject, ()):
        for arrays, expected in case.data_sets:
            wanted = wanted_of(case, arrays, expected)
            tolerance = tolerance_of(case, wanted)
            model, data = prepared(case.model, arrays)
            yield OpCase(case.name, model, data, wanted, tolerance)
            if len(data) > 1:
                model, data = prepared(case.model, arrays, constants=True)
                yield OpCase(f"{case.name} constants", model, data, wanted, tolerance)


def all_names() -> list[str]:
    """The names that cases can have."""
    from onnx.backend.test.loader import load_model_tests

    plain = [case.name for group in cases().values() for case in group] + [case.name for family in FAMILIES.values() for case in family]
    plain += [case.name for kind in ("simple", "pytorch-converted") for case in load_model_tests(kind=kind)]
    return [*plain, *(f"{name} constants" for name in plain)]


def openvino_cases(given: Sequence[harness.Case], folder: Path) -> Iterator[OpCase]:
    """OpenVINO cases, as they are and with all inputs but the first as constants; their files go into `folder`."""
    for number, case in enumerate(given):
        model, data = harness.model_of(case), harness.data_for(case)
        wanted = harness.expected(case, model, data)
        tolerance = max(TOLERANCE, case.tolerance)
        yield OpCase(case.name, harness.saved(model, folder, str(number)), data, wanted, tolerance)
        if len(data) > 1:
            first, *others = data
            fixed = harness.saved(harness.model_of(case, {name: data[name] for name in others}), folder, f"{number}_constants")
            yield OpCase(f"{case.name} constants", fixed, {first: data[first]}, wanted, tolerance)


# ---- running them ------------------------------------------------------------------------------------------------------
def complaints(given: Iterable[OpCase], target: Target, exceptions: Exceptions) -> list[str]:
    """What is wrong: cases with another result, cases that are refused without being listed, and listed ones that are not refused.

    Anything but a ConversionError while converting, and any error while running, is raised.
    """
    return [f"{case.name}: {text}" for case in given if (text := _complaint(case, target, exceptions))]


def _complaint(case: OpCase, target: Target, exceptions: Exceptions) -> str:
    listed = exceptions.lists(case.name)
    try:
        run = target(case.model)
    except ConversionError as error:
        return "" if listed else f"{type(error).__name__}: {error}"
    if listed:
        return "listed as an exception, but it is converted"
    for runtime, results in run(case.data).items():
        wrong = difference(case, results)
        if _matches(case.name, [exceptions.deviating.get(runtime, ())]):
            wrong = "" if wrong else "listed as deviating, but it agrees"
        if wrong:
            return f"{runtime}: {wrong}"
    return ""


def difference(case: OpCase, results: Sequence[Array]) -> str:
    """What is wrong with the results of a case; "" if nothing is."""
    for result, array in zip(results, case.wanted, strict=True):
        carrier = np.float32 if kind_of(array.dtype) == "floating point" else CARRIERS.get(array.dtype.name, array.dtype)
        wanted = array.astype(carrier)
        if (result.dtype, result.shape) != (wanted.dtype, wanted.shape):
            return f"{result.dtype}{result.shape} instead of {wanted.dtype}{wanted.shape}"
        if wanted.dtype == np.float32:  # kernels saturate instead of giving infinities
            saturated = np.isinf(wanted) & (np.abs(result) == np.finfo(np.float32).max) & (np.sign(result) == np.sign(wanted))
            result = np.where(saturated, wanted, result)
        error = relative_error(wanted, result)
        if error > (case.tolerance if wanted.dtype == np.float32 else 0):
            return f"error {error:.2g}: {result.ravel()[:8]} instead of {wanted.ravel()[:8]}"
    return ""


class OpCaseTests:
    """The tests of a target: a subclass says how it converts and what its exceptions are."""

    exceptions: Exceptions
    target: Target

    @pytest.mark.parametrize("subject", all_subjects())
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_onnx(self, subject: str) -> None:
        wrong = complaints(onnx_cases(subject), self.target, self.exceptions)
        assert not wrong, "\n".join(wrong)

    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_openvino(self, family: str, tmp_path: Path) -> None:
        wrong = complaints(openvino_cases(FAMILIES[family], tmp_path), self.target, self.exceptions)
        assert not wrong, "\n".join(wrong)

    def test_every_exception_is_about_a_case(self) -> None:
        unused = self.exceptions.unused(all_names())
        assert not unused, "\n".join(unused)
