"""Operators of ONNX Runtime's own domain, com.microsoft, that its optimizer writes and that standard ops express."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import nchw2nhwc.ops.activation_functions as act
import nchw2nhwc.ops.elementwise as ops
from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import Op, static
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.elementwise import Identity
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Split
from nchw2nhwc.ops.reduce import Softmax
from nchw2nhwc.parse.onnx.operators.elementwise import dropout
from nchw2nhwc.parse.onnx.operators.matmul import gemm, matmul, scaled_sum
from nchw2nhwc.parse.onnx.operators.reduction import flattening_softmax
from nchw2nhwc.parse.onnx.operators.windowed import conv, conv_transpose, max_pool
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, onnx_op
from nchw2nhwc.wording import counted

MICROSOFT = "com.microsoft"


# ---- for all mappings of this domain -----------------------------------------------------------------------------------
def total_of(b: LayerBuilder, *parts: Value | None) -> Value:
    """The sum of the operands that are there."""
    first, *rest = (v for v in parts if v is not None)
    for part in rest:
        first = b.add1(Add(), first, part)
    return first


def channels_first(b: LayerBuilder, x: Value, channels_last: bool = True) -> Value:
    """(N, ..., C) as (N, C, ...), or x itself."""
    return b.transpose(x, (0, x.rank - 1, *range(1, x.rank - 1))) if channels_last else x


def as_channels_last(b: LayerBuilder, x: Value, channels_last: bool = True) -> Value:
    """The inverse of `channels_first`."""
    return b.transpose(x, (0, *range(2, x.rank), 1)) if channels_last else x


_ACTIVATIONS: dict[tuple[str, Ints], Callable[..., Op]] = {
    ("", ()): Identity, ("Relu", ()): act.Relu, ("Sigmoid", ()): act.Sigmoid, ("Tanh", ()): ops.Tanh, ("HardSwish", ()): act.HardSwish,
    ("LeakyRelu", (0,)): act.LeakyRelu, ("Clip", (0, 1)): act.Clip, ("HardSigmoid", (0, 1)): act.HardSigmoid,
    ("Elu", (0,)): act.Elu, ("Selu", (0, 2)): act.Selu, ("Celu", (0,)): act.Celu, ("ThresholdedRelu", (0,)): act.ThresholdedRelu,
    ("Softplus", ()): act.Softplus, ("Softsign", ()): act.Softsign}
"""Activations that are fused with an operator, by name and which of alpha, beta and gamma they have."""


def activated(b: LayerBuilder, x: Value, name: str, parameters: Sequence[float | None]) -> Value:
    """The activation `name` of x with alpha, beta and gamma, as far as it has them; those that it does not have do not count.

    Raises UnsupportedError for one that does not exist, SourceError where a parameter is absent."""
    found = next(((used, make) for (known, used), make in _ACTIVATIONS.items() if known == name), None)
    if found is None:
        raise UnsupportedError(f"the fused activation '{name}' is not supported", b.where)
    used, make = found
    chosen = [parameters[k] if k < len(parameters) else None for k in used]
    if None in chosen:
        raise b.damaged(f"the fused activation '{name}' has {counted(len(used), 'parameter')}, which are not all there")
    return b.add1(make(*chosen), x) if name else x


# ---- convolutions and products -----------------------------------------------------------------------------------------
@onnx_op("FusedConv", 1, domain=MICROSOFT)
def fused_conv(b: LayerBuilder, x: Value, w: Value, bias: Value | None = None, addend: Value | None = None, *, activation: str = "",
               activation_params: Floats = (), auto_pad: str = "NOTSET", dilations: Ints | None = None, group: int = 1,
               kernel_shape: Ints | None = None, pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """activation(conv(x) + addend)."""
    result = conv(b, x, w, bias, auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape, pads=pads, strides=strides)
    return activated(b, total_of(b, result, addend), activation, activation_params)


@onnx_op("NhwcFusedConv", 1, domain=MICROSOFT)
def nhwc_fused_conv(b: LayerBuilder, x: Value, w: Value, bias: Value | None = None, addend: Value | None = None, *, activation: str = "",
                    activation_params: Floats = (), auto_pad: str = "NOTSET", dilations: Ints | None = None, group: int = 1,
                    kernel_shape: Ints | None = None, pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """FusedConv of x (N, ..., C); the weights are (M, C / group, ...), as usual."""
    result = fused_conv(b, channels_first(b, x), w, bias, None if addend is None else channels_first(b, addend), activation=activation,
                        activation_params=activation_params, auto_pad=auto_pad, dilations=dilations, group=group,
                        kernel_shape=kernel_shape, pads=pads, strides=strides)
    return as_channels_last(b, result)


@onnx_op("NhwcConv", 1, domain=MICROSOFT)
def nhwc_conv(b: LayerBuilder, x: Value, w: Value, bias: Value | None = None, *, auto_pad: str = "NOTSET", dilations: Ints | None = None,
              group: int = 1, kernel_shape: Ints | None = None, pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """Conv of x (N, ..., C); the weights are (M, ..., C / group), as ONNX Runtime's kernel for CUDA, its only one, and its optimizer for
    transformers have them, not (M, C / group, ...) as its documentation says."""
    return nhwc_fused_conv(b, x, channels_first(b, w), bias, auto_pad=auto_pad, dilations=dilations, group=group,
                           kernel_shape=kernel_shape, pads=pads, strides=strides)


@onnx_op("NhwcMaxPool", 1, domain=MICROSOFT)
def nhwc_max_pool(b: LayerBuilder, x: Value, *, kernel_shape: Ints, auto_pad: str = "NOTSET", ceil_mode: bool = False,
                  dilations: Ints | None = None, pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """MaxPool of x (N, ..., C)."""
    largest = max_pool(b, channels_first(b, x), kernel_shape=kernel_shape, auto_pad=auto_pad, ceil_mode=ceil_mode, dilations=dilations,
                       pads=pads, strides=strides)
    assert isinstance(largest, Value)
    return as_channels_last(b, largest)


@onnx_op("ConvTransposeWithDynamicPads", 1, domain=MICROSOFT)
def conv_transpose_with_pads(b: LayerBuilder, x: Value, w: Value, pads: Value | None = None, bias: Value | None = None, *,
                             auto_pad: str = "NOTSET", dilations: Ints | None = None, group: int = 1, kernel_shape: Ints | None = None,
                             output_padding: Ints | None = None, strides: Ints | None = None) -> Value:
    """ConvTranspose whose paddings are an operand; they have to be known."""
    return conv_transpose(b, x, w, bias, auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape,
                          output_padding=output_padding, pads=None if pads is None else b.ints(pads, "Pads"), strides=strides)


@onnx_op("FusedMatMul", 1, domain=MICROSOFT)
def fused_matmul(b: LayerBuilder, x: Value, y: Value, *, alpha: float = 1.0, transA: bool = False, transB: bool = False,
                 transBatchA: bool = False, transBatchB: bool = False) -> Value:
    """alpha * x @ y; a transposed batch is one whose first axis is stored in front of the last. Vectors are not transposed."""
    if (transBatchA or transBatchB) and (min(x.rank, y.rank) < 3 or x.rank != y.rank):
        raise b.damaged(f"transBatchA and transBatchB need operands of one rank of at least 3, not {x.type} and {y.type}")
    if min(x.rank, y.rank) < 2:
        left, right = (b.transpose(v, (*range(v.rank - 2), v.rank - 1, v.rank - 2)) if flag and v.rank > 1 else v
                       for v, flag in ((x, transA), (y, transB)))
        return scaled_sum(b, matmul(b, left, right), None, alpha, 1.0)
    left, right = _batch_first(b, x, transBatchA), _batch_first(b, y, transBatchB)
    return scaled_sum(b, b.add1(MatMul(transA, transB), left, right), None, alpha, 1.0)


@onnx_op("TransposeMatMul", 1, domain=MICROSOFT)
def transpose_matmul(b: LayerBuilder, x: Value, y: Value, *, alpha: float = 1.0, transA: bool = False, transB: bool = False) -> Value:
    """FusedMatMul under its former name."""
    return fused_matmul(b, x, y, alpha=alpha, transA=transA, transB=transB)


def _batch_first(b: LayerBuilder, x: Value, transposed: bool) -> Value:
    """(M, B..., K) as (B..., M, K)."""
    return b.transpose(x, (*range(1, x.rank - 1), 0, x.rank - 1)) if transposed else x


@onnx_op("FusedMatMulActivation", 1, domain=MICROSOFT)
def fused_matmul_activation(b: LayerBuilder, x: Value, y: Value, *, activation: str, activation_alpha: float | None = None,
                            activation_axis: int | None = None, activation_beta: float | None = None,
                            activation_gamma: float | None = None, alpha: float = 1.0, transA: bool = False, transB: bool = False,
                            transBatchA: bool = False, transBatchB: bool = False) -> Value:
    """FusedMatMul with an activation; `activation_axis` is that of Softmax."""
    result = fused_matmul(b, x, y, alpha=alpha, transA=transA, transB=transB, transBatchA=transBatchA, transBatchB=transBatchB)
    if activation == "Softmax":
        return b.add1(Softmax(b.axis(-1 if activation_axis is None else activation_axis, result.rank)), result)
    return activated(b, result, activation, (activation_alpha, activation_beta, activation_gamma))


@onnx_op("FusedGemm", 1, domain=MICROSOFT)
def fused_gemm(b: LayerBuilder, A: Value, B: Value, C: Value | None = None, *, activation: str = "", activation_alpha: float | None = None,
               activation_beta: float | None = None, activation_gamma: float | None = None, alpha: float = 1.0, beta: float = 1.0,
               transA: bool = False, transB: bool = False) -> Value:
    """activation(alpha * A @ B + beta * C)."""
    result = gemm(b, A, B, C, alpha=alpha, beta=beta, transA=transA, transB=transB)
    return activated(b, result, activation, (activation_alpha, activation_beta, activation_gamma))


@onnx_op("GemmFastGelu", 1, domain=MICROSOFT)
def gemm_fast_gelu(b: LayerBuilder, x: Value, w: Value, bias: Value | None = None) -> Value:
    """FastGelu of x @ w + bias."""
    return fast_gelu(b, matmul(b, x, w), bias)


# ---- activations -------------------------------------------------------------------------------------------------------
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


@onnx_op("ScaledSiLU", 1, domain=MICROSOFT)
def scaled_silu(b: LayerBuilder, x: Value, scale: Value | None = None, *, alpha: float = 1.0) -> Value:
    """SiLU of x * scale, or of x * alpha where there is no scale."""
    factor = b.scalar(alpha, x) if scale is None else b.cast(b.reshape(scale, ()), x.type.dtype)
    return b.add1(act.Swish(), b.add1(Mul(), x, factor))


@onnx_op("SwiGLU", 1, domain=MICROSOFT)
def swiglu(b: LayerBuilder, gate: Value, up: Value | None = None, *, activation_alpha: float = 1.0, activation_beta: float = 0.0,
           limit: float = 0.0, round_activation: bool = False) -> Value:
    """g * sigmoid(alpha * g) * (u + beta), with g at most `limit` and u between -limit and limit if that is above 0. Where `up` is absent,
    the halves of `gate` are both."""
    if up is None:
        gate, up = b.add(Split(gate.rank - 1, (_half(b, gate),) * 2), gate)
    if limit > 0:
        gate, up = b.add1(act.Clip(-inf, limit), gate), b.add1(act.Clip(-limit, limit), up)
    shifted = up if activation_beta == 0 else b.add1(Add(), up, b.scalar(activation_beta, up))
    return b.add1(Mul(), b.add1(act.Swish(activation_alpha), gate), shifted)


@onnx_op("BiasSplitGelu", 1, domain=MICROSOFT)
def bias_split_gelu(b: LayerBuilder, x: Value, bias: Value) -> Value:
    """The first half of x + bias times the GELU of the second."""
    total = b.add1(Add(), x, bias)
    left, right = b.add(Split(x.rank - 1, (_half(b, total),) * 2), total)
    return b.add1(Mul(), left, b.add1(act.Gelu(), right))


def _half(b: LayerBuilder, x: Value) -> int:
    """Half the size of the last axis."""
    size = static(x.shape[-1], "the size of an axis that is divided")
    if size % 2:
        raise b.damaged(f"the last axis of {x.type} has no halves")
    return size // 2


# ---- sums --------------------------------------------------------------------------------------------------------------
@onnx_op("BiasAdd", 1, domain=MICROSOFT)
def bias_add(b: LayerBuilder, x: Value, bias: Value, skip: Value) -> Value:
    return total_of(b, x, bias, skip)


@onnx_op("BiasDropout", 1, domain=MICROSOFT)
def bias_dropout(b: LayerBuilder, data: Value, bias: Value, residual: Value | None = None, ratio: Value | None = None,
                 training_mode: Value | None = None, *, seed: int | None = None) -> tuple[Value, ...]:
    """data + bias + residual; Dropout of the first sum does nothing but in training."""
    kept, *mask = dropout(b, b.add1(Add(), data, bias), ratio, training_mode, seed=seed)
    return total_of(b, kept, residual), *mask


@onnx_op("BiasSoftmax", 1, domain=MICROSOFT)
def bias_softmax(b: LayerBuilder, data: Value, bias: Value, *, axis: int = 1, is_inner_broadcast: bool) -> Value:
    """Softmax of data + bias over all axes from `axis` on. The bias is broadcast as usual: over the axes before `axis` that are inner ones
    (1 at the end of these axes of the bias), or outer ones (1 or absent at their beginning)."""
    split = b.axis(axis, data.rank)
    before = (*(1,) * (data.rank - bias.rank), *bias.shape)[:split]
    pairs = list(zip(before, data.shape))
    pattern = "".join("1" if of_bias == 1 and of_data != 1 else "=" for of_bias, of_data in pairs if of_data != 1)
    if bias.rank > data.rank or any(s not in (1, size) for s, size in pairs) or ("1=" if is_inner_broadcast else "=1") in pattern:
        raise b.damaged(f"the bias {bias.type} is not broadcast to {data.type} as is_inner_broadcast={int(is_inner_broadcast)} says")
    return flattening_softmax(b, b.add1(Add(), data, bias), axis=split)
