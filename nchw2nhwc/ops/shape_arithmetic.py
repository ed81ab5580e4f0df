"""Shape arithmetic with symbolic sizes: `Shape -> Gather -> Mul -> Concat -> Reshape` chains are followed while the graph is built.

A small integer tensor whose content is known, be it in numbers or symbolically, is an object array of `Size`. The ops below can be
applied to such arrays directly; whatever else meets one simply leaves its result unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from nchw2nhwc.ir.dim import Dim, is_static, size_max, size_min
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import Op

SizeArray: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.object_]]

LIMIT = 4096
"""Tensors with more elements are weights, not shapes, and are left to the constant folding pass."""

_PLAIN = ("Gather", "Concat", "Slice", "Reshape", "Transpose", "Expand", "Tile", "Split", "Identity", "Add", "Sub", "Mul", "Neg", "Where")
_BINARY: dict[str, Callable[[object, object], object]] = {
    "Maximum": lambda a, b: size_max(a, b), "Minimum": lambda a, b: size_min(a, b),  # type: ignore[arg-type]
    "Equal": lambda a, b: a == b, "NotEqual": lambda a, b: a != b,
    "Div": lambda a, b: a // b, "FloorDiv": lambda a, b: a // b, "Mod": lambda a, b: a % b,  # type: ignore[operator]
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
    if op.name in _BINARY:
        return (np.frompyfunc(_BINARY[op.name], 2, 1)(*arrays),) if _divides_safely(op, arrays) else None
    if op.name == "ReduceProd":
        return (np.multiply.reduce(arrays[0], axis=getattr(op, "axes"), keepdims=getattr(op, "keepdims")),)
    if op.name == "Cast":
        return (arrays[0],) if getattr(op, "dtype").kind in "iu" else None
    if op.name == "Where":
        return (np.where(arrays[0].astype(bool), arrays[1], arrays[2]),) if not any(isinstance(c, Dim) for c in arrays[0].flat) else None
    if op.name in _PLAIN:
        if op.name == "Gather":
            arrays[1] = arrays[1].astype(np.int64)
        return tuple(np.asarray(r, object) for r in op.run(*arrays))
    return None


def _divides_safely(op: Op, arrays: Sequence[SizeArray]) -> bool:
    """Integer division of sizes truncates; floor division is the same only for non-negative operands, and zero has no answer."""
    return op.name not in ("Div", "FloorDiv", "Mod") or all(isinstance(d, Dim) or d > 0 for d in arrays[1].flat)


def as_numbers(content: SizeArray, dtype: np.dtype[np.generic]) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None:
    """The content as an ordinary array when nothing in it is symbolic."""
    return content.astype(dtype) if is_static(content.flat) else None


