"""Ranges for int8 activations that lose less than those of the smallest and largest value.

A few large values make a scale coarse for all others. Of every tensor a histogram is kept, and the range is taken for which the expected
squared error is least: scale² / 12 for a value inside, which is rounded, and the squared distance to the nearest bound for one outside.
Zeros are exact and do not count. (Banner, Nahshan, Soudry: Post training 4-bit quantization of convolutional networks, 2019, section 3.)
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TypeAlias

import numpy as np

from nchw2nhwc.ir import Array
from nchw2nhwc.quantize.data import stride

BINS = 2048
_VALUES = 1 << 16
"""About how many values of a tensor are taken from one sample: all channels of some places."""
_WORTH = 0.8
"""Less is gained for sure than may be lost with other data where the error of the whole range is not cut to this part of it."""
_CUTS = 48
"""How many bounds are tried on each side, from none to nearly all of it."""
Doubles: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Histogram: TypeAlias = "tuple[Doubles, Doubles]"
"""Counts of the bins, and their edges."""


class Histograms:
    """Of the tensors in `ranges`, whose values lie within."""

    def __init__(self, ranges: Mapping[str, tuple[float, float]]) -> None:
        self._ranges = {name: bounds for name, bounds in ranges.items() if bounds[0] < bounds[1]}
        self._counts = {name: np.zeros(BINS) for name in self._ranges}

    @property
    def wanted(self) -> Set[str]:
        """The names of the tensors."""
        return self._ranges.keys()

    def add(self, tensors: Mapping[str, Array]) -> None:
        """Take in what one sample makes of them; others may be there too."""
        for name in self._counts.keys() & tensors.keys():
            array = tensors.get(name)
            if array is not None and array.dtype.kind == "f":
                places = array.reshape(-1, array.shape[-1] if array.ndim else 1)
                values = places[::stride(len(places), _VALUES // places.shape[1])].reshape(-1)
                # in float64: between two float32 bounds that are nearly the same there are not as many float32 numbers as bins
                self._counts[name] += np.histogram(values[values != 0].astype(np.float64), BINS, self._ranges[name])[0]

    def found(self) -> dict[str, Histogram]:
        """By name, of those that have values."""
        return {name: (counts, np.linspace(*self._ranges[name], BINS + 1)) for name, counts in self._counts.items() if counts.any()}


def least_error(histogram: Histogram, levels: int = 255) -> tuple[float, float]:
    """The range, with 0 in it, that `levels` steps fit best; all of it where that is nearly as good."""
    counts, edges = histogram
    centres = (edges[:-1] + edges[1:]) / 2
    low, high = min(float(edges[0]), 0.0), max(float(edges[-1]), 0.0)
    shares = np.geomspace(1, 0.02, _CUTS)
    lows, highs = low * shares, high * shares
    below = np.array([float(counts @ np.square(np.minimum(centres - bound, 0))) for bound in lows])
    above = np.array([float(counts @ np.square(np.maximum(centres - bound, 0))) for bound in highs])
    inside = float(counts.sum()) * np.square((highs[None] - lows[:, None]) / levels) / 12
    errors = inside + below[:, None] + above[None]
    best = np.unravel_index(int(np.argmin(errors)), inside.shape)
    return (float(lows[best[0]]), float(highs[best[1]])) if errors[best] < _WORTH * errors[0, 0] else (low, high)
