"""Resizing of spatial axes, with the semantics of ONNX Resize-19."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Size, exact_div
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.kinds import NUMBER, check_choices, integer_range, kind_of, one_of, require
from nchw2nhwc.ops.rules import Spatial
from nchw2nhwc.ops.windows import as_stored, channels_first, joined, numbers, parts

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Weights = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

MODES = ("nearest", "linear", "cubic")
COORDINATE_MODES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn",
                    "tf_crop_and_resize")
NEAREST_MODES = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")

TIE = 1e-6
"""Positions this close to the middle between two elements lie there but for the noise of float32: the rounding modes treat them as ties."""


@dataclass(frozen=True)
class Resize(Op):
    """x (N, C, spatial...) resampled to the spatial `sizes`. Source: ONNX Resize, Upsample; OpenVINO Interpolate.

    `scales` (spatial) are the source's own where they are not simply result size / operand size (None). `roi` holds the starts and then
    the ends of the spatial axes, normalised to [0, 1], for "tf_crop_and_resize" alone; positions outside of x give
    `extrapolation_value` there. `exclude_outside` and `cubic_coeff_a` matter to "cubic", `nearest_mode` to "nearest". Integers are
    interpolated in floating point and truncated, within their range.
    """

    sizes: tuple[Size, ...]
    scales: tuple[float, ...] | None = None
    mode: str = field(default="nearest", metadata=one_of(*MODES))
    coordinate_mode: str = field(default="half_pixel", metadata=one_of(*COORDINATE_MODES))
    nearest_mode: str = field(default="round_prefer_floor", metadata=one_of(*NEAREST_MODES))
    cubic_coeff_a: float = -0.75
    exclude_outside: bool = False
    extrapolation_value: float = 0.0
    antialias: bool = False
    roi: tuple[float, ...] | None = None
    channels_last: bool = False
    rule = Spatial(("data",))

    def infer(self, x: TensorType) -> TensorType:
        require(self, NUMBER, x)
        batch, channels, spatial = parts(x, self.channels_last, len(self.sizes))
        check_choices(self)
        if self.scales is not None and (len(self.scales) != len(self.sizes) or min(self.scales) <= 0):
            raise ShapeError(f"scales {list(self.scales)} must be positive, one for each spatial axis of {x}")
        if (self.coordinate_mode == "tf_crop_and_resize") != (self.roi is not None) or len(self.roi or ()) not in (0, 2 * len(self.sizes)):
            raise ShapeError("a region of interest, a start and an end for each spatial axis, belongs to tf_crop_and_resize alone")
        if any(s == 0 for s in (*spatial, *self.sizes)):
            raise ShapeError(f"{x} cannot be resized to {list(map(str, self.sizes))}")
        return joined(x, batch, channels, self.sizes, self.channels_last)

    def reference(self, x: Array) -> Array:
        x = channels_first(x, self.channels_last)
        sizes, spatial = numbers(self.sizes), x.shape[2:]
        result = x
        for k, (before, after) in enumerate(zip(spatial, sizes)):
            if self.mode == "nearest":
                result = np.take(result, nearest_indices(before, after, self, k), k + 2)
            else:
                result = _applied(result, interpolation_matrix(before, after, self, k), k + 2)
        if self.roi is not None:
            for k, (before, after) in enumerate(zip(spatial, sizes)):
                where = source_positions(before, after, self, k)
                outside = np.logical_or(where < 0, where > before - 1).reshape(-1, *[1] * (len(sizes) - 1 - k))
                result = np.asarray(np.where(outside, self.extrapolation_value, result))
        if result.dtype != x.dtype and kind_of(x.dtype) == "integer":
            result = np.asarray(np.clip(result, *integer_range(x.dtype)))
        return as_stored(result.astype(x.dtype, copy=False), self.channels_last)


def _applied(x: Array, matrix: Weights, axis: int) -> Array:
    """`matrix` (out, in) applied along one axis of x, in float32 or wider."""
    dtype = np.result_type(x.dtype, np.float32)
    rows = np.tensordot(x.astype(dtype, copy=False), matrix.astype(dtype), (axis, 1))
    return np.moveaxis(rows, -1, axis)


def axis_scale(before: int, after: int, op: Resize, k: int) -> np.float32:
    """Result size / operand size of spatial axis k, in float32 as the runtimes compute it."""
    return np.float32(op.scales[k]) if op.scales is not None else np.float32(after) / np.float32(before)


def source_positions(before: int, after: int, op: Resize, k: int) -> Floats:
    """The position in an axis of `before` elements that each of `after` result elements comes from; spatial axis k.

    The formulas are those of ONNX's Resize; an axis that keeps its size stays as it is in every mode (ONNX's reference evaluator, ONNX
    Runtime). float32, in which the runtimes compute, decides as they do where "nearest" has to round.
    """
    scale, half, one = axis_scale(before, after, op, k), np.float32(0.5), np.float32(1)
    x: Floats = np.arange(after, dtype=np.float32)
    if scale == 1 and before == after and op.roi is None:
        return x
    match op.coordinate_mode:
        case "half_pixel":
            where = (x + half) / scale - half
        case "half_pixel_symmetric":
            adjustment = np.float32(after) / (scale * np.float32(before))
            where = np.float32(before) / 2 * (one - adjustment) + (x + half) / scale - half
        case "pytorch_half_pixel":
            where = (x + half) / scale - half if after > 1 else x
        case "align_corners":
            where = x * np.float32(before - 1) / np.float32(after - 1) if after > 1 else x
        case "asymmetric":
            where = x / scale
        case "tf_half_pixel_for_nn":
            where = (x + half) / scale
        case _:
            assert op.roi is not None
            start, end = np.float32(op.roi[k]), np.float32(op.roi[k + len(op.sizes)])
            last = np.float32(before - 1)
            where = start * last + x * ((end - start) * last) / np.float32(after - 1) if after > 1 else half * (start + end) * last + x
    return np.asarray(where, np.float32)


def nearest_indices(before: int, after: int, op: Resize, k: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Which of `before` elements each of `after` result elements copies, by `op.nearest_mode`; spatial axis k."""
    where = source_positions(before, after, op, k).astype(np.float64)
    match op.nearest_mode:
        case "round_prefer_floor":
            index = np.ceil(where - 0.5 - TIE)
        case "round_prefer_ceil":
            index = np.floor(where + 0.5 + TIE)
        case "floor":
            index = np.floor(where)
        case _:
            index = np.ceil(where)
    return np.asarray(np.clip(index, 0, before - 1), np.int64)


def repeats(op: Resize, before: Sequence[Size]) -> tuple[int, ...] | None:
    """How often each element occurs in a row, for each spatial axis, where that is all that a "nearest" Resize of an operand of spatial
    sizes `before`, known or not, does; else None.

    With a whole number f as factor, positions are (x + 1/2)/f - 1/2, x/f or (x + 1/2)/f: none of them is a tie for the roundings below.
    """
    factors = [f for f in map(exact_div, op.sizes, before) if isinstance(f, int) and f > 0]
    if op.mode != "nearest" or op.roi is not None or len(factors) < len(op.sizes) or len(before) != len(op.sizes):
        return None
    if op.scales is not None and tuple(op.scales) != tuple(factors):
        return None
    rounded = {"half_pixel": "round", "half_pixel_symmetric": "round", "pytorch_half_pixel": "round", "asymmetric": "floor",
               "tf_half_pixel_for_nn": "floor"}.get(op.coordinate_mode)
    return tuple(factors) if rounded is not None and op.nearest_mode.startswith(rounded) else None


def interpolation_matrix(before: int, after: int, op: Resize, k: int) -> Weights:
    """The (after, before) matrix that resizes spatial axis k of `before` elements to `after`; a resize is its product over the axes.

    "tf_crop_and_resize" replaces rows whose position is outside afterwards.
    """
    matrix: Weights = np.zeros((after, before))
    if op.mode == "nearest":
        matrix[np.arange(after), nearest_indices(before, after, op, k)] = 1
        return matrix
    stretch = max(1.0, 1 / float(axis_scale(before, after, op, k))) if op.antialias else 1.0
    where = source_positions(before, after, op, k).astype(np.float64)
    radius = int(np.ceil((1 if op.mode == "linear" else 2) * stretch))
    index = np.floor(where)[:, None] + np.arange(1 - radius, radius + 1)
    weights = _kernel((index - where[:, None]) / stretch, op)
    if op.exclude_outside:
        weights = np.where((index < 0) | (index >= before), 0, weights)
    if op.exclude_outside or op.antialias:
        total = weights.sum(1, keepdims=True)
        weights = weights / np.where(total == 0, 1, total)
    np.add.at(matrix, (np.arange(after)[:, None], np.clip(index, 0, before - 1).astype(np.int64)), weights)
    return matrix


def _kernel(distance: Weights, op: Resize) -> Weights:
    """The weight of an element at `distance` from the sampled position: a triangle, or Keys' cubic with coefficient a."""
    d = np.abs(distance)
    if op.mode == "linear":
        return np.asarray(np.maximum(1 - d, 0))
    a = op.cubic_coeff_a
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))
