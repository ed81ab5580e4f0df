"""ONNX's own tests of single operators: every case whose operators are supported gives the expected result."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.backend.test.case.test_case import TestCase

from nchw2nhwc.errors import ConversionError, UnsupportedOpsError
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.parse.onnx import read_onnx
from nchw2nhwc.parse.onnx.registry import MAPPINGS
from tests.parse.onnx.node_cases import EXCLUDED, PRECISION, array_of, cases, prepared, subjects


def _check(case: TestCase) -> None:
    assert case.data_sets
    for arrays, expected in case.data_sets:
        model, inputs = prepared(case, arrays)
        graph = read_onnx(model.SerializeToString())
        verify(graph)
        for result, given in zip(run(graph, {v.name: inputs[v.name] for v in graph.inputs}).values(), expected):
            wanted = array_of(given)
            assert (result.dtype, result.shape) == (wanted.dtype, wanted.shape)
            rtol = max(case.rtol, PRECISION.get(wanted.dtype.name, 0))
            np.testing.assert_allclose(result.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=max(case.atol, rtol * 1e-2))


@pytest.mark.parametrize("op", subjects())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_operator(op: str) -> None:
    failures: dict[str, str] = {}
    for case in cases().get(op, ()):
        if case.name.startswith(tuple(EXCLUDED)):
            continue
        try:
            _check(case)
        except UnsupportedOpsError as error:
            # Definitions may use operators that are not supported; an operator with a mapping may not.
            if ("", op) in MAPPINGS:
                failures[case.name] = str(error)
        except (AssertionError, ConversionError) as error:
            failures[case.name] = f"{type(error).__name__}: {error}"
    assert not failures, "\n".join(f"{name}: {text[:300]}" for name, text in failures.items())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_left_out_does_not_work() -> None:
    passing = []
    for case in (c for group in cases().values() for c in group if c.name.startswith(tuple(EXCLUDED))):
        try:
            _check(case)
            passing.append(case.name)
        except (AssertionError, ConversionError):
            pass
    assert passing == []


def test_the_cases_are_run() -> None:
    """Guards the harness: most of ONNX's cases are about supported operators, and every exclusion still has a case."""
    found = cases()
    names = [case.name for subject in found.values() for case in subject]
    tested = [case.name for subject in set(subjects()) & found.keys() for case in found[subject]]
    assert len(tested) > 1400
    assert [prefix for prefix in EXCLUDED if not any(name.startswith(prefix) for name in names)] == []
