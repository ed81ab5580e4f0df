"""What passes as a quantized source."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from measure.quantized import QuantizedRow, _pictures, _sqnr

GOOD = QuantizedRow("net", 45.0, 42.0, 44.0, 42.0, math.inf, 42.0, (2, 3), (1, 1), 1.0, ("Conv 'a': its operand is not quantized",), ())


def test_a_good_row_passes() -> None:
    assert not GOOD.failure


@pytest.mark.parametrize(("change", "passes"), [
    ({"xnnpack": 20.0}, True), ({"xnnpack": 20.0, "written": 39.0, "kernels": 50.0}, False), ({"xnnpack": 39.5, "written": 39.0}, False),
    ({"xnnpack": 39.5, "written": 39.0, "source": 40.0}, True), ({"xnnpack": 39.5, "written": 39.0, "kernels": 40.0}, True),
    ({"xnnpack": 29.0, "written": 29.0, "source": 10.0}, False), ({"plain": 34.0, "written_plain": 34.0, "kernels": 50.0}, False),
    ({"float": ()}, False)])
def test_what_passes(change: dict[str, object], passes: bool) -> None:
    """40 dB, here or as written, unless roundings alone make more noise, but never less than 30; and a reason for every layer in float."""
    assert (not replace(GOOD, **change).failure) == passes  # type: ignore[arg-type]


def test_noise_is_that_of_the_worst_output_over_all_samples() -> None:
    wanted = [{"a": np.full(4, 10.0, np.float32), "b": np.full(2, 1.0, np.float32)}] * 2
    found = [{**wanted[0], "b": np.full(2, 1.1, np.float32)}, wanted[0]]
    assert math.isclose(_sqnr(wanted, found), 10 * math.log10(4 / 0.02), rel_tol=1e-5)
    assert _sqnr(wanted, wanted) == math.inf


def test_all_inputs_see_the_same_picture() -> None:
    made = _pictures(np.random.default_rng(0), {"small": (1, 3, 15, 22), "large": (1, 3, 29, 43)})
    np.testing.assert_allclose(made["large"][..., ::2, ::2], made["small"], atol=1e-3)
