"""Poolings over data (N, C, spatial...), or (N, spatial..., C) when `channels_last`.

Spatial attributes have one entry for each spatial axis, of which there is any number from 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Shape
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.kinds import FLOAT, NUMBER, Kinds, require
from nchw2nhwc.ops.rules import Spatial
from nchw2nhwc.ops.windows import (
    Ints,
    adaptive_windows,
    as_stored,
    channels_first,
    elements_counted,
    extended,
    joined,
    lowest,
    numbers,
    parts,
    require_same_length,
    single,
    taps,
    window_count,
)


class _Pool(Op, abstract=True):
    """Ops that reduce windows of x (N, C, spatial...); see `window_count` for `ceil_mode`. The attributes are fields of each op, in its own
    order."""

    kernel: Ints
    strides: Ints
    dilations: Ints
    pads_begin: Ints
    pads_end: Ints
    ceil_mode: bool
    channels_last: bool
    rule = Spatial(("data",))
    kinds: ClassVar[Kinds] = FLOAT

    def infer(self, x: TensorType) -> TensorType:
        require(self, self.kinds, x)
        rank = require_same_length(kernel=self.kernel, strides=self.strides, dilations=self.dilations, pads_begin=self.pads_begin,
                                   pads_end=self.pads_end)
        if min((*self.pads_begin, *self.pads_end)) < 0:
            raise ShapeError(f"pads {list(self.pads_begin)}, {list(self.pads_end)} must not be negative")
        batch, channels, spatial = parts(x, self.channels_last, rank)
        return joined(x, batch, channels, self._counts(spatial), self.channels_last)

    def _counts(self, spatial: Shape) -> Shape:
        return tuple(window_count(s, k, stride, d, (begin, end), ceil=self.ceil_mode) for s, k, stride, d, begin, end
                     in zip(spatial, self.kernel, self.strides, self.dilations, self.pads_begin, self.pads_end))

    def _accumulate(self, x: Array, combine: Callable[[Array, Array], Array], padding: float | int) -> Array:
        """All elements of each window of x (N, C, spatial...) combined, padding included."""
        counts = numbers(self._counts(x.shape[2:]))
        needed = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(counts, self.strides, self.dilations, self.kernel)]
        ends = [n - size - begin for n, size, begin in zip(needed, x.shape[2:], self.pads_begin)]
        padded = extended(x, self.pads_begin, ends, padding)
        windows = (padded[spans] for _, spans in taps(self.kernel, self.strides, self.dilations, counts))
        total = next(windows)
        for window in windows:
            total = combine(total, window)
        return total


@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest element of each window; padding never wins. Source: ONNX MaxPool, OpenVINO MaxPool-1, -8 (values)."""

    kernel: Ints
    strides: Ints
    dilations: Ints
    pads_begin: Ints
    pads_end: Ints
    ceil_mode: bool = False
    activation: Activation = Activation.NONE
    channels_last: bool = False
    kinds = NUMBER

    def reference(self, x: Array) -> Array:
        result = self._accumulate(channels_first(x, self.channels_last), np.maximum, lowest(x.dtype))
        return as_stored(self.activation.apply(result), self.channels_last)


@dataclass(frozen=True)
class AvgPool(_Pool):
    """The mean of each window, 0 of one in which nothing counts. With `count_include_pad` the declared padding counts as zeros, otherwise
    only elements of x count; what `ceil_mode` adds past the declared padding never counts. Source: ONNX AveragePool, OpenVINO AvgPool-1."""

    kernel: Ints
    strides: Ints
    dilations: Ints
    pads_begin: Ints
    pads_end: Ints
    ceil_mode: bool = False
    count_include_pad: bool = False
    activation: Activation = Activation.NONE
    channels_last: bool = False

    def reference(self, x: Array) -> Array:
        first = single(channels_first(x, self.channels_last))
        mean = np.true_divide(self._accumulate(first, np.add, 0), np.maximum(self._elements(first.shape[2:]), 1), dtype=first.dtype)
        return as_stored(self.activation.apply(mean).astype(x.dtype, copy=False), self.channels_last)

    def _elements(self, spatial: Ints) -> Array:
        """How many elements count in each window of data with these sizes, (spatial...)."""
        total: Array = np.ones((), np.int64)
        axes = zip(spatial, self.kernel, self.strides, self.dilations, self.pads_begin, self.pads_end, numbers(self._counts(spatial)))
        for size, kernel, stride, dilation, begin, end, count in axes:
            within = range(-begin, size + end) if self.count_include_pad else range(size)
            total = np.multiply.outer(total, elements_counted(kernel, stride, dilation, begin, count, within))
        return total


@dataclass(frozen=True)
class LpPool(_Pool):
    """The p-norm of each window, `sum(|x|^p) ^ (1/p)`. Source: ONNX LpPool."""

    p: int
    kernel: Ints
    strides: Ints
    dilations: Ints
    pads_begin: Ints
    pads_end: Ints
    ceil_mode: bool = False
    channels_last: bool = False

    def reference(self, x: Array) -> Array:
        powers: Array = np.power(np.abs(single(channels_first(x, self.channels_last))), self.p)
        result = np.power(self._accumulate(powers, np.add, 0), 1 / self.p)
        return as_stored(np.asarray(result, x.dtype), self.channels_last)


@dataclass(frozen=True)
class _AdaptivePool(Op, abstract=True):
    """Poolings with a given number of windows: window i of an axis covers `[floor(i*in/out), ceil((i+1)*in/out))`."""

    output_size: Ints
    channels_last: bool = False
    rule = Spatial(("data",))
    kinds: ClassVar[Kinds] = FLOAT

    def infer(self, x: TensorType) -> TensorType:
        require(self, self.kinds, x)
        batch, channels, spatial = parts(x, self.channels_last, len(self.output_size))
        if min(self.output_size) < 1 or any(s == 0 for s in spatial):
            raise ShapeError(f"{x} cannot be pooled to {list(self.output_size)}")
        return joined(x, batch, channels, self.output_size, self.channels_last)

    def _pooled(self, x: Array, pool: Callable[[Array, int], Array]) -> Array:
        """`pool(window, axis)` of every window; the spatial axes one after the other, as both mean and maximum allow."""
        x = channels_first(x, self.channels_last)
        for axis, count in enumerate(self.output_size, 2):
            before = (slice(None),) * axis
            x = np.concatenate([pool(x[(*before, window)], axis) for window in adaptive_windows(x.shape[axis], count)], axis)
        return as_stored(x, self.channels_last)


@dataclass(frozen=True)
class AdaptiveAvgPool(_AdaptivePool):
    """The mean of each window. Source: OpenVINO AdaptiveAvgPool-8."""

    def reference(self, x: Array) -> Array:
        mean = self._pooled(single(x), lambda window, axis: np.asarray(np.add.reduce(window, axis, keepdims=True) / window.shape[axis]))
        return mean.astype(x.dtype, copy=False)


@dataclass(frozen=True)
class AdaptiveMaxPool(_AdaptivePool):
    """The largest element of each window. Source: OpenVINO AdaptiveMaxPool-8 (values)."""

    kinds = NUMBER

    def reference(self, x: Array) -> Array:
        return self._pooled(x, lambda window, axis: np.asarray(np.max(window, axis, keepdims=True)))
