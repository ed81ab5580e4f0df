"""Layouts of one tensor: factors, orders of factors, and how an order is cut into stored axes.

- A *factor* is one piece of an axis: an axis is the row-major product of its factors, outermost first. Axes of size 1 have none.
- A *layout* is an order of all factors of a tensor. It says which element follows which in memory; data moves only between layouts.
- A *frame* is a layout cut into the axes of the stored tensor, each a run of consecutive factors, or empty for a stored axis of
  size 1. Going from one frame of a layout to another is a Reshape and moves nothing.

Factors are plain integers, `axis << 8 | position`, because millions of them are compared. Sizes are numbers here: `Numbers` gives
every symbolic size a prime of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod
from typing import TypeAlias

from nchw2nhwc.ir.dim import Dim, Shape, Size

Factor: TypeAlias = int
Layout: TypeAlias = tuple[Factor, ...]
Frame: TypeAlias = tuple[Layout, ...]

_BITS = 8


def axis_of(factor: Factor) -> int:
    """The axis that a factor is a piece of."""
    return factor >> _BITS


def shift(factor: Factor, axes: int) -> Factor:
    """The same piece of the axis `axes` further right."""
    return factor + (axes << _BITS)


def on_axis(factor: Factor, axis: int) -> Factor:
    """The same piece of another axis."""
    return (factor & ((1 << _BITS) - 1)) | (axis << _BITS)


def run_of(layout: Layout, axis: int) -> Layout:
    """The factors of one axis in the order in which a layout stores them."""
    return tuple(f for f in layout if axis_of(f) == axis)


class Numbers:
    """Symbolic sizes as numbers and back: every indivisible expression stands for one prime, so products divide as they should."""

    _FIRST = 1_000_003

    def __init__(self) -> None:
        self._primes: dict[str, int] = {}
        self._sizes: dict[int, Dim] = {}

    def number(self, size: Size) -> int:
        """The number that stands for `size`; the size itself when it is known."""
        if isinstance(size, int):
            return size
        atoms, coefficient = next(iter(size.terms.items()))
        if len(size.terms) > 1 or coefficient < 0:
            return self._prime(size)
        return coefficient * prod(self._prime(Dim({(atom,): 1})) for atom in atoms)

    def _prime(self, size: Dim) -> int:
        text = str(size)
        if text not in self._primes:
            candidate = max(self._primes.values(), default=self._FIRST - 2) + 2
            while any(candidate % d == 0 for d in range(3, int(candidate**0.5) + 1, 2)):
                candidate += 2
            self._primes[text], self._sizes[candidate] = candidate, size
        return self._primes[text]

    def size(self, number: int) -> Size:
        """The size that `number` stands for."""
        result: Size = 1
        for prime, size in self._sizes.items() if number else ():
            while number % prime == 0:
                number //= prime
                result = result * size
        return result * number

    def weight(self, number: int) -> int:
        """About how large `number` is at run time: symbolic sizes count as 1 (they scale every choice alike)."""
        for prime in self._sizes if number else ():
            while number % prime == 0:
                number //= prime
        return number


class Tensor:
    """A value as the layout problem sees it: numeric shape, factors per axis, and the layouts that are considered for it."""

    __slots__ = ("_axes", "candidates", "factors", "fixed", "name", "shape", "source")

    def __init__(self, name: str, shape: Sequence[int], fixed: bool) -> None:
        self.name, self.shape, self.fixed = name, tuple(shape), fixed
        self.candidates: dict[Layout, None] = {}
        self.factors: tuple[tuple[int, ...], ...] = ()
        self._axes: tuple[Layout, ...] = ()
        self.source: Layout = ()

    def set_factors(self, factors: Sequence[Sequence[int]]) -> None:
        """Fix the factor sizes of every axis, outermost first."""
        self.factors = tuple(map(tuple, factors))
        self._axes = tuple(tuple(axis << _BITS | k for k in range(len(sizes))) for axis, sizes in enumerate(self.factors))
        self.source = tuple(f for axis in self._axes for f in axis)

    @property
    def rank(self) -> int:
        return len(self.shape)

    def axis(self, axis: int) -> Layout:
        """The factors of one axis, in order."""
        return self._axes[axis]

    def order(self, perm: Iterable[int]) -> Layout:
        """The layout that stores whole axes in this order."""
        return tuple(f for axis in perm for f in self._axes[axis])

    def frame(self, perm: Iterable[int]) -> Frame:
        """The frame that stores whole axes in this order, axes of size 1 included."""
        return tuple(self._axes[axis] for axis in perm)

    def size(self, factor: Factor) -> int:
        return self.factors[axis_of(factor)][factor & ((1 << _BITS) - 1)]

    def stored_shape(self, frame: Frame) -> tuple[int, ...]:
        """The shape of the tensor stored in `frame`."""
        return tuple(prod(map(self.size, group)) for group in frame)

    def plain_frame(self, layout: Layout) -> Frame:
        """A frame for `layout` with nothing else known: whole axes where the layout keeps them whole, axes of size 1 where the source or
        the channels-last order has them; of these two the one that does not end in such an axis, because kernels want data there."""
        known = [self.frame(perm) for perm in (source_perm(self.rank), channels_last_perm(self.rank)) if self.order(perm) == layout]
        if known:
            return next((frame for frame in known if frame and frame[-1]), known[0])
        groups: list[list[Factor]] = []
        for f in layout:
            if groups and groups[-1][-1] + 1 == f:
                groups[-1].append(f)
            else:
                groups.append([f])
        return tuple(map(tuple, groups))


def source_perm(rank: int) -> tuple[int, ...]:
    """The order of axes of the source."""
    return tuple(range(rank))


def channels_last_perm(rank: int) -> tuple[int, ...]:
    """N, spatial..., C from N, C, spatial...; below rank 3 there is nothing to move."""
    return (0, *range(2, rank), 1) if rank > 2 else source_perm(rank)


_LETTERS = {3: "ncl", 4: "nchw", 5: "ncdhw"}


def factor_names(rank: int, axes: Sequence[int]) -> list[str]:
    """The factors of a tensor, given by their axes in source order, in letters: n, c, h, w by position, with numbers where an axis is cut,
    and a0, a1, ... for a rank without letters of its own."""
    letters = _LETTERS.get(rank) or [f"a{k}" for k in range(rank)]
    return [letters[axis] + (str(axes[:k].count(axis) + 1) if axes.count(axis) > 1 else "") for k, axis in enumerate(axes)]


# ---- frames --------------------------------------------------------------------------------------------------------------


def flat(frame: Frame) -> Layout:
    """The layout that a frame cuts up."""
    return tuple(f for group in frame for f in group)


def refine(frame: Frame, members: Collection[Factor]) -> Frame:
    """`frame` with groups split so that each is wholly inside or wholly outside of `members`."""
    result: list[Layout] = []
    for group in frame:
        run: list[Factor] = []
        for f in group:
            if run and (f in members) != (run[-1] in members):
                result.append(tuple(run))
                run = []
            run.append(f)
        result.append(tuple(run))
    return tuple(result)


def rename(frame: Frame, names: Mapping[Factor, Factor]) -> Frame:
    """`frame` in the factor names of another tensor; factors that the other lacks disappear, their stored axis stays with size 1."""
    return tuple(tuple(names[f] for f in group if f in names) for group in frame)


def strip(shape: Sequence[int]) -> tuple[int, ...]:
    """`shape` without leading ones, which broadcasting supplies."""
    k = 0
    while k < len(shape) and shape[k] == 1:
        k += 1
    return tuple(shape[k:])


def to_sizes(shape: Sequence[int], numbers: Numbers) -> Shape:
    """A numeric shape with its symbolic sizes back in place."""
    return tuple(map(numbers.size, shape))
