"""Comparison of floating point results of any element type."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def assert_close(result: ArrayLike, wanted: ArrayLike, rtol: float = 1e-7, atol: float = 0.0) -> None:
    """`numpy.testing.assert_allclose` in double precision; NaN equals NaN."""
    np.testing.assert_allclose(np.asarray(result, np.float64), np.asarray(wanted, np.float64), rtol=rtol, atol=atol)
