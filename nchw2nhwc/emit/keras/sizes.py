"""Sizes that are known only when the model runs, as tensors.

Keras' symbolic tensors do not tell such sizes, and its functions take numbers for them. But there are tensors that have them: a *line*
is an int32 vector of zeros, as long as an axis of one of those. Its sum of ones is the size, its running sum of ones are the positions
along the axis, and picking by it repeats an only element as often. Sizes that no tensor has are computed from those that some have; the
line of a computed one is what is counted below it. Each is made once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from keras import ops

from nchw2nhwc.emit.keras.addition import added
from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.sizes import computed
from nchw2nhwc.ir import Array, Dim, Shape, Size

if TYPE_CHECKING:
    from keras import KerasTensor

    Number: TypeAlias = int | KerasTensor

_FUNCTIONS = {"+": ops.add, "//": ops.floor_divide, "%": ops.mod, "max": ops.maximum, "min": ops.minimum}


def number(e: Emitter, size: Size) -> Number:
    """A size as a number, or as int32 without axes. Raises TargetError for a named dimension that no tensor shows."""
    if not isinstance(size, Dim):
        return size
    if size not in e.numbers:
        if size in e.lines or size in e.shown:
            ones = e.op(ops.ones_like, line(e, size), part="ones")
            e.numbers[size] = e.op(ops.sum, ones, part="size")
        else:
            e.numbers[size] = _computed(e, size)
    return e.numbers[size]


def size_vector(e: Emitter, sizes: Shape) -> KerasTensor:
    """Sizes, not all of which are known, as an int32 vector. Raises TargetError as `number` does."""
    numbers = [number(e, size) for size in sizes]
    parts = [np.full(1, n, np.int32) if isinstance(n, int) else e.op(ops.reshape, n, (1,), part="size") for n in numbers]
    return e.op(ops.concatenate, parts, part="sizes")


def line(e: Emitter, size: Dim) -> KerasTensor:
    """Zeros along an axis of a size that is not known. Raises TargetError as `number` does."""
    if size not in e.lines:
        e.lines[size] = _read(e, *e.shown[size]) if size in e.shown else line_of(e, number(e, size))
    return e.lines[size]


def line_of(e: Emitter, length: Number) -> KerasTensor:
    """Zeros along an axis that is as long as an int32 number says, which is not negative."""
    counts = e.op(ops.bincount, e.op(ops.reshape, length, (1,), part="length"), part="counts")
    return e.op(lambda x: x[(slice(None, -1),)], counts, part="below")


def positions(e: Emitter, size: Size) -> KerasTensor | Array:
    """0, 1, 2, ... along an axis, int32. Raises TargetError as `number` does."""
    if not isinstance(size, Dim):
        return np.arange(size, dtype=np.int32)
    if size not in e.positions:
        e.positions[size] = counted(e, line(e, size))
    return e.positions[size]


def counted(e: Emitter, zeros: KerasTensor) -> KerasTensor:
    """0, 1, 2, ... along a line."""
    running = e.op(ops.cumsum, e.op(ops.ones_like, zeros, part="ones"), part="running")
    return e.op(ops.subtract, running, 1, part="positions")


def flat_positions(e: Emitter, shape: Shape) -> KerasTensor:
    """The position of each element of a tensor in row-major order, int32; not all sizes are known. Raises TargetError as `number` does."""
    total: KerasTensor | Array = np.zeros((), np.int32)
    step: Number = 1
    for axis, size in reversed(list(enumerate(shape))):
        wide = tuple(-1 if k == axis else 1 for k in range(len(shape)))
        placed = e.op(ops.reshape, e.op(ops.multiply, positions(e, size), step, part="steps"), wide, part="axis")
        total = added(e, total, placed, "places")
        step = _times(e, step, number(e, size))
    return total


def _read(e: Emitter, tensor: KerasTensor, axis: int) -> KerasTensor:
    """Zeros along an axis of a tensor."""
    spans = tuple(slice(None) if k == axis else slice(0, 1) for k in range(len(tensor.shape)))
    if len(spans) > 1:
        tensor = e.op(ops.reshape, e.op(lambda x: x[spans], tensor, part="edge"), (-1,), part="along")
    return e.op(ops.zeros_like, tensor, dtype="int32", part="line")


def _computed(e: Emitter, size: Dim) -> Number:
    """A size put together from others. Raises TargetError for a named dimension that is the size of no axis."""
    def apply(fn: str, left: Number, right: Number) -> Number:
        return _times(e, left, right) if fn == "*" else e.op(_FUNCTIONS[fn], left, right, part="size")

    return computed(size, e.shown, partial(number, e), apply, e.where)


def _times(e: Emitter, a: Number, b: Number) -> Number:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    return b if isinstance(a, int) and a == 1 else e.op(ops.multiply, a, b, part="product")
