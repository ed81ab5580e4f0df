"""Lowerings of convolutions, poolings, resizing and depth/space rearrangements. All are stored channels-last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from keras import layers, ops

from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lower_movement import reshape
from nchw2nhwc.emit.keras.lowering import ANY, FLOAT, lowering, taking
from nchw2nhwc.emit.tflite.padding import Padding, Window, padding_of
from nchw2nhwc.ir import Array, Dim, Node, Shape, Value, exact_div
from nchw2nhwc.ops.activation_functions import Relu, Sigmoid
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.resize import Resize, nearest_indices, repeats
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace, SpaceToDepth

if TYPE_CHECKING:
    from keras import KerasTensor

_CONVS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
_MAX_POOLS = (layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D)
_AVERAGE_POOLS = (layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)
_ZEROS = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
_CROPS = (layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)
_UPSAMPLING = (layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D)
_NAMES = {Padding.VALID: "valid", Padding.SAME: "same"}
_MOST_AXES = 3


def spatial(value: Value, channels_last: bool) -> Shape:
    """The spatial sizes of data or of a filter that is stored like data."""
    return value.shape[1:-1] if channels_last else value.shape[2:]


def _windowed(node: Node, op: Conv | ConvTranspose | MaxPool | AvgPool) -> str:
    reason = taking(FLOAT)(node, op)
    return reason or (f"Keras has no {op.name} over {len(op.strides)} axes" if len(op.strides) > _MOST_AXES else "")


def _windows(x: Value, kernel: Sequence[int], op: Conv | MaxPool | AvgPool) -> list[Window]:
    """The windows along each axis of stored data."""
    axes = zip(spatial(x, op.channels_last), kernel, op.strides, op.dilations, op.pads_begin, op.pads_end)
    return [Window(size, d * (k - 1) + 1, s, begin, end) for size, k, s, d, begin, end in axes]


def _per_axis(pairs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...] | tuple[int, int]:
    """As ZeroPadding and Cropping take it: of one axis the pair alone."""
    return tuple(pairs) if len(pairs) > 1 else pairs[0]


def zero_padded(e: Emitter, x: KerasTensor, pads: Sequence[tuple[int, int]]) -> KerasTensor:
    """Zeros before and after each spatial axis."""
    return e.layer(_ZEROS[len(pads) - 1](_per_axis(pads), name=e.name("pad")), x)


def _every(e: Emitter, x: KerasTensor, strides: Sequence[int]) -> KerasTensor:
    """Every stride-th element along each spatial axis."""
    spans = (slice(None), *(slice(None, None, s) for s in strides), slice(None))
    return e.op(lambda t: t[spans], x, part="strides")


# ---- convolutions ------------------------------------------------------------------------------------------------------
def _conv_refusal(node: Node, op: Conv) -> str:
    reason = _windowed(node, op)
    sizes = (node.input(1).shape, node.input(0).shape[-1 if op.channels_last else 1])
    if not reason and any(isinstance(s, Dim) for s in (*sizes[0], sizes[1])):
        return "a convolution needs known numbers of channels"
    if not reason and not node.input(1).is_const and op.groups > 1:
        return "the weights of a convolution with groups are computed"
    return reason


@lowering(Conv, _conv_refusal)
def conv(e: Emitter, node: Node, op: Conv) -> None:
    """A Conv or DepthwiseConv layer; where both strides and dilations matter, every stride-th result of one without strides."""
    x, w = node.input(0), node.input(1)
    kernel = [int(s) for s in spatial(w, op.channels_last) if isinstance(s, int)]
    windows = _windows(x, kernel, op)
    dilations = tuple(1 if k == 1 else d for k, d in zip(kernel, op.dilations))
    strided = max(dilations) > 1 and max(op.strides) > 1
    padding = None if strided and any(w.begin or w.end for w in windows) else padding_of(windows)
    data = e.of(x)
    if padding is None:
        data = zero_padded(e, data, [(w.begin, w.end) for w in windows])
    attributes: dict[str, object] = {"strides": (1,) * len(kernel) if strided else op.strides, "dilation_rate": dilations,
                                     "padding": _NAMES[Padding.VALID if padding is None else padding]}
    if w.const is None:
        filters = e.op(ops.transpose, e.of(w), (*range(1, w.rank), 0), part="kernel")
        last = not strided and len(node.inputs) == 2
        y = e.op(ops.conv, data, filters, part="" if last else "product", data_format="channels_last", **attributes)
    else:
        y = _conv_layer(e, node, op, data, attributes)
    y = _every(e, y, op.strides) if strided else y
    e.set(node, y if _own_bias(node) else _with_bias(e, node, y))


def _conv_layer(e: Emitter, node: Node, op: Conv, data: KerasTensor, attributes: dict[str, object]) -> KerasTensor:
    """The layer with its weights."""
    w = np.asarray(node.input(1).const)
    bias = _own_bias(node)
    kernel, channels = w.shape[1:-1], w.shape[-1] * op.groups
    options = {**attributes, "use_bias": bool(bias), "name": e.name()}
    equal = len(set(np.atleast_1d(np.asarray(attributes["strides"])).tolist())) == 1
    if op.groups == channels > 1 and len(kernel) <= len(_DEPTHWISE) and equal:
        multiplier = len(w) // channels
        options["strides"] = op.strides[0] if attributes["strides"] == op.strides else 1
        if len(kernel) == 1:
            options["dilation_rate"] = op.dilations[0]
        layer = _DEPTHWISE[len(kernel) - 1](kernel, depth_multiplier=multiplier, depthwise_initializer="zeros", **options)
        filters = np.moveaxis(w[..., 0], 0, -1).reshape(*kernel, channels, multiplier)
    else:
        layer = _CONVS[len(kernel) - 1](len(w), kernel, groups=op.groups, kernel_initializer="zeros", **options)
        filters = np.moveaxis(w, 0, -1)
    return e.layer(layer, data, weights=[filters, *bias])


def _own_bias(node: Node) -> list[Array]:
    """The bias that is a weight of the layer, as the filters then are too; or nothing."""
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return [] if bias is None or bias.const is None or node.input(1).const is None else [bias.const]


def _with_bias(e: Emitter, node: Node, y: KerasTensor) -> KerasTensor:
    """The result of a convolution without bias and the bias, if there is one."""
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    return y if bias is None else e.op(ops.add, y, e.operand(bias), part="bias")


def _transpose_refusal(node: Node, op: ConvTranspose) -> str:
    reason = _windowed(node, op)
    if not reason and op.groups > 1:
        return "Keras has no transposed convolution with groups"
    return reason or ("" if node.input(1).is_const else "the weights of a transposed convolution are computed")


@lowering(ConvTranspose, _transpose_refusal)
def conv_transpose(e: Emitter, node: Node, op: ConvTranspose) -> None:
    """A Conv*Transpose layer and what has to be cropped from its result, or added as zeros, which then comes before the bias.

    Kernels are dilated with explicit zeros, because TensorFlow does not dilate them on CPUs.
    """
    w = _dilated(np.asarray(node.input(1).const), op.dilations)
    kernel, bias = w.shape[1:-1], _own_bias(node)
    full = [max(k - s, 0) + s for k, s in zip(kernel, op.strides)]  # what one element reaches in Keras' result
    reach = zip(full, kernel, op.output_padding, op.pads_begin, op.pads_end)
    crops = [(begin, f - k - extra + end) for f, k, extra, begin, end in reach]
    same = all(f - s == b + c and b == (f - s) // 2 for f, s, (b, c) in zip(full, op.strides, crops))
    grows = not same and any(c < 0 for pair in crops for c in pair)
    moved = not same and any(c for pair in crops for c in pair)
    layer = _TRANSPOSED[len(kernel) - 1](len(w), kernel, strides=op.strides, padding="same" if same else "valid",
                                         use_bias=bool(bias) and not grows, kernel_initializer="zeros", name=e.name())
    y = e.layer(layer, e.of(node.input(0)), weights=[np.moveaxis(w, 0, -2), *([] if grows else bias)])
    if moved and any(max(c, 0) for pair in crops for c in pair):
        y = e.layer(_CROPS[len(kernel) - 1](_per_axis([(max(a, 0), max(b, 0)) for a, b in crops]), name=e.name("crop")), y)
    if grows:
        y = zero_padded(e, y, [(max(-a, 0), max(-b, 0)) for a, b in crops])
    e.set(node, y if bias and not grows else _with_bias(e, node, y))


def _dilated(w: Array, dilations: Sequence[int]) -> Array:
    """A filter (O, kernel..., I) with dilation - 1 zeros between its elements."""
    kernel = [d * (k - 1) + 1 for k, d in zip(w.shape[1:-1], dilations)]
    wide: Array = np.zeros((len(w), *kernel, w.shape[-1]), w.dtype)
    wide[(slice(None), *(slice(None, None, d) for d in dilations), slice(None))] = w
    return wide


# ---- poolings ----------------------------------------------------------------------------------------------------------
def _plain_pool(node: Node, op: MaxPool | AvgPool) -> str:
    reason = _windowed(node, op)
    if not reason and (op.ceil_mode or any(d > 1 and k > 1 for d, k in zip(op.dilations, op.kernel))):
        return "Keras' poolings neither round up nor dilate"
    if not reason and isinstance(op, AvgPool) and any((*op.pads_begin, *op.pads_end)):
        counted = op.count_include_pad or padding_of(_windows(node.input(0), op.kernel, op)) is not Padding.SAME
        return "Keras' average poolings have no such padding" if counted else ""
    return reason


def _pool(classes: Sequence[type[layers.Layer]], op: MaxPool | AvgPool, padding: Padding | None, name: str) -> layers.Layer:
    """The pooling layer; without a `padding` of Keras' the data is padded already."""
    sizes = (op.kernel[0], op.strides[0]) if len(op.kernel) == 1 else (op.kernel, op.strides)
    return classes[len(op.kernel) - 1](*sizes, padding="valid" if padding is None else _NAMES[padding], name=name)


@lowering(MaxPool, _plain_pool)
def max_pool(e: Emitter, node: Node, op: MaxPool) -> None:
    """MaxPooling; padding that SAME does not express is zeros behind an activation that gives nothing less, and the lowest number
    elsewhere."""
    x, data = node.input(0), e.of(node.input(0))
    windows = _windows(x, op.kernel, op)
    padding = padding_of(windows)
    if padding is None:
        pads = [(w.begin, w.end) for w in windows]
        if x.producer is not None and isinstance(x.producer.op, (Relu, Sigmoid)):
            data = zero_padded(e, data, pads)
        else:
            lowest = float(np.finfo(np.float32).min)
            data = e.op(ops.pad, data, ((0, 0), *pads, (0, 0)), constant_values=lowest, part="pad")
    layer = _pool(_MAX_POOLS, op, padding, e.name())
    e.set(node, e.layer(layer, data))


@lowering(AvgPool, _plain_pool)
def average_pool(e: Emitter, node: Node, op: AvgPool) -> None:
    """AveragePooling, in which SAME padding does not count."""
    padding = padding_of(_windows(node.input(0), op.kernel, op))
    layer = _pool(_AVERAGE_POOLS, op, padding, e.name())
    e.set(node, e.layer(layer, e.of(node.input(0))))


# ---- resizing ----------------------------------------------------------------------------------------------------------
def _factors(node: Node, op: Resize) -> list[int] | None:
    """By which whole number each spatial axis grows; None if it does not."""
    found = [exact_div(after, before) for before, after in zip(spatial(node.input(0), op.channels_last), op.sizes)]
    whole = [f for f in found if isinstance(f, int) and f > 0]
    return whole if len(whole) == len(found) else None


def _repeats(node: Node, op: Resize) -> bool:
    """Whether the result repeats every element, as UpSampling does."""
    factors = _factors(node, op)
    if factors is None or op.mode != "nearest" or op.roi is not None:
        return False
    sizes = spatial(node.input(0), op.channels_last)
    if repeats(op, sizes) is not None:
        return True
    axes = zip(sizes, factors)
    return all(isinstance(size, int) and np.array_equal(nearest_indices(size, size * f, op, k), np.arange(size * f) // f)
               for k, (size, f) in enumerate(axes))


def _bilinear(node: Node, op: Resize) -> bool:
    """Whether this is TensorFlow's bilinear resize with half-pixel centres."""
    sizes = (*spatial(node.input(0), op.channels_last), *op.sizes)
    if len(op.sizes) != 2 or op.mode != "linear" or op.scales is not None or op.antialias or op.exclude_outside:
        return False
    centred = op.coordinate_mode == "half_pixel" or (op.coordinate_mode == "pytorch_half_pixel" and 1 not in op.sizes)
    return centred and (not any(isinstance(s, Dim) for s in sizes) or min(_factors(node, op) or (0,)) > 1)


def _resize_refusal(node: Node, op: Resize) -> str:
    if len(op.sizes) > _MOST_AXES:
        return f"Keras resizes at most {_MOST_AXES} axes"
    return taking(FLOAT)(node, op) or ("" if _repeats(node, op) or _bilinear(node, op) else "Keras resizes otherwise")


@lowering(Resize, _resize_refusal)
def resize(e: Emitter, node: Node, op: Resize) -> None:
    """UpSampling, which repeats elements, or Resizing."""
    factors = _factors(node, op)
    if factors is not None and _repeats(node, op):
        size = factors[0] if len(factors) == 1 else tuple(factors)
        layer = _UPSAMPLING[len(factors) - 1](size, name=e.name())
    elif factors is not None and any(isinstance(s, Dim) for s in op.sizes):
        layer = layers.UpSampling2D(tuple(factors), interpolation="bilinear", name=e.name())
    else:
        height, width = op.sizes
        layer = layers.Resizing(height, width, interpolation="bilinear", name=e.name())
    e.set(node, e.layer(layer, e.of(node.input(0))))


# ---- depth and space ---------------------------------------------------------------------------------------------------
@lowering(DepthToSpace, taking(ANY))
def depth_to_space(e: Emitter, node: Node, op: DepthToSpace) -> None:
    """Reshape, Permute, Reshape, as one rearrangement."""
    x = node.input(0)
    rank, batch, sizes, channels = x.rank - 2, x.shape[0], x.shape[1:-1], node.output.shape[-1]
    blocks = (op.block,) * rank
    apart = (batch, *sizes, *blocks, channels) if op.mode == "DCR" else (batch, *sizes, channels, *blocks)
    first_block, channel = (rank + 1, 2 * rank + 1) if op.mode == "DCR" else (rank + 2, rank + 1)
    perm = (0, *(axis for k in range(rank) for axis in (1 + k, first_block + k)), channel)
    y = e.op(ops.transpose, reshape(e, e.of(x), x.shape, apart, "blocks"), perm, part="space")
    e.set(node, reshape(e, y, tuple(apart[a] for a in perm), node.output.shape))


@lowering(SpaceToDepth, taking(ANY))
def space_to_depth(e: Emitter, node: Node, op: SpaceToDepth) -> None:
    """Reshape, Permute, Reshape, as one rearrangement."""
    x = node.input(0)
    rank, batch, channels, small = x.rank - 2, x.shape[0], x.shape[-1], node.output.shape[1:-1]
    apart = (batch, *(n for s in small for n in (s, op.block)), channels)
    sizes, blocks = tuple(range(1, 2 * rank, 2)), tuple(range(2, 2 * rank + 1, 2))
    last = 2 * rank + 1
    perm = (0, *sizes, *blocks, last) if op.mode == "DCR" else (0, *sizes, last, *blocks)
    y = e.op(ops.transpose, reshape(e, e.of(x), x.shape, apart, "blocks"), perm, part="depth")
    e.set(node, reshape(e, y, tuple(apart[a] for a in perm), node.output.shape))
