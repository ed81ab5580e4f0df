"""Which constants stay the integers that a source which computes in float keeps its weights as.

Like those of float16 files they have a DEQUANTIZE to float32 behind them, which runtimes carry out once, while they load; all arithmetic
stays in float32. Which integers is found in the numbers (see `steps`), so factors that were folded into weights and changes of their order
do no harm; and what the integers stand for is what the numbers are, but for roundings of float32. Those of 4 bits and fewer take 8, as
XNNPACK does not make 4 bits float32 while it loads, and leaves such layers to slower kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nchw2nhwc.emit.tflite.model import Quantization
from nchw2nhwc.ir import Array
from nchw2nhwc.ops.quantized import LARGEST_SCALE, SMALLEST_SCALE
from nchw2nhwc.ops.steps import blocks_of, steps_of

SMALLEST = 96
"""Fewer elements stay float32: tensor, operator and scale take more than they save."""
_CLOSE = 2.0**-21
"""Relative error of a few roundings of float32: of products with the source's scale, with a factor and with the file's scale, and that."""
_PER_SCALE = 12
"""Bytes of a channel's scale and zero point."""
_OPERATOR = 256
"""Bytes of another tensor and operator, about."""
_LOWEST, _HIGHEST = -128, 127


@dataclass(frozen=True)
class Kept:
    """Integers of 8 bits, and what they stand for."""

    array: Array
    quantization: Quantization


def integers_of(array: Array) -> Kept | None:
    """The integers of which a constant consists, with one scale and zero point for all or for each position along one axis, smallest first;
    None if it does not, or if little would be saved."""
    if array.dtype != np.float32 or array.ndim < 2 or array.size < SMALLEST:
        return None
    return next(_ways(array), None)


def _ways(array: Array) -> Iterator[Kept]:
    """All ways to write a constant as integers: with one scale, or with several along an axis, the outermost first."""
    for axis in (None, *range(array.ndim)):
        count = 1 if axis is None else array.shape[axis]
        if (count == 1 and axis is not None) or _PER_SCALE * count + _OPERATOR > array.nbytes - array.size:
            continue
        found = _integers(array[None] if axis is None else np.moveaxis(array, axis, 0))
        if found is not None:
            whole, steps, zeros = found
            yield Kept(whole[0] if axis is None else np.moveaxis(whole, 0, axis), Quantization(tuple(steps), zeros, axis or 0))


def _integers(rows: Array) -> tuple[Array, list[float], tuple[int, ...]] | None:
    """Integers of -128 to 127, a step and a zero point for each row (along the first axis), whose products in single precision are the
    row's numbers."""
    steps = steps_of(rows, _HIGHEST - _LOWEST)
    if steps is None:
        return None
    steps = np.where(steps == 0, 1.0, steps)
    if not SMALLEST_SCALE <= steps.min() <= steps.max() <= LARGEST_SCALE:
        return None
    axes = tuple(range(1, rows.ndim))
    low, high = (np.rint(bound / steps) for bound in (rows.min(axis=axes, initial=0), rows.max(axis=axes, initial=0)))
    if (high - low > _HIGHEST - _LOWEST).any():
        return None
    zeros = np.where((low >= _LOWEST) & (high <= _HIGHEST), 0, _LOWEST - low)
    single, units, shifts = (each.astype(np.float32)[:, None] for each in (steps, 1 / steps, zeros))
    made = np.empty(rows.shape, np.int8)
    for (where, block), (_, target) in zip(blocks_of(rows), blocks_of(made)):
        whole = np.rint(np.multiply(block, units[where]))
        np.add(whole, shifts[where], out=target, casting="unsafe")
        whole *= single[where]
        if not np.array_equal(whole, block) and (np.abs(whole - block) > _CLOSE * np.abs(block)).any():
            return None
    return made, steps.tolist(), tuple(map(int, zeros))
