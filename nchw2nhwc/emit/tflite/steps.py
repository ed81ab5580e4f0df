"""Constants that stand for small integers.

Weights of a quantized source are whole multiples of a step for each result channel, and stay that when factors per channel are folded into
them or their order changes. So the integers are found in the numbers themselves, and what is found is what the numbers are.
"""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir import Array
from nchw2nhwc.ops.kinds import Doubles

LARGEST = 127
"""Kernels take weights from -127 to 127."""
TOLERANCE = 2e-3
"""How far, in steps, a weight may be from a whole multiple: roundings of float32, and of scales that are kept in half precision."""
_SAMPLE = 16
"""How many elements of a row are looked at before all of them are."""


def steps_of(rows: Array, most: int = LARGEST) -> Doubles | None:
    """For each row of a matrix the step of which all its elements are whole multiples, at most `most` of them, None if a row has no such
    step.

    Of several steps the smallest with at most 127, else the largest; 0 for a row of zeros. Steps are those of single precision that give
    most elements back bit by bit, so that scales are the source's own: the last bit of a scale decides where a half is rounded to, and from
    there on errors spread.
    """
    largest = np.abs(rows).max(axis=1, initial=0.0).astype(np.float64)
    if not np.isfinite(largest).all():
        return None
    steps = np.zeros(len(rows))
    pending = np.flatnonzero(largest)
    for count in (*range(LARGEST, 0, -1), *range(LARGEST + 1, most + 1)):
        if not pending.size:
            break
        unit = count / largest[pending]
        likely = _whole(rows[pending, :_SAMPLE], unit)
        chosen = pending[likely]
        chosen = chosen[_whole(rows[chosen], count / largest[chosen])]
        steps[chosen] = largest[chosen] / count
        if chosen.size:
            pending = pending[steps[pending] == 0]
    return None if pending.size else _exact(rows, steps)


def _exact(rows: Array, steps: Doubles) -> Doubles:
    """Each step, or a neighbour of it in single precision if that times whole numbers gives more of the row's elements."""
    whole = np.rint(np.divide(rows, np.where(steps == 0, 1, steps)[:, None])).astype(np.float32)
    middle = steps.astype(np.float32)
    near = [middle, *(np.nextafter(middle, np.float32(end)) for end in (0, np.inf))]
    hits = np.stack([(whole * each[:, None] == rows).sum(axis=1) for each in near])
    chosen: Doubles = np.choose(hits.argmax(axis=0), near).astype(np.float64)
    return chosen


def _whole(rows: Array, units: Doubles) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which rows hold whole numbers when they are multiplied by their unit."""
    scaled = np.multiply(rows, units[:, None])
    return np.asarray((np.abs(scaled - np.rint(scaled)) <= TOLERANCE).all(axis=1))
