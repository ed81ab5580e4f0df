"""Formulas as Python expressions that build nodes."""

from __future__ import annotations

from collections.abc import Sequence

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Equal, Greater, GreaterEqual, Maximum, Minimum, Mul, Sub, Where
from nchw2nhwc.ops.elementwise import Abs, Cast, Exp, Log, Neg, Sqrt
from nchw2nhwc.passes.rewrite import Rewriter

Operand = "Term | Value | float"


class Term:
    """A value in a formula: `term * 2 + other` adds the nodes that compute it. Numbers become constants of the term's element type."""

    __slots__ = ("_rw", "value")

    def __init__(self, rw: Rewriter, value: Value) -> None:
        self._rw, self.value = rw, value

    def _operand(self, other: Term | Value | float) -> Value:
        if isinstance(other, Term):
            return other.value
        return other if isinstance(other, Value) else self._rw.scalar(other, self.value)

    def number(self, number: float) -> Term:
        """A number of this term's element type."""
        return Term(self._rw, self._rw.scalar(number, self.value))

    def apply(self, op: Op, *others: Term | Value | float) -> Term:
        """The op with this as operand 0."""
        return Term(self._rw, self._rw.add(op, self.value, *map(self._operand, others)))

    def _after(self, op: Op, first: Value | float) -> Term:
        return Term(self._rw, self._rw.add(op, self._operand(first), self.value))

    def __add__(self, other: Term | Value | float) -> Term:
        return self.apply(Add(), other)

    def __radd__(self, other: Value | float) -> Term:
        return self.apply(Add(), other)

    def __sub__(self, other: Term | Value | float) -> Term:
        return self.apply(Sub(), other)

    def __rsub__(self, other: Value | float) -> Term:
        return self._after(Sub(), other)

    def __mul__(self, other: Term | Value | float) -> Term:
        return self.apply(Mul(), other)

    def __rmul__(self, other: Value | float) -> Term:
        return self.apply(Mul(), other)

    def __truediv__(self, other: Term | Value | float) -> Term:
        return self.apply(Div(), other)

    def __rtruediv__(self, other: Value | float) -> Term:
        return self._after(Div(), other)

    def __neg__(self) -> Term:
        return self.apply(Neg())

    def __abs__(self) -> Term:
        return self.apply(Abs())

    def __gt__(self, other: Term | Value | float) -> Term:
        return self.apply(Greater(), other)

    def __ge__(self, other: Term | Value | float) -> Term:
        return self.apply(GreaterEqual(), other)

    def equals(self, other: Term | Value | float) -> Term:
        """Whether the elements are equal."""
        return self.apply(Equal(), other)

    def at_least(self, other: Term | Value | float) -> Term:
        """The larger of the two."""
        return self.apply(Maximum(), other)

    def at_most(self, other: Term | Value | float) -> Term:
        """The smaller of the two."""
        return self.apply(Minimum(), other)

    def exp(self) -> Term:
        return self.apply(Exp())

    def log(self) -> Term:
        return self.apply(Log())

    def sqrt(self) -> Term:
        return self.apply(Sqrt())

    def log1p(self) -> Term:
        """log(1 + x) that is accurate for small x: with u = 1 + x rounded it is log(u) * x / (u - 1), and x where u is 1.

        W. Kahan's; see N. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 1.14.1.
        """
        u = self + 1.0
        return u.equals(1.0).choose(self, u.log() * (self / (u - 1.0)))

    def choose(self, then: Term | Value, otherwise: Term | Value) -> Term:
        """`then` where this holds, else `otherwise`."""
        return self.apply(Where(), then, otherwise)

    def as_number(self, like: Term) -> Term:
        """1 where this holds, else 0, of the element type of `like`."""
        return self.apply(Cast(like.value.type.dtype))

    def polynomial(self, coefficients: Sequence[float]) -> Term:
        """The polynomial with these coefficients, the constant one first, by Horner's scheme."""
        *rest, last = coefficients
        result = self * last + rest[-1]
        for c in reversed(rest[:-1]):
            result = result * self + c
        return result
