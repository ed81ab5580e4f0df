"""How far two arrays are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from nchw2nhwc.ir import Array

_CHUNK = 1 << 13
_MOST_SQNR = 200.0
SMALLEST = float(np.finfo(np.float32).smallest_normal)
"""Runtimes may take float32 numbers that are nearer to 0 than this (1.2e-38) for 0, and some kernels of LiteRT do."""

Doubles: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class TensorError:
    """How far one tensor is from what it should be.

    `max_rel` is `relative_error`. `max_abs` is the largest difference, `rms` the root of the mean squared one, `cosine` that of the angle
    between both tensors: 1 where they point the same way or are both zero, NaN where it is not defined. `worst` is the index of the element
    that is off furthest, in the source's order of axes; None for a tensor without elements or of another shape. Where one side has a NaN or
    an infinity that the other has not, the differences are infinite and `worst` is the first such element. `sqnr` is the ratio of signal to
    noise in decibels, from -200 to 200 (no noise).
    """

    max_abs: float
    max_rel: float
    rms: float
    cosine: float
    worst: tuple[int, ...] | None
    sqnr: float = math.nan


@dataclass(frozen=True)
class Rankings:
    """Errors of the source's tensors that rankings read, by name; and, of the outputs behind rankings, the errors from end to end."""

    tensors: Mapping[str, float]
    end_to_end: Mapping[str, float]

    @property
    def max_rel_error(self) -> float:
        """The largest error of a tensor that a ranking reads."""
        return max(self.tensors.values(), default=0.0)

    def __str__(self) -> str:
        ends = ", ".join(f"{name} {error:.1e}" if math.isfinite(error) else f"{name} in shape or not finite"
                         for name, error in self.end_to_end.items())
        return (f"ranks nearly equal numbers in another order, so from end to end it is off by {ends}. What rankings read agrees, and "
                f"behind them everything does for the same numbers.")


@dataclass(frozen=True)
class Rounding:
    """By output name, how far its source's own results move when inputs change in their last bit, and how far those of a result may be off
    for that reason; both relative to the output's largest magnitude. See `checking.rounding`."""

    moved: Mapping[str, float]
    allowed: Mapping[str, float]

    def of(self, errors: Mapping[str, float], tolerance: float) -> str:
        """Which errors it explains, in words."""
        parts = [f"{name} by {error:.1e}, where inputs that change in their last bit move the source itself by {self.moved[name]:.1e}"
                 for name, error in errors.items() if error > tolerance]
        return f"is off by no more than rounding explains: {'; '.join(parts)}."


def agree(errors: Mapping[str, float], tolerance: float, rankings: Rankings | None, rounding: Rounding | None) -> bool:
    """Whether outputs are within the tolerance, or as near as rounding lets them be, and within it what rankings read."""
    allowed = {} if rounding is None else rounding.allowed
    return ((rankings is None or rankings.max_rel_error <= tolerance)
            and all(error <= max(tolerance, allowed.get(name, 0.0)) for name, error in errors.items()))


@dataclass(frozen=True)
class OutputErrors:
    """The error of every output by name, and the tolerance that their `max_rel` is held against; where there is a `min_sqnr`, outputs with
    at least that `sqnr` pass as well. `rankings` is there where nearly equal numbers rank in another order, see `checking.rankings`;
    `rounding` where nothing but that leaves outputs above the tolerance."""

    outputs: Mapping[str, TensorError]
    tolerance: float
    min_sqnr: float | None = field(default=None, kw_only=True)
    rankings: Rankings | None = field(default=None, kw_only=True)
    rounding: Rounding | None = field(default=None, kw_only=True)

    @property
    def relative(self) -> dict[str, float]:
        """The relative error of every output."""
        return {name: error.max_rel for name, error in self.outputs.items()}

    @property
    def max_rel_error(self) -> float:
        """The largest relative error, of what rankings read too; 0 for a model without outputs."""
        read = 0.0 if self.rankings is None else self.rankings.max_rel_error
        return max(read, *self.relative.values(), 0.0)

    @property
    def passed(self) -> bool:
        agreeing = agree(self.relative, self.tolerance, self.rankings, self.rounding)
        return agreeing or (self.min_sqnr is not None and self.sqnr >= self.min_sqnr)

    @property
    def sqnr(self) -> float:
        """The smallest ratio of signal to noise; 200 for a model without outputs."""
        return min((error.sqnr for error in self.outputs.values()), default=_MOST_SQNR)


NO_LIKENESS = TensorError(math.inf, math.inf, math.inf, math.nan, None, -_MOST_SQNR)
"""The error of a tensor of another shape."""


def compare(expected: Array, actual: Array) -> TensorError:
    """The error of `actual`, both in the source's order of axes."""
    if expected.shape != actual.shape:
        return NO_LIKENESS
    if not expected.size:
        return TensorError(0.0, 0.0, 0.0, 1.0, None, _MOST_SQNR)
    sums = _Sums()
    a, b = np.ascontiguousarray(expected).reshape(-1), np.ascontiguousarray(actual).reshape(-1)
    for start in range(0, a.size, _CHUNK):
        sums.add(start, a[start:start + _CHUNK].astype(np.float64), b[start:start + _CHUNK].astype(np.float64))
    worst = np.unravel_index(sums.at, expected.shape)
    relative = float(np.mean(a != b)) if expected.dtype.kind in "iub" else sums.relative
    return TensorError(sums.largest, relative, math.sqrt(sums.squares / a.size), sums.cosine, tuple(map(int, worst)), sums.sqnr)


class _Sums:
    """What the differences of two arrays come to, chunk by chunk: doubles of a chunk stay in the processor's cache."""

    def __init__(self) -> None:
        self.largest, self.at, self._magnitude = 0.0, 0, 0.0
        self.squares = self._xx = self._yy = self._xy = 0.0

    def add(self, start: int, x: Doubles, y: Doubles) -> None:
        """Take in the elements from `start` on, as float64."""
        with np.errstate(invalid="ignore", over="ignore"):
            difference = np.abs(x - y)
        top = int(difference.argmax())
        if not math.isfinite(difference[top]):
            difference[(x == y) | (np.isnan(x) & np.isnan(y))] = 0.0
            difference[~np.isfinite(difference)] = math.inf
            finite = np.isfinite(x) & np.isfinite(y)
            x, y, top = x[finite], y[finite], int(difference.argmax())
        self._magnitude = max(self._magnitude, float(np.abs(x).max(initial=0.0)))
        if difference[top] > self.largest:
            self.largest, self.at = float(difference[top]), start + top
        self.squares += float(difference @ difference)
        self._xx, self._yy, self._xy = self._xx + float(x @ x), self._yy + float(y @ y), self._xy + float(x @ y)

    @property
    def relative(self) -> float:
        """The largest difference relative to the largest finite magnitude of what was expected; 0 where none exceeds `SMALLEST`."""
        return self.largest / (self._magnitude or 1.0) if self.largest > SMALLEST else 0.0

    @property
    def sqnr(self) -> float:
        """The power of what was expected over that of the differences, in decibels."""
        if self.squares == 0.0 or not math.isfinite(self.squares) or self._xx == 0.0:
            return _MOST_SQNR if self.squares == 0.0 else -_MOST_SQNR
        return max(-_MOST_SQNR, min(_MOST_SQNR, 10 * math.log10(self._xx / self.squares)))

    @property
    def cosine(self) -> float:
        """Of the angle between both, over the elements that are finite in both."""
        if self._xx == 0.0 or self._yy == 0.0:
            return 1.0 if self._xx == self._yy else math.nan
        return max(-1.0, min(1.0, self._xy / math.sqrt(self._xx) / math.sqrt(self._yy)))


def worst_of(errors: Sequence[TensorError]) -> TensorError:
    """One error for a tensor in several runs: the largest differences, the smallest cosine, the element of the run that is off most."""
    most = max(errors, key=lambda error: error.max_rel)
    rms = math.sqrt(sum(error.rms**2 for error in errors) / len(errors))
    cosine = math.nan if any(math.isnan(e.cosine) for e in errors) else min(e.cosine for e in errors)
    return TensorError(max(e.max_abs for e in errors), most.max_rel, rms, cosine, most.worst, min(e.sqnr for e in errors))


def relative_error(expected: Array, actual: Array) -> float:
    """The largest difference, relative to the largest finite magnitude of `expected`; 0 for equal arrays, and where no difference reaches
    the smallest normal float32 number (1.2e-38), below which runtimes may take numbers for 0.

    Where `expected` is zero throughout, the difference itself. Infinite when shapes differ, or when one side has a NaN or an infinity where
    the other has something else. Integers and truth values: the share of elements that differ.
    """
    return compare(expected, actual).max_rel
