"""Formulas as Python expressions that add nodes: what the mappings of ops without a counterpart are written in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops import reduce
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.expression import Expression
from nchw2nhwc.ops.indexing import Gather, GatherElements, TopK
from nchw2nhwc.ops.movement import Concat, Expand, Slice
from nchw2nhwc.parse.builder import Builder

INT64: DType = np.dtype(np.int64)


class Formula(Expression):
    """A value in a formula: `x * 2 + y` adds the nodes that compute it. Numbers and arrays become constants of x's element type."""

    __slots__ = ("b",)

    def __init__(self, b: Builder, value: Value) -> None:
        super().__init__(value)
        self.b = b

    def _of(self, value: Value) -> Formula:
        return Formula(self.b, value)

    def _add(self, op: Op, *inputs: Value) -> Value:
        return self.b.add1(op, *inputs)

    def _constant(self, number: Array | float) -> Value:
        return self.b.const(np.asarray(number).astype(self.dtype))

    # ---- shapes ----------------------------------------------------------------------------------------------------
    def reshape(self, *shape: Size) -> Formula:
        return Formula(self.b, self.b.reshape(self.value, shape))

    def transpose(self, *perm: int) -> Formula:
        return Formula(self.b, self.b.transpose(self.value, perm))

    def expand(self, *shape: Size) -> Formula:
        """Broadcast to a shape."""
        return self if self.shape == shape else self.apply(Expand(shape))

    def part(self, axis: int, start: int, stop: int) -> Formula:
        """A range along one axis, which stays."""
        rank = self.value.rank
        axis %= rank
        starts, stops = (tuple(end if k == axis else None for k in range(rank)) for end in (start, stop))
        return self if (start, stop) == (0, self.shape[axis]) else self.apply(Slice(starts, stops, (1,) * rank))

    def take(self, indices: Formula | Array | int, axis: int = 0) -> Formula:
        """The elements at indices along an axis."""
        return self.apply(Gather(axis), indices.value if isinstance(indices, Formula) else self.b.const(np.asarray(indices, np.int64)))

    def take_along(self, indices: Formula, axis: int) -> Formula:
        """One index along an axis for each element of the result."""
        return self.apply(GatherElements(axis), indices)

    def top(self, count: int, axis: int, largest: bool = True) -> tuple[Formula, Formula]:
        """The largest or smallest elements along an axis, best first, and where they are; of equal ones the first."""
        best, where = self.b.add(TopK(axis, count, largest), self.value)
        return Formula(self.b, best), Formula(self.b, where)

    # ---- reductions ------------------------------------------------------------------------------------------------
    def sum(self, *axes: int, keepdims: bool = False) -> Formula:
        return self.apply(reduce.ReduceSum(axes, keepdims))

    def max(self, *axes: int, keepdims: bool = False) -> Formula:
        return self.apply(reduce.ReduceMax(axes, keepdims))

    def min(self, *axes: int, keepdims: bool = False) -> Formula:
        return self.apply(reduce.ReduceMin(axes, keepdims))

    def cumsum(self, axis: int) -> Formula:
        """Sums of all elements up to each one."""
        return self.apply(reduce.CumSum(axis))


def joined(parts: Sequence[Formula], axis: int) -> Formula:
    """One behind the other along an axis."""
    first, *others = parts
    return first.apply(Concat(axis), *others) if others else first
