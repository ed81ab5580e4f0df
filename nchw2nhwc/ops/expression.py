"""Formulas as Python expressions: `x * 2 + y` adds the nodes that compute it.

What adds them, and what else a formula may say, is for derived classes: `Formula` of the parsers, `Term` of rewriting passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np

from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops import binary, elementwise, movement
from nchw2nhwc.ops.base import Op

if TYPE_CHECKING:
    from typing import Self

Operand: TypeAlias = Union["Expression", Value, Array, float]


class Expression(ABC):
    """A value in a formula. Numbers and arrays that it meets become constants of its element type."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    @abstractmethod
    def _of(self, value: Value) -> Self:
        """Another value in the same formula."""

    @abstractmethod
    def _add(self, op: Op, *inputs: Value) -> Value:
        """The result of a new node."""

    @abstractmethod
    def _constant(self, number: Array | float) -> Value:
        """A constant of this element type."""

    @property
    def shape(self) -> tuple[Size, ...]:
        return self.value.shape

    @property
    def dtype(self) -> DType:
        return self.value.type.dtype

    def _operand(self, other: Operand) -> Value:
        if isinstance(other, Expression):
            return other.value
        return other if isinstance(other, Value) else self._constant(other)

    def apply(self, op: Op, *others: Operand) -> Self:
        """The op with this as operand 0."""
        return self._of(self._add(op, self.value, *map(self._operand, others)))

    def _after(self, op: Op, first: Value | float) -> Self:
        return self._of(self._add(op, self._operand(first), self.value))

    def column(self) -> Self:
        """A vector as a matrix of one column."""
        return self.apply(movement.Reshape((*self.shape, 1)))

    # ---- arithmetic ------------------------------------------------------------------------------------------------
    def __add__(self, other: Operand) -> Self:
        return self.apply(binary.Add(), other)

    def __radd__(self, other: Value | float) -> Self:
        return self.apply(binary.Add(), other)

    def __sub__(self, other: Operand) -> Self:
        return self.apply(binary.Sub(), other)

    def __rsub__(self, other: Value | float) -> Self:
        return self._after(binary.Sub(), other)

    def __mul__(self, other: Operand) -> Self:
        return self.apply(binary.Mul(), other)

    def __rmul__(self, other: Value | float) -> Self:
        return self.apply(binary.Mul(), other)

    def __truediv__(self, other: Operand) -> Self:
        return self.apply(binary.Div(), other)

    def __rtruediv__(self, other: Value | float) -> Self:
        return self._after(binary.Div(), other)

    def __floordiv__(self, other: Operand) -> Self:
        return self.apply(binary.FloorDiv(), other)

    def __mod__(self, other: Operand) -> Self:
        return self.apply(binary.Mod(), other)

    def __neg__(self) -> Self:
        return self.apply(elementwise.Neg())

    def __abs__(self) -> Self:
        return self.apply(elementwise.Abs())

    def at_least(self, other: Operand) -> Self:
        """The larger of the two."""
        return self.apply(binary.Maximum(), other)

    def at_most(self, other: Operand) -> Self:
        """The smaller of the two."""
        return self.apply(binary.Minimum(), other)

    def floor(self) -> Self:
        return self.apply(elementwise.Floor())

    def ceil(self) -> Self:
        return self.apply(elementwise.Ceil())

    def exp(self) -> Self:
        return self.apply(elementwise.Exp())

    def polynomial(self, coefficients: Sequence[float]) -> Self:
        """The polynomial with these coefficients, the constant one first, by Horner's scheme."""
        *rest, last = coefficients
        result = self * last + rest[-1]
        for c in reversed(rest[:-1]):
            result = result * self + c
        return result

    # ---- truth -----------------------------------------------------------------------------------------------------
    def __lt__(self, other: Operand) -> Self:
        return self.apply(binary.Less(), other)

    def __le__(self, other: Operand) -> Self:
        return self.apply(binary.LessEqual(), other)

    def __gt__(self, other: Operand) -> Self:
        return self.apply(binary.Greater(), other)

    def __ge__(self, other: Operand) -> Self:
        return self.apply(binary.GreaterEqual(), other)

    def equals(self, other: Operand) -> Self:
        """Whether the elements are equal."""
        return self.apply(binary.Equal(), other)

    def differs(self, other: Operand) -> Self:
        """Whether the elements are not equal."""
        return self.apply(binary.NotEqual(), other)

    def __and__(self, other: Operand) -> Self:
        return self.apply(binary.LogicalAnd(), other)

    def __or__(self, other: Operand) -> Self:
        return self.apply(binary.LogicalOr(), other)

    def __invert__(self) -> Self:
        return self.apply(elementwise.LogicalNot())

    def choose(self, then: Expression | Value, otherwise: Operand) -> Self:
        """`then` where this holds, else `otherwise`, which a number stands for in the element type of `then`."""
        first = self._of(self._operand(then))
        return self.apply(binary.Where(), first, first._operand(otherwise))

    # ---- types -----------------------------------------------------------------------------------------------------
    def cast(self, dtype: DType | type[np.generic]) -> Self:
        """As another element type."""
        wanted: DType = np.dtype(dtype)
        return self if self.dtype == wanted else self.apply(elementwise.Cast(wanted))
