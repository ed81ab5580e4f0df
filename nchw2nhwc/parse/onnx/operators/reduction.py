"""Operators that combine elements along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import nchw2nhwc.ops.reduce as ops
from nchw2nhwc.ir.dim import Size, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Mul, Where
from nchw2nhwc.ops.elementwise import Abs, Log, Sqrt
from nchw2nhwc.ops.movement import Pad, Slice
from nchw2nhwc.ops.reduce import AlongAxis, ArgReduce, Reduce
from nchw2nhwc.parse import computed_axes, dynamic
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op

_Entry = TypeVar("_Entry")

_REDUCTIONS: dict[str, tuple[type[Reduce], Ints, Ints]] = {
    "ReduceSum": (ops.ReduceSum, (1, 11), (13,)),
    "ReduceMean": (ops.ReduceMean, (1, 11, 13), (18,)),
    "ReduceMax": (ops.ReduceMax, (1, 11, 12, 13), (18, 20)),
    "ReduceMin": (ops.ReduceMin, (1, 11, 12, 13), (18, 20)),
    "ReduceProd": (ops.ReduceProd, (1, 11, 13), (18,)),
    "ReduceL1": (ops.ReduceL1, (1, 11, 13), (18,)),
    "ReduceL2": (ops.ReduceL2, (1, 11, 13), (18,)),
    "ReduceSumSquare": (ops.ReduceSumSquare, (1, 11, 13), (18,)),
    "ReduceLogSum": (ops.ReduceLogSum, (1, 11, 13), (18, 28)),
    "ReduceLogSumExp": (ops.ReduceLogSumExp, (1, 11, 13), (18, 28)),
}
"""Each with the versions in which the axes are an attribute, and those in which they are an operand."""


def _by_attribute(op: type[Reduce]) -> Callable[..., Value]:
    def mapping(b: LayerBuilder, x: Value, *, axes: Ints | None = None, keepdims: bool = True) -> Value:
        return b.add1(op(tuple(range(x.rank)) if not axes else b.axes(axes, x.rank), keepdims), x)

    return mapping


def _by_operand(op: type[Reduce]) -> Callable[..., Value]:
    def mapping(b: LayerBuilder, x: Value, axes: Value | None = None, *, keepdims: bool = True,
                noop_with_empty_axes: bool = False) -> Value:
        if axes is not None and axes.shape not in ((0,), (x.rank,)) and b.is_computed(axes):
            return _by_data(b, op, x, dynamic.vector(b, axes), keepdims)
        given: Ints = ()
        if axes is not None and axes.shape != (0,):  # as many as there are can only be all of them
            given = tuple(range(x.rank)) if axes.shape == (x.rank,) else b.axes(b.ints(axes, "axes"), x.rank)
        return b.add1(op(given if given or noop_with_empty_axes else tuple(range(x.rank)), keepdims), x)

    return mapping


def _by_data(b: LayerBuilder, op: type[Reduce], x: Value, axes: Formula, keepdims: bool) -> Value:
    """A reduction over axes that are computed: the formula around one that kernels have."""
    if op is ops.ReduceL1:
        x = b.add1(Abs(), x)
    elif op in (ops.ReduceL2, ops.ReduceSumSquare):
        x = b.add1(Mul(), x, x)
    found = computed_axes.reduced(b, _KERNELS.get(op, "ReduceSum"), x, axes, keepdims)
    if op is ops.ReduceL2:
        return b.add1(Sqrt(), found)
    return b.add1(Log(), found) if op is ops.ReduceLogSum else found


_KERNELS: dict[type[Reduce], str] = {op: op.__name__ for op in (ops.ReduceMean, ops.ReduceMax, ops.ReduceMin, ops.ReduceProd,
                                                                ops.ReduceLogSumExp)}
"""Reductions that are no sum of anything."""


for _name, (_op, _attribute_versions, _operand_versions) in _REDUCTIONS.items():
    onnx_op(_name, *_attribute_versions)(_by_attribute(_op))
    onnx_op(_name, *_operand_versions)(_by_operand(_op))


def _position(op: type[ArgReduce]) -> Callable[..., Value]:
    def mapping(b: LayerBuilder, x: Value, *, axis: int = 0, keepdims: bool = True, select_last_index: bool = False) -> Value:
        return b.add1(op(b.axis(axis, x.rank), keepdims, select_last_index), x)

    return mapping


for _position_name, _position_op in (("ArgMax", ops.ArgMax), ("ArgMin", ops.ArgMin)):
    onnx_op(_position_name, 1, 11, 12, 13)(_position(_position_op))


def _softmax(op: type[AlongAxis]) -> Callable[..., Value]:
    def mapping(b: LayerBuilder, x: Value, *, axis: int = -1) -> Value:
        return b.add1(op(b.axis(axis, x.rank)), x)

    return mapping


def _flattening(op: type[AlongAxis]) -> Callable[..., Value]:
    """Before opset 13 it runs over all axes from `axis` on at once."""

    def mapping(b: LayerBuilder, x: Value, *, axis: int = 1) -> Value:
        split = x.rank if axis == x.rank else b.axis(axis, x.rank)
        wide = [k for k in range(split, x.rank) if x.shape[k] != 1]
        if len(wide) <= 1 and split < x.rank:
            return b.add1(op(wide[0] if wide else split), x)
        matrix = b.reshape(x, (product(x.shape[:split]), product(x.shape[split:])))
        return b.reshape(b.add1(op(1), matrix), x.shape)

    return mapping


flattening_softmax = _flattening(ops.Softmax)

for _softmax_name, _softmax_op in (("Softmax", ops.Softmax), ("LogSoftmax", ops.LogSoftmax)):
    onnx_op(_softmax_name, 1, 11)(_flattening(_softmax_op))
    onnx_op(_softmax_name, 13)(_softmax(_softmax_op))


@onnx_op("CumSum", 11, 14)
def cumsum(b: LayerBuilder, x: Value, axis: Value, *, exclusive: bool = False, reverse: bool = False) -> Value:
    if x.rank > 1 and b.is_computed(axis):
        return computed_axes.along_any(b, dynamic.number(b, axis), x, [b.add1(ops.CumSum(k, exclusive, reverse), x) for k in range(x.rank)])
    along = 0 if x.rank == 1 else b.axis(b.integer(axis, "axis"), x.rank)
    return b.add1(ops.CumSum(along, exclusive, reverse), x)


@onnx_op("CumProd", 26)
def cumprod(b: LayerBuilder, x: Value, axis: Value, *, exclusive: bool = False, reverse: bool = False) -> Value:
    if x.rank > 1 and b.is_computed(axis):
        return computed_axes.along_any(b, dynamic.number(b, axis), x, [_products(b, x, k, exclusive, reverse) for k in range(x.rank)])
    return _products(b, x, 0 if x.rank == 1 else b.axis(b.integer(axis, "axis"), x.rank), exclusive, reverse)


def _products(b: LayerBuilder, x: Value, along: int, exclusive: bool, reverse: bool) -> Value:
    """Products of 2, 4, 8, ... neighbours; of an open number of elements all that come before each one."""
    size = x.shape[along]
    if not isinstance(size, int):
        return _products_of_all(b, x, along, size, exclusive, reverse)
    if exclusive:
        x = _shifted(b, x, along, size, 1, reverse)
    distance = 1
    while distance < size:
        x = b.add1(Mul(), x, _shifted(b, x, along, size, distance, reverse))
        distance *= 2
    return x


def _products_of_all(b: LayerBuilder, x: Value, along: int, size: Size, exclusive: bool, reverse: bool) -> Value:
    """For each element the product of all up to it, ones in the place of the others."""
    place = dynamic.positions(b, size)
    first, second = (place, place.column()) if reverse else (place.column(), place)
    counts = (first > second if exclusive else first >= second).reshape(size, size, *(1,) * (x.rank - along - 1))
    rows = b.reshape(x, (*x.shape[:along], 1, *x.shape[along:]))
    return b.add1(ops.ReduceProd((along + 1,), False), b.add1(Where(), counts.value, rows, b.scalar(1, x)))


def _shifted(b: LayerBuilder, x: Value, axis: int, size: int, distance: int, reverse: bool) -> Value:
    """x moved along an axis, with ones behind it."""
    start, stop = (distance, None) if reverse else (None, size - distance)
    left = b.add1(Slice(_only(x, axis, start, None), _only(x, axis, stop, None), (1,) * x.rank), x)
    begin, end = (0, distance) if reverse else (distance, 0)
    return b.add1(Pad(_only(x, axis, begin, 0), _only(x, axis, end, 0), "constant", 1.0), left)


def _only(x: Value, axis: int, entry: _Entry, other: _Entry) -> tuple[_Entry, ...]:
    """One entry for each axis of x."""
    return tuple(entry if k == axis else other for k in range(x.rank))
