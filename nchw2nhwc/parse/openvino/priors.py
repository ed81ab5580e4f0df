"""Boxes that a detector starts from: they follow from sizes alone, so they become constants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product as every
from math import sqrt

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.attributes import Floats
from nchw2nhwc.parse.openvino.registry import Results, mapping

LARGEST_PRIORS = 1 << 22
"""Most boxes, and most positions along an axis."""


@dataclass(frozen=True)
class Shape:
    """A box around a position: half its width and height, and how far its centre lies from the position."""

    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    clipped: bool = False


def _pair(b: Builder, value: Value, what: str) -> tuple[int, int]:
    numbers = b.ints(value, what)
    if len(numbers) != 2 or min(numbers) < 1 or max(numbers) > LARGEST_PRIORS:
        raise SourceError(f"{what} {list(numbers)} is not a height and a width")
    return numbers[0], numbers[1]


def _priors(b: Builder, layer: tuple[int, int], image: tuple[int, int], centres: Sequence[Doubles], shapes: Sequence[Shape],
            variance: Floats, clip: bool) -> Value:
    """The boxes (left, top, right, bottom) as shares of the image, and their variances: (2, boxes * 4). `centres` are those of rows and of
    columns."""
    count = layer[0] * layer[1] * len(shapes)
    if not 0 < count <= LARGEST_PRIORS or len(variance) not in (0, 1, 4):
        raise SourceError(f"{count} prior boxes with {len(variance)} variances")
    y, x = np.meshgrid(*centres, indexing="ij")
    boxes = np.empty((*layer, len(shapes), 4))
    for k, shape in enumerate(shapes):
        middle = np.stack([x + shape.x, y + shape.y], -1)
        half = np.array([shape.width, shape.height])
        box = np.concatenate([middle - half, middle + half], -1) / np.array([image[1], image[0], image[1], image[0]])
        if shape.clipped:
            box = np.concatenate([np.maximum(box[..., :2], 0), np.minimum(box[..., 2:], 1)], -1)
        boxes[:, :, k] = box
    spread = np.broadcast_to(np.array(variance or (0.1,)), (count, 4))
    return b.const(np.stack([(np.clip(boxes, 0, 1) if clip else boxes).reshape(-1), spread.reshape(-1)]), np.float32)


@mapping("PriorBoxClustered", 1)
def prior_box_clustered(b: Builder, layer_size: Value, image_size: Value, *, width: Floats = (1.0,), height: Floats = (1.0,),
                        clip: bool = False, step: float = 0.0, step_w: float = 0.0, step_h: float = 0.0, offset: float,
                        variance: Floats = ()) -> Results:
    """Boxes of given widths and heights around each position. A step of 0 is the size of the image divided by that of the layer."""
    layer, image = _pair(b, layer_size, "the size of the layer"), _pair(b, image_size, "the size of the image")
    if len(width) != len(height):
        raise SourceError(f"{len(width)} widths do not fit {len(height)} heights")
    steps = [(given or step) or total / count for given, total, count in zip((step_h, step_w), image, layer)]
    centres = [(np.arange(count, dtype=np.float64) + offset) * s for count, s in zip(layer, steps)]
    return _priors(b, layer, image, centres, [Shape(w / 2, h / 2) for w, h in zip(width, height)], variance, clip)


@mapping("PriorBox", 1, 8)
def prior_box(b: Builder, layer_size: Value, image_size: Value, *, min_size: Floats = (), max_size: Floats = (), aspect_ratio: Floats = (),
              flip: bool = False, clip: bool = False, step: float = 0.0, offset: float, variance: Floats = (),
              scale_all_sizes: bool = True, fixed_ratio: Floats = (), fixed_size: Floats = (), density: Floats = (),
              min_max_aspect_ratios_order: bool = True) -> Results:
    """Boxes of sizes and aspect ratios around each position. Without `scale_all_sizes`, sizes and the step are shares of the image's
    height, and aspect ratios apply to the first size."""
    layer, image = _pair(b, layer_size, "the size of the layer"), _pair(b, image_size, "the size of the image")
    smallest = min_size
    if not scale_all_sizes:
        step = image[0] / layer[0] if step == -1 else step * image[0]
        smallest = tuple(size * image[0] for size in min_size)
    if step == 0:
        centres = [(np.arange(count, dtype=np.float64) + 0.5) * (total / count) for count, total in zip(layer, image)]
    else:
        centres = [(np.arange(count, dtype=np.float64) + offset) * step for count in layer]
    ratios = _ratios(aspect_ratio, flip)
    if min(fixed_ratio, default=1) <= 0:
        raise SourceError(f"aspect ratios {list(fixed_ratio)}")
    shapes = [*_dense(fixed_size, density, fixed_ratio or (*([1.0] if density else []), *ratios)),
              *_usual(smallest, max_size, ratios, scale_all_sizes, min_max_aspect_ratios_order)]
    return _priors(b, layer, image, centres, shapes, variance, clip)


def _ratios(given: Floats, flip: bool) -> list[float]:
    """The different aspect ratios but 1, each with its inverse behind it if `flip`."""
    found = [1.0]
    for ratio in given:
        if ratio <= 0:
            raise SourceError(f"an aspect ratio of {ratio:g}")
        for each in (ratio, 1 / ratio) if flip else (ratio,):
            if all(abs(each - known) >= 1e-6 for known in found):
                found.append(each)
    return found[1:]


def _usual(smallest: Floats, largest: Floats, ratios: Sequence[float], all_sizes: bool, ratios_last: bool) -> Iterator[Shape]:
    for k, size in enumerate(smallest):
        yield Shape(size / 2, size / 2)
        between = [Shape(side / 2, side / 2) for side in (sqrt(size * big) for big in largest[k:k + 1])]
        base = size if all_sizes else smallest[0]
        last = all_sizes or k == len(smallest) - 1
        shaped = [Shape(base / 2 * sqrt(r), base / 2 / sqrt(r)) for r in ratios] if last else []
        yield from (*between, *shaped) if ratios_last else (*shaped, *between)


def _dense(sizes: Floats, density: Floats, ratios: Sequence[float]) -> Iterator[Shape]:
    """Boxes of fixed sizes, which are whole numbers, several around each position."""
    for k, size in enumerate(map(int, sizes)):
        count = int(density[k]) if k < len(density) else 1
        if count < 1:
            raise SourceError(f"a density of {count}")
        shift = int(size / count)
        first = shift / 2 - size // 2
        places = [(first + column * shift, first + row * shift) for row, column in every(range(count), repeat=2)]
        for ratio in ratios:
            for x, y in places:
                yield Shape(size / 2 * sqrt(ratio), size / 2 / sqrt(ratio), x, y, clipped=True)
