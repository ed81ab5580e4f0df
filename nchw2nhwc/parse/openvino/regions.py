"""Regions of interest of images, each brought to one size: pooling, and position-sensitive pooling."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.sampling import GridSample
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.registry import Results, mapping
from nchw2nhwc.parse.regions import MOST_CELLS, Image, image_of, largest


# ---- bins of whole elements ----------------------------------------------------------------------------------------------------
@mapping("ROIPooling", 1, 2)
def roi_pooling(b: Builder, x: Value, rois: Value, *, output_size: Ints = (), pooled_h: int = 0, pooled_w: int = 0,
                spatial_scale: float, method: Literal["max", "bilinear"] = "max") -> Results:
    """The largest elements of each bin of a region, or single elements of it that are read at equal distances."""
    sizes = output_size or (pooled_h, pooled_w)
    if len(sizes) != 2 or min(sizes) < 1 or max(sizes) > MOST_CELLS:
        raise SourceError(f"regions of {list(sizes)} cells")
    image = image_of(b, x, rois)
    found = largest(image, sizes, spatial_scale) if method == "max" else _crossed(image, sizes)
    return found.cast(x.type.dtype).value


# ---- single elements -----------------------------------------------------------------------------------------------------------
def _read(image: Image, rows: Formula, columns: Formula, x: Formula | None = None) -> Formula:
    """The image, bilinearly, at rows (R, h) and columns (R, w) of it as (C, R, h, w); 0 outside of it."""
    (height, width), regions = image.sizes, image.regions
    inside = [(p >= 0) & (p <= size - 1.0) for p, size in ((rows, height), (columns, width))]
    count, across = rows.shape[1], columns.shape[1]
    limited = [p.apply(Clip(0.0, size - 1.0)) for p, size in ((rows, height), (columns, width))]
    if image.batch > 1:
        limited[0] = limited[0] + image.first_row
    stacked = image.x.transpose(1, 0, 2, 3).reshape(1, image.channels, image.batch * height, width)
    grid = joined([limited[1].reshape(regions, 1, across, 1).expand(regions, count, across, 1),
                   limited[0].reshape(regions, count, 1, 1).expand(regions, count, across, 1)], 3)
    found = stacked.apply(GridSample("linear", "border", "pixels"), grid.reshape(1, regions * static(count, "a size"), across, 2))
    counts = inside[0].reshape(regions, count, 1) & inside[1].reshape(regions, 1, across)
    return counts.choose(found.reshape(image.channels, regions, count, across), 0)


def _spread(start: Formula, end: Formula, count: int, size: int) -> Formula:
    """`count` positions (R, count) from the share `start` of an axis of `size` elements to `end`; a single one is in the middle."""
    if count == 1:
        return (start + end) * (0.5 * (size - 1))
    step = (end - start) * float(size - 1) / float(count - 1)
    places = step * np.arange(count - 1, dtype=np.float32)[None] + start * float(size - 1)
    return joined([places, end * float(size - 1)], 1)


def _crossed(image: Image, sizes: Ints) -> Formula:
    rows, columns = (_spread(image.corner(1 - axis), image.corner(3 - axis), sizes[axis], image.sizes[axis]) for axis in (0, 1))
    return _read(image, rows, columns).transpose(1, 0, 2, 3)
