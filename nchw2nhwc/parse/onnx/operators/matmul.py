"""Products of matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.elementwise import Neg
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Split
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
    """alpha * product + beta * addend, without the parts that change nothing. Of integers and factors that are none, what floating point
    numbers give, cut off."""
    dtype = product.type.dtype
    if kind_of(dtype) == "integer" and not (alpha.is_integer() and beta.is_integer()):
        parts = [None if v is None else b.cast(v, np.dtype(np.float32)) for v in (product, addend)]
        assert parts[0] is not None
        return b.cast(scaled_sum(b, parts[0], parts[1], alpha, beta), dtype)
    if alpha != 1:
        product = b.add1(Mul(), product, b.scalar(alpha, product))
    if addend is None or beta == 0:
        return product
    if beta != 1:
        addend = b.add1(Mul(), addend, b.scalar(beta, addend))
    return b.add1(Add(), product, addend)


MAX_DETERMINANT = 6
"""Rows of the largest matrix whose determinant is developed."""


@onnx_op("Det", 11, 22)
def det(b: LayerBuilder, x: Value) -> Value:
    """The determinants of the last two axes, developed row by row: that of the first k rows for every choice of k columns."""
    size = static(x.shape[-1], "the size of a determinant") if x.rank >= 2 and x.shape[-1] == x.shape[-2] else 0
    if size < 1:
        raise b.damaged(f"{x.type} has no determinant")
    if size > MAX_DETERMINANT:
        raise UnsupportedError(f"the determinant of {size} rows is not supported; {MAX_DETERMINANT} are the most", b.where)
    entries = b.reshape(x, (*x.shape[:-2], size * size))
    columns = b.add(Split(entries.rank - 1, (1,) * (size * size)), entries) if size > 1 else (entries,)
    minors: dict[tuple[int, ...], Value] = {(c,): columns[c] for c in range(size)}
    for row in range(1, size):
        minors = {chosen: _developed(b, minors, columns[row * size:(row + 1) * size], chosen)
                  for chosen in combinations(range(size), row + 1)}
    return b.reshape(minors[tuple(range(size))], x.shape[:-2])


def _developed(b: LayerBuilder, minors: Mapping[tuple[int, ...], Value], row: Sequence[Value], chosen: tuple[int, ...]) -> Value:
    """The determinant of one more row, by Laplace's development along it."""
    total: Value | None = None
    for k, column in enumerate(chosen):
        rest = tuple(c for c in chosen if c != column)
        term = b.add1(Mul(), minors[rest], row[column])
        if total is None:
            total = term if (len(chosen) - 1 - k) % 2 == 0 else b.add1(Neg(), term)
        else:
            total = b.add1(Add() if (len(chosen) - 1 - k) % 2 == 0 else Sub(), total, term)
    assert total is not None
    return total
