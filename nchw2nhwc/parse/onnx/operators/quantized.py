"""Quantized numbers as the real numbers that they stand for, and sums of products of small integers.

A quantized number q of a tensor stands for (q - zero point) * scale, where both have one element for the whole tensor, for each position
along an axis, or for each block of positions. Data of 8 or 16 bits with one scale for the whole tensor becomes Quantize and Dequantize, so
that its integers can be kept. Everything else is arithmetic in float32: differences of integers of up to 16 bits are exact in it.
"""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Div, Mul, Sub
from nchw2nhwc.ops.elementwise import Round
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.kinds import Doubles, integer_range, kind_of
from nchw2nhwc.ops.quantized import LARGEST_SCALE, SMALLEST_SCALE, Dequantize, Grid, Quantize
from nchw2nhwc.parse.onnx.operators.elementwise import cast
from nchw2nhwc.parse.onnx.operators.matmul import matmul
from nchw2nhwc.parse.onnx.operators.windowed import conv
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op
from nchw2nhwc.parse.onnx.tensors import element_type
from nchw2nhwc.parse.sums import exact_sums

FLOAT32, INT32, UINT8, INT8 = (np.dtype(t) for t in (np.float32, np.int32, np.uint8, np.int8))
ZEROS = {"int16": 0, "uint16": 1 << 15}
"""The zero points that integers of 16 bits have in TFLite."""

_LARGEST_RATIO = 1e9
"""Between scales of channels; those of channels that are always zero may be tiny."""


# ---- to quantized numbers and back -----------------------------------------------------------------------------------
def aligned(b: LayerBuilder, value: Value, x: Value, axis: int, block_size: int = 0) -> Value:
    """A scale or zero point, made to broadcast to x: one number, one for each position along `axis`, or one for each block of them."""
    if value.rank <= 1 and product(value.shape) == 1:
        return b.reshape(value, ())
    axis = b.axis(axis, x.rank)
    if value.rank == 1 and not block_size:
        return b.along(value, axis, x.rank)
    others = [k for k in range(x.rank) if k != axis]
    if block_size < 1 or value.rank != x.rank or any(value.shape[k] != x.shape[k] for k in others):
        raise b.damaged(f"a scale or zero point {value.type} does not fit {x.type} along axis {axis} with block_size {block_size}")
    size = static(x.shape[axis], "the size of an axis with blocks")
    if value.shape[axis] != -(-size // block_size):
        raise b.damaged(f"axis {axis} of {x.type} does not have the {value.shape[axis]} blocks of {value.type} with {block_size} each")
    b.require_room(size)
    return b.add1(Gather(axis), value, b.const(np.arange(size) // block_size))


def centred(b: LayerBuilder, x: Value, zero: Value | None) -> Value:
    """x - zero point, in float32."""
    x = b.cast(x, FLOAT32)
    return x if zero is None else b.add1(Sub(), x, b.cast(zero, FLOAT32))


def dequantized(b: LayerBuilder, x: Value, scale: Value, zero: Value | None) -> Value:
    """(x - zero point) * scale, in float32; both broadcast to x."""
    return b.add1(Mul(), centred(b, x, zero), b.cast(scale, FLOAT32))


def grid_of(scale: Value, zero: Value | None, dtype: DType) -> Grid | None:
    """The grid of numbers of 8 bits with one constant scale and zero point, or of 16 bits with zero in the middle; None for any others."""
    found = grids_of(scale, zero, dtype)
    return None if found is None or found[1].size > 1 else found[0]


def grids_of(scale: Value, zero: Value | None, dtype: DType) -> tuple[Grid, Doubles] | None:
    """The same of one or several constant scales with one zero point: the grid of the largest, and which part of that each scale is. Data
    that is divided by its part is on that grid."""
    parts = [scale.const, np.zeros((), dtype) if zero is None else zero.const]
    if (dtype not in (INT8, UINT8) and dtype.name not in ZEROS) or any(part is None for part in parts):
        return None
    steps, zeros = (part.astype(np.float64) for part in parts if part is not None)
    shift, largest = float(zeros.reshape(-1)[0]), float(steps.max())
    if bool((zeros != shift).any()) or shift != ZEROS.get(dtype.name, shift):
        return None
    if not SMALLEST_SCALE <= steps.min() <= largest <= min(LARGEST_SCALE, steps.min() * _LARGEST_RATIO):
        return None
    return Grid(largest, int(shift), *integer_range(dtype)), steps / largest


def _say_why(b: LayerBuilder, scale: Value, zero: Value | None, dtype: DType) -> None:
    """Why numbers are no grid, and so computed in float."""
    if scale.const is None or (zero is not None and zero.const is None):
        reason = "its scale or zero point is computed at run time"
    elif max(scale.const.size, 1 if zero is None or zero.const is None else zero.const.size) > 1:
        reason = "it has several scales with several zero points, or too different ones; data has one zero point in TFLite"
    elif dtype.name in ZEROS and grid_of(scale, None, INT8) is not None:
        reason = f"its zero point is not {ZEROS[dtype.name]}, as it is for {dtype.name} in TFLite"
    elif dtype not in (INT8, UINT8):
        reason = f"its integers are {dtype.name}, which no integer kernel takes"
    elif not np.isfinite(scale.const).all():
        reason = "its scale is infinite, as that of a mask of infinities that was calibrated, and its numbers are none"
    else:
        reason = f"its scale is {float(scale.const.reshape(-1)[0]):g}, or in another precision than its data"
    b.remark(f"stays arithmetic in float: {reason}")


def real_of(b: LayerBuilder, x: Value, scale: Value, zero: Value | None) -> Value:
    """(x - zero point) * scale in float32, for a scale and zero point that broadcast to x."""
    found = None if x.is_const else grids_of(scale, zero, x.type.dtype)
    if found is not None:
        grid, shares = found
        real = b.add1(Dequantize(grid), x)
        return real if shares.size == 1 else b.add1(Mul(), real, b.const(shares, FLOAT32))
    if not x.is_const:
        _say_why(b, scale, zero, x.type.dtype)
    return dequantized(b, x, scale, zero)


def quantized_of(b: LayerBuilder, real: Value, scale: Value, zero: Value | None, dtype: DType) -> Value:
    """`real` in units of a scale that broadcasts to it, rounded and shifted by the zero point, as an integer type."""
    found = None if real.is_const else grids_of(scale, zero, dtype)
    if found is not None and real.type.dtype == scale.type.dtype == FLOAT32:
        grid, shares = found
        return b.add1(Quantize(grid, dtype), real if shares.size == 1 else b.add1(Mul(), real, b.const(1 / shares, FLOAT32)))
    if not real.is_const:
        _say_why(b, scale, zero, dtype)
    return stored(b, b.add1(Div(), real, scale), zero, dtype)


def stored(b: LayerBuilder, real: Value, zero: Value | None, dtype: DType) -> Value:
    """`real` (in units of the scale) rounded, halves to even, shifted by the zero point and clipped to the range of an integer type."""
    whole = b.cast(b.add1(Round(), real), FLOAT32)
    if zero is not None:
        whole = b.add1(Add(), whole, b.cast(zero, FLOAT32))
    low, high = integer_range(dtype)
    return b.cast(b.add1(Clip(float(low), float(high)), whole), dtype)


@onnx_op("QuantizeLinear", 10)
def quantize_10(b: LayerBuilder, x: Value, y_scale: Value, y_zero_point: Value | None = None) -> Value:
    return quantize(b, x, y_scale, y_zero_point)


@onnx_op("QuantizeLinear", 13, 19, 21, 23, 24, 25, 28)
def quantize(b: LayerBuilder, x: Value, y_scale: Value, y_zero_point: Value | None = None, *, axis: int = 1, block_size: int = 0,
             output_dtype: int = 0, precision: int = 0, saturate: bool = True) -> Value:
    """round(x / scale) + zero point, within the range of the type; of floats of 8 bits and fewer x / scale, rounded to them."""
    given = element_type(output_dtype, "output_dtype") if output_dtype else None
    dtype = y_zero_point.type.dtype if y_zero_point is not None else given or UINT8
    if given not in (None, dtype):
        raise b.damaged(f"output_dtype is {given}, but the zero point is {dtype}")
    used = element_type(precision, "precision") if precision else _wider(x.type.dtype, y_scale.type.dtype)
    scale = aligned(b, y_scale, x, axis, block_size)
    if kind_of(dtype) != "integer":
        return cast(b, b.add1(Div(), b.cast(x, used), b.cast(scale, used)), to=dtype, saturate=saturate)
    zero = None if y_zero_point is None else aligned(b, y_zero_point, x, axis, block_size)
    return quantized_of(b, b.cast(x, used), b.cast(scale, used), zero, dtype)


def _wider(x: DType, scale: DType) -> DType:
    """What the quotient of data and scale is computed in: the scale's type, unless the data's has more bits."""
    return x if kind_of(x) == "floating point" and x.itemsize > scale.itemsize else scale


@onnx_op("DequantizeLinear", 10)
def dequantize_10(b: LayerBuilder, x: Value, x_scale: Value, x_zero_point: Value | None = None) -> Value:
    return dequantize(b, x, x_scale, x_zero_point)


@onnx_op("DequantizeLinear", 13, 19, 21, 23, 24, 25, 28)
def dequantize(b: LayerBuilder, x: Value, x_scale: Value, x_zero_point: Value | None = None, *, axis: int = 1, block_size: int = 0,
               output_dtype: int = 0) -> Value:
    """(x - zero point) * scale; floats of 8 bits have no zero point but 0."""
    given = element_type(output_dtype, "output_dtype") if output_dtype else x_scale.type.dtype
    integer = kind_of(x.type.dtype) == "integer" and x_zero_point is not None
    if x.is_const and block_size:
        b.note(f"numbers with a scale for each block of {block_size} become {given.name}")
    zero = aligned(b, x_zero_point, x, axis, block_size) if integer and x_zero_point is not None else None
    return b.cast(real_of(b, x, aligned(b, x_scale, x, axis, block_size), zero), given)


# ---- sums of products of integers --------------------------------------------------------------------------------------
def _largest(x: Value, zero: Value | None) -> int:
    """A bound of |x|, |zero point| and |x - zero point| for all x of its type."""
    low, high = integer_range(x.type.dtype)
    zeros = (low, high) if zero is None or zero.const is None else (int(np.min(zero.const)), int(np.max(zero.const)))
    if zero is None:
        return max(-low, high)
    return max(-low, high, *(max(abs(low - z), abs(high - z)) for z in zeros))


def _largest_sum(b: LayerBuilder, w: Value, zero: Value | None, axes: Ints) -> int:
    """A bound of the sum of |w - zero point| over `axes`: that of constant weights, or what their type allows."""
    if w.const is None or (zero is not None and zero.const is None):
        count = static(product(tuple(w.shape[a] for a in axes)), "the number of products that are added up")
        return count * _largest(w, zero)
    if w.type.dtype.kind not in "iu":
        raise b.damaged(f"weights {w.type} are not whole numbers")
    difference = w.const.astype(np.float64) - (0 if zero is None else np.asarray(zero.const, np.float64))
    return int(np.abs(difference).sum(axes).max(initial=0))


@onnx_op("ConvInteger", 10)
def conv_integer(b: LayerBuilder, x: Value, w: Value, x_zero_point: Value | None = None, w_zero_point: Value | None = None, *,
                 auto_pad: str = "NOTSET", dilations: Ints | None = None, group: int = 1, kernel_shape: Ints | None = None,
                 pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """The padding is the zero point."""
    zero = None if w_zero_point is None else aligned(b, w_zero_point, w, 0)
    weights = centred(b, w, zero)

    def products(operand: Value) -> Value:
        return conv(b, operand, weights, auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape, pads=pads,
                    strides=strides)

    data = centred(b, x, None if x_zero_point is None else aligned(b, x_zero_point, x, 1))
    return exact_sums(b, products, data, _largest(x, x_zero_point), _largest_sum(b, w, zero, tuple(range(1, w.rank))))


def _rows(b: LayerBuilder, value: Value) -> Value:
    """A scale or zero point of a left matrix: one number, one for each row, or one for each row of each matrix."""
    return b.reshape(value, () if product(value.shape) == 1 else (*value.shape, 1) if value.rank == 1 else value.shape)


def _columns(b: LayerBuilder, value: Value) -> Value:
    """A scale or zero point of a right matrix: one number, one for each column, or one for each column of each matrix."""
    return b.reshape(value, ()) if product(value.shape) == 1 else value


@onnx_op("MatMulInteger", 10)
def matmul_integer(b: LayerBuilder, A: Value, B: Value, a_zero_point: Value | None = None, b_zero_point: Value | None = None) -> Value:
    zero = None if b_zero_point is None else _columns(b, b_zero_point)
    right = centred(b, B, zero)
    left = centred(b, A, None if a_zero_point is None else _rows(b, a_zero_point))
    weight = _largest_sum(b, B, zero, (max(B.rank - 2, 0),))
    return exact_sums(b, lambda x: matmul(b, x, right), left, _largest(A, a_zero_point), weight)


@onnx_op("MatMulInteger16", 1, domain="com.microsoft")
def matmul_integer_16(b: LayerBuilder, A: Value, B: Value) -> Value:
    """Products of matrices of 16-bit numbers, as int32."""
    right = b.cast(B, FLOAT32)
    return exact_sums(b, lambda x: matmul(b, x, right), b.cast(A, FLOAT32), _largest(A, None),
                      _largest_sum(b, B, None, (max(B.rank - 2, 0),)))


# ---- from quantized numbers to quantized numbers -----------------------------------------------------------------------
def rescaled(b: LayerBuilder, sums: Value, scales: tuple[Value, Value], scale: Value, zero: Value | None, dtype: DType) -> Value:
    """Sums of products of numbers that have two scales, as quantized numbers of another scale. Sums beyond 24 bits are rounded, as
    runtimes round them when they scale them in float32."""
    units = b.add1(Div(), b.add1(Mul(), *(b.cast(s, FLOAT32) for s in scales)), b.cast(b.reshape(scale, ()), FLOAT32))
    return stored(b, b.add1(Mul(), sums, units), None if zero is None else b.reshape(zero, ()), dtype)


@onnx_op("QLinearConv", 10)
def qlinear_conv(b: LayerBuilder, x: Value, x_scale: Value, x_zero_point: Value, w: Value, w_scale: Value, w_zero_point: Value,
                 y_scale: Value, y_zero_point: Value, B: Value | None = None, *, auto_pad: str = "NOTSET", dilations: Ints | None = None,
                 group: int = 1, kernel_shape: Ints | None = None, pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """A convolution of real numbers between Dequantize and Quantize; the bias has the scale of the products."""
    data = real_of(b, x, b.reshape(x_scale, ()), aligned(b, x_zero_point, x, 1))
    weights = dequantized(b, w, aligned(b, w_scale, w, 0), aligned(b, w_zero_point, w, 0))
    scale = b.add1(Mul(), b.reshape(x_scale, ()), b.reshape(w_scale, ()) if product(w_scale.shape) == 1 else w_scale)
    bias = None if B is None else b.add1(Mul(), b.cast(B, FLOAT32), b.cast(scale, FLOAT32))
    result = conv(b, data, weights, bias, auto_pad=auto_pad, dilations=dilations, group=group, kernel_shape=kernel_shape, pads=pads,
                  strides=strides)
    zero = b.reshape(y_zero_point, ())
    return quantized_of(b, result, b.cast(b.reshape(y_scale, ()), FLOAT32), zero, zero.type.dtype)


@onnx_op("QLinearMatMul", 10, 21)
def qlinear_matmul(b: LayerBuilder, a: Value, a_scale: Value, a_zero_point: Value, right: Value, b_scale: Value, b_zero_point: Value,
                   y_scale: Value, y_zero_point: Value) -> Value:
    if kind_of(a.type.dtype) != "integer":
        raise UnsupportedError(f"QLinearMatMul of {a.type.dtype.name} is not supported", b.where)
    if grid_of(a_scale, a_zero_point, a.type.dtype) is None:
        _say_why(b, a_scale, a_zero_point, a.type.dtype)
        sums = matmul(b, centred(b, a, _rows(b, a_zero_point)), centred(b, right, _columns(b, b_zero_point)))
        return rescaled(b, sums, (_rows(b, a_scale), _columns(b, b_scale)), y_scale, y_zero_point, y_zero_point.type.dtype)
    left = real_of(b, a, _rows(b, a_scale), _rows(b, a_zero_point))
    product_of = matmul(b, left, real_of(b, right, _columns(b, b_scale), _columns(b, b_zero_point)))
    zero = b.reshape(y_zero_point, ())
    return quantized_of(b, product_of, b.cast(b.reshape(y_scale, ()), FLOAT32), zero, zero.type.dtype)
