"""Convolutions and depth/space rearrangements over data (N, C, spatial...), or (N, spatial..., C) when `channels_last`.

Spatial attributes have one entry for each spatial axis, of which there is any number from 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Shape, Size, exact_div, size_max
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op, require_equal
from nchw2nhwc.ops.kinds import NUMBER, check_choices, one_of, require
from nchw2nhwc.ops.rules import Spatial
from nchw2nhwc.ops.windows import (
    Ints,
    as_stored,
    at_tap,
    channels_first,
    extended,
    joined,
    numbers,
    parts,
    require_same_length,
    single,
    taps,
    window_count,
)


def _biased(result: Array, bias: Array | None) -> Array:
    """(N, C, spatial...) plus one number a channel."""
    return result if bias is None else np.asarray(np.add(result, bias.reshape(-1, *[1] * (result.ndim - 2))), result.dtype)


def _require_bias(bias: TensorType | None, channels: Size) -> None:
    if bias is not None and bias.shape != (channels,):
        raise ShapeError(f"bias {bias} must have shape [{channels}]")


def _require_groups(groups: int, channels: Size, w: TensorType) -> None:
    if groups < 1 or exact_div(channels, groups) is None:
        raise ShapeError(f"the {channels} channels of weights {w} cannot be divided into {groups} groups")


@dataclass(frozen=True)
class Conv(Op):
    """`activation(correlation of x with w + bias)`; x (N, I, spatial...), w (O, I/groups, kernel...), bias (O,).

    `channels_last`: x (N, spatial..., I), w (O, kernel..., I/groups). Pads are zeros, not negative. Source: ONNX Conv; OpenVINO
    Convolution-1, GroupConvolution-1.
    """

    strides: Ints
    dilations: Ints
    pads_begin: Ints
    pads_end: Ints
    groups: int = 1
    activation: Activation = Activation.NONE
    channels_last: bool = False
    rule = Spatial(("data", "filter"))

    def infer(self, x: TensorType, w: TensorType, bias: TensorType | None = None) -> TensorType:
        require(self, NUMBER, x, w, *([] if bias is None else [bias]))
        rank = require_same_length(strides=self.strides, dilations=self.dilations, pads_begin=self.pads_begin, pads_end=self.pads_end)
        batch, channels, spatial = parts(x, self.channels_last, rank)
        out, per_group, kernel = parts(w, self.channels_last, rank)
        reason = f"{x} has {channels} channels, but weights {w} take {per_group * self.groups}, {per_group} in each group"
        require_equal(reason, (channels, per_group * self.groups))
        if min((*self.pads_begin, *self.pads_end)) < 0:
            raise ShapeError(f"pads {list(self.pads_begin)}, {list(self.pads_end)} must not be negative")
        _require_groups(self.groups, out, w)
        _require_bias(bias, out)
        return joined(x, batch, out, self._counts(spatial, kernel), self.channels_last)

    def reference(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        dtype, x, w = x.dtype, single(channels_first(x, self.channels_last)), single(channels_first(w, self.channels_last))
        counts = numbers(self._counts(x.shape[2:], w.shape[2:]))
        padded = extended(x, self.pads_begin, self.pads_end)
        filters = w.reshape(self.groups, -1, *w.shape[1:])
        total: Array | None = None
        for tap, spans in taps(w.shape[2:], self.strides, self.dilations, counts):
            columns = padded[spans].reshape(len(x), self.groups, -1, prod(counts))
            part = _product(at_tap(filters, tap), columns)
            total = part if total is None else np.add(total, part, out=total)
        assert total is not None
        result = self.activation.apply(_biased(total.reshape(len(x), len(w), *counts), bias))
        return as_stored(result.astype(dtype, copy=False), self.channels_last)

    def _counts(self, spatial: Shape, kernel: Shape) -> Shape:
        return tuple(window_count(s, k, stride, dilation, (begin, end)) for s, k, stride, dilation, begin, end
                     in zip(spatial, numbers(kernel), self.strides, self.dilations, self.pads_begin, self.pads_end))


def _product(rows: Array, columns: Array) -> Array:
    """`rows @ columns` of the last two axes; with one contracted element (depthwise) the outer product, which has no matrix to build."""
    return np.asarray(np.multiply(rows, columns) if rows.shape[-1] == 1 else np.matmul(rows, columns), columns.dtype)


@dataclass(frozen=True)
class ConvTranspose(Op):
    """The transpose of a convolution; x (N, I, spatial...), w (I, O/groups, kernel...), bias (O,).

    `channels_last`: x (N, spatial..., I), w (O/groups, kernel..., I). Result sizes are
    `(in-1)*stride + dilation*(kernel-1) + 1 + output_padding - pads_begin - pads_end`; negative pads add rows that no element of x
    reaches. Source: ONNX ConvTranspose; OpenVINO ConvolutionBackpropData-1, GroupConvolutionBackpropData-1.
    """

    strides: Ints
    dilations: Ints
    pads_begin: Ints
    pads_end: Ints
    output_padding: Ints
    groups: int = 1
    activation: Activation = Activation.NONE
    channels_last: bool = False
    rule = Spatial(("data", "filter_transposed"))

    def infer(self, x: TensorType, w: TensorType, bias: TensorType | None = None) -> TensorType:
        require(self, NUMBER, x, w, *([] if bias is None else [bias]))
        rank = require_same_length(strides=self.strides, dilations=self.dilations, pads_begin=self.pads_begin, pads_end=self.pads_end,
                                   output_padding=self.output_padding)
        batch, channels, spatial = parts(x, self.channels_last, rank)
        if w.rank != rank + 2:
            raise ShapeError(f"weights {w} need {rank} spatial axes, as {x} has")
        taken, per_group, kernel = (w.shape[-1], w.shape[0], w.shape[1:-1]) if self.channels_last else (w.shape[0], w.shape[1], w.shape[2:])
        require_equal(f"{x} has {channels} channels, but weights {w} take {taken}", (channels, taken))
        if min((*self.strides, *self.dilations)) < 1 or min(self.output_padding) < 0:
            raise ShapeError("strides and dilations must be at least 1, and output_padding not negative")
        _require_groups(self.groups, taken, w)
        _require_bias(bias, per_group * self.groups)
        return joined(x, batch, per_group * self.groups, self._sizes(spatial, kernel), self.channels_last)

    def reference(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        dtype, x, w = x.dtype, single(channels_first(x, self.channels_last)), single(np.moveaxis(w, -1, 0) if self.channels_last else w)
        filters = np.swapaxes(w.reshape(self.groups, -1, *w.shape[1:]), 1, 2)
        columns = x.reshape(len(x), self.groups, -1, prod(x.shape[2:]))
        reach = [(s - 1) * stride + d * (k - 1) + 1 for s, stride, d, k in zip(x.shape[2:], self.strides, self.dilations, w.shape[2:])]
        total: Array = np.zeros((len(x), self.groups * w.shape[1], *reach), x.dtype)
        for tap, spans in taps(w.shape[2:], self.strides, self.dilations, x.shape[2:]):
            reached = total[spans]
            np.add(reached, _product(at_tap(filters, tap), columns).reshape(reached.shape), out=reached)
        ends = [extra - end for extra, end in zip(self.output_padding, self.pads_end)]
        result = self.activation.apply(_biased(extended(total, [-b for b in self.pads_begin], ends), bias))
        return as_stored(result.astype(dtype, copy=False), self.channels_last)

    def _sizes(self, spatial: Shape, kernel: Shape) -> Shape:
        pads = zip(self.output_padding, self.pads_begin, self.pads_end)
        sizes = tuple((s - 1) * stride + d * (k - 1) + 1 + extra - begin - end
                      for s, k, stride, d, (extra, begin, end) in zip(spatial, numbers(kernel), self.strides, self.dilations, pads))
        if any(isinstance(s, int) and s < 1 for s in sizes):
            raise ShapeError(f"pads {list(self.pads_begin)}, {list(self.pads_end)} leave nothing of the result")
        require_equal(f"pads {list(self.pads_begin)}, {list(self.pads_end)} may be more than the result",
                      *((size_max(s, 0), s) for s in sizes if not isinstance(s, int)))
        return sizes


@dataclass(frozen=True)
class _DepthSpace(Op, abstract=True):
    """Rearrangements between channels and blocks of `block` elements along every spatial axis.

    `mode` "DCR": the channel axis of the deep form is (blocks..., channels); "CRD": (channels, blocks...). Blocks are in the order of
    the spatial axes.
    """

    block: int
    mode: str = field(default="DCR", metadata=one_of("DCR", "CRD"))
    channels_last: bool = False
    rule = Spatial(("data",))

    def _check(self) -> None:
        check_choices(self)
        if self.block < 1:
            raise ShapeError(f"blocks of {self.block} elements do not exist")

    def _interleaved(self, rank: int) -> Ints:
        """Where (N, deep channel axis taken apart..., spatial...) has the axes (N, C, space 1, block 1, space 2, block 2, ...)."""
        first_block, channel = (1, rank + 1) if self.mode == "DCR" else (2, 1)
        return (0, channel, *(axis for k in range(rank) for axis in (rank + 2 + k, first_block + k)))

    def _apart(self, channels: int, rank: int) -> Ints:
        """The deep form's channel axis taken apart."""
        blocks = (self.block,) * rank
        return (*blocks, channels) if self.mode == "DCR" else (channels, *blocks)


@dataclass(frozen=True)
class DepthToSpace(_DepthSpace):
    """Channels to blocks: (N, C*block^r, S...) -> (N, C, S*block...). Source: ONNX DepthToSpace; OpenVINO DepthToSpace-1, where
    `blocks_first` is DCR and `depth_first` CRD."""

    def infer(self, x: TensorType) -> TensorType:
        self._check()
        batch, deep, spatial = parts(x, self.channels_last)
        channels = exact_div(deep, self.block ** len(spatial))
        if channels is None:
            raise ShapeError(f"the {deep} channels of {x} cannot be divided into blocks of {self.block}^{len(spatial)}")
        return joined(x, batch, channels, tuple(s * self.block for s in spatial), self.channels_last)

    def reference(self, x: Array) -> Array:
        x = channels_first(x, self.channels_last)
        rank, channels = x.ndim - 2, x.shape[1] // self.block ** (x.ndim - 2)
        apart = x.reshape(x.shape[0], *self._apart(channels, rank), *x.shape[2:])
        result = apart.transpose(self._interleaved(rank)).reshape(x.shape[0], channels, *(s * self.block for s in x.shape[2:]))
        return as_stored(result, self.channels_last)


@dataclass(frozen=True)
class SpaceToDepth(_DepthSpace):
    """Blocks to channels, the inverse of DepthToSpace: (N, C, S*block...) -> (N, C*block^r, S...). Source: ONNX SpaceToDepth (DCR);
    OpenVINO SpaceToDepth-1, where `blocks_first` is DCR and `depth_first` CRD."""

    def infer(self, x: TensorType) -> TensorType:
        self._check()
        batch, channels, spatial = parts(x, self.channels_last)
        small = [exact_div(s, self.block) for s in spatial]
        if None in small:
            require_equal(f"the spatial axes of {x} cannot be divided into blocks of {self.block}", *((s % self.block, 0) for s in spatial))
        return joined(x, batch, channels * self.block ** len(spatial), tuple(s for s in small if s is not None), self.channels_last)

    def reference(self, x: Array) -> Array:
        x = channels_first(x, self.channels_last)
        rank, channels = x.ndim - 2, x.shape[1]
        small = tuple(s // self.block for s in x.shape[2:])
        blocks = x.reshape(x.shape[0], channels, *(n for s in small for n in (s, self.block)))
        result = blocks.transpose(np.argsort(self._interleaved(rank))).reshape(x.shape[0], -1, *small)
        return as_stored(result, self.channels_last)
