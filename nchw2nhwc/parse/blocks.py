"""Blocks of images whose sizes are computed when the model runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.dynamic import DynamicBroadcast, DynamicReshape
from nchw2nhwc.ops.indexing import ScatterND
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula


def col2im(b: Builder, x: Value, image: Formula, block: Formula, strides: Sequence[int] | None, dilations: Sequence[int] | None,
           pads: Sequence[int] | None) -> Value:
    """Blocks (N, C * elements, number of blocks) added up to images (N, C, *image), element by element: each is added to its place, which
    is counted through the image, if it has one there. Raises ShapeError."""
    rank = static(block.value.shape[0], "the rank of a block")
    steps, gaps, around = strides or (1,) * rank, dilations or (1,) * rank, pads or (0,) * 2 * rank
    if x.rank != 3 or image.value.shape != (rank,) or not rank == len(steps) == len(gaps) == len(around) // 2:
        raise ShapeError(f"{x.type} has no blocks of rank {rank} of an image {image.value.type}")
    sizes, taps = dynamic.elements(image), dynamic.elements(block)
    count = reduce(Formula.__mul__, taps)
    element = dynamic.counted(b, count, "element")
    channels = dynamic.size_of(b, x.shape[1]) // count
    pieces = b.add1(DynamicReshape((x.shape[0], dynamic.fresh(b, "channels"), element.value.shape[0], x.shape[2])), x,
                    dynamic.together(b, [dynamic.size_of(b, x.shape[0]), channels, count, dynamic.size_of(b, x.shape[2])]))
    rows = pieces.shape[0] * pieces.shape[1]
    of_place = Formula(b, b.reshape(b.transpose(pieces, (2, 3, 0, 1)), (pieces.shape[2] * pieces.shape[3], rows)))
    number = dynamic.positions(b, x.shape[2])
    places = [(size + around[k] + around[rank + k] - (tap - 1) * gaps[k] - 1) // steps[k] + 1
              for k, (size, tap) in enumerate(zip(sizes, taps))]
    along = [_digit(element, taps, k).column() * gaps[k] + _digit(number, places, k) * steps[k] - around[k] for k in range(rank)]
    inside = reduce(Formula.__and__, [(at >= 0) & (at < size) for at, size in zip(along, sizes)])
    where = reduce(lambda outer, k: outer * sizes[k] + along[k], range(1, rank), along[0])
    total = of_place.shape[0]
    kept = inside.reshape(total, 1).choose(of_place, 0)
    indices = inside.choose(where, 0).reshape(total, 1)
    area = dynamic.together(b, [reduce(Formula.__mul__, sizes), dynamic.size_of(b, x.shape[0]) * channels])
    empty = b.add1(DynamicBroadcast((dynamic.fresh(b, "area"), rows)), b.const(0, x.type.dtype), area)
    added = b.transpose(b.add1(ScatterND("add"), empty, indices.value, kept.value), (1, 0))
    shape = (x.shape[0], pieces.shape[1], *(dynamic.fresh(b, "size") for _ in sizes))
    return b.add1(DynamicReshape(shape), added, dynamic.together(b, [dynamic.size_of(b, x.shape[0]), channels, *sizes]))


def _digit(number: Formula, sizes: Sequence[Formula], axis: int) -> Formula:
    """The position along one axis of what is counted in row-major order through axes of these sizes."""
    for behind in sizes[axis + 1:]:
        number = number // behind
    return number % sizes[axis]
