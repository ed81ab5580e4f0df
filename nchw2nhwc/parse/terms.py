"""Formulas over tensors as they are read: `term * 2 + other` adds the nodes that compute it, with numbers as constants of its type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, Union

import numpy as np

from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import (
    Add,
    Div,
    Equal,
    FloorDiv,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    LogicalAnd,
    LogicalOr,
    Maximum,
    Minimum,
    Mod,
    Mul,
    Sub,
    Where,
)
from nchw2nhwc.ops.elementwise import Abs, Cast, Ceil, Floor, LogicalNot
from nchw2nhwc.parse.builder import Builder

INT64: DType = np.dtype(np.int64)

Operand: TypeAlias = Union["Term", Value, float]


class Term:
    """A value in a formula."""

    __slots__ = ("b", "value")

    def __init__(self, b: Builder, value: Value) -> None:
        self.b, self.value = b, value

    def of(self, op: Op, *others: Operand) -> Term:
        """The op with this as operand 0."""
        return Term(self.b, self.b.add1(op, self.value, *map(self._operand, others)))

    def _operand(self, other: Operand) -> Value:
        if isinstance(other, Term):
            return other.value
        return other if isinstance(other, Value) else self.b.const(other, self.value.type.dtype)

    def _after(self, op: Op, first: float) -> Term:
        return Term(self.b, self.b.add1(op, self._operand(first), self.value))

    def __add__(self, other: Operand) -> Term:
        return self.of(Add(), other)

    def __sub__(self, other: Operand) -> Term:
        return self.of(Sub(), other)

    def __rsub__(self, other: float) -> Term:
        return self._after(Sub(), other)

    def __mul__(self, other: Operand) -> Term:
        return self.of(Mul(), other)

    def __truediv__(self, other: Operand) -> Term:
        return self.of(Div(), other)

    def __floordiv__(self, other: Operand) -> Term:
        """The quotient rounded down."""
        return self.of(FloorDiv(), other)

    def __mod__(self, other: Operand) -> Term:
        """The remainder with the sign of the divisor."""
        return self.of(Mod(), other)

    def __lt__(self, other: Operand) -> Term:
        return self.of(Less(), other)

    def __le__(self, other: Operand) -> Term:
        return self.of(LessEqual(), other)

    def __gt__(self, other: Operand) -> Term:
        return self.of(Greater(), other)

    def __ge__(self, other: Operand) -> Term:
        return self.of(GreaterEqual(), other)

    def __and__(self, other: Operand) -> Term:
        return self.of(LogicalAnd(), other)

    def __or__(self, other: Operand) -> Term:
        return self.of(LogicalOr(), other)

    def __invert__(self) -> Term:
        return self.of(LogicalNot())

    def __abs__(self) -> Term:
        return self.of(Abs())

    def equals(self, other: Operand) -> Term:
        """Whether the elements are equal."""
        return self.of(Equal(), other)

    def at_least(self, other: Operand) -> Term:
        """The larger of the two."""
        return self.of(Maximum(), other)

    def at_most(self, other: Operand) -> Term:
        """The smaller of the two."""
        return self.of(Minimum(), other)

    def floor(self) -> Term:
        return self.of(Floor())

    def ceil(self) -> Term:
        return self.of(Ceil())

    def cast(self, dtype: DType) -> Term:
        """In another element type."""
        return self if self.value.type.dtype == dtype else self.of(Cast(dtype))

    def choose(self, then: Term, otherwise: Operand) -> Term:
        """`then` where this holds, else `otherwise`."""
        return self.of(Where(), then, then._operand(otherwise))

    def reshape(self, shape: Sequence[Size]) -> Term:
        """Under another shape."""
        return Term(self.b, self.b.reshape(self.value, tuple(shape)))

    def column(self) -> Term:
        """A vector as a matrix of one column."""
        return self.reshape((*self.value.shape, 1))
