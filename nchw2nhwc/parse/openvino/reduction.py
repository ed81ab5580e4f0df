"""Reductions, softmax, cumulative sums, and TopK where it is an arg-max."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir import DType, Value
from nchw2nhwc.ops import reduce as rd
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.common import axes_of, axis_of, one_int
from nchw2nhwc.parse.openvino.registry import Results, add_mapping, mapping

I32: DType = np.dtype(np.int32)

_REDUCTIONS: tuple[tuple[str, int, type[rd.Reduce]], ...] = (
    ("ReduceSum", 1, rd.ReduceSum), ("ReduceMean", 1, rd.ReduceMean), ("ReduceMax", 1, rd.ReduceMax), ("ReduceMin", 1, rd.ReduceMin),
    ("ReduceProd", 1, rd.ReduceProd), ("ReduceL1", 4, rd.ReduceL1), ("ReduceL2", 4, rd.ReduceL2), ("ReduceLogicalAnd", 1, rd.ReduceAnd),
    ("ReduceLogicalOr", 1, rd.ReduceOr),
)


def _register(type: str, since: int, op: type[rd.Reduce]) -> None:
    def apply(b: Builder, x: Value, axes: Value, *, keep_dims: bool = False) -> Results:
        return b.add1(op(axes_of(b.ints(axes, "the axes of a reduction"), x.rank), keep_dims), x)
    add_mapping(type, (since,), apply)


for _entry in _REDUCTIONS:
    _register(*_entry)


@mapping("SoftMax", 1, 8)
def softmax(b: Builder, x: Value, *, axis: int = 1) -> Results:
    """exp(x) / sum of exp(x) along an axis."""
    return b.add1(rd.Softmax(axis_of(axis, x.rank)), x)


@mapping("LogSoftmax", 5)
def log_softmax(b: Builder, x: Value, *, axis: int = 1) -> Results:
    """x - log(sum of exp(x)) along an axis."""
    return b.add1(rd.LogSoftmax(axis_of(axis, x.rank)), x)


@mapping("CumSum", 3)
def cum_sum(b: Builder, x: Value, axis: Value | None = None, *, exclusive: bool = False, reverse: bool = False) -> Results:
    """Sums of all elements up to this one along an axis, 0 when absent."""
    along = 0 if axis is None else one_int(b, axis, "the axis of a cumulative sum")
    return b.add1(rd.CumSum(axis_of(along, x.rank), exclusive, reverse), x)


@mapping("TopK", 1, 3, 11)
def top_k(b: Builder, x: Value, k: Value, *, axis: int, mode: Literal["max", "min"],
          index_element_type: DType = I32) -> Results:
    """Values and positions of the largest or smallest element along an axis."""
    count = one_int(b, k, "the number of elements of a TopK")
    if count != 1:
        raise UnsupportedError(f"TopK of {count} elements; only of one, an arg-max, is supported")
    along = axis_of(axis, x.rank)
    values, positions = (rd.ReduceMax, rd.ArgMax) if mode == "max" else (rd.ReduceMin, rd.ArgMin)
    return b.add1(values((along,), True), x), b.add1(positions(along, True, dtype=index_element_type), x)
