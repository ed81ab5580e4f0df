"""Products of matrices."""

from __future__ import annotations

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op


@onnx_op("MatMul", 1, 9, 13)
def matmul(b: LayerBuilder, x: Value, y: Value) -> Value:
    """As numpy: a vector on the left is a row, one on the right a column, and that axis goes again."""
    left = b.reshape(x, (1, *x.shape)) if x.rank == 1 else x
    right = b.reshape(y, (*y.shape, 1)) if y.rank == 1 else y
    product = b.add1(MatMul(), left, right)
    shape = product.shape if y.rank != 1 else product.shape[:-1]
    if x.rank == 1:
        position = product.rank - 2
        shape = (*shape[:position], *shape[position + 1:])
    return b.reshape(product, shape)


@onnx_op("Gemm", 7, 9, 11, 13)
def gemm(b: LayerBuilder, x: Value, y: Value, z: Value | None = None, *, alpha: float = 1.0, beta: float = 1.0,
         transA: bool = False, transB: bool = False) -> Value:
    """alpha * x @ y + beta * z."""
    if x.rank != 2 or y.rank != 2:
        raise b.damaged(f"Gemm multiplies matrices, not {x.type} and {y.type}")
    return scaled_sum(b, b.add1(MatMul(transA, transB), x, y), z, alpha, beta)


def scaled_sum(b: LayerBuilder, product: Value, addend: Value | None, alpha: float, beta: float) -> Value:
    """alpha * product + beta * addend, without the parts that change nothing."""
    if alpha != 1:
        product = b.add1(Mul(), product, b.scalar(alpha, product))
    if addend is None or beta == 0:
        return product
    if beta != 1:
        addend = b.add1(Mul(), addend, b.scalar(beta, addend))
    return b.add1(Add(), product, addend)
