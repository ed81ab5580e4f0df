"""Operators on quantized numbers of ONNX Runtime's own domain, com.microsoft: an operator on what they stand for, between Dequantize and
Quantize."""

from __future__ import annotations

from collections.abc import Callable

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.activation_functions import LeakyRelu, Sigmoid
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Mul, Where
from nchw2nhwc.ops.elementwise import Round
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMean, ReduceMin
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT, as_channels_last, channels_first
from nchw2nhwc.parse.onnx.operators.matmul import matmul
from nchw2nhwc.parse.onnx.operators.quantized import (
    FLOAT32,
    aligned,
    centred,
    dequantize,
    dequantized,
    qlinear_conv,
    quantize,
    quantized_of,
    real_of,
)
from nchw2nhwc.parse.onnx.operators.windowed import average_pool
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, find_mapping, onnx_op


@onnx_op("QuantizeLinear", 1, domain=MICROSOFT)
def quantize_linear(b: LayerBuilder, x: Value, y_scale: Value, y_zero_point: Value | None = None, *, axis: int = 1) -> Value:
    return quantize(b, x, y_scale, y_zero_point, axis=axis)


@onnx_op("DequantizeLinear", 1, domain=MICROSOFT)
def dequantize_linear(b: LayerBuilder, x: Value, x_scale: Value, x_zero_point: Value | None = None, *, axis: int = 1) -> Value:
    return dequantize(b, x, x_scale, x_zero_point, axis=axis)


def _number(b: LayerBuilder, x: Value | None) -> Value:
    """A scale or zero point of a whole tensor, without axes. Raises SourceError when it is absent or more than one number."""
    if x is None or product(x.shape) != 1:
        raise b.damaged("a scale is absent" if x is None else f"a scale or zero point must be one number, but is {x.type}")
    return b.reshape(x, ())


def _real(b: LayerBuilder, x: Value | None, scale: Value | None, zero: Value | None) -> Value:
    """The real numbers that x stands for."""
    if x is None:
        raise b.damaged("an operand is absent")
    return real_of(b, x, _number(b, scale), None if zero is None else _number(b, zero))


def _quantized(b: LayerBuilder, real: Value, scale: Value | None, zero: Value | None, dtype: DType) -> Value:
    """`real` as quantized numbers."""
    return quantized_of(b, real, _number(b, scale), None if zero is None else _number(b, zero), dtype)


def _pairwise(op: Op) -> Callable[..., Value]:
    def mapping(b: LayerBuilder, A: Value, A_scale: Value, A_zero_point: Value | None = None, B: Value | None = None,
                B_scale: Value | None = None, B_zero_point: Value | None = None, C_scale: Value | None = None,
                C_zero_point: Value | None = None) -> Value:
        result = b.add1(op, _real(b, A, A_scale, A_zero_point), _real(b, B, B_scale, B_zero_point))
        return _quantized(b, result, C_scale, C_zero_point, A.type.dtype)

    return mapping


onnx_op("QLinearAdd", 1, domain=MICROSOFT)(_pairwise(Add()))
onnx_op("QLinearMul", 1, domain=MICROSOFT)(_pairwise(Mul()))


@onnx_op("QLinearSigmoid", 1, domain=MICROSOFT)
def qlinear_sigmoid(b: LayerBuilder, X: Value, X_scale: Value, X_zero_point: Value | None = None, Y_scale: Value | None = None,
                    Y_zero_point: Value | None = None) -> Value:
    return _quantized(b, b.add1(Sigmoid(), _real(b, X, X_scale, X_zero_point)), Y_scale, Y_zero_point, X.type.dtype)


@onnx_op("QLinearLeakyRelu", 1, domain=MICROSOFT)
def qlinear_leaky_relu(b: LayerBuilder, X: Value, X_scale: Value, X_zero_point: Value | None = None, Y_scale: Value | None = None,
                       Y_zero_point: Value | None = None, *, alpha: float = 0.01) -> Value:
    return _quantized(b, b.add1(LeakyRelu(alpha), _real(b, X, X_scale, X_zero_point)), Y_scale, Y_zero_point, X.type.dtype)


@onnx_op("QLinearSoftmax", 1, domain=MICROSOFT)
def qlinear_softmax(b: LayerBuilder, X: Value, X_scale: Value, x_zero_point: Value | None = None, y_scale: Value | None = None,
                    y_zero_point: Value | None = None, *, opset: int, axis: int = -1) -> Value:
    """As the standard Softmax of operator set `opset`: before 13 over all axes from `axis` on."""
    found = find_mapping("", "Softmax", opset)
    if found is None:
        raise b.damaged(f"there is no Softmax in operator set {opset}")
    result = found[0].function(b, _real(b, X, X_scale, x_zero_point), axis=axis)
    assert isinstance(result, Value)
    return _quantized(b, result, y_scale, y_zero_point, X.type.dtype)


# ---- pooling, choosing, putting together -------------------------------------------------------------------------------
@onnx_op("QLinearConv", 1, domain=MICROSOFT)
def qlinear_conv_of_images(b: LayerBuilder, x: Value, x_scale: Value, x_zero_point: Value, w: Value, w_scale: Value, w_zero_point: Value,
                           y_scale: Value, y_zero_point: Value, B: Value | None = None, *, auto_pad: str = "NOTSET",
                           channels_last: bool = False, dilations: Ints | None = None, group: int = 1, kernel_shape: Ints | None = None,
                           pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """QLinearConv; the weights are (M, C / group, ...) whatever the order of the data."""
    result = qlinear_conv(b, channels_first(b, x, channels_last), x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B,
                          auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape, pads=pads, strides=strides)
    return as_channels_last(b, result, channels_last)


@onnx_op("QLinearAveragePool", 1, domain=MICROSOFT)
def qlinear_average_pool(b: LayerBuilder, X: Value, x_scale: Value, x_zero_point: Value | None = None, y_scale: Value | None = None,
                         y_zero_point: Value | None = None, *, kernel_shape: Ints, auto_pad: str = "NOTSET", ceil_mode: bool = False,
                         channels_last: bool = False, count_include_pad: bool = False, pads: Ints | None = None,
                         strides: Ints | None = None) -> Value:
    real = channels_first(b, _real(b, X, x_scale, x_zero_point), channels_last)
    mean = average_pool(b, real, kernel_shape=kernel_shape, auto_pad=auto_pad, ceil_mode=ceil_mode, count_include_pad=count_include_pad,
                        pads=pads, strides=strides)
    return _quantized(b, as_channels_last(b, mean, channels_last), y_scale, y_zero_point, X.type.dtype)


@onnx_op("QLinearGlobalAveragePool", 1, domain=MICROSOFT)
def qlinear_global_average_pool(b: LayerBuilder, X: Value, x_scale: Value, x_zero_point: Value, y_scale: Value, y_zero_point: Value, *,
                                channels_last: bool = False) -> Value:
    axes = tuple(range(1, X.rank - 1)) if channels_last else tuple(range(2, X.rank))
    mean = b.add1(ReduceMean(axes), _real(b, X, x_scale, x_zero_point))
    return _quantized(b, mean, y_scale, y_zero_point, X.type.dtype)


@onnx_op("QLinearReduceMean", 1, domain=MICROSOFT)
def qlinear_reduce_mean(b: LayerBuilder, data: Value, data_scale: Value, data_zero_point: Value | None, reduced_scale: Value,
                        reduced_zero_point: Value | None = None, *, axes: Ints, keepdims: bool) -> Value:
    """The mean over `axes`; over all, where there are none."""
    over = b.axes(axes or range(data.rank), data.rank)
    mean = b.add1(ReduceMean(over, keepdims), _real(b, data, data_scale, data_zero_point))
    return _quantized(b, mean, reduced_scale, reduced_zero_point, data.type.dtype)


@onnx_op("QLinearConcat", 1, domain=MICROSOFT)
def qlinear_concat(b: LayerBuilder, Y_scale: Value, Y_zero_point: Value, *inputs: Value, axis: int) -> Value:
    """Every operand is followed by its scale and zero point."""
    if not inputs or len(inputs) % 3:
        raise b.damaged(f"{len(inputs)} operands are not tensors with a scale and a zero point each")
    parts = [_real(b, *inputs[k:k + 3]) for k in range(0, len(inputs), 3)]
    return _quantized(b, b.add1(Concat(b.axis(axis, parts[0].rank)), *parts), Y_scale, Y_zero_point, Y_zero_point.type.dtype)


@onnx_op("QLinearWhere", 1, domain=MICROSOFT)
def qlinear_where(b: LayerBuilder, condition: Value, X: Value, x_scale: Value, x_zero_point: Value, Y: Value, y_scale: Value,
                  y_zero_point: Value, z_scale: Value, z_zero_point: Value) -> Value:
    result = b.add1(Where(), condition, _real(b, X, x_scale, x_zero_point), _real(b, Y, y_scale, y_zero_point))
    return _quantized(b, result, z_scale, z_zero_point, X.type.dtype)


# ---- products of matrices ----------------------------------------------------------------------------------------------
def _column(b: LayerBuilder, value: Value | None) -> Value | None:
    """A scale or zero point of a whole matrix, or one for each column."""
    return None if value is None else b.reshape(value, ()) if product(value.shape) == 1 else value


@onnx_op("QGemm", 1, domain=MICROSOFT)
def qgemm(b: LayerBuilder, A: Value, a_scale: Value, a_zero_point: Value, B: Value, b_scale: Value, b_zero_point: Value,
          C: Value | None = None, y_scale: Value | None = None, y_zero_point: Value | None = None, *, alpha: float = 1.0,
          transA: bool = False, transB: bool = False) -> Value:
    """alpha * A @ B + C, quantized if there is a scale for it; C has the scale of the products."""
    if min(A.rank, B.rank) != 2:
        raise b.damaged(f"QGemm multiplies matrices, not {A.type} and {B.type}")
    along, steps = 0 if transB else 1, b.add1(Mul(), b_scale, b.scalar(alpha, b_scale))
    right = dequantized(b, B, aligned(b, steps, B, along), aligned(b, b_zero_point, B, along))
    result = b.add1(MatMul(transA, transB), _real(b, A, a_scale, a_zero_point), right)
    if C is not None:
        result = b.add1(Add(), result, b.add1(Mul(), b.cast(C, FLOAT32), b.add1(Mul(), _number(b, a_scale), _column(b, steps) or steps)))
    if y_scale is None:
        return result
    return _quantized(b, result, y_scale, y_zero_point, A.type.dtype if y_zero_point is None else y_zero_point.type.dtype)


@onnx_op("MatMulIntegerToFloat", 1, domain=MICROSOFT)
def matmul_integer_to_float(b: LayerBuilder, A: Value, B: Value, a_scale: Value, b_scale: Value, a_zero_point: Value | None = None,
                            b_zero_point: Value | None = None, bias: Value | None = None) -> Value:
    """A @ B + bias as real numbers."""
    for name, value in (("a_scale", a_scale), ("a_zero_point", a_zero_point)):
        if value is not None and product(value.shape) != 1:
            raise UnsupportedError(f"MatMulIntegerToFloat with one {name} for each row is not supported", b.where)
    sums = matmul(b, centred(b, A, _column(b, a_zero_point)), centred(b, B, _column(b, b_zero_point)))
    result = b.add1(Mul(), sums, b.add1(Mul(), _number(b, a_scale), _column(b, b_scale) or b_scale))
    return result if bias is None else b.add1(Add(), result, bias)


def rounded_to_bytes(b: LayerBuilder, x: Value) -> tuple[Formula, Formula]:
    """The whole numbers, and the scale, of x rounded to 256 numbers from its smallest element, or 0, to its largest, or 0, as
    DynamicQuantizeLinear does; their zero point is taken off."""
    real, everywhere = Formula(b, x), tuple(range(x.rank))
    low, high = (real.apply(op(everywhere, keepdims=False)) for op in (ReduceMin, ReduceMax))
    low, high = low.at_most(0), high.at_least(0)
    scale = (high - low) / 255
    scale = scale.equals(0).choose(b.scalar(1, x), scale)
    zero = (-low / scale).apply(Round()).at_least(0).at_most(255)
    return ((real / scale).apply(Round()) + zero).at_least(0).at_most(255) - zero, scale


@onnx_op("DynamicQuantizeMatMul", 1, domain=MICROSOFT)
def dynamic_quantize_matmul(b: LayerBuilder, A: Value, B: Value, b_scale: Value, b_zero_point: Value | None = None,
                            bias: Value | None = None) -> Value:
    """A @ B + bias, where A is rounded by `rounded_to_bytes`."""
    whole, scale = rounded_to_bytes(b, A)
    sums = matmul(b, whole.value, centred(b, B, _column(b, b_zero_point)))
    result = b.add1(Mul(), sums, b.add1(Mul(), scale.value, _column(b, b_scale) or b_scale))
    return result if bias is None else b.add1(Add(), result, bias)
