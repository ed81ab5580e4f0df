"""Ops whose result has sizes that an operand holds: what they are is known only when the model runs.

Named dimensions in `shape` stand for such sizes; a number there is a promise that the operand keeps. The rank is always known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TypeVar

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim, Shape
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import REGISTRY, Op
from nchw2nhwc.ops.kinds import BOOL, NUMBER, check_choices, kind_of, one_of, require
from nchw2nhwc.ops.rules import SourceOrder

INT64 = np.dtype(np.int64)

_Self = TypeVar("_Self", bound=Op)


def _require_numbers(what: str, operand: TensorType, shape: Shape) -> None:
    if kind_of(operand.dtype) != "integer" or operand.shape != shape:
        raise ShapeError(f"{what} must be integers of shape [{', '.join(map(str, shape))}], not {operand}")


@dataclass(frozen=True)
class Dynamic(Op, abstract=True):
    """The family. The sizes that an operand holds are what counts, so that there is nothing to bind."""

    rule = SourceOrder()

    def bind(self: _Self, sizes: Mapping[str, int]) -> _Self:
        return self


@dataclass(frozen=True)
class DynamicIota(Op):
    """0, 1, 2, ... below the operand, an integer without axes (none where that is negative), as int64.

    The result's only axis is the named dimension `count`, which is `most` at most. Source: ONNX Range, and operators that need positions
    along such an axis.
    """

    count: str
    most: int | None = None
    rule = SourceOrder()

    def infer(self, limit: TensorType) -> TensorType:
        _require_numbers("the limit", limit, ())
        return TensorType(INT64, (Dim.symbol(self.count, self.most),))

    def reference(self, limit: Array) -> Array:
        return np.arange(int(limit), dtype=INT64)


@dataclass(frozen=True)
class DynamicReshape(Dynamic):
    """The same elements in row-major order under the shape that operand 1 holds (no 0 or -1 placeholders). Source: ONNX Reshape."""

    shape: Shape

    def infer(self, x: TensorType, sizes: TensorType) -> TensorType:
        _require_numbers("the shape", sizes, (len(self.shape),))
        return x.with_shape(self.shape)

    def reference(self, x: Array, sizes: Array) -> Array:
        wanted = tuple(int(s) for s in sizes)
        if prod(wanted) != x.size or min(wanted, default=0) < 0:
            raise ShapeError(f"{x.size} elements cannot be given the shape {list(wanted)}")
        return x.reshape(wanted)


@dataclass(frozen=True)
class DynamicBroadcast(Dynamic):
    """Operand 0 broadcast to the shape that operand 1 holds. Source: ONNX Expand, ConstantOfShape."""

    shape: Shape

    def infer(self, x: TensorType, sizes: TensorType) -> TensorType:
        _require_numbers("the shape", sizes, (len(self.shape),))
        if x.rank > len(self.shape):
            raise ShapeError(f"{x} has more axes than [{', '.join(map(str, self.shape))}]")
        return x.with_shape(self.shape)

    def reference(self, x: Array, sizes: Array) -> Array:
        return np.broadcast_to(x, tuple(int(s) for s in sizes))


@dataclass(frozen=True)
class DynamicReduce(Dynamic):
    """Operand 0 reduced over the axes that operand 1 holds, each of them once, negative ones counted from the end.

    `kind` is the reduction. Source: ONNX ReduceSum and the other reductions with axes as an operand.
    """

    kind: str = field(metadata=one_of("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceLogSumExp"))
    keepdims: bool
    shape: Shape

    def infer(self, x: TensorType, axes: TensorType) -> TensorType:
        check_choices(self)
        require(self, NUMBER | BOOL if self.kind in ("ReduceMax", "ReduceMin") else NUMBER, x)
        if axes.rank != 1 or len(self.shape) != x.rank - (0 if self.keepdims else axes.shape[0]):
            raise ShapeError(f"{x} reduced over axes {axes} does not have the shape [{', '.join(map(str, self.shape))}]")
        return x.with_shape(self.shape)

    def reference(self, x: Array, axes: Array) -> Array:
        where = tuple(sorted(int(a) % x.ndim for a in axes))
        if len(set(where)) < len(where):
            raise ShapeError(f"axes {axes.tolist()} name an axis twice")
        made: Op = REGISTRY[self.kind](where, self.keepdims)  # type: ignore[call-arg]
        return made.run(x)[0]
