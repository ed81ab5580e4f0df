"""Interpolate, in its three versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Dim, Size, Value, is_at_most, product
from nchw2nhwc.ops.base import require_equal
from nchw2nhwc.ops.movement import Pad
from nchw2nhwc.ops.resampling import FLOAT32
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.parse import resizing
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.dynamic import size_of
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.common import axes_of, axis_of, same
from nchw2nhwc.parse.openvino.registry import Results, mapping

Coordinates: TypeAlias = Literal["half_pixel", "pytorch_half_pixel", "asymmetric", "tf_half_pixel_for_nn", "align_corners"]
Nearest: TypeAlias = Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple"]
ByShape: TypeAlias = Literal["sizes", "scales"]


class Target(NamedTuple):
    """What becomes of one axis: its new size, and the scale where the source gives one."""

    size: Size
    scale: float | None


@dataclass(frozen=True)
class Method:
    """How elements are computed, in the source's words; `antialias` and `pillow` are the two ways to filter what shrinks."""

    mode: str
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    antialias: bool = False
    coefficient: float = -0.75
    pillow: bool = False


@mapping("Interpolate", 1)
def interpolate_1(b: Builder, x: Value, target: Value, *, axes: Ints, mode: Literal["nearest", "linear", "linear_onnx", "cubic", "area"],
                  align_corners: bool = True, antialias: bool = False, pads_begin: Ints = (), pads_end: Ints = ()) -> Results:
    """What OpenVINO makes of it: positions are asymmetric unless corners are aligned, but half-pixel for linear interpolation that is
    neither padded nor over the two spatial axes of four."""
    along = axes_of(axes, x.rank)
    half = mode.startswith("linear") and not any((*pads_begin, *pads_end)) and (x.rank, along) != (4, (2, 3))
    coordinates = "align_corners" if align_corners else "half_pixel" if half else "asymmetric"
    method = Method(mode, coordinates, "simple", antialias and mode == "linear" and x.rank == 5)
    if b.is_computed(target):
        return _computed(b, x, target, along, True, method, pads_begin, pads_end)
    sizes = b.shape_of(target, "the target shape of an Interpolate")
    if len(sizes) != len(along):
        raise SourceError(f"{len(sizes)} target sizes for {len(along)} axes")
    return _interpolate(b, x, {axis: Target(size, None) for axis, size in zip(along, sizes)}, method, pads_begin, pads_end)


@mapping("Interpolate", 4)
def interpolate_4(b: Builder, x: Value, sizes: Value, scales: Value, axes: Value | None = None, *,
                  mode: Literal["nearest", "linear", "linear_onnx", "cubic"], shape_calculation_mode: ByShape,
                  coordinate_transformation_mode: Coordinates = "half_pixel", nearest_mode: Nearest = "round_prefer_floor",
                  antialias: bool = False, pads_begin: Ints = (), pads_end: Ints = (), cube_coeff: float = -0.75) -> Results:
    """Of sizes and scales only the ones that `shape_calculation_mode` names count."""
    by_size = shape_calculation_mode == "sizes"
    method = Method(mode, coordinate_transformation_mode, nearest_mode, antialias and mode == "linear", cube_coeff)
    wanted = sizes if by_size else scales
    if b.is_computed(wanted):
        return _computed(b, x, wanted, _axes(b, x, axes), by_size, method, pads_begin, pads_end)
    targets = _targets(b, x, wanted, axes, by_size, pads_begin, pads_end)
    return _interpolate(b, x, targets, method, pads_begin, pads_end)


@mapping("Interpolate", 11)
def interpolate_11(b: Builder, x: Value, sizes_or_scales: Value, axes: Value | None = None, *,
                   mode: Literal["nearest", "linear", "linear_onnx", "cubic", "bilinear_pillow", "bicubic_pillow"],
                   shape_calculation_mode: ByShape, coordinate_transformation_mode: Coordinates = "half_pixel",
                   nearest_mode: Nearest = "round_prefer_floor", antialias: bool = False, pads_begin: Ints = (), pads_end: Ints = (),
                   cube_coeff: float = -0.75) -> Results:
    """The Pillow modes filter with half-pixel positions and the scale that the sizes have, whatever else is said."""
    by_size, pillow = shape_calculation_mode == "sizes", mode.endswith("_pillow")
    method = Method(mode, coordinate_transformation_mode, nearest_mode, antialias and mode == "linear", cube_coeff)
    if pillow:
        method = Method("linear" if mode == "bilinear_pillow" else "cubic", coefficient=cube_coeff, pillow=True)
    if b.is_computed(sizes_or_scales):
        return _computed(b, x, sizes_or_scales, _axes(b, x, axes), by_size, method, pads_begin, pads_end)
    targets = _targets(b, x, sizes_or_scales, axes, by_size, pads_begin, pads_end)
    if pillow:
        targets = {axis: Target(target.size, None) for axis, target in targets.items()}
    return _interpolate(b, x, targets, method, pads_begin, pads_end)


_AREA = "Interpolate of mode 'area', which OpenVINO has in its format but does not compute"


# ---- targets -------------------------------------------------------------------------------------------------------------------
def _targets(b: Builder, x: Value, operand: Value, axes: Value | None, by_size: bool, pads_begin: Ints,
             pads_end: Ints) -> dict[int, Target]:
    """What each of the axes becomes, from their sizes or scales in the order of `axes` (None: all). Raises SourceError."""
    along = _axes(b, x, axes)
    if by_size:
        entries = [Target(size, None) for size in b.shape_of(operand, "the sizes of an Interpolate")]
    else:
        shape = [before + size + after for before, size, after in zip(_padded(pads_begin, x), x.shape, _padded(pads_end, x))]
        scales = b.array(operand, "the scales of an Interpolate").ravel().tolist()
        entries = [Target(_scaled(shape[axis], float(scale)), None if isinstance(shape[axis], Dim) else float(scale))
                   for axis, scale in zip(along, scales)]
    if len(entries) < len(along) or len(set(along)) < len(along):
        raise SourceError(f"{len(entries)} {'sizes' if by_size else 'scales'} for axes {list(along)}")
    return dict(zip(along, entries))


def _axes(b: Builder, x: Value, axes: Value | None) -> Sequence[int]:
    """The axes that are resized (None: all)."""
    return range(x.rank) if axes is None else [axis_of(axis, x.rank) for axis in b.ints(axes, "the axes of an Interpolate")]


def _padded(pads: Ints, x: Value) -> Ints:
    """Pads for every axis: those that are left out are 0."""
    if len(pads) > x.rank or min(pads, default=0) < 0:
        raise SourceError(f"pads {list(pads)} do not fit {x.type}")
    return (*pads, *(0,) * (x.rank - len(pads)))


def _scaled(size: Size, scale: float) -> Size:
    """floor(size * scale), computed in float32 as OpenVINO does. Raises SourceError for a scale that is not positive and finite, and
    UnsupportedError where the size is symbolic and the scale no simple fraction."""
    if not 0 < scale < 2**31:
        raise SourceError(f"a scale of {scale}")
    if isinstance(size, int):
        return int(np.floor(np.float32(size) * np.float32(scale)))
    ratio = Fraction(scale)
    if ratio.denominator > 64:
        raise UnsupportedError(f"a size of '{size}' is scaled by {scale}", advice="Give fixed sizes with --input-shape NAME=...")
    require_equal(f"a size of '{size}' times {scale} is not always a whole number", (size * ratio.numerator % ratio.denominator, 0))
    return size * ratio.numerator // ratio.denominator


# ---- resizing ------------------------------------------------------------------------------------------------------------------
def _interpolate(b: Builder, x: Value, targets: Mapping[int, Target], method: Method, pads_begin: Ints, pads_end: Ints) -> Value:
    """`x` padded with zeros, then resized. An axis that keeps its size is not touched, whatever its scale."""
    begin, end = _padded(pads_begin, x), _padded(pads_end, x)
    padded = b.add1(Pad(begin, end), x) if any((*begin, *end)) else x
    targets = {axis: target for axis, target in targets.items() if target.size != padded.shape[axis]}
    if any(isinstance(s, int) and s < 1 for s in (*padded.shape, *(t.size for t in targets.values()))):
        raise SourceError(f"{padded.type} is to be resized to {[str(t.size) for t in targets.values()]}")
    result = padded
    for part, how in _passes(padded, targets, method):
        result = _resized(b, result, part, how)
    return same(b, x) if result is x else result


def _computed(b: Builder, x: Value, wanted: Value, axes: Sequence[int], by_size: bool, method: Method, pads_begin: Ints,
              pads_end: Ints) -> Value:
    """The same by sizes or scales that are computed when the model runs. Raises UnsupportedError for what cannot be expressed."""
    begin, end = _padded(pads_begin, x), _padded(pads_end, x)
    padded = b.add1(Pad(begin, end), x) if any((*begin, *end)) else x
    if method.mode == "area":
        raise UnsupportedError(_AREA)
    if method.antialias and len(axes) > 1:
        raise UnsupportedError("Interpolate with antialias by computed sizes, which may shrink one axis and enlarge another",
                               advice="Give fixed sizes with --input-shape NAME=...")
    along = resizing.by_sizes(b, padded, axes, wanted, "stretch", None) if by_size else [
        _held(b, each, size_of(b, padded.shape[each.axis]), method) for each in resizing.by_scales(b, padded, axes, wanted, None)]
    filtered, outwards = method.antialias or method.pillow, method.mode == "nearest" and method.nearest == "simple"
    nearest = method.nearest if method.mode == "nearest" and not outwards else "round_prefer_floor"
    op = Resize((), None, method.mode.removesuffix("_onnx"), method.coordinates, nearest, method.coefficient, exclude_outside=filtered,
                antialias=filtered)
    return resizing.resized(b, padded, along, op, outwards=outwards)


def _held(b: Builder, along: resizing.Along, size: Formula, method: Method) -> resizing.Along:
    """An axis by a scale, which does not count where the axis keeps its `size`, and in the Pillow modes never does."""
    exact = along.count.cast(FLOAT32) / size.cast(FLOAT32)
    return replace(along, scale=exact if method.pillow else along.count.equals(size).choose(exact, along.scale))


def _passes(x: Value, targets: Mapping[int, Target], method: Method) -> list[tuple[dict[int, Target], Method]]:
    """The resizes, one after the other, that do it: "simple" nearest elements are rounded up along axes that shrink and down along
    others. Raises UnsupportedError for what cannot be expressed."""
    if not targets:
        return []
    if method.mode == "area":
        raise UnsupportedError(_AREA)
    if not method.antialias and (method.mode, method.nearest) != ("nearest", "simple"):
        return [(dict(targets), method)]
    shrinks = {axis: _shrinks(x.shape[axis], target) for axis, target in targets.items()}
    if method.antialias:
        if len(set(shrinks.values())) > 1:
            raise UnsupportedError("Interpolate with antialias that shrinks one axis and enlarges another")
        return [(dict(targets), method)]
    groups = [({axis: target for axis, target in targets.items() if shrinks[axis] is down}, rounding)
              for down, rounding in ((False, "floor"), (True, "ceil"))]
    return [(part, replace(method, nearest=rounding)) for part, rounding in groups if part]


def _shrinks(size: Size, target: Target) -> bool:
    if target.scale is not None:
        return target.scale < 1
    if is_at_most(size, target.size):
        return False
    if not is_at_most(target.size, size):
        raise UnsupportedError(f"whether '{size}' to '{target.size}' shrinks an axis is not known",
                               advice="Give fixed sizes with --input-shape NAME=...")
    return True


def _resized(b: Builder, x: Value, targets: Mapping[int, Target], method: Method) -> Value:
    """One resize. The axes that it touches become the spatial ones; the others stay in front of them, in their order."""
    spatial = list(range(2, x.rank)) if min(targets) >= 2 and _neutral(method) else sorted(targets)
    others = [axis for axis in range(x.rank) if axis not in spatial]
    perm = (*others, *spatial)
    moved = b.transpose(x, perm)
    front = moved.shape[:len(others)]
    merged = b.reshape(moved, (product(front[:-1]), front[-1] if front else 1, *moved.shape[len(others):]))
    new = [targets.get(axis, Target(x.shape[axis], 1.0)) for axis in spatial]
    scales = tuple(t.scale for t in new if t.scale is not None)
    given = len(scales) == len(new) and any(t.scale is not None for t in targets.values())
    nearest = method.nearest if method.mode == "nearest" else "round_prefer_floor"
    filtered = method.antialias or method.pillow
    op = Resize(tuple(t.size for t in new), scales if given else None, method.mode.removesuffix("_onnx"), method.coordinates, nearest,
                method.coefficient, exclude_outside=filtered, antialias=filtered)
    result = b.add1(op, merged)
    return b.transpose(b.reshape(result, (*front, *result.shape[2:])), tuple(perm.index(axis) for axis in range(x.rank)))


def _neutral(method: Method) -> bool:
    """Whether an axis that keeps its size comes through a resize unchanged."""
    return method.coordinates != "tf_half_pixel_for_nn"


