"""ONNX's own tests of single operators: every case whose operators are supported gives the expected result."""

from __future__ import annotations

import re

import numpy as np
import pytest
from onnx.backend.test.case.test_case import TestCase

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.parse.onnx import read_onnx
from tests.emit.node_exceptions import DISPUTED, WHILE_READING
from tests.parse.onnx.node_cases import PRECISION, cases, prepared, subjects, wanted_of


def _check(case: TestCase) -> None:
    assert case.data_sets
    for arrays, expected in case.data_sets:
        model, inputs = prepared(case.model, arrays)
        graph = read_onnx(model.SerializeToString())
        verify(graph)
        wanted_ones = wanted_of(case, arrays, expected)
        for result, wanted in zip(run(graph, {v.name: inputs[v.name] for v in graph.inputs}).values(), wanted_ones, strict=True):
            assert (result.dtype, result.shape) == (wanted.dtype, wanted.shape)
            rtol = max(case.rtol, PRECISION.get(wanted.dtype.name, 0))
            np.testing.assert_allclose(result.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=max(case.atol, rtol * 1e-2))


def _is_refused(name: str) -> bool:
    return any(re.fullmatch(pattern, name) for patterns in WHILE_READING.values() for pattern in patterns)


@pytest.mark.parametrize("op", subjects())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_operator(op: str) -> None:
    failures: dict[str, str] = {}
    for case in cases().get(op, ()):
        if _is_refused(case.name):
            continue
        try:
            _check(case)
        except (AssertionError, ConversionError) as error:
            failures[case.name] = f"{type(error).__name__}: {error}"
    assert not failures, "\n".join(f"{name}: {text[:300]}" for name, text in failures.items())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_left_out_is_refused() -> None:
    passing = []
    for case in (c for group in cases().values() for c in group if _is_refused(c.name)):
        try:
            read_onnx(case.model.SerializeToString())
            passing.append(case.name)
        except ConversionError:
            pass
    assert passing == []


def test_the_cases_are_run() -> None:
    """Guards the harness: most of ONNX's cases are about supported operators, and those that are disputed are among them."""
    found = cases()
    names = [case.name for subject in found.values() for case in subject]
    tested = [case.name for subject in set(subjects()) & found.keys() for case in found[subject] if not _is_refused(case.name)]
    assert len(tested) > 1650
    assert DISPUTED.keys() < set(tested) < set(names)
