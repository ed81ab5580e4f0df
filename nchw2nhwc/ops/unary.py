"""Families of ops of one operand that treat every element alike.

A reference returns the operand's element type; formulas of several steps are computed in double precision inside.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.kinds import FLOAT, Doubles, Kinds, require, wide
from nchw2nhwc.ops.rules import Elementwise


class Unary(Op, abstract=True):
    """The family: the result has the operand's shape and, unless a class says otherwise, its element type (one of `kinds`)."""

    rule = Elementwise()
    kinds: ClassVar[Kinds] = FLOAT

    def infer(self, x: TensorType) -> TensorType:
        require(self, self.kinds, x)
        return x

    def reference(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self.compute(x), x.dtype)

    def compute(self, x: Array) -> Array:
        """The result, of any element type."""
        raise NotImplementedError(f"{self.name}.compute")


class Ufunc(Unary, abstract=True):
    """A numpy function as it is, in the operand's own element type."""

    fn: ClassVar[np.ufunc]

    def compute(self, x: Array) -> Array:
        return np.asarray(self.fn(x))


class Composite(Unary, abstract=True):
    """A formula of several steps, in double precision."""

    def compute(self, x: Array) -> Array:
        return np.asarray(self.formula(wide(x)))

    def formula(self, x: Doubles) -> Doubles:
        """The result in double precision."""
        raise NotImplementedError(f"{self.name}.formula")


class Predicate(Unary, abstract=True):
    """A question about every element; the result is boolean."""

    def infer(self, x: TensorType) -> TensorType:
        require(self, self.kinds, x)
        return x.with_dtype(np.dtype(np.bool_))

    def reference(self, x: Array) -> Array:
        return np.asarray(self.compute(x), np.bool_)
