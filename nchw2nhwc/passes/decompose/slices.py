"""Slices, pads and picks along single axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nchw2nhwc.ir.dim import Shape, Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Pad, Reshape, Slice, Transpose
from nchw2nhwc.passes.rewrite import Rewriter

Indices = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def sliced(rw: Rewriter, x: Value, axis: int, start: Size | None, stop: Size | None, step: int = 1) -> Value:
    """`x[start:stop:step]` along one axis."""
    def entries(entry: Size | None) -> tuple[Size | None, ...]:
        return tuple(entry if k == axis else None for k in range(x.rank))
    return _moved(rw, Slice(entries(start), entries(stop), tuple(step if k == axis else 1 for k in range(x.rank))), x)


def reshaped(rw: Rewriter, x: Value, shape: Shape) -> Value:
    """x under another shape."""
    return _moved(rw, Reshape(shape), x)


def transposed(rw: Rewriter, x: Value, perm: Sequence[int]) -> Value:
    """x with its axes in another order."""
    return _moved(rw, Transpose(tuple(perm)), x)


def _moved(rw: Rewriter, op: Slice | Reshape | Transpose, x: Value) -> Value:
    """`op(x)`; of a constant a constant, which may be what the op that reads it asks for."""
    return rw.add(op, x) if x.const is None else rw.constant(op.run(x.const)[0])


def padded(rw: Rewriter, x: Value, widths: Mapping[int, tuple[int, int]], value: float = 0.0) -> Value:
    """x with `widths[axis]` constants before and after each axis; x itself where that adds nothing."""
    begin, end = (tuple(widths.get(k, (0, 0))[side] for k in range(x.rank)) for side in (0, 1))
    return rw.add(Pad(begin, end, "constant", value), x) if any((*begin, *end)) else x


def picked(rw: Rewriter, x: Value, axis: int, indices: Indices) -> Value:
    """The elements at constant positions along one axis; x itself when those are all, in order."""
    if np.array_equal(indices, np.arange(indices.size)) and x.shape[axis] == indices.size:
        return x
    return rw.add(Gather(axis), x, rw.constant(np.asarray(indices, np.int64)))
