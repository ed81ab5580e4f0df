"""Products of ONNX Runtime's own domain, com.microsoft, whose weights are stored with a few bits each."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
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
    numbers = _unpacked(packed.reshape(N, -1), bits)
    zeros = _zero_points(b, zero_points, N, blocks, bits)
    order = np.arange(blocks * block_size) // block_size
    if g_idx is not None:
        order = np.resize(b.array(g_idx, "g_idx").ravel(), K)
        if not 0 <= order.min() <= order.max() < blocks:
            raise b.damaged(f"g_idx names blocks that are none of {blocks}")
    weights = (numbers[:, :K].astype(np.float64) - zeros[:, order[:K]]) * steps.reshape(N, blocks).astype(np.float64)[:, order[:K]]
    product = b.add1(MatMul(adjoint_b=True), A, b.const(weights, A.type.dtype))
    return product if bias is None else b.add1(Add(), product, bias)


def _unpacked(packed: Array, bits: int) -> Array:
    """Rows of bytes as rows of the numbers in them, lowest bits first."""
    each = [(packed.astype(np.uint8) >> shift) & ((1 << bits) - 1) for shift in range(0, 8, bits)]
    return np.stack(each, -1).reshape(packed.shape[0], -1)


def _zero_points(b: LayerBuilder, zero_points: Value | None, rows: int, blocks: int, bits: int) -> Doubles:
    """The zero point of each block, (rows, blocks): the middle, where none are given."""
    if zero_points is None:
        return np.full((rows, blocks), float(1 << (bits - 1)))
    given = b.array(zero_points, "the zero points of the weights")
    if given.dtype != np.uint8 and given.size == rows * blocks:
        return given.reshape(rows, blocks).astype(np.float64)
    if given.dtype != np.uint8 or given.size != rows * -(-blocks * bits // 8):
        raise b.damaged(f"zero points {zero_points.type} are not those of {rows} rows of {blocks} blocks")
    return _unpacked(given.reshape(rows, -1), bits)[:, :blocks].astype(np.float64)
