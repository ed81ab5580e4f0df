"""Resize and its predecessor Upsample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import require_equal, static
from nchw2nhwc.ops.movement import FIX_SIZES
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.parse import resizing
from nchw2nhwc.parse.onnx.operators.slicing import FAR
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, onnx_op

FINEST = 64
"""No open size is multiplied by a fraction with a larger denominator."""


@dataclass(frozen=True)
class Target:
    """What a resize makes of every axis of its operand, and how."""

    sizes: tuple[Size, ...]
    scales: Floats | None
    roi: Floats | None
    op: Resize
    """The remaining attributes; its own sizes are empty."""

    def on(self, axes: Sequence[int]) -> Resize:
        """The op for the given axes as the spatial ones."""
        rank = len(self.sizes)
        return replace(self.op, sizes=tuple(self.sizes[a] for a in axes),
                       scales=None if self.scales is None else tuple(self.scales[a] for a in axes),
                       roi=None if self.roi is None else tuple(self.roi[a + end] for end in (0, rank) for a in axes))


@onnx_op("Upsample", 7)
def upsample_7(b: LayerBuilder, x: Value, *, scales: Floats, mode: str = "nearest") -> Value:
    return _simple_by(b, x, b.const(np.array(scales, np.float32)), mode)


@onnx_op("Upsample", 9)
def upsample_9(b: LayerBuilder, x: Value, scales: Value, *, mode: str = "nearest") -> Value:
    return _simple_by(b, x, scales, mode)


@onnx_op("Resize", 10)
def resize_10(b: LayerBuilder, x: Value, scales: Value, *, mode: str = "nearest") -> Value:
    return _simple_by(b, x, scales, mode)


def _simple_by(b: LayerBuilder, x: Value, scales: Value, mode: str) -> Value:
    if not b.is_computed(scales) and not _is_rounded(b, x, range(x.rank), scales):
        return _simple(b, x, _floats(b, scales, "scales"), mode)
    op = Resize((), mode=mode, coordinate_mode="asymmetric")
    return resizing.resized(b, x, resizing.by_scales(b, x, range(x.rank), scales, None), op, outwards=True)


def _simple(b: LayerBuilder, x: Value, scales: Floats, mode: str) -> Value:
    """The first definition: positions are result / scale; nearest rounds them down where an axis grows and up where it shrinks."""
    if mode not in ("nearest", "linear"):
        raise b.damaged(f"there is no interpolation mode '{mode}'")
    _require_scales(b, scales, x.rank, x)
    op = Resize((), mode=mode, coordinate_mode="asymmetric", nearest_mode="floor")
    growing, shrinking = ([s if (s >= 1) == grows else 1.0 for s in scales] for grows in (True, False))
    if mode == "linear":
        return _resized(b, x, Target(_scaled_sizes(b, x, scales), tuple(scales), None, op))
    x = _resized(b, x, Target(_scaled_sizes(b, x, growing), tuple(growing), None, op))
    return _resized(b, x, Target(_scaled_sizes(b, x, shrinking), tuple(shrinking), None, replace(op, nearest_mode="ceil")))


@onnx_op("Resize", 11, 13, 18, 19)
def resize(b: LayerBuilder, x: Value, roi: Value | None = None, scales: Value | None = None, sizes: Value | None = None, *,
           antialias: bool = False, axes: Ints | None = None, coordinate_transformation_mode: str = "half_pixel",
           cubic_coeff_a: float = -0.75, exclude_outside: bool = False, extrapolation_value: float = 0.0,
           keep_aspect_ratio_policy: str = "stretch", mode: str = "nearest", nearest_mode: str = "round_prefer_floor") -> Value:
    """An empty `roi`, `scales` or `sizes` is as good as an absent one."""
    op = Resize((), None, mode, coordinate_transformation_mode, nearest_mode, cubic_coeff_a, exclude_outside, extrapolation_value,
                antialias)
    where = tuple(range(x.rank)) if axes is None else tuple(b.axis(a, x.rank) for a in axes)
    if len(set(where)) < len(where):
        raise b.damaged(f"axes {list(where)} name an axis twice")
    by = scales if scales is not None and scales.shape != (0,) else sizes
    crops = coordinate_transformation_mode == "tf_crop_and_resize"
    if by is not None and (b.is_computed(by, roi if crops else None) or (by is scales and _is_rounded(b, x, where, by))):
        part = resizing.regions(b, roi, len(where)) if crops and roi is not None else None
        along = resizing.by_scales(b, x, where, by, part) if by is scales else resizing.by_sizes(b, x, where, by, keep_aspect_ratio_policy,
                                                                                                 part)
        return resizing.resized(b, x, along, op)
    region = None
    if coordinate_transformation_mode == "tf_crop_and_resize":
        region = _region(b, roi, where, x)
    if scales is not None and scales.shape != (0,):
        return _resized(b, x, _by_scales(b, x, _floats(b, scales, "scales"), where, region, op))
    if sizes is None:
        raise b.damaged("Resize needs scales or sizes")
    return _resized(b, x, _by_sizes(b, x, b.shape_of(sizes, "sizes"), where, keep_aspect_ratio_policy, op, region))


def _is_rounded(b: LayerBuilder, x: Value, axes: Sequence[int], scales: Value) -> bool:
    """Whether an open size times its scale is rounded in a way that only floating point numbers tell."""
    given = _floats(b, scales, "scales")
    return len(given) == len(axes) and any(isinstance(x.shape[axis], Dim) and Fraction(scale).denominator > FINEST
                                           for axis, scale in zip(axes, given) if np.isfinite(scale))


def _floats(b: LayerBuilder, x: Value, what: str) -> Floats:
    return tuple(float(v) for v in b.array(x, what).ravel())


def _require_scales(b: LayerBuilder, scales: Floats, count: int, x: Value) -> None:
    if len(scales) != count or not all(np.isfinite(s) and s > 0 for s in scales):
        raise b.damaged(f"scales {list(scales)} must be {count} positive numbers for {x.type}")


def _region(b: LayerBuilder, roi: Value | None, axes: Ints, x: Value) -> Floats:
    """The starts and ends of the region of interest along all axes; the whole of axes that are not named."""
    given = () if roi is None else _floats(b, roi, "roi")
    if len(given) != 2 * len(axes):
        raise b.damaged(f"roi {list(given)} needs a start and an end for each of the axes {list(axes)}")
    region = [0.0] * x.rank + [1.0] * x.rank
    for k, axis in enumerate(axes):
        region[axis], region[axis + x.rank] = given[k], given[k + len(axes)]
    return tuple(region)


# ---- sizes -----------------------------------------------------------------------------------------------------------
def _by_scales(b: LayerBuilder, x: Value, given: Floats, axes: Ints, region: Floats | None, op: Resize) -> Target:
    _require_scales(b, given, len(axes), x)
    scales = [1.0] * x.rank
    for axis, scale in zip(axes, given):
        scales[axis] = scale
    sizes = _scaled_sizes(b, x, scales)
    exact = region is None and not x.type.is_static and all(s * f.denominator == size * f.numerator for s, size, f
                                                            in zip(sizes, x.shape, map(Fraction, scales)))
    return Target(sizes, None if exact else tuple(scales), region, op)


def _scaled_sizes(b: LayerBuilder, x: Value, scales: Sequence[float]) -> tuple[Size, ...]:
    """floor(size * scale) of every axis, whatever part of it a region of interest covers; computed in float32: as the runtimes do."""
    result: list[Size] = []
    for size, scale in zip(x.shape, scales):
        if isinstance(size, int):
            scaled = np.float32(size) * np.float32(scale)
            if not 0 <= scaled <= FAR:
                raise b.damaged(f"an axis of {size} times {scale:.9g} is no possible size")
            result.append(floor(scaled))
            continue
        exact = Fraction(scale)
        if exact.denominator > FINEST:
            raise UnsupportedError(f"the size '{size}' times {scale:.9g} has no exact formula", b.where, FIX_SIZES)
        require_equal(f"the size '{size}' times {scale:.9g} is not always a whole number", (size * exact.numerator % exact.denominator, 0))
        result.append(size * exact.numerator // exact.denominator)
    return tuple(result)


def _by_sizes(b: LayerBuilder, x: Value, given: Sequence[Size], axes: Ints, policy: str, op: Resize, region: Floats | None) -> Target:
    if len(given) != len(axes) or any(isinstance(s, int) and s < 1 for s in given):
        raise b.damaged(f"sizes [{', '.join(map(str, given))}] must be {len(axes)} positive numbers for {x.type}")
    sizes = list(x.shape)
    for axis, size in zip(axes, given):
        sizes[axis] = size
    if policy == "stretch":
        return Target(tuple(sizes), None, region, op)
    if policy not in ("not_larger", "not_smaller"):
        raise b.damaged(f"there is no keep_aspect_ratio_policy '{policy}'")
    ratios = [Fraction(static(sizes[a], "a size"), static(x.shape[a], "a size")) for a in axes if x.shape[a] != 0]
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    for axis in axes:
        sizes[axis] = floor(ratio * static(x.shape[axis], "a size") + Fraction(1, 2))
    return Target(tuple(sizes), tuple(float(ratio) if k in axes else 1.0 for k in range(x.rank)), region, op)


# ---- axes ------------------------------------------------------------------------------------------------------------
def _resized(b: LayerBuilder, x: Value, target: Target) -> Value:
    """The resize with the axes that it changes as spatial axes: where batch or channels are among them, others take their place."""
    changed = [k for k in range(x.rank) if target.sizes[k] != x.shape[k] or _moves(target, k)]
    if not changed:
        return x
    kept = [k for k in range(x.rank) if k not in changed]
    if min(changed) >= 2:
        return b.add1(target.on(range(2, x.rank)), x)
    if len(kept) >= 2:
        order = (*kept[:2], *sorted((*kept[2:], *changed)))
        moved = b.add1(target.on(order[2:]), b.transpose(x, order))
        return b.transpose(moved, tuple(int(k) for k in np.argsort(order)))
    whole = b.add1(target.on(range(x.rank)), b.reshape(x, (1, 1, *x.shape)))
    return b.reshape(whole, target.sizes)


def _moves(target: Target, axis: int) -> bool:
    """Whether an axis that keeps its size is resampled all the same."""
    rank = len(target.sizes)
    scaled = target.scales is not None and target.scales[axis] != 1
    return scaled or (target.roi is not None and (target.roi[axis], target.roi[axis + rank]) != (0.0, 1.0))
