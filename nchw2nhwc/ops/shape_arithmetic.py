"""Shape arithmetic with symbolic sizes: `Shape -> Gather -> Mul -> Concat -> Reshape` chains are followed while the graph is built.

A small integer tensor whose content is known, be it in numbers or symbolically, is an object array of `Size`. The ops below can be
applied to such arrays directly; whatever else meets one simply leaves its result unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from nchw2nhwc.ir.bounds import bounds
from nchw2nhwc.ir.dim import Dim, Size, is_static, size_max, size_min
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Equal, FloorDiv, Maximum, Minimum, Mod, Mul, NotEqual, Sub, Where
from nchw2nhwc.ops.elementwise import Cast, Identity, Neg
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Expand, Reshape, Slice, Split, Tile, Transpose
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMin, ReduceProd

SizeArray: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.object_]]

LIMIT = 4096
"""Tensors with more elements are weights, not shapes, and are left to the constant folding pass."""

_STRUCTURAL = (Gather, Concat, Slice, Reshape, Transpose, Expand, Tile, Split, Identity, Add, Sub, Mul, Neg)
"""Ops whose numpy references work on arrays of sizes as they are."""


def _equal(left: Size, right: Size) -> bool | None:
    """Whether two sizes are equal, None where that depends on the named dimensions."""
    if left == right:
        return True
    low, high = bounds(left - right)
    return False if (low is not None and low > 0) or (high is not None and high < 0) else None


def _quotient(left: Size, right: Size) -> Size | None:
    """Sizes are not negative, so truncation and floor agree; dividing by zero or less has no answer here."""
    return left // right if isinstance(right, Dim) or right > 0 else None


def _remainder(left: Size, right: Size) -> Size | None:
    return left % right if isinstance(right, Dim) or right > 0 else None


def _unequal(left: Size, right: Size) -> bool | None:
    equal = _equal(left, right)
    return None if equal is None else not equal


_PAIRWISE: dict[type[Op], Callable[[Size, Size], Size | None]] = {
    Maximum: size_max, Minimum: size_min, Equal: _equal, NotEqual: _unequal, Div: _quotient, FloorDiv: _quotient, Mod: _remainder,
}


def known(value: Value | None) -> SizeArray | None:
    """The content of a small tensor as an object array, or None when it is not known or too large to be a shape."""
    if value is None:
        return None
    if value.sizes is not None:
        return value.sizes
    if value.const is None or value.const.size > LIMIT or value.const.dtype.kind not in "iub":
        return None
    return value.const.astype(object)


def propagate(op: Op, inputs: Sequence[Value | None]) -> tuple[SizeArray, ...] | None:
    """The symbolic content of `op`'s results, when it is an op of shape arithmetic on known contents; else None."""
    contents = [known(v) for v in inputs if v is not None]
    if not contents or any(c is None for c in contents) or not any(v is not None and v.sizes is not None for v in inputs):
        return None
    arrays = [c for c in contents if c is not None]
    if type(op) in _PAIRWISE:
        return _all_known(np.asarray(np.frompyfunc(_PAIRWISE[type(op)], 2, 1)(*arrays), object))
    if isinstance(op, (ReduceMin, ReduceMax)):
        chosen = size_min if isinstance(op, ReduceMin) else size_max
        return (np.asarray(np.frompyfunc(chosen, 2, 1).reduce(arrays[0], axis=op.axes, keepdims=op.keepdims), object),)
    if isinstance(op, ReduceProd):
        return (np.asarray(arrays[0].prod(axis=op.axes, keepdims=op.keepdims), object),)
    if isinstance(op, Cast):
        return (arrays[0],) if op.dtype.kind in "iu" else None
    if isinstance(op, Where):
        decided = is_static(arrays[0].ravel().tolist())
        return (np.where(arrays[0].astype(bool), arrays[1], arrays[2]),) if decided else None
    if isinstance(op, Expand) and not is_static(op.shape):
        return None
    if isinstance(op, _STRUCTURAL):
        if isinstance(op, Gather):
            arrays[1] = arrays[1].astype(np.int64)
        return tuple(np.asarray(r, object) for r in op.run(*arrays))
    return None


def _all_known(content: SizeArray) -> tuple[SizeArray] | None:
    return None if any(c is None for c in content.ravel().tolist()) else (content,)


def as_numbers(content: SizeArray, dtype: np.dtype[np.generic]) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None:
    """The content as an ordinary array when nothing in it is symbolic."""
    return content.astype(dtype) if is_static(content.ravel().tolist()) else None


