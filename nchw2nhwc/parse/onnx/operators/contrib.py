"""Operators of ONNX Runtime's own domain, com.microsoft, that its optimizer writes and that standard ops express."""

from __future__ import annotations

import nchw2nhwc.ops.activation_functions as act
import nchw2nhwc.ops.elementwise as ops
from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse.onnx.operators.matmul import gemm, scaled_sum
from nchw2nhwc.parse.onnx.operators.windowed import conv
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, onnx_op

MICROSOFT = "com.microsoft"


@onnx_op("FusedConv", 1, domain=MICROSOFT)
def fused_conv(b: LayerBuilder, x: Value, w: Value, bias: Value | None = None, addend: Value | None = None, *, activation: str = "",
               activation_params: Floats = (), auto_pad: str = "NOTSET", dilations: Ints | None = None, group: int = 1,
               kernel_shape: Ints | None = None, pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """activation(conv(x) + addend)."""
    result = conv(b, x, w, bias, auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape, pads=pads, strides=strides)
    if addend is not None:
        result = b.add1(Add(), result, addend)
    return result if not activation else b.add1(_activation(b, activation, activation_params), result)


def _activation(b: LayerBuilder, name: str, parameters: Floats) -> Op:
    match name, len(parameters):
        case "Relu", 0:
            return act.Relu()
        case "Sigmoid", 0:
            return act.Sigmoid()
        case "Tanh", 0:
            return ops.Tanh()
        case "LeakyRelu", 1:
            return act.LeakyRelu(*parameters)
        case "Clip", 2:
            return act.Clip(*parameters)
        case "HardSigmoid", 2:
            return act.HardSigmoid(*parameters)
        case _:
            raise UnsupportedError(f"the fused activation '{name}' with {len(parameters)} parameter(s) is not supported", b.where)


@onnx_op("Gelu", 1, domain=MICROSOFT)
def gelu(b: LayerBuilder, x: Value) -> Value:
    return b.add1(act.Gelu(), x)


@onnx_op("BiasGelu", 1, domain=MICROSOFT)
def bias_gelu(b: LayerBuilder, x: Value, bias: Value) -> Value:
    return b.add1(act.Gelu(), b.add1(Add(), x, bias))


@onnx_op("FastGelu", 1, domain=MICROSOFT)
def fast_gelu(b: LayerBuilder, x: Value, bias: Value | None = None) -> Value:
    return b.add1(act.Gelu(approximate=True), x if bias is None else b.add1(Add(), x, bias))


@onnx_op("QuickGelu", 1, domain=MICROSOFT)
def quick_gelu(b: LayerBuilder, x: Value, *, alpha: float = 1.702) -> Value:
    return b.add1(act.Swish(alpha), x)


@onnx_op("FusedMatMul", 1, domain=MICROSOFT)
def fused_matmul(b: LayerBuilder, x: Value, y: Value, *, alpha: float = 1.0, transA: bool = False, transB: bool = False,
                 transBatchA: bool = False, transBatchB: bool = False) -> Value:
    """alpha * x @ y; a transposed batch is one whose first axis is stored in front of the last."""
    if min(x.rank, y.rank) < 2:
        raise UnsupportedError("FusedMatMul of vectors is not supported", b.where)
    left, right = _batch_first(b, x, transBatchA), _batch_first(b, y, transBatchB)
    return scaled_sum(b, b.add1(MatMul(transA, transB), left, right), None, alpha, 1.0)


@onnx_op("FusedGemm", 1, domain=MICROSOFT)
def fused_gemm(b: LayerBuilder, A: Value, B: Value, C: Value | None = None, *, activation: str = "", activation_alpha: float | None = None,
               activation_beta: float | None = None, activation_gamma: float | None = None, alpha: float = 1.0, beta: float = 1.0,
               transA: bool = False, transB: bool = False) -> Value:
    """activation(alpha * A @ B + beta * C)."""
    parameters = tuple(p for p in (activation_alpha, activation_beta, activation_gamma) if p is not None)
    result = gemm(b, A, B, C, alpha=alpha, beta=beta, transA=transA, transB=transB)
    return result if not activation else b.add1(_activation(b, activation, parameters), result)


def _batch_first(b: LayerBuilder, x: Value, transposed: bool) -> Value:
    """(M, B..., K) as (B..., M, K)."""
    return b.transpose(x, (*range(1, x.rank - 1), 0, x.rank - 1)) if transposed else x
