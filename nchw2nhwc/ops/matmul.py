"""Products of matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import exact_div, product
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op, broadcast_shapes, require_equal
from nchw2nhwc.ops.kinds import NUMBER, require
from nchw2nhwc.ops.rules import Contraction
from nchw2nhwc.ops.windows import single


@dataclass(frozen=True)
class MatMul(Op):
    """`a @ b` over the last two axes, the leading ones broadcast; both operands have rank 2 or more.

    `adjoint_a` and `adjoint_b` swap the last two axes of an operand first. Source: ONNX MatMul, Gemm; OpenVINO MatMul-1.
    """

    adjoint_a: bool = False
    adjoint_b: bool = False
    rule = Contraction()

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        require(self, NUMBER, a, b)
        if a.rank < 2 or b.rank < 2:
            raise ShapeError(f"operands {a} and {b} need at least two axes")
        rows, inner = a.shape[:-3:-1] if self.adjoint_a else a.shape[-2:]
        inner_b, columns = b.shape[:-3:-1] if self.adjoint_b else b.shape[-2:]
        require_equal(f"{a} and {b} do not fit: {inner} columns meet {inner_b} rows", (inner, inner_b))
        return a.with_shape((*broadcast_shapes(a.shape[:-2], b.shape[:-2]), rows, columns))

    def reference(self, a: Array, b: Array) -> Array:
        left = np.swapaxes(a, -1, -2) if self.adjoint_a else a
        right = np.swapaxes(b, -1, -2) if self.adjoint_b else b
        return np.asarray(np.matmul(single(left), single(right)), a.dtype)


@dataclass(frozen=True)
class FullyConnected(Op):
    """`activation(x @ w.T + bias)` with `w` (M, K) and `bias` (M,), as TFLite's FULLY_CONNECTED.

    `keep_num_dims`: x (..., K) becomes (..., M); otherwise x of any shape is read as (-1, K) and becomes (size / K, M).
    """

    keep_num_dims: bool = True
    activation: Activation = Activation.NONE
    rule = Contraction()

    def infer(self, x: TensorType, w: TensorType, bias: TensorType | None = None) -> TensorType:
        require(self, NUMBER, x, w, *([] if bias is None else [bias]))
        if w.rank != 2:
            raise ShapeError(f"weights {w} must have two axes")
        columns, inner = w.shape
        if bias is not None and bias.shape != (columns,):
            raise ShapeError(f"bias {bias} must have shape [{columns}]")
        if self.keep_num_dims:
            if not x.rank or x.shape[-1] != inner:
                raise ShapeError(f"{x} does not end with the {inner} columns of weights {w}")
            return x.with_shape((*x.shape[:-1], columns))
        rows = exact_div(product(x.shape), inner)
        if rows is None:
            raise ShapeError(f"{x} cannot be read as rows of {inner}, as weights {w} need")
        return x.with_shape((rows, columns))

    def reference(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        rows = x if self.keep_num_dims else x.reshape(-1, w.shape[1])
        result = np.asarray(np.matmul(single(rows), single(w.T)))
        if bias is not None:
            result = np.asarray(np.add(result, bias), result.dtype)
        return self.activation.apply(result).astype(x.dtype, copy=False)
