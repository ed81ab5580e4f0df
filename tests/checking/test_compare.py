"""The error of a result."""

from __future__ import annotations

import math

import numpy as np

from nchw2nhwc.checking import CheckResult
from nchw2nhwc.checking.compare import relative_error


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_the_largest_difference_counts_relative_to_the_largest_magnitude() -> None:
    assert relative_error(floats(1, -4), floats(1.5, -4)) == 0.125
    assert relative_error(floats(3), floats(3)) == 0
    assert relative_error(floats(), floats()) == 0
    assert relative_error(floats(0, 0), floats(0, 0.25)) == 0.25
    assert relative_error(np.float32(2), np.float32(1)) == 0.5


def test_what_is_not_finite_has_to_be_the_same() -> None:
    nan, inf = math.nan, math.inf
    assert relative_error(floats(nan, inf, -inf, 4), floats(nan, inf, -inf, 3)) == 0.25
    assert relative_error(floats(nan, nan), floats(nan, nan)) == 0
    for expected, actual in ((nan, 1), (1, nan), (inf, 1), (1, inf), (inf, -inf), (nan, inf)):
        assert relative_error(floats(expected, 1), floats(actual, 1)) == inf


def test_numbers_that_runtimes_take_for_zero_do_not_differ() -> None:
    """Below the smallest normal float32 number; a larger one that is lost is an error whatever it is beside."""
    assert relative_error(floats(1e-39, -8e-39), floats(0, 0)) == 0
    assert relative_error(floats(2e-38, 0), floats(0, 0)) == 1
    assert relative_error(floats(0, 0), floats(0, 2e-38)) > 0


def test_shapes_have_to_be_the_same() -> None:
    assert relative_error(floats(1, 2), floats(1)) == math.inf
    assert relative_error(floats(1), floats(1).reshape(1, 1)) == math.inf


def test_integers_and_truth_values_count_elements() -> None:
    assert relative_error(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 400])) == 0.25
    assert relative_error(np.array([2**62]), np.array([2**62 + 1])) == 1
    assert relative_error(np.array([True, False]), np.array([True, False])) == 0


def test_a_check_passes_up_to_its_tolerance() -> None:
    assert CheckResult({"a": 1e-5, "b": 1e-4}, 1e-4).passed
    assert not CheckResult({"a": 1e-5, "b": 2e-4}, 1e-4).passed
    assert not CheckResult({"a": math.inf}, 1e-4).passed
    assert CheckResult({"a": 1e-5, "b": 2e-4}, 1e-4).max_rel_error == 2e-4
