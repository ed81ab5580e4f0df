"""Formulas as Python expressions that build nodes."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.elementwise import Log, Sqrt
from nchw2nhwc.ops.expression import Expression
from nchw2nhwc.passes.rewrite import Rewriter


class Term(Expression):
    """A value in a formula: `term * 2 + other` adds the nodes that compute it. Numbers become constants of the term's element type."""

    __slots__ = ("_rw",)

    def __init__(self, rw: Rewriter, value: Value) -> None:
        super().__init__(value)
        self._rw = rw

    def _of(self, value: Value) -> Term:
        return Term(self._rw, value)

    def _add(self, op: Op, *inputs: Value) -> Value:
        return self._rw.add(op, *inputs)

    def _constant(self, number: Array | float) -> Value:
        return self._rw.constant(number.astype(self.dtype)) if isinstance(number, np.ndarray) else self._rw.scalar(number, self.value)

    def number(self, number: float) -> Term:
        """A number of this term's element type."""
        return Term(self._rw, self._rw.scalar(number, self.value))

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

    def as_number(self, like: Term) -> Term:
        """1 where this holds, else 0, of the element type of `like`."""
        return self.cast(like.dtype)
