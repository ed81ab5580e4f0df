"""Reading images at positions that other tensors give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product as every

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op, require_equal
from nchw2nhwc.ops.kinds import FLOAT, Doubles, check_choices, one_of, require, wide
from nchw2nhwc.ops.rules import Spatial
from nchw2nhwc.ops.windows import as_stored, channels_first, joined, numbers, parts

Tap = tuple[Doubles, Doubles]

SAMPLING_MODES = ("linear", "nearest", "cubic")
PADDING_MODES = ("zeros", "border", "reflection")
COORDINATES = ("half_pixel", "align_corners", "pixels")
CUBIC = -0.75
"""Coefficient of Keys' cubic convolution."""


@dataclass(frozen=True)
class GridSample(Op):
    """x (N, C, spatial...) read at the positions of `grid` (N, result's spatial..., d), whose rows count x's d spatial axes from the last
    one: (x, y) in an image. The result is (N, C, result's spatial...).

    `coordinates`: "pixels" are positions in x's axes; else -1 and 1 stand for the centres of the first and the last element
    ("align_corners"), or for the outer edges of both ("half_pixel"). Outside of x there are "zeros", the "border" element, or the
    "reflection" of x at its first and last element ("align_corners") or at the edges. "nearest" rounds halves to the even position.
    Source: ONNX GridSample, OpenVINO GridSample-9; RoiAlign, ROIAlign and deformable convolutions with "pixels".
    """

    mode: str = field(default="linear", metadata=one_of(*SAMPLING_MODES))
    padding_mode: str = field(default="zeros", metadata=one_of(*PADDING_MODES))
    coordinates: str = field(default="half_pixel", metadata=one_of(*COORDINATES))
    channels_last: bool = False
    rule = Spatial(("data",))

    def infer(self, x: TensorType, grid: TensorType) -> TensorType:
        check_choices(self)
        require(self, FLOAT, x, grid)
        batch, channels, spatial = parts(x, self.channels_last)
        reason = f"grid {grid} does not have positions in the {len(spatial)} spatial axes of {x}"
        if grid.rank != x.rank:
            raise ShapeError(reason)
        require_equal(reason, (grid.shape[-1], len(spatial)), (grid.shape[0], batch))
        if 0 in spatial:
            raise ShapeError(f"{x} has nothing to read")
        return joined(x, batch, channels, grid.shape[1:-1], self.channels_last)

    def reference(self, x: Array, grid: Array) -> Array:
        data = channels_first(x, self.channels_last)
        sizes = numbers(data.shape[2:])
        where = [self.position(wide(grid[..., len(sizes) - 1 - k]), size) for k, size in enumerate(sizes)]
        total: Doubles = np.zeros((data.shape[0], *grid.shape[1:-1], data.shape[1]))
        rows, batch = np.moveaxis(data, 1, -1), np.arange(len(data)).reshape(-1, *[1] * (grid.ndim - 2))
        for combination in every(*(self.taps(p, size) for p, size in zip(where, sizes))):
            weight = np.prod([w for _, w in combination], axis=0)
            picked = rows[(batch, *(index.astype(np.int64) for index, _ in combination))]
            total = total + np.where(weight[..., None] == 0, 0, weight[..., None] * wide(picked))
        return as_stored(np.moveaxis(total, -1, 1).astype(x.dtype), self.channels_last)

    def position(self, given: Doubles, size: int) -> Doubles:
        """Positions along an axis of `size` elements, the first of which is at 0."""
        if self.coordinates == "pixels":
            return given
        if self.coordinates == "align_corners":
            return (given + 1) / 2 * (size - 1)
        return ((given + 1) * size - 1) / 2

    def edges(self, size: int) -> tuple[float, float]:
        """Where an axis begins and ends: what positions are reflected at."""
        return (0.0, size - 1.0) if self.coordinates == "align_corners" else (-0.5, size - 0.5)

    def taps(self, where: Doubles, size: int) -> Sequence[Tap]:
        """Indices of the elements that a position is made of, and their weights."""
        if self.mode == "nearest":
            return [self._inside(np.rint(where), np.ones_like(where), size)]
        first = np.floor(where)
        t = where - first
        weights = (1 - t, t) if self.mode == "linear" else tuple(keys(np.abs(t + 1 - k)) for k in range(4))
        start = 0 if self.mode == "linear" else -1
        return [self._inside(first + start + k, weight, size) for k, weight in enumerate(weights)]

    def _inside(self, index: Doubles, weight: Doubles, size: int) -> Tap:
        """An index brought into the axis, with its weight there."""
        low, high = self.edges(size)
        if self.padding_mode == "reflection" and size > 1:
            span = high - low
            turn = np.mod(index - low, 2 * span)
            index = low + np.where(turn > span, 2 * span - turn, turn)
        held = np.clip(np.nan_to_num(index), 0, size - 1)
        return held, np.where(held == index, weight, 0) if self.padding_mode == "zeros" else weight


def keys(distance: Doubles) -> Doubles:
    """The weight of an element at this distance, below 2, in cubic convolution (R. Keys, IEEE ASSP 29, 1981)."""
    d, a = distance, CUBIC
    return np.where(d <= 1, ((a + 2) * d - (a + 3)) * d * d + 1, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a)
