"""Operands of convolutions and fully connected layers that integer kernels compute (see `integer_sums`)."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.emit.tflite.carriers import INT8, INT16, INT32, INT64
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.integer_sums import has_fast_sums, sums_fit
from nchw2nhwc.emit.tflite.model import OptionValue, Quantization, options, type_number
from nchw2nhwc.emit.tflite.value_tensors import integer_type
from nchw2nhwc.ir import Array, Node
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.quantized import Grid
from nchw2nhwc.ops.steps import LARGEST


def integer_data(e: Emitter, node: Node) -> int:
    """Operand 0 as the node's kernel reads it: its channels as often as weights need them, of 16 bits where the result has them."""
    x, sums, grid = node.input(0), e.plan.sums[node], e.plan.operand(node, 0)
    key = (id(x), sums.copies, sums.is_wide)
    if key not in e.summands:
        tensor = e.held(x)
        if sums.copies > 1:
            joined = e.integers(integer_type(grid), (*x.shape[:-1], x.shape[-1] * sums.copies), grid)
            e.plain("CONCATENATION", [tensor] * sums.copies, [joined], options("ConcatenationOptions", axis=x.rank - 1))
            tensor = joined
        if sums.is_wide and grid.bits == 8:
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
    """A bias (zeros for None) in units of the products of data and weights: int32, or int64 where sums have so many bits."""
    units = e.plan.sums[node].steps * e.plan.operand(node, 0).scale
    dtype = INT64 if e.plan.sums[node].is_wide and not wide_options(e, node) else INT32
    whole = np.zeros(len(units), dtype) if bias is None else np.rint(np.divide(bias, units)).astype(dtype)
    return e.integer_constant(whole, Quantization(tuple(units.tolist())))


def wide_options(e: Emitter, node: Node) -> dict[str, OptionValue]:
    """What the options of an operator have to say when its results have 16 bits and its sums 32, for which there are fast kernels."""
    if not e.integer or not e.plan.sums[node].is_wide or not has_fast_sums(node):
        return {}
    fit = sums_fit(node, e.plan.operand(node, 0), e.plan.sums[node].steps)
    return {"quantizedBiasType": type_number(INT32)} if fit else {}


def needs_all_channels(e: Emitter, node: Node) -> bool:
    """Whether a result channel of an integer convolution of one channel reads several, or may have 16 bits fast: not for depthwise ones."""
    return e.plan.sums[node].copies > 1 or bool(wide_options(e, node))
