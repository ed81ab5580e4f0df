"""What quantization costs."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.quantize.accuracy import LIMIT, Noise


@pytest.mark.parametrize("size", [1, 1000, 3 * (1 << 16) + 5])
def test_noise_of_any_number_of_elements(size: int) -> None:
    """Sums over all of them, of all samples, though not all are looked at in one go; what was not finite is left out."""
    random, noise = np.random.default_rng(size), Noise()
    expected = random.normal(0, 1, (2, size)).astype(np.float32)
    actual = expected + random.normal(0, 0.01, expected.shape).astype(np.float32)
    for x, y in zip(expected, actual):
        noise.add(np.append(x, np.float32(np.inf)), np.append(y, np.float32(7)))
    x, y = expected.astype(np.float64), actual.astype(np.float64)
    assert noise.sqnr == pytest.approx(10 * np.log10(np.square(x).sum() / np.square(y - x).sum()))
    assert noise.cosine == pytest.approx((x * y).sum() / np.sqrt(np.square(x).sum() * np.square(y).sum()))


def test_what_is_not_finite_or_of_another_shape() -> None:
    long = np.ones(1 << 17, np.float32)
    for actual in (np.append(long[1:], np.float32(np.nan)), long[1:]):
        noise = Noise()
        noise.add(long, actual)
        assert noise.sqnr == -LIMIT
