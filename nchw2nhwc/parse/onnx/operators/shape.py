"""Operators that read shapes, or make tensors of a shape."""

from __future__ import annotations

from math import ceil

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.reduce import CumSum
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, SparseTensor, Strings, onnx_op
from nchw2nhwc.parse.ranges import ranged

INT64 = np.dtype(np.int64)
LARGEST_RANGE = 1 << 24
"""Longer ranges are computed when the model runs instead of being stored."""


@onnx_op("Shape", 1, 13, 15, 19, 21, 23, 24, 25)
def shape(b: LayerBuilder, x: Value, *, start: int = 0, end: int | None = None) -> Value:
    """Slice semantics: ends past the rank are clamped."""
    return b.sizes(x.shape[start:end], INT64)


@onnx_op("Size", 1, 13, 19, 21, 23, 24, 25)
def size(b: LayerBuilder, x: Value) -> Value:
    return b.reshape(b.sizes((product(x.shape),), INT64), ())


@onnx_op("ConstantOfShape", 9, 20, 21, 23, 24, 25)
def constant_of_shape(b: LayerBuilder, shape: Value, *, value: Array | None = None) -> Value:
    element: Array = np.zeros(1, np.float32) if value is None else value
    if element.size != 1:
        raise b.damaged(f"attribute 'value' must hold one element, but holds {element.size}")
    if b.is_computed(shape):
        return dynamic.full(b, b.const(element.reshape(())), dynamic.vector(b, shape))
    sizes = b.shape_of(shape, "the shape")
    if any(isinstance(s, int) and s < 0 for s in sizes):
        raise b.damaged(f"the shape [{', '.join(map(str, sizes))}] has a negative size")
    return b.full(element.reshape(()), sizes)


@onnx_op("Constant", 1, 9, 11, 12, 13, 19, 21, 23, 24, 25)
def constant(b: LayerBuilder, *, value: Array | None = None, value_float: float | None = None, value_floats: Floats | None = None,
             value_int: int | None = None, value_ints: Ints | None = None, value_string: str | None = None,
             value_strings: Strings | None = None, sparse_value: SparseTensor | None = None) -> Value:
    if value_string is not None or value_strings is not None:
        raise UnsupportedError("strings are not supported", b.where)
    given: list[Array] = [v for v in (value, sparse_value) if v is not None]
    given += [np.asarray(v, np.float32) for v in (value_float, value_floats) if v is not None]
    given += [np.asarray(v, np.int64) for v in (value_int, value_ints) if v is not None]
    if len(given) != 1:
        raise b.damaged(f"a Constant has one value, but this one has {len(given)}")
    return b.const(given[0])


@onnx_op("Range", 11, 27)
def range_(b: LayerBuilder, start: Value, limit: Value, delta: Value, *, stash_type: int = 1) -> Value:
    """start + delta * [0, 1, ...] before limit. Where an end is no constant, or there are very many, they are computed."""
    dtype = start.type.dtype
    if dtype != limit.type.dtype or dtype != delta.type.dtype:
        raise b.damaged(f"start, limit and delta have different element types: {start.type}, {limit.type}, {delta.type}")
    if any(b.content(v) is None for v in (start, limit, delta)):
        return ranged(b, start, limit, delta, dtype)
    first, last, step = (b.number(v, what) for v, what in ((start, "start"), (limit, "limit"), (delta, "delta")))
    if step == 0:
        raise b.damaged("delta is 0")
    exact = (last - first) / step
    if not np.isfinite(exact):
        raise b.damaged(f"a range from {first} to {last} in steps of {step} has no end")
    count = max(ceil(exact), 0)
    if count <= LARGEST_RANGE:
        return b.const(np.asarray(first + np.arange(count) * step, dtype))
    steps = b.add1(CumSum(0, exclusive=True), b.full(np.asarray(step, dtype), (count,)))
    return steps if first == 0 else b.add1(Add(), steps, b.reshape(start, ()))


@onnx_op("EyeLike", 9, 22)
def eye_like(b: LayerBuilder, x: Value, *, dtype: DType | None = None, k: int = 0) -> Value:
    if x.rank != 2:
        raise b.damaged(f"the operand must be a matrix, but is {x.type}")
    rows, columns = x.shape
    if not isinstance(rows, int) or not isinstance(columns, int):
        row, column = dynamic.positions(b, rows).reshape(rows, 1), dynamic.positions(b, columns).reshape(1, columns)
        return (row + k).equals(column).cast(dtype or x.type.dtype).value
    b.require_room(rows * columns)
    return b.const(np.eye(rows, columns, max(min(k, columns), -rows)).astype(dtype or x.type.dtype))
