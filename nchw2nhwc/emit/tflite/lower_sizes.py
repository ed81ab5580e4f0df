"""Sizes that are known only when the model runs, as tensors computed from the shapes of other tensors.

Each symbolic size becomes a 1-element int32 tensor, made once per file: read off a tensor that has it, if one has been computed before,
else put together from the named dimensions. Reading and multiplying are what LiteRT does while it allocates tensors, so that shapes which
need no more than that are known before the model runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby

import numpy as np

from nchw2nhwc.emit.sizes import computed
from nchw2nhwc.emit.tflite.carriers import INT32
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.ir import Dim, DType, Node, Size
from nchw2nhwc.ops.sizes import Sizes

_FUNCTIONS = {"+": ("ADD", "AddOptions"), "*": ("MUL", "MulOptions"), "//": ("FLOOR_DIV", "FloorDivOptions"),
              "%": ("FLOOR_MOD", "FloorModOptions"), "max": ("MAXIMUM", "MaximumMinimumOptions"),
              "min": ("MINIMUM", "MaximumMinimumOptions")}


def sizes_tensor(e: Emitter, sizes: Sequence[Size], dtype: DType = INT32) -> int:
    """A 1-D integer tensor of `sizes`; a constant if all are numbers. Raises TargetError for a dimension that no input shows."""
    parts: list[int] = []
    for symbolic, run in groupby(sizes, lambda s: isinstance(s, Dim)):
        if symbolic:
            parts += [_size(e, s) for s in run]
        else:
            parts.append(e.ints([s for s in run if isinstance(s, int)]))
    if not parts:
        return e.const(np.zeros(0, dtype))
    whole = parts[0] if len(parts) == 1 else e.run("CONCATENATION", parts, INT32, (len(sizes),), options("ConcatenationOptions", axis=0))
    return e.cast(whole, dtype)


def size_tensor(e: Emitter, size: Size) -> int:
    """An int32 scalar that holds a size."""
    if isinstance(size, int):
        return e.const(size, INT32)
    return e.run("RESHAPE", [_size(e, size)], INT32, (), options("ReshapeOptions", newShape=()))


def _size(e: Emitter, size: Size) -> int:
    """A tensor of one element."""
    if not isinstance(size, Dim):
        return e.ints([size])
    if size not in e.size_tensors:
        e.size_tensors[size] = _read(e, *e.shown[size]) if size in e.shown else _computed(e, size)
    return e.size_tensors[size]


def _read(e: Emitter, tensor: int, axis: int) -> int:
    """The size of an axis of a tensor."""
    rank = len(e.tensor(tensor).shape)
    if tensor not in e.shape_tensors:
        e.shape_tensors[tensor] = e.run("SHAPE", [tensor], INT32, (rank,), options("ShapeOptions", outType=2))
    if rank == 1:
        return e.shape_tensors[tensor]
    ends = [e.ints([axis]), e.ints([axis + 1]), e.ints([1])]
    return e.run("STRIDED_SLICE", [e.shape_tensors[tensor], *ends], INT32, (1,), options("StridedSliceOptions"))


def _computed(e: Emitter, size: Dim) -> int:
    """A size put together from others. Raises TargetError for a named dimension that is the size of no axis."""
    def apply(fn: str, left: int, right: int) -> int:
        code, table = _FUNCTIONS[fn]
        return e.run(code, [left, right], INT32, (1,), options(table))

    return computed(size, e.shown, partial(_size, e), apply, e.where)


@lowering(Sizes, lambda node, op: "" if op.sizes else "LiteRT has no constants without elements")
def sizes(e: Emitter, node: Node, op: Sizes) -> None:
    """A constant, or what `sizes_tensor` makes."""
    e.alias(node, sizes_tensor(e, op.sizes, op.dtype))
