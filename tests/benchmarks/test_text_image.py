from __future__ import annotations

import numpy as np
import pytest
from measure.text_image import text_images


@pytest.mark.parametrize("shape", [(2, 3, 640, 640), (2, 3, 48, 320), (1, 1, 48, 192)])
def test_pages_hold_dark_text_on_light(shape: tuple[int, ...]) -> None:
    pages = text_images(shape, np.random.default_rng(0))
    assert pages.shape == shape
    assert pages.dtype == np.float32
    dark = (pages < 0).mean()
    assert 0.03 < dark < 0.5
    assert np.abs(pages).max() < 1.2
    assert np.array_equal(pages[:, :1] < 0, pages[:, -1:] < 0)


def test_pictures_differ_and_can_be_made_again() -> None:
    first, second = (text_images((2, 1, 48, 192), np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)
    assert ((first[0] < 0) != (first[1] < 0)).any()
