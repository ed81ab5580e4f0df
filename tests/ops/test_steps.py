"""Constants that stand for small integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nchw2nhwc.ir import Array
from nchw2nhwc.ops.steps import LARGEST, steps_of


def rows(seed: int, count: int, length: int, largest: int) -> tuple[Array, Array]:
    """Integers with `largest` in each row, and a scale for each row."""
    random = np.random.default_rng(seed)
    whole = random.integers(-largest, largest + 1, (count, length))
    whole[:, random.integers(length)] = largest
    return whole, np.exp(random.uniform(-20, 3, (count, 1))).astype(np.float32)


@given(st.integers(0, 2**16), st.integers(1, 4), st.sampled_from([1, 2, 9, 64, 65, 300]), st.integers(1, LARGEST), st.booleans())
def test_what_is_found_gives_the_numbers_back(seed: int, count: int, length: int, largest: int, folded: bool) -> None:
    """Also behind a factor for each row, in single precision; all of them are within a rounding of what they are."""
    whole, scale = rows(seed, count, length, largest)
    content = np.asarray(whole.astype(np.float32) * scale * (np.float32(1.7) if folded else np.float32(1)), np.float32)
    steps = steps_of(content)
    assert steps is not None
    found = np.rint(content / steps[:, None])
    assert np.abs(found).max() <= LARGEST
    np.testing.assert_allclose(found * steps[:, None], content, rtol=1e-5)


def test_the_sources_own_scale_is_found_to_the_last_bit() -> None:
    whole, scale = rows(3, 50, 90, LARGEST)
    steps = steps_of(np.asarray(whole.astype(np.float32) * scale, np.float32))
    assert steps is not None
    np.testing.assert_array_equal(steps.astype(np.float32), scale[:, 0])


def test_zeros_have_no_step() -> None:
    steps = steps_of(np.array([[0, 0, 0], [0.5, 0, -1]], np.float32))
    assert steps is not None
    assert steps[0] == 0
    np.testing.assert_allclose(steps[1] * 127, 1.0 * 127 / 126, rtol=1e-6)


@pytest.mark.parametrize("content", [
    np.random.default_rng(0).normal(0, 1, (2, 30)), np.arange(-128, 128)[None], np.array([[1.0, 0.3337, 0.1219, 0.77]]),
    np.array([[np.inf, 1.0]]), np.array([[np.nan, 1.0]])])
def test_what_stands_for_no_integers(content: Array) -> None:
    assert steps_of(np.asarray(content, np.float32)) is None


def test_one_row_is_enough_to_refuse() -> None:
    good = np.arange(-127, 128, dtype=np.float32)
    assert steps_of(good[None]) is not None
    assert steps_of(np.stack([good, np.random.default_rng(0).normal(0, 1, 255).astype(np.float32)])) is None


def test_any_count_of_steps_in_any_part_of_a_row() -> None:
    """Rows that are longer than what is looked at in one go, of any rank, with elements that only the last ones tell apart."""
    random = np.random.default_rng(5)
    for largest in (1, 2, 3, 100, LARGEST, 200, 255):
        whole = random.integers(-largest, largest + 1, (3, 40, 1000))
        whole[:, 0, 0] = largest
        even = 2 * np.trunc(whole / 2)
        even[:, -1, -1] = largest
        scale = np.float32([0.3, 1e-3, 7]).reshape(3, 1, 1)
        for integers in (whole, even):
            steps = steps_of(np.asarray(integers.astype(np.float32) * scale), 255)
            assert steps is not None
            found = steps.reshape(3, 1, 1)
            content = integers * scale.astype(np.float64)
            assert np.abs(content / found).max() <= 255.01
            np.testing.assert_allclose(np.rint(content / found) * found, content, rtol=3e-7, atol=0)


def test_steps_that_single_precision_has_no_inverse_of() -> None:
    tiny = np.float32(1e-42) * np.arange(-20, 21, dtype=np.float32)[None]
    steps = steps_of(np.asarray(tiny, np.float32))
    assert steps is not None
    np.testing.assert_array_equal(np.rint(tiny / steps[:, None]) * steps[:, None], tiny.astype(np.float64))
