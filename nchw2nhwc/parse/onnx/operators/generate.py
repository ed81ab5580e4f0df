"""Operators that compare positions: triangles, one-hot vectors, the place of a maximum."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Equal, Where
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.reduce import ArgMax
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.formula import INT64, Formula
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op
from nchw2nhwc.parse.selection import positions


@onnx_op("Trilu", 14)
def trilu(b: LayerBuilder, x: Value, k: Value | None = None, *, upper: bool = True) -> Value:
    """The upper (or lower) triangle of the last two axes, from diagonal k on; the rest becomes 0."""
    if x.rank < 2:
        raise b.damaged(f"the operand must be a matrix, but is {x.type}")
    rows, columns = x.shape[-2:]
    if isinstance(rows, int) and isinstance(columns, int) and (k is None or not b.is_computed(k)):
        b.require_room(rows * columns)
        shift = 0 if k is None else b.integer(k, "k")
        distance = np.arange(columns) - np.arange(rows)[:, None]
        kept = b.const(distance >= shift if upper else distance <= shift)
    else:
        diagonal = dynamic.number(b, k) if k is not None else Formula(b, b.const(0, INT64))
        down, along = (Formula(b, positions(b, size, INT64)) for size in (rows, columns))
        edge = (down + diagonal).reshape(rows, 1)
        kept = (along >= edge if upper else along <= edge).value
    return b.add1(Where(), kept, x, b.scalar(0, x))


@onnx_op("OneHot", 9, 11, 28)
def one_hot(b: LayerBuilder, indices: Value, depth: Value, values: Value, *, axis: int = -1) -> Value:
    """values[1] where the position along the new axis is the index, which may count from the end; values[0] elsewhere."""
    axis = b.axis(axis, indices.rank + 1)
    if b.is_computed(depth) and values.shape == (2,):
        size = dynamic.number(b, depth)
        return _hot(b, Formula(b, indices).cast(INT64), size, dynamic.counted(b, size, "depth"), values, axis)
    count = int(b.number(depth, "depth"))
    if count < 0 or values.shape != (2,):
        raise b.damaged(f"depth {count} and values {values.type} must be a number and a pair")
    b.require_room(count)
    return _hot(b, Formula(b, indices).cast(INT64), Formula(b, b.const(count, INT64)), Formula(b, b.const(np.arange(count))), values, axis)


def _hot(b: LayerBuilder, index: Formula, count: Formula, places: Formula, values: Value, axis: int) -> Value:
    """The one-hot vectors of `count` elements, with its positions."""
    index = (index < 0).choose(index + count, index)
    shape = index.value.shape
    apart = b.reshape(index.value, (*shape[:axis], 1, *shape[axis:]))
    hot = b.add1(Equal(), apart, b.along(places.value, axis, apart.rank))
    off, on = (b.add1(Gather(0), values, b.const(k, INT64)) for k in (0, 1))
    return b.add1(Where(), hot, on, off)


@onnx_op("Hardmax", 1, 11)
def hardmax_1(b: LayerBuilder, x: Value, *, axis: int = 1) -> Value:
    """Over all axes from `axis` on at once."""
    split = x.rank if axis == x.rank else b.axis(axis, x.rank)
    matrix = b.reshape(x, (product(x.shape[:split]), product(x.shape[split:])))
    return b.reshape(hardmax(b, matrix), x.shape)


@onnx_op("Hardmax", 13)
def hardmax(b: LayerBuilder, x: Value, *, axis: int = -1) -> Value:
    """1 at the first maximum along `axis`, 0 elsewhere."""
    axis = b.axis(axis, x.rank)
    size = x.shape[axis]
    if isinstance(size, int):
        b.require_room(size)
    positions = b.along(dynamic.positions(b, size).value, axis, x.rank)
    return b.add1(Cast(x.type.dtype), b.add1(Equal(), positions, b.add1(ArgMax(axis), x)))
