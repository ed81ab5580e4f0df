"""Blocks of images of known sizes, as the mappings of both sources make them; `blocks` has those whose sizes are computed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as every
from math import prod

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import exact_div
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.movement import Concat, Pad, Slice
from nchw2nhwc.ops.windowed import ConvTranspose
from nchw2nhwc.parse.builder import Builder


@dataclass(frozen=True)
class Blocks:
    """Blocks that slide over an image: one entry for each spatial axis."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]


def col2im(b: Builder, x: Value, image: tuple[int, ...], at: Blocks) -> Value:
    """Blocks (N, C * elements, number of blocks) added up to images (N, C, *image): a transposed convolution with a 1 for each element of
    a block. Raises ShapeError."""
    taps, rank = prod(at.sizes), len(at.sizes)
    channels = exact_div(x.shape[1], taps) if x.rank == 3 and min(at.sizes, default=0) > 0 else None
    if channels is None or not len(image) == len(at.strides) == len(at.dilations) == len(at.begins) == len(at.ends) == rank:
        raise ShapeError(f"{x.type} has no blocks {list(at.sizes)} of an image {list(image)}")
    room = [size + begin + end - gap * (k - 1) - 1
            for size, begin, end, gap, k in zip(image, at.begins, at.ends, at.dilations, at.sizes)]
    counts = tuple(r // step + 1 for r, step in zip(room, at.strides))
    if min(room) < 0 or prod(counts) != x.shape[2]:
        raise ShapeError(f"an image {list(image)} does not have the {x.shape[2]} blocks {list(at.sizes)} of {x.type}")
    extra = tuple(r % step for r, step in zip(room, at.strides))
    pieces = b.reshape(x, (x.shape[0] * channels, taps, *counts))
    ones = b.const(np.eye(taps).reshape(taps, 1, *at.sizes), x.type.dtype)
    added = b.add1(ConvTranspose(at.strides, at.dilations, at.begins, at.ends, extra), pieces, ones)
    return b.reshape(added, (x.shape[0], channels, *image))


def patches(b: Builder, x: Value, at: Blocks) -> Value:
    """Blocks of images (N, C, H, W) as (N, elements * C, ...), one place for each block; what lies around an image is 0."""
    pads = (0, 0, *at.begins), (0, 0, *at.ends)
    padded = b.add1(Pad(*pads), x) if any((*at.begins, *at.ends)) else x
    sizes = tuple(static(s, "the size of an image") for s in padded.shape[2:])
    reach = [gap * (k - 1) + 1 for gap, k in zip(at.dilations, at.sizes)]
    counts = [(size - r) // step + 1 for size, r, step in zip(sizes, reach, at.strides)]
    if min(counts) < 1:
        raise ShapeError(f"blocks {list(at.sizes)} do not fit into {x.type}")
    parts = []
    for tap in every(*map(range, at.sizes)):
        starts = [t * gap for t, gap in zip(tap, at.dilations)]
        stops = [start + (n - 1) * step + 1 for start, n, step in zip(starts, counts, at.strides)]
        parts.append(b.add1(Slice((None, None, *starts), (None, None, *stops), (1, 1, *at.strides)), padded))
    return parts[0] if len(parts) == 1 else b.add1(Concat(1), *parts)
