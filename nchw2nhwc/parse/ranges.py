"""Numbers in equal steps up to an end that is a size, or that is computed."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir.dim import Dim, Size, size_max
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.ops.movement import Expand
from nchw2nhwc.ops.reduce import CumSum
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula

INT64 = np.dtype(np.int64)


def ranged(b: Builder, start: Value, limit: Value, delta: Value, dtype: DType) -> Value:
    """start + delta * [0, 1, ...] before `limit`, in an element type that all operands have. Up to sizes that is a cumulative sum of as
    many numbers as they say; what else is computed gives an axis of a size of its own."""
    ends = [_known(b, v) for v in (start, limit, delta)]
    if any(n is None or (isinstance(n, float) and not n.is_integer()) for n in ends) or isinstance(ends[2], Dim):
        return _computed(b, start, limit, delta, dtype)
    first, last, step = (n if isinstance(n, Dim) else int(n or 0) for n in ends)
    assert isinstance(step, int), "the step is a number"
    if step == 0:
        raise SourceError("a range has the step 0", b.where)
    ones = b.add1(Expand((_count(first, last, step),)), b.const(np.asarray(step, dtype)))
    steps = b.add1(CumSum(0, exclusive=True), ones)
    return steps if first == 0 else b.add1(Add(), steps, b.reshape(start, ()))


def _known(b: Builder, value: Value) -> Size | float | None:
    """A constant, or the size that a value is, as a float too, as in a grid of floats over an image; None for what is computed."""
    content = b.content(value)
    if content is None:
        maker = value.producer
        behind = maker.input(0) if value.sizes is None and maker is not None and isinstance(maker.op, Cast) else value
        content = behind.sizes
    elements = [] if content is None else content.ravel().tolist()
    if len(elements) > 1:
        raise SourceError(f"an end of a range must be one number, but is a tensor {value.type}", b.where)
    return elements[0] if elements else None


def _count(first: Size, last: Size, step: int) -> Size:
    """How many elements a range has."""
    span = last - first if step > 0 else first - last
    count = (span + (abs(step) - 1)) // abs(step)
    return count if first == 0 and step > 0 else size_max(count, 0)


def _computed(b: Builder, start: Value, limit: Value, delta: Value, dtype: DType) -> Value:
    """A range whose ends are computed: start + k * delta for the numbers k below the quotient of the distance and delta, rounded up."""
    first, last, step = (Formula(b, b.reshape(v, ())) for v in (start, limit, delta))
    if kind_of(dtype) == "integer" and all(v.const is not None and v.const.item() == k for k, v in enumerate((start, delta))):
        return dynamic.counted(b, last.cast(INT64)).cast(dtype).value
    if kind_of(dtype) == "integer":
        count = 0 - (first - last).cast(INT64) // step.cast(INT64)
    else:
        count = ((last - first) / step).ceil().cast(INT64)
    return (dynamic.counted(b, count).cast(dtype) * step + first).value
