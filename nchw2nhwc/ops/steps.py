"""Constants that stand for small integers.

Weights of a quantized source are whole multiples of a step for each result channel, and stay that when factors per channel are folded into
them or their order changes. So the integers are found in the numbers themselves, and what is found is what the numbers are.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.kinds import Doubles

LARGEST = 127
"""Kernels take weights from -127 to 127."""
TOLERANCE = 2e-3
"""How far, in steps, a weight may be from a whole multiple: roundings of float32, and of scales that are kept in half precision."""
_SAMPLE = 16
"""How many elements of a row are looked at before all of them are."""
_ROWS = 256
"""Of so many rows these are looked at together."""
_TINY = 1e-37
_BLOCK = 1 << 15
"""So many elements are computed with at a time: what is made of them stays in the cache."""
_Numbers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
_Truths = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def steps_of(rows: Array, most: int = LARGEST) -> Doubles | None:
    """For each row (along the first axis, of any rank) the step of which all its elements are whole multiples, at most `most` of them, None
    if a row has no such step.

    Of several steps the smallest with at most 127, else the largest; 0 for a row of zeros. Steps are those of single precision that give
    most elements back bit by bit, so that scales are the source's own: the last bit of a scale decides where a half is rounded to, and from
    there on errors spread.
    """
    axes = tuple(range(1, rows.ndim))
    largest = np.maximum(rows.max(axis=axes, initial=0), -rows.min(axis=axes, initial=0)).astype(np.float64)
    if not np.isfinite(largest).all():
        return None
    counts = np.array([*range(min(LARGEST, most), 0, -1), *range(LARGEST + 1, most + 1)], np.float64)
    row, index = _likely(rows, largest, counts)
    steps, hits = np.zeros(len(rows)), np.zeros(len(rows), np.int64)
    while row.size:
        tried, first, ways = np.unique(row, return_index=True, return_counts=True)
        found = largest[tried] / counts[index[first]]
        sound, equal = _tried(rows[tried] if len(tried) < len(rows) else rows, found, ways == 1)
        steps[tried[sound]], hits[tried[sound]] = found[sound], equal[sound]
        left = steps[row] == 0
        left[first] = False
        row, index = row[left], index[left]
    return None if (steps[largest > 0] == 0).any() else _exact(rows, steps, hits)


def blocks_of(rows: Array) -> Iterator[tuple[slice, Array]]:
    """All elements, in matrices of a few rows, or parts of one row, with the slice of these rows."""
    size = prod(rows.shape[1:])
    count = max(1, _BLOCK // max(size, 1))
    for start in range(0, len(rows), count):
        some = rows[start:start + count]
        matrix = some.reshape(len(some), size)
        for left in range(0, size, _BLOCK):
            yield slice(start, start + len(some)), matrix[:, left:left + _BLOCK]


def _likely(rows: Array, largest: Doubles, counts: Doubles) -> tuple[_Numbers, _Numbers]:
    """The rows, in their order, and the indices of those counts of which some of a row's elements are whole multiples when its largest is
    that many."""
    shape = rows.shape[1:]
    places = np.unravel_index(np.linspace(0, prod(shape) - 1, min(_SAMPLE, prod(shape))).astype(np.int64), shape) if 0 not in shape else ()
    pending = np.flatnonzero(largest)
    found: list[tuple[_Numbers, _Numbers]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for some in (pending[start:start + _ROWS] for start in range(0, len(pending), _ROWS)):
        shares = rows[(some[:, None], *(each[None] for each in places))] / largest[some, None]
        row, index = np.nonzero(_whole(shares[:, :1] * counts))
        for each in shares.T[1:]:
            kept = _whole(each[row] * counts[index])
            row, index = row[kept], index[kept]
        found.append((some[row], index))
    return np.concatenate([row for row, _ in found]), np.concatenate([index for _, index in found])


def _tried(rows: Array, steps: Doubles, last: _Truths) -> tuple[_Truths, _Numbers]:
    """Which rows consist of whole multiples of their step, and how many of their elements the step in single precision gives back. Looks no
    further once a row does not that is among the `last` ones, those that have no other."""
    sound, hits, single, units = np.ones(len(rows), np.bool_), np.zeros(len(rows), np.int64), steps.astype(np.float32), _units(steps)
    for where, block in blocks_of(rows):
        scaled = np.multiply(block, units[where, None])
        whole = np.rint(scaled)
        scaled -= whole
        sound[where] &= (np.abs(scaled, out=scaled) <= TOLERANCE).all(axis=1)
        if not sound[where][last[where]].all():
            break
        whole *= single[where, None]
        hits[where] += (whole == block).sum(axis=1)
    return sound, hits


def _units(steps: Doubles) -> Array:
    """What makes whole numbers of multiples; in single precision, which is exact enough for those, where that reaches so far."""
    return np.asarray(1 / steps, np.float32 if steps.min(initial=1) > _TINY else np.float64)


def _exact(rows: Array, steps: Doubles, hits: _Numbers) -> Doubles:
    """Each step, or a neighbour of it in single precision if that times whole numbers gives more of the row's elements than `hits`."""
    made = steps.astype(np.float32)
    doubtful = np.flatnonzero((steps > 0) & (hits < prod(rows.shape[1:])))
    if doubtful.size:
        some = rows[doubtful] if len(doubtful) < len(rows) else rows
        middle = made[doubtful]
        units, near = _units(steps[doubtful])[:, None], [np.nextafter(middle, np.float32(end)) for end in (0, np.inf)]
        more = np.zeros((2, len(doubtful)), np.int64)
        for where, block in blocks_of(some):
            whole = np.rint(np.multiply(block, units[where]))
            for k, each in enumerate(near):
                more[k, where] += (whole * each[where, None] == block).sum(axis=1)
        made[doubtful] = np.choose(np.stack([hits[doubtful], *more]).argmax(axis=0), [middle, *near])
    return made.astype(np.float64)


def _whole(numbers: Doubles) -> _Truths:
    """Which are whole, nearly."""
    return np.asarray(np.abs(numbers - np.rint(numbers)) <= TOLERANCE)
