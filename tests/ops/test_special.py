"""Functions that numpy lacks, against the standard library's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nchw2nhwc.ops.special import erf_of, sigmoid_of
from tests.ops.close import assert_close


@pytest.mark.parametrize("sign", [1, -1])
def test_erf_is_accurate_to_a_few_units_in_the_last_place(sign: int) -> None:
    x = sign * np.concatenate([np.linspace(0, 7, 20_001), 10.0 ** np.linspace(-300, 0, 601)])
    wanted = np.array([math.erf(v) for v in x])
    assert_close(erf_of(x), wanted, rtol=1e-15, atol=0)


def test_erf_at_the_ends() -> None:
    np.testing.assert_array_equal(erf_of(np.array([np.nan, np.inf, -np.inf, 0.0, 1e300])), [np.nan, 1, -1, 0, 1])
    assert np.signbit(erf_of(np.array(-0.0)))


def test_sigmoid() -> None:
    x = np.array([-800.0, -60.0, -1.0, 0.0, 1.0, 60.0, 800.0, np.inf, -np.inf])
    assert_close(sigmoid_of(x), [0, math.exp(-60), 1 / (1 + math.e), 0.5, 1 / (1 + math.exp(-1)), 1, 1, 1, 0], rtol=1e-15)
    assert np.isnan(sigmoid_of(np.array(np.nan)))
