"""Reductions, softmax, cumulative sums."""

from __future__ import annotations

from nchw2nhwc.ir import Value
from nchw2nhwc.ops import reduce as rd
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.common import axes_of, axis_of, one_int
from nchw2nhwc.parse.openvino.registry import Results, add_mapping, mapping

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
