"""Which constants a float16 file stores in half precision.

As in the files of TFLite's own converter, a float32 constant becomes a float16 one with a DEQUANTIZE to float32 behind it, which runtimes
carry out once, while they load; all arithmetic stays in float32.
"""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir import Array

SMALLEST = 96
"""Fewer elements stay float32: the tensor and the operator that widen them take about 130 bytes, as much as 64 elements save."""

LARGEST_VALUE = float(np.finfo(np.float16).max)


def is_stored_as_float16(array: Array) -> bool:
    """Whether a constant is stored in half precision: float32, large enough to be worth it, and without values that overflow."""
    if array.dtype != np.float32 or array.size < SMALLEST:
        return False
    return bool(np.max(np.abs(array)) <= LARGEST_VALUE)
