"""com.microsoft.CDist of ONNX Runtime."""

from __future__ import annotations

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.elementwise import Sqrt
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.reduce import ReduceSumSquare
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op


@onnx_op("CDist", 1, domain="com.microsoft")
def c_dist(b: LayerBuilder, rows: Value, columns: Value, *, metric: str = "sqeuclidean") -> Value:
    """The distance of each row of (M, K) to each row of (N, K): (M, N).

    As ONNX Runtime computes it, |x|^2 + |y|^2 - 2 x y, which needs no tensor of shape (M, N, K); what rounding makes of equal rows is
    kept from being negative.
    """
    if metric not in ("euclidean", "sqeuclidean"):
        raise UnsupportedError(f"the metric {metric!r}", b.where, "ONNX Runtime has 'euclidean' and 'sqeuclidean'.")
    if rows.rank != 2 or columns.rank != 2:
        raise b.damaged(f"both operands have two axes, these have {rows.rank} and {columns.rank}")
    squares = b.add1(Add(), b.add1(ReduceSumSquare((1,)), rows), b.add1(ReduceSumSquare((1,), keepdims=False), columns))
    product = b.add1(MatMul(adjoint_b=True), rows, columns)
    distance = b.add1(Relu(), b.add1(Sub(), squares, b.add1(Mul(), product, b.scalar(2.0, product))))
    return b.add1(Sqrt(), distance) if metric == "euclidean" else distance
