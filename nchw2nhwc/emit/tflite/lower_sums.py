"""Operands of convolutions and fully connected layers that integer kernels compute (see `integer_sums`)."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.emit.tflite.emitter import INT8, INT16, INT32, Emitter
from nchw2nhwc.emit.tflite.model import OptionValue, Quantization, options, type_number
from nchw2nhwc.emit.tflite.steps import LARGEST
from nchw2nhwc.ir import Array, Node
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.quantized import Grid


def integer_data(e: Emitter, node: Node) -> int:
    """Operand 0 as the node's kernel reads it: its channels as often as weights need them, of 16 bits where the result has them."""
    x, sums, grid = node.input(0), e.plan.sums[node], e.plan.operand(node, 0)
    key = (id(x), sums.copies, sums.is_wide)
    if key not in e.summands:
        tensor = e.held(x)
        if sums.copies > 1:
            joined = e.integers(INT8, (*x.shape[:-1], x.shape[-1] * sums.copies), grid)
            e.plain("CONCATENATION", [tensor] * sums.copies, [joined], options("ConcatenationOptions", axis=x.rank - 1))
            tensor = joined
        if sums.is_wide:
            tensor = e.quantized(tensor, Grid(grid.scale, 0, -(1 << 15), (1 << 15) - 1), INT16)
        e.summands[key] = tensor
    return e.summands[key]


def integer_weights(e: Emitter, node: Node, array: Array, axis: int = 0) -> int:
    """Weights as int8, with the plan's scale for each position along `axis`, that of the result channels. Those that int8 does not hold are
    the sum of several, which stand behind each other as the data's channels do."""
    sums = e.plan.sums[node]
    whole = sums.whole(array, axis)
    if sums.copies > 1:
        left, parts = whole.reshape(*whole.shape[:-1], -1, static(node.input(0).shape[-1], "the number of channels")), list[Array]()
        for _ in range(sums.copies):
            parts.append(np.clip(left, -LARGEST, LARGEST))
            left = np.subtract(left, parts[-1])
        whole = np.concatenate(parts, -1).reshape(*whole.shape[:-1], -1)
    return e.integer_constant(whole.astype(INT8), Quantization(tuple(sums.steps.tolist()), axis=axis))


def integer_bias(e: Emitter, node: Node, bias: Array | None) -> int:
    """A bias (zeros for None) as int32, in units of the products of data and weights."""
    units = e.plan.sums[node].steps * e.plan.operand(node, 0).scale
    whole = np.zeros(len(units), np.int32) if bias is None else np.rint(np.divide(bias, units)).astype(np.int32)
    return e.integer_constant(whole, Quantization(tuple(units.tolist())))


def wide_options(e: Emitter, node: Node) -> dict[str, OptionValue]:
    """What the options of an operator have to say when its results have 16 bits: that sums have 32, for which there are fast kernels."""
    return {"quantizedBiasType": type_number(INT32)} if e.integer and e.plan.sums[node].is_wide else {}


def needs_all_channels(e: Emitter, node: Node) -> bool:
    """Whether a result channel of an integer convolution of one channel reads several, or has 16 bits: not what depthwise ones are for."""
    sums = e.plan.sums[node]
    return sums.copies > 1 or sums.is_wide
