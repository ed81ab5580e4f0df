"""Formulas as Python expressions that add nodes: what the mappings of ops without a counterpart are written in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops import binary, elementwise, reduce
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.indexing import Gather, GatherElements, TopK
from nchw2nhwc.ops.movement import Concat, Expand, Slice
from nchw2nhwc.parse.builder import Builder


class Formula:
    """A value in a formula: `x * 2 + y` adds the nodes that compute it. Numbers and arrays become constants of x's element type."""

    __slots__ = ("b", "value")

    def __init__(self, b: Builder, value: Value) -> None:
        self.b, self.value = b, value

    @property
    def shape(self) -> tuple[Size, ...]:
        return self.value.shape

    @property
    def dtype(self) -> DType:
        return self.value.type.dtype

    def _operand(self, other: Formula | Array | float) -> Value:
        return other.value if isinstance(other, Formula) else self.b.const(np.asarray(other).astype(self.dtype))

    def apply(self, op: Op, *others: Formula | Array | float) -> Formula:
        """The op with this as operand 0."""
        return Formula(self.b, self.b.add1(op, self.value, *map(self._operand, others)))

    def _after(self, op: Op, first: Array | float) -> Formula:
        return Formula(self.b, self.b.add1(op, self._operand(first), self.value))

    # ---- arithmetic ------------------------------------------------------------------------------------------------
    def __add__(self, other: Formula | Array | float) -> Formula:
        return self.apply(binary.Add(), other)

    def __radd__(self, other: float) -> Formula:
        return self.apply(binary.Add(), other)

    def __sub__(self, other: Formula | Array | float) -> Formula:
        return self.apply(binary.Sub(), other)

    def __rsub__(self, other: float) -> Formula:
        return self._after(binary.Sub(), other)

    def __mul__(self, other: Formula | Array | float) -> Formula:
        return self.apply(binary.Mul(), other)

    def __rmul__(self, other: float) -> Formula:
        return self.apply(binary.Mul(), other)

    def __truediv__(self, other: Formula | Array | float) -> Formula:
        return self.apply(binary.Div(), other)

    def __floordiv__(self, other: Formula | Array | float) -> Formula:
        return self.apply(binary.FloorDiv(), other)

    def __abs__(self) -> Formula:
        return self.apply(elementwise.Abs())

    def at_least(self, other: Formula | Array | float) -> Formula:
        """The larger of the two."""
        return self.apply(binary.Maximum(), other)

    def at_most(self, other: Formula | Array | float) -> Formula:
        """The smaller of the two."""
        return self.apply(binary.Minimum(), other)

    def floor(self) -> Formula:
        return self.apply(elementwise.Floor())

    def ceil(self) -> Formula:
        return self.apply(elementwise.Ceil())

    def exp(self) -> Formula:
        return self.apply(elementwise.Exp())

    # ---- truth -----------------------------------------------------------------------------------------------------
    def __lt__(self, other: Formula | Array | float) -> Formula:
        return self.apply(binary.Less(), other)

    def __le__(self, other: Formula | Array | float) -> Formula:
        return self.apply(binary.LessEqual(), other)

    def __gt__(self, other: Formula | Array | float) -> Formula:
        return self.apply(binary.Greater(), other)

    def __ge__(self, other: Formula | Array | float) -> Formula:
        return self.apply(binary.GreaterEqual(), other)

    def equals(self, other: Formula | Array | float) -> Formula:
        """Whether the elements are equal."""
        return self.apply(binary.Equal(), other)

    def differs(self, other: Formula | Array | float) -> Formula:
        """Whether the elements are not equal."""
        return self.apply(binary.NotEqual(), other)

    def __and__(self, other: Formula) -> Formula:
        return self.apply(binary.LogicalAnd(), other)

    def __or__(self, other: Formula) -> Formula:
        return self.apply(binary.LogicalOr(), other)

    def __invert__(self) -> Formula:
        return self.apply(elementwise.LogicalNot())

    def choose(self, then: Formula, otherwise: Formula | Array | float) -> Formula:
        """`then` where this holds, else `otherwise`, which a number stands for in the element type of `then`."""
        return Formula(self.b, self.b.add1(binary.Where(), self.value, then.value, then._operand(otherwise)))

    # ---- types and shapes ------------------------------------------------------------------------------------------
    def cast(self, dtype: DType | type[np.generic]) -> Formula:
        """As another element type."""
        wanted: DType = np.dtype(dtype)
        return self if self.dtype == wanted else self.apply(elementwise.Cast(wanted))

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
        where = indices.value if isinstance(indices, Formula) else self.b.const(np.asarray(indices, np.int64))
        return Formula(self.b, self.b.add1(Gather(axis), self.value, where))

    def take_along(self, indices: Formula, axis: int) -> Formula:
        """One index along an axis for each element of the result."""
        return Formula(self.b, self.b.add1(GatherElements(axis), self.value, indices.value))

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
    first = parts[0]
    return first if len(parts) == 1 else Formula(first.b, first.b.add1(Concat(axis), *(p.value for p in parts)))
