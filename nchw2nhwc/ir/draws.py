"""Numbers that a source draws at random, as inputs in their place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.ir.types import Array, DType


@dataclass(frozen=True)
class Uniform:
    """Any number from `low` up to `high`, which is none of them; whole ones for integers."""

    low: float
    high: float

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Array:
        if dtype.kind in "iu":
            return rng.integers(int(self.low), int(self.high), shape).astype(dtype)
        numbers = np.asarray(rng.uniform(self.low, self.high, shape).astype(dtype), np.float64)
        # Rounding to fewer bits may reach the upper end.
        return np.asarray(np.where(numbers < self.high, numbers, self.low)).astype(dtype)

    def __str__(self) -> str:
        return f"uniform, from {self.low:g} up to {self.high:g}"


@dataclass(frozen=True)
class Normal:
    """Numbers around `mean`, with the standard deviation `scale`."""

    mean: float
    scale: float

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> Array:
        return rng.normal(self.mean, self.scale, shape).astype(dtype)

    def __str__(self) -> str:
        return f"normal, mean {self.mean:g}, standard deviation {self.scale:g}"


Draw = Uniform | Normal
"""How the numbers are distributed."""
