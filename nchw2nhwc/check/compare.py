"""How far two arrays are apart."""

from __future__ import annotations

import math

import numpy as np

from nchw2nhwc.ir import Array


def relative_error(expected: Array, actual: Array) -> float:
    """The largest difference, relative to the largest finite magnitude of `expected`; 0 for equal arrays.

    Where `expected` is zero throughout, the difference itself. Infinite when shapes differ, or when one side has a NaN or an infinity where
    the other has something else. Integers and truth values: the share of elements that differ.
    """
    if expected.shape != actual.shape:
        return math.inf
    if not expected.size:
        return 0.0
    if expected.dtype.kind in "iub":
        return float(np.mean(expected != actual))
    a, b = expected.astype(np.float64), actual.astype(np.float64)
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return math.inf
    if not finite.any():
        return 0.0
    difference = float(np.abs(a[finite] - b[finite]).max())
    return difference / (float(np.abs(a[finite]).max()) or 1.0)
