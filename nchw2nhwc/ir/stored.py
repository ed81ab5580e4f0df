"""How a tensor of a result is stored, in terms of the source's tensor that it is equal to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from nchw2nhwc.ir.types import Array

UNKNOWN = -1
"""The size of a piece that is known only at run time."""


@dataclass(frozen=True)
class Stored:
    """`stored = source.reshape(pieces).transpose(order).reshape(stored shape)`.

    `source` is the source's name of the tensor, "" for one that the source does not have. `factors` holds for every axis of it the sizes
    of its pieces, outermost first: none for an axis of size 1, `UNKNOWN` for a piece that is known only at run time. `order` counts the
    pieces of all axes from 0.
    """

    source: str
    factors: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]

    @property
    def rank(self) -> int:
        """The number of axes of the source's tensor."""
        return len(self.factors)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axis of every piece."""
        return tuple(axis for axis, pieces in enumerate(self.factors) for _ in pieces)

    @property
    def is_clear(self) -> bool:
        """Whether the sizes of all pieces follow from the shape of the source's tensor: at most one an axis is unknown."""
        return all(pieces.count(UNKNOWN) <= 1 for pieces in self.factors)

    def to_source(self, array: Array, shape: Sequence[int]) -> Array:
        """A stored array in the source's order of axes; `shape` is the source's. Raises ValueError where they do not fit."""
        pieces = self._pieces(shape)
        moved = array.reshape([pieces[k] for k in self.order])
        return moved.transpose(np.argsort(self.order)).reshape(tuple(shape))

    def to_stored(self, array: Array, shape: Sequence[int]) -> Array:
        """An array in the source's order of axes as it is stored, in `shape`. Raises ValueError where they do not fit."""
        return array.reshape(self._pieces(array.shape)).transpose(self.order).reshape(tuple(shape))

    def _pieces(self, shape: Sequence[int]) -> list[int]:
        """The sizes of all pieces for a source tensor of this shape."""
        if len(shape) != len(self.factors):
            raise ValueError(f"a tensor of {len(shape)} axes, not of {len(self.factors)}")
        found: list[int] = []
        for size, pieces in zip(shape, self.factors):
            known = prod(p for p in pieces if p != UNKNOWN)
            rest, left = divmod(size, known)
            if left or (UNKNOWN not in pieces and rest != 1):
                raise ValueError(f"an axis of size {size} is not made of {list(pieces)}")
            found += [rest if p == UNKNOWN else p for p in pieces]
        return found
