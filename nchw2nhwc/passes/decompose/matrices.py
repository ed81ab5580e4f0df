"""Matrices applied along spatial axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.passes.decompose.slices import reshaped
from nchw2nhwc.passes.rewrite import Rewriter


def along_axes(rw: Rewriter, x: Value, matrices: Mapping[int, Doubles]) -> Value:
    """x (N, C, S...) with each spatial axis multiplied by its (after, before) matrix; identities are left out.

    Written for channels-last storage: what is before the axis is a batch of matrix products, what is behind it are their columns, so that
    all Transposes and Reshapes only rename. Axes that shrink most come first.
    """
    order = sorted((m.shape[0] / m.shape[1], axis) for axis, m in matrices.items() if not _is_identity(m))
    if not order:
        return x
    return products(rw, x, [(axis, rw.constant(matrices[axis], x.type.dtype)) for _, axis in order])


def products(rw: Rewriter, x: Value, matrices: Sequence[tuple[int, Value]]) -> Value:
    """x (N, C, S...) with spatial axes multiplied by (after, before) matrices, one after the other."""
    y = rw.add(Transpose((0, *range(2, x.rank), 1)), x)
    for axis, matrix in matrices:
        place = axis - 1
        before, behind = y.shape[:place], y.shape[place + 1:]
        rows = rw.add(Reshape((product(before), y.shape[place], product(behind))), y)
        result = rw.add(MatMul(), reshaped(rw, matrix, (1, *matrix.shape)), rows)
        y = rw.add(Reshape((*before, matrix.shape[0], *behind)), result)
    return rw.add(Transpose((0, x.rank - 1, *range(1, x.rank - 1))), y)


def _is_identity(matrix: Doubles) -> bool:
    return matrix.shape[0] == matrix.shape[1] and bool(np.array_equal(matrix, np.eye(len(matrix))))
