"""Products with constant matrices as fully connected layers."""

from __future__ import annotations

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Transpose
from nchw2nhwc.passes.match import array, require, require_float
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

FULLY_CONNECTED = RuleSet()


def _swapped(rw: Rewriter, x: Value) -> Value:
    """`x` with its last two axes exchanged."""
    return rw.add(Transpose((*range(x.rank - 2), x.rank - 1, x.rank - 2)), x)


@FULLY_CONNECTED.on(MatMul)
def constant_right(rw: Rewriter, node: Node, op: MatMul) -> Value:
    """`a @ B` with one constant matrix B, whatever the rank of a; the weights stay a view of B."""
    a, b = node.input(0), node.input(1)
    require_float(b)
    matrix = array(b)
    require(not a.is_const and a.rank >= matrix.ndim, "{!r} has no operand that leads in rank", node)
    require(matrix.size == matrix.shape[-1] * matrix.shape[-2], "{!r} is a batch of matrices", b)
    matrix = matrix.reshape(matrix.shape[-2:])
    weights = rw.graph.constant(matrix if op.adjoint_b else matrix.T, b.name, origin=b.origin if op.adjoint_b and b.rank == 2 else "")
    return rw.add(FullyConnected(), _swapped(rw, a) if op.adjoint_a else a, weights)


@FULLY_CONNECTED.on(MatMul)
def constant_left(rw: Rewriter, node: Node, op: MatMul) -> Value:
    """`A @ b` of two matrices is the transpose of `b.T @ A.T`; batched ones stay, they suit channels-last data as they are."""
    a, b = node.input(0), node.input(1)
    require_float(a)
    matrix = array(a)
    require(not b.is_const and matrix.ndim == b.rank == 2, "{!r} is no product of two matrices", node)
    weights = rw.graph.constant(matrix.T if op.adjoint_a else matrix, a.name, origin="" if op.adjoint_a else a.origin)
    return _swapped(rw, rw.add(FullyConnected(), b if op.adjoint_b else _swapped(rw, b), weights))
