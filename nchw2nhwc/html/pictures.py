"""Thumbnails of tensors that are pictures, as PNG data URIs."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Literal, TypedDict

import numpy as np

if TYPE_CHECKING:
    from nchw2nhwc.checking import Reference
    from nchw2nhwc.ir import Array

EDGE = 192
"""Most pixels of a thumbnail's longer side."""

_SMALLEST = 8
"""A map with a side below this is no picture."""

_PLANES = 4
"""Most channels that are shown one by one."""


class ShotData(TypedDict):
    """One picture: its channel in words, its PNG as a data URI, and its size in pixels."""

    channel: str
    png: str
    width: int
    height: int


class RowData(TypedDict):
    """The pictures of one tensor: whose it is, `source` or `result`, and as many of its channels as are shown."""

    who: Literal["source", "result"]
    shots: list[ShotData]


class PictureData(TypedDict):
    """An input or output, the number of its channels, and its pictures."""

    name: str
    side: Literal["input", "output"]
    channels: int
    rows: list[RowData]


def pictures(sample: Reference, images: Collection[str], run: Callable[[], Mapping[str, Array]]) -> list[PictureData]:
    """The first element of the batch of every input among `images` and of every output that is a stack of maps (N, C, H, W).

    `run` gives the result's outputs, as far as they are known, in the source's axis order; it is called only when there is such an output.
    """
    shown = [_picture(name, "input", {"source": array}) for name, array in sample.data.items() if name in images and _is_picture(array)]
    outputs = {name: array for name, array in sample.expected.items() if _is_picture(array)}
    actual = run() if outputs else {}
    for name, array in outputs.items():
        shown.append(_picture(name, "output", {"source": array, **({"result": actual[name]} if name in actual else {})}))
    return shown


def _picture(name: str, side: Literal["input", "output"], arrays: Mapping[Literal["source", "result"], Array]) -> PictureData:
    source = arrays["source"]
    return {"name": name, "side": side, "channels": source.shape[1],
            "rows": [{"who": who, "shots": _shots(array, source)} for who, array in arrays.items()]}


def _is_picture(array: Array) -> bool:
    return array.ndim == 4 and array.shape[0] > 0 and array.shape[1] > 0 and min(array.shape[2:]) >= _SMALLEST


def _shots(array: Array, like: Array) -> list[ShotData]:
    """Three channels as colours, any other number one by one in grey; scaled from the smallest to the largest finite value of `like`."""
    maps, scale = array[0].astype(np.float64), like[0].astype(np.float64)
    finite = scale[np.isfinite(scale)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    unit = np.nan_to_num((maps - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0)
    if len(maps) == 3:
        return [_shot(unit, "RGB")]
    return [_shot(unit[k : k + 1], f"channel {k}") for k in range(min(len(maps), _PLANES))]


def _shot(planes: np.ndarray[tuple[int, ...], np.dtype[np.float64]], channel: str) -> ShotData:
    """Planes (C, H, W) in 0..1 as one picture, made smaller by a whole number: means of squares, what is left over at the edges cut off."""
    step = -(-max(planes.shape[1:]) // EDGE)
    steps = [min(step, size) for size in planes.shape[1:]]
    height, width = (size // each for size, each in zip(planes.shape[1:], steps))
    cut = planes[:, : height * steps[0], : width * steps[1]].reshape(len(planes), height, steps[0], width, steps[1]).mean((2, 4))
    pixels = np.round(cut * 255).astype(np.uint8).transpose(1, 2, 0)
    return {"channel": channel, "png": f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}", "width": width, "height": height}


def png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """Pixels (H, W, C), one channel of grey or three of colour, as a PNG file (https://www.w3.org/TR/png/)."""
    height, width, channels = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
