"""Images whose brightness and colour are apart, as cameras and video decoders give them, to RGB."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Round
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.openvino.registry import Results, mapping


@mapping("NV12toRGB", 8)
def nv12_to_rgb(b: Builder, x: Value, uv: Value | None = None) -> Results:
    """Y (N, H, W, 1) and UV (N, H / 2, W / 2, 2), or both in one plane (N, H * 3 / 2, W, 1), as (N, H, W, 3)."""
    return _nv12(b, x, uv, bgr=False)


@mapping("NV12toBGR", 8)
def nv12_to_bgr(b: Builder, x: Value, uv: Value | None = None) -> Results:
    """The channels in the opposite order."""
    return _nv12(b, x, uv, bgr=True)


@mapping("I420toRGB", 8)
def i420_to_rgb(b: Builder, x: Value, u: Value | None = None, v: Value | None = None) -> Results:
    """Y (N, H, W, 1), U and V (N, H / 2, W / 2, 1), or all in one plane (N, H * 3 / 2, W, 1), as (N, H, W, 3)."""
    return _i420(b, x, u, v, bgr=False)


@mapping("I420toBGR", 8)
def i420_to_bgr(b: Builder, x: Value, u: Value | None = None, v: Value | None = None) -> Results:
    """The channels in the opposite order."""
    return _i420(b, x, u, v, bgr=True)


def _nv12(b: Builder, x: Value, uv: Value | None, bgr: bool) -> Value:
    if uv is None:
        y, rest, (height, width) = _planes(b, x)
        colours = rest.reshape(x.shape[0], height // 2, width // 2, 2)
    else:
        y, colours, (height, width) = Formula(b, x), Formula(b, uv), _sizes(x)
    if colours.shape[1:] != (height // 2, width // 2, 2):
        raise SourceError(f"{colours.value.type} has no colours for {y.value.type}")
    return _converted(y, [colours.part(3, k, k + 1) for k in (0, 1)], bgr)


def _i420(b: Builder, x: Value, u: Value | None, v: Value | None, bgr: bool) -> Value:
    if u is None or v is None:
        y, rest, (height, width) = _planes(b, x)
        halves = rest.reshape(x.shape[0], 2, height // 2, width // 2)
        colours = [halves.part(1, k, k + 1).reshape(x.shape[0], height // 2, width // 2, 1) for k in (0, 1)]
    else:
        y, colours, (height, width) = Formula(b, x), [Formula(b, u), Formula(b, v)], _sizes(x)
    if any(c.shape[1:] != (height // 2, width // 2, 1) for c in colours):
        raise SourceError(f"{colours[0].value.type} and {colours[1].value.type} have no colours for {y.value.type}")
    return _converted(y, colours, bgr)


def _sizes(x: Value) -> tuple[int, int]:
    if x.rank != 4 or x.shape[3] != 1:
        raise SourceError(f"{x.type} is no plane of images")
    height, width = (static(s, "the size of an image") for s in x.shape[1:3])
    return height, width


def _planes(b: Builder, x: Value) -> tuple[Formula, Formula, tuple[int, int]]:
    """The brightness, what is behind it, and the size of the image."""
    rows, width = _sizes(x)
    if rows % 3 or rows // 3 * 2 % 2 or width % 2:
        raise SourceError(f"{x.type} is no plane of brightness and colours")
    height = rows // 3 * 2
    return Formula(b, x).part(1, 0, height), Formula(b, x).part(1, height, rows), (height, width)


def _converted(y: Formula, colours: Sequence[Formula], bgr: bool) -> Value:
    """ITU-R BT.601 of studio swing, each colour for two by two pixels; of integers the nearest whole number, halves the even one."""
    dtype = y.dtype
    if dtype.kind not in "uf":
        raise UnsupportedError(f"colours of {dtype.name} are not supported", y.b.where)
    height, width = (static(s, "the size of an image") for s in y.shape[1:3])
    c = (y.cast(np.float32) - 16.0) * 1.164
    d, e = (each.cast(np.float32).take(np.arange(height) // 2, 1).take(np.arange(width) // 2, 2) - 128.0 for each in colours)
    channels = [c + e * 1.596, c - d * 0.391 - e * 0.813, c + d * 2.018]
    image = joined(channels[::-1] if bgr else channels, 3).apply(Clip(0.0, 255.0))
    return (image.apply(Round()) if dtype.kind == "u" else image).cast(dtype).value
