"""Numbers that fit where open sizes cannot be just any, and the error that proposes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product as every

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim, Size, evaluate, size_max, substitute
from nchw2nhwc.ops.base import UnequalSizesError
from nchw2nhwc.parse.open_sizes.axes import Axes, Shapes, open_names
from nchw2nhwc.parse.open_sizes.equations import evaluated, solved
from nchw2nhwc.parse.open_sizes.holding import bounded

LARGEST = 1 << 10
"""Numbers that are tried, when it is asked which sizes an op could have."""
_CHOICES = sorted(range(1, LARGEST), key=lambda k: (k % 16 != 0, k == 1, k))
"""These numbers, round ones first, and 1, of which windows and differences leave nothing, last."""


class Fitting:
    """Numbers for the open sizes of inputs that have the shapes `now`, as far as those are known."""

    def __init__(self, axes: Axes, now: Shapes) -> None:
        self._axes, self._now, self._names = axes, now, open_names(now)

    def error(self, error: UnequalSizesError, pairs: Sequence[tuple[Size, Size]]) -> ShapeError:
        """The error for sizes that can be equal for certain numbers only, or never."""
        symbols = {n for pair in pairs for s in pair if isinstance(s, Dim) for n in s.symbols}
        if not symbols <= self._names:
            return error
        bases = {self._axes.base(n) for n in symbols}
        needs = " and ".join(f"{left} has to be {'at least 2' if right == size_max(left, 2) else right}" for left, right in pairs)
        reason = f"{error.reason}: {self._axes.of(bases)} cannot be of any size, because {needs}"
        fitting: dict[str, int] | None = {}
        for left, right in pairs:
            names = {n for s in (left, right) if isinstance(s, Dim) for n in s.symbols}
            known: Mapping[str, Size] = fitting or {}
            sides, rest = (substitute(left, known), substitute(right, known)), sorted(names - known.keys())
            more = self._one_fitting(*sides, rest) or self._fitting(*sides, rest)
            fitting = None if fitting is None or more is None else fitting | more
        if fitting is None:
            return ShapeError(reason, error.where, error.advice)
        flags = " ".join(f"--input-shape {name}={','.join(map(str, sizes))}" for name, sizes in self._flags(bases, fitting))
        advice = f"Fix it, for instance with {flags}"
        return ShapeError(reason, error.where, f"{advice}. {error.otherwise}" if error.otherwise else advice)

    def _flags(self, bases: set[str], fitting: Mapping[str, int]) -> Iterator[tuple[str, list[int]]]:
        for name, shape in self._axes.shapes.items():
            if any(isinstance(s, Dim) and s.symbols & bases for s in shape):
                yield name, [evaluate(s, fitting) if isinstance(s, Dim) and s.symbols <= fitting.keys() else s if isinstance(s, int) else -1
                             for s in self._now[name]]

    def _one_fitting(self, left: Size, right: Size, names: Sequence[str]) -> dict[str, int]:
        """A number for one of several sizes, the last one if possible, with which both are equal whatever the others are; nothing if there
        is none, or the source declares all."""
        if len(names) < 2 or len(self._axes.own(names)) == len(names):
            return {}
        for name, number in every(sorted(names, key=self._axes.rank, reverse=True), _CHOICES):
            sides = substitute(left, {name: number}), substitute(right, {name: number})
            if sides[0] == sides[1] or bounded(*sides, self._names):
                return {name: number}
        return {}

    def _fitting(self, left: Size, right: Size, names: Sequence[str]) -> dict[str, int] | None:
        """Numbers for which both are equal: those that the source declares if they are, else equal ones, else any; None for none."""
        declared = self._axes.own(names)
        if len(declared) == len(names) and evaluate(left, declared) == evaluate(right, declared):
            return declared
        only = solved(left, right)
        if only.keys() == set(names):
            return only
        choices = ((k,) * len(names) for k in _CHOICES)
        small = every(range(1, 33), repeat=len(names)) if 1 < len(names) < 4 else iter(())
        found: dict[str, int] | None = None
        for numbers in (*choices, *small):
            chosen = dict(zip(names, numbers))
            if evaluated(left, chosen) == evaluated(right, chosen):
                if _stay_sizes(left, right, chosen):
                    return chosen
                found = found or chosen
        return found


def _stay_sizes(left: Size, right: Size, numbers: Mapping[str, int]) -> bool:
    """Whether both sides are sizes for larger numbers, too. Larger inputs have no smaller tensors, so that what becomes 0 or less is a size
    that was negative, or a product of two."""
    if 0 in (left, right):
        return True
    larger = [{name: number + (1 << k) for name, number in numbers.items()} for k in range(LARGEST.bit_length())]
    return all((evaluated(side, each) or 0) > 0 for side in (left, right) for each in larger)
