"""Operators of ONNX Runtime's own domain, com.microsoft, whose weights are stored with a few bits each."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.kinds import Doubles, kind_of
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.normal_float import NF4
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.operators.quantized import FLOAT32
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op


@onnx_op("MatMulNBits", 1, domain=MICROSOFT)
def matmul_n_bits(b: LayerBuilder, A: Value, B: Value, scales: Value, zero_points: Value | None = None, g_idx: Value | None = None,
                  bias: Value | None = None, *, K: int, N: int, accuracy_level: int = 0, bits: int = 4, block_size: int,
                  weight_prepacked: int = 0) -> Value:
    """A (..., K) times weights (N, K), which are (q - zero point) * scale with one zero point and scale for each block of a row; computed
    in the element type of A, and so not as coarse as with `accuracy_level` 4, which quantizes A too."""
    if bits not in (2, 4, 8) or min(K, N, block_size) < 1 or block_size * bits % 8:
        raise b.damaged(f"there are no weights of {bits} bits in blocks of {block_size} for {K} by {N} elements")
    if weight_prepacked:
        raise UnsupportedError("weights in the order of one kind of hardware (weight_prepacked) are not supported", b.where,
                               "Export the model without packing its weights.")
    blocks = -(-K // block_size)
    packed, steps = b.array(B, "the weights"), b.array(scales, "the scales of the weights")
    if packed.size != N * blocks * block_size * bits // 8 or steps.size != N * blocks:
        raise b.damaged(f"weights {B.type} and scales {scales.type} are not {N} rows of {blocks} blocks of {block_size}")
    numbers = unpacked(packed.reshape(N, -1), bits)
    zeros = zero_points_of(b, zero_points, N, blocks, bits)
    order = np.arange(blocks * block_size) // block_size
    if g_idx is not None:
        order = np.resize(b.array(g_idx, "g_idx").ravel(), K)
        if not 0 <= order.min() <= order.max() < blocks:
            raise b.damaged(f"g_idx names blocks that are none of {blocks}")
    weights = (numbers[:, :K].astype(np.float64) - zeros[:, order[:K]]) * steps.reshape(N, blocks).astype(np.float64)[:, order[:K]]
    b.note(f"weights of {bits} bits with a scale for each block of {block_size} become {A.type.dtype.name}")
    product = b.add1(MatMul(adjoint_b=True), A, b.const(weights, A.type.dtype))
    return product if bias is None else b.add1(Add(), product, bias)


def unpacked(packed: Array, bits: int) -> Array:
    """Rows of bytes as rows of the numbers in them, lowest bits first."""
    each = [(packed.astype(np.uint8) >> shift) & ((1 << bits) - 1) for shift in range(0, 8, bits)]
    return np.stack(each, -1).reshape(packed.shape[0], -1)


def zero_points_of(b: LayerBuilder, zero_points: Value | None, rows: int, blocks: int, bits: int) -> Doubles:
    """The zero point of each block, (rows, blocks): the middle, where none are given."""
    if zero_points is None:
        return np.full((rows, blocks), float(1 << (bits - 1)))
    given = b.array(zero_points, "the zero points of the weights")
    if given.dtype != np.uint8 and given.size == rows * blocks:
        return given.reshape(rows, blocks).astype(np.float64)
    if given.dtype != np.uint8 or given.size != rows * -(-blocks * bits // 8):
        raise b.damaged(f"zero points {zero_points.type} are not those of {rows} rows of {blocks} blocks")
    return unpacked(given.reshape(rows, -1), bits)[:, :blocks].astype(np.float64)


# ---- tables ------------------------------------------------------------------------------------------------------------
@onnx_op("GatherBlockQuantized", 1, domain=MICROSOFT)
def gather_block_quantized(b: LayerBuilder, data: Value, indices: Value, scales: Value, zero_points: Value | None = None, *, bits: int = 4,
                           block_size: int = 128, gather_axis: int = 0, quantize_axis: int = 1) -> Value:
    """Rows of a table, (q - zero point) * scale with one zero point and scale for each block along `quantize_axis`. Bytes hold one number
    of 8 bits or two of 4, the lower bits first; what is gathered are bytes."""
    along, blocked = b.axis(gather_axis, data.rank), b.axis(quantize_axis, data.rank)
    if kind_of(data.type.dtype) != "integer" or block_size < 1:
        raise UnsupportedError(f"GatherBlockQuantized of {data.type} with block_size={block_size} is not supported", b.where)
    if along == blocked:
        raise UnsupportedError(f"GatherBlockQuantized with gather_axis and quantize_axis={quantize_axis} is not supported", b.where)
    packed = data.type.dtype == np.uint8 and bits < 8
    if packed and (bits not in (2, 4) or blocked != data.rank - 1):
        raise UnsupportedError(f"GatherBlockQuantized of bytes with bits={bits} along axis {blocked} is not supported", b.where)
    steps, size = b.add1(Gather(along), scales, indices), data.shape[-1] if packed else data.shape[blocked]
    numbers = _apart(b, b.add1(Gather(along), data, indices), bits, FLOAT32) if packed else \
        b.cast(b.add1(Gather(along), data, indices), FLOAT32)
    where = blocked + indices.rank - 1 if blocked > along else blocked
    count = static(size, "the size of an axis with blocks") * (8 // bits if packed else 1)
    block_of = b.const(np.arange(count) // block_size)
    zeros = b.scalar(1 << (bits - 1) if data.type.dtype == np.uint8 else 0, numbers)
    if zero_points is not None:
        given = b.add1(Gather(along), zero_points, indices)
        each = _apart(b, given, bits, FLOAT32) if packed else b.cast(given, FLOAT32)
        zeros = b.add1(Gather(where), each, block_of)
    real = b.add1(Mul(), b.add1(Sub(), numbers, zeros), b.add1(Gather(where), b.cast(steps, FLOAT32), block_of))
    return b.cast(real, scales.type.dtype)


def _apart(b: LayerBuilder, packed: Value, bits: int, dtype: DType) -> Value:
    """Bytes along the last axis as the numbers in them, lowest bits first."""
    rest, parts = Formula(b, b.cast(packed, dtype)), []
    for _ in range(8 // bits):
        upper = (rest * (1 / (1 << bits))).floor()
        parts.append(rest - upper * (1 << bits))
        rest = upper
    apart = joined([part.reshape(*packed.shape, 1) for part in parts], packed.rank)
    return apart.reshape(*packed.shape[:-1], packed.shape[-1] * len(parts)).value


FP4 = (0, 0.00520833333, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25)
"""The numbers of the 4-bit floats of https://github.com/bitsandbytes-foundation/bitsandbytes, followed by the same with a sign."""


@onnx_op("MatMulBnb4", 1, domain=MICROSOFT)
def matmul_bnb4(b: LayerBuilder, A: Value, B: Value, absmax: Value, *, K: int, N: int, block_size: int, quant_type: int,
                training_mode: bool = False, transB: bool = True) -> Value:
    """A (..., K) times weights (N, K), each one of 16 numbers, scaled for each block of the flat weights."""
    if not transB:
        raise UnsupportedError("MatMulBnb4 with transB=0, which training needs, is not supported", b.where)
    packed, largest = b.array(B, "the weights"), b.array(absmax, "the scales of the weights")
    blocks = -(-N * K // max(block_size, 1))
    if quant_type not in (0, 1) or min(K, N, block_size) < 1 or packed.size != (N * K + 1) // 2 or largest.size != blocks:
        raise b.damaged(f"weights {B.type} and scales {absmax.type} are not {N} by {K} elements of quant_type {quant_type} in blocks of "
                        f"{block_size}")
    numbers = NF4 if quant_type else np.asarray((*FP4, *(-x for x in FP4)))
    flat = packed.astype(np.uint8).ravel()
    codes = np.stack([flat >> 4, flat & 15], 1).ravel()[:N * K]
    weights = numbers[codes] * largest.ravel().astype(np.float64)[np.arange(N * K) // block_size]
    return b.add1(MatMul(adjoint_b=True), A, b.const(weights.reshape(N, K), A.type.dtype))
