"""Lowerings of convolutions and poolings. All are stored channels-last; pads that neither SAME nor VALID expresses have become a Pad of
their own by then (`passes.explicit_padding`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.emit.tflite.carriers import refused_type
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_binary import FUSED, refused_activation
from nchw2nhwc.emit.tflite.lower_elementwise import kernel
from nchw2nhwc.emit.tflite.lower_movement import strided_slice
from nchw2nhwc.emit.tflite.lower_sizes import sizes_tensor
from nchw2nhwc.emit.tflite.lower_sums import integer_bias, integer_data, integer_weights, needs_all_channels, wide_options
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import OptionValue, options
from nchw2nhwc.emit.tflite.padding import Padding, Window, padding_of, placed
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Array, Node, Shape, Size, Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.windowed import Conv, ConvTranspose

_AXES = {2: "HW", 3: "DHW"}


def spatial(value: Value, channels_last: bool) -> Shape:
    """The spatial sizes of data or of a filter that is stored like data."""
    return value.shape[1:-1] if channels_last else value.shape[2:]


def windows(node: Node) -> list[Window]:
    """The windows of a Conv, MaxPool or AvgPool, one spatial axis after the other."""
    op = node.op
    assert isinstance(op, (Conv, MaxPool, AvgPool))
    kernels: Sequence[Size] = spatial(node.input(1), op.channels_last) if isinstance(op, Conv) else op.kernel
    ceil = not isinstance(op, Conv) and op.ceil_mode
    axes = zip(spatial(node.input(0), op.channels_last), kernels, op.strides, op.dilations, op.pads_begin, op.pads_end)
    return [Window(size, d * (static(k, "the size of a kernel") - 1) + 1, s, b, e, ceil) for size, k, s, d, b, e in axes]


def _per_axis(stem: str, values: Sequence[int]) -> dict[str, OptionValue]:
    """Options with one entry an axis: `strideH`, `strideW`."""
    return {f"{stem}{axis}": v for axis, v in zip(_AXES[len(values)], values)}


def _dilations(values: Sequence[int]) -> dict[str, OptionValue]:
    return {f"dilation{axis}Factor": v for axis, v in zip(_AXES[len(values)], values)}


def _padding(e: Emitter, node: Node) -> Padding:
    found = padding_of(windows(node))
    if found is None:
        raise TargetError("its padding is neither SAME nor VALID; the pass explicit_padding has not run", e.where)
    return found


def constant(value: Value) -> Array:
    """The content of an operand that is known to be constant."""
    assert value.const is not None, f"{value!r} is not constant"
    return value.const


def _bias(e: Emitter, node: Node, channels: int) -> int:
    """The bias; zeros for none, because XNNPACK takes no convolution without one."""
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if e.integer:
        return integer_bias(e, node, None if bias is None else bias.const)
    return e.const(np.zeros(channels, np.float32)) if bias is None else e.of(bias)


# ---- convolution -------------------------------------------------------------------------------------------------------
def _convolves(node: Node, op: Conv) -> str:
    rank = len(op.strides)
    if rank not in _AXES:
        return f"TFLite convolves 2 or 3 spatial axes, not {rank}"
    if rank == 3 and op.groups != 1:
        return "CONV_3D has no groups"
    return refused_activation(node, op.activation) or kernel("CONV_2D" if rank == 2 else "CONV_3D")(node, op)


@lowering(Conv, _convolves)
def conv(e: Emitter, node: Node, op: Conv) -> None:
    """CONV_2D, also in groups; DEPTHWISE_CONV_2D with one group a channel; CONV_3D."""
    x, w = node.input(0), node.input(1)
    common: dict[str, OptionValue] = {
        "padding": int(_padding(e, node)), **_per_axis("stride", op.strides), **_dilations(op.dilations),
        "fusedActivationFunction": FUSED[op.activation]}
    inputs, outputs = static(x.shape[-1], "the number of channels"), static(w.shape[0], "the number of filters")
    if len(op.strides) == 3:
        code, table = "CONV_3D", "Conv3DOptions"
        filters = e.weights(w.const.transpose(1, 2, 3, 4, 0)) if w.const is not None else _transposed(e, w, (1, 2, 3, 4, 0))
    elif op.groups == inputs and w.const is not None and not (e.integer and needs_all_channels(e, node)):
        code, table = "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions"
        moved = np.moveaxis(w.const, 0, -1).reshape(1, *w.const.shape[1:3], outputs)
        filters = integer_weights(e, node, moved, 3) if e.integer else e.weights(moved)
        common["depthMultiplier"] = outputs // inputs
    else:
        code, table, filters = "CONV_2D", "Conv2DOptions", e.of(w) if not e.integer else integer_weights(e, node, constant(w))
        common |= wide_options(e, node)
    e.op(code, [integer_data(e, node) if e.integer else e.of(x), filters, _bias(e, node, outputs)], [e.out(node)], options(table, **common))


def _transposed(e: Emitter, value: Value, perm: Sequence[int]) -> int:
    shape = tuple(value.shape[k] for k in perm)
    return e.run("TRANSPOSE", [e.of(value), e.ints(perm)], value.type.dtype, shape, options("TransposeOptions"))


# ---- transposed convolution --------------------------------------------------------------------------------------------
def _transposes(node: Node, op: ConvTranspose) -> str:
    rank = len(op.strides)
    if rank not in _AXES:
        return f"TFLite transposes convolutions of 2 or 3 spatial axes, not of {rank}"
    if op.groups != 1:
        return "transposed convolutions have no groups"
    if any(d != 1 for d in op.dilations) and not node.input(1).is_const:
        return "a dilated transposed convolution needs constant weights"
    return refused_activation(node, op.activation) or kernel("TRANSPOSE_CONV" if rank == 2 else "CONV_3D_TRANSPOSE")(node, op)


@lowering(ConvTranspose, _transposes)
def conv_transpose(e: Emitter, node: Node, op: ConvTranspose) -> None:
    """In one operator, or with empty rows around the data before it and a slice that cuts the result to size behind it."""
    x, w, sizes = node.input(0), node.input(1), spatial(node.output, True)
    taps = [static(k, "the size of a kernel") for k in spatial(w, True)]
    reach = [d * (k - 1) + 1 for d, k in zip(op.dilations, taps)]
    padding = placed(op, taps)
    if padding is not None:
        _transpose_conv(e, node, op, e.of(x), node.output.shape, e.out(node), padding)
        return
    before = [-(min(b, 0) // s) for b, s in zip(op.pads_begin, op.strides)]
    room = [o - end for o, end in zip(op.output_padding, op.pads_end)]
    after = [max(r, 0) // s for r, s in zip(room, op.strides)]
    extended = [n + b + a for n, b, a in zip(spatial(x, True), before, after)]
    tensor = e.of(x)
    if any((*before, *after)):
        widths = np.array([(0, 0), *zip(before, after), (0, 0)], np.int32)
        tensor = e.run("PAD", [tensor, e.const(widths)], x.type.dtype, (x.shape[0], *extended, x.shape[-1]), options("PadOptions"))
    spare = [max(r - a * s, 0) for r, a, s in zip(room, after, op.strides)]
    whole = (x.shape[0], *((n - 1) * s + r + more for n, s, r, more in zip(extended, op.strides, reach, spare)), node.output.shape[-1])
    result = e.temp(x.type.dtype, whole)
    _transpose_conv(e, node, op, tensor, whole, result, Padding.VALID)
    begins = [b + n * s for b, n, s in zip(op.pads_begin, before, op.strides)]
    ends = [None if b + n == total else b + n for b, n, total in zip(begins, sizes, whole[1:-1])]
    strided_slice(e, result, e.out(node), [None, *begins, None], [None, *ends, None], [1] * len(whole))


def _transpose_conv(e: Emitter, node: Node, op: ConvTranspose, x: int, shape: Shape, target: int, padding: Padding) -> None:
    w = node.input(1)
    channels = static(shape[-1], "the number of filters")
    common = {"padding": int(padding), **_per_axis("stride", op.strides), "fusedActivationFunction": FUSED[op.activation]}
    if len(op.strides) == 2:
        if e.integer:
            filters = integer_weights(e, node, constant(w))
            x = integer_data(e, node)
        else:
            filters = e.of(w) if w.const is None or set(op.dilations) == {1} else e.weights(_dilated(w.const, op.dilations))
        code, opts = "TRANSPOSE_CONV", options("TransposeConvOptions", **common)
    else:
        perm = (1, 2, 3, 0, 4)
        filters = _transposed(e, w, perm) if w.const is None else e.weights(_dilated(w.const, op.dilations).transpose(perm))
        code, opts = "CONV_3D_TRANSPOSE", options("Conv3DOptions", **common)
    e.op(code, [sizes_tensor(e, shape), filters, x, _bias(e, node, channels)], [target], opts)


def _dilated(w: Array, dilations: Sequence[int]) -> Array:
    """Weights (O, kernel..., I) with zeros between the taps."""
    if set(dilations) == {1}:
        return w
    wide = np.zeros((w.shape[0], *(d * (k - 1) + 1 for d, k in zip(dilations, w.shape[1:-1])), w.shape[-1]), w.dtype)
    wide[(slice(None), *(slice(None, None, d) for d in dilations), slice(None))] = w
    return wide


# ---- pooling -----------------------------------------------------------------------------------------------------------
def _pools(node: Node, op: MaxPool | AvgPool, code: str) -> str:
    if len(op.kernel) != 2:
        return f"{code} takes two spatial axes, not {len(op.kernel)}"
    if any(d != 1 for d in op.dilations):
        return f"{code} has no dilation"
    return refused_activation(node, op.activation) or refused_type(code, node.input(0).type.dtype)


def _averages(node: Node, op: AvgPool) -> str:
    """Zeros that count can be added in front; zeros that do not count are those of SAME."""
    refused = _pools(node, op, "AVERAGE_POOL_2D")
    if refused:
        return refused
    found = windows(node)
    if padding_of(found) is Padding.VALID:
        return ""
    if not op.count_include_pad:
        return "" if padding_of(found) is not None else "AVERAGE_POOL_2D leaves out padding only as SAME has it"
    return "" if all(w.explicit()[1] <= max(w.end, 0) for w in found) else "AVERAGE_POOL_2D counts all padding or none"


@lowering(MaxPool, lambda node, op: _pools(node, op, "MAX_POOL_2D"))
def max_pool(e: Emitter, node: Node, op: MaxPool) -> None:
    """MAX_POOL_2D."""
    _pool(e, node, op, "MAX_POOL_2D", _padding(e, node))


@lowering(AvgPool, _averages)
def avg_pool(e: Emitter, node: Node, op: AvgPool) -> None:
    """AVERAGE_POOL_2D."""
    padding = _padding(e, node)
    if padding is Padding.SAME and op.count_include_pad and any(any(w.explicit()) for w in windows(node)):
        raise TargetError("its padding counts, which that of SAME does not; the pass explicit_padding has not run", e.where)
    _pool(e, node, op, "AVERAGE_POOL_2D", padding)


def _pool(e: Emitter, node: Node, op: MaxPool | AvgPool, code: str, padding: Padding) -> None:
    opts = options("Pool2DOptions", padding=int(padding), **_per_axis("stride", op.strides), filterHeight=op.kernel[0],
                   filterWidth=op.kernel[1], fusedActivationFunction=FUSED[op.activation])
    e.op(code, [e.of(node.input(0))], [e.out(node)], opts)
