"""Position-sensitive pooling of regions of interest: each cell of a region reads channels of its own. And rotated regions."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Cos, Round, Sin
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.sampling import GridSample
from nchw2nhwc.parse.adaptive import both, flat, most_samples, samples
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.openvino.common import require_ranks
from nchw2nhwc.parse.openvino.registry import Results, mapping
from nchw2nhwc.parse.regions import F32, MOST_CELLS, Image, image_of


@mapping("PSROIPooling", 1)
def psroi_pooling(b: Builder, x: Value, rois: Value, *, output_dim: int, spatial_scale: float, group_size: int = 1,
                  mode: Literal["average", "bilinear"] = "average", spatial_bins_x: int = 1, spatial_bins_y: int = 1) -> Results:
    """Cell (h, w) of a region is the mean of its elements in the channels for this cell; or, "bilinear", the mean over all bins of what
    lies at its place of a bin in the channels for this bin."""
    image, cells = image_of(b, x, rois), group_size
    bins = spatial_bins_y * spatial_bins_x if mode == "bilinear" else cells * cells
    if min(output_dim, cells, spatial_bins_x, spatial_bins_y) < 1 or max(cells, bins) > MOST_CELLS or image.channels != output_dim * bins:
        raise SourceError(f"{x.type} does not have {output_dim} channels for each of {bins} parts of a region")
    found = _mean(image, output_dim, cells, spatial_scale) if mode == "average" else _bilinear(
        image, output_dim, cells, spatial_scale, (spatial_bins_y, spatial_bins_x))
    return found.cast(x.type.dtype).value


def _mean(image: Image, depth: int, cells: int, scale: float) -> Formula:
    """The elements of all images, weighted with 1 where they are in a cell and else with 0: a product of matrices for each cell."""
    b, regions, (height, width) = image.x.b, image.regions, image.sizes
    parts = []
    for axis in (0, 1):
        start = image.corner(1 - axis).apply(Round("half_away_from_zero")) * scale
        end = (image.corner(3 - axis) + 1.0).apply(Round("half_away_from_zero")) * scale
        size, places = (end - start).at_least(0.1) / float(cells), np.arange(cells, dtype=np.float32)[None]
        edges = ((size * places + start).floor(), (size * (places + 1) + start).ceil())
        parts.append([e.apply(Clip(0.0, float(image.sizes[axis]))).reshape(regions, cells, 1) for e in edges])
    area = (parts[0][1] - parts[0][0]).reshape(regions, cells, 1) * (parts[1][1] - parts[1][0]).reshape(regions, 1, cells)
    offset = image.first_row.reshape(regions, 1, 1)
    tops, bottoms = (edge + offset for edge in parts[0])
    rows = Formula(b, b.const(np.arange(image.batch * height)[None, None], F32))
    columns = Formula(b, b.const(np.arange(width)[None, None], F32))
    down = ((tops <= rows) & (bottoms > rows)).cast(F32).transpose(1, 0, 2).reshape(cells, 1, regions, image.batch * height, 1)
    across = ((parts[1][0] <= columns) & (parts[1][1] > columns)).cast(F32).transpose(1, 0, 2).reshape(1, cells, regions, 1, width)
    elements = image.batch * height * width
    masks = (down * across).reshape(cells * cells, regions, elements)
    planes = image.x.reshape(image.batch, depth, cells * cells, height * width).transpose(2, 0, 3, 1)
    total = masks.apply(MatMul(), planes.reshape(cells * cells, elements, depth))
    mean = total.reshape(cells, cells, regions, depth).transpose(2, 3, 0, 1) / area.at_least(1.0).reshape(regions, 1, cells, cells)
    return (area > 0).reshape(regions, 1, cells, cells).choose(mean, 0)


def _bilinear(image: Image, depth: int, cells: int, scale: float, bins: tuple[int, int]) -> Formula:
    regions, count = image.regions, bins[0] * bins[1]
    where = []
    for axis in (0, 1):
        start, end = (image.corner(k) * scale for k in (1 - axis, 3 - axis))
        step, last = (end - start) / float(bins[axis]), image.sizes[axis] - 1
        low = step * np.arange(bins[axis], dtype=np.float32)[None] + start
        high = step * np.arange(1, bins[axis] + 1, dtype=np.float32)[None] + start
        low, high = (e.reshape(regions, bins[axis], 1) for e in (low, high))
        where.append(((high - low) * (last / (cells - 1))) * np.arange(cells, dtype=np.float32) + low * float(last) if cells > 1
                     else (low + high) * (0.5 * last))
    shape = (count, regions, cells, cells)
    rows = where[0].transpose(1, 0, 2).reshape(bins[0], 1, regions, cells, 1).expand(*bins, *shape[1:]).reshape(*shape)
    columns = where[1].transpose(1, 0, 2).reshape(1, bins[1], regions, 1, cells).expand(*bins, *shape[1:]).reshape(*shape)
    inside = _within(rows, 0.0, image.sizes[0] - 1.0) & _within(columns, 0.0, image.sizes[1] - 1.0)
    planes = image.x.reshape(image.batch, count, depth, *image.sizes).transpose(1, 2, 0, 3, 4)
    found = _sampled(image, planes, rows, columns)
    total = inside.reshape(count, 1, *shape[1:]).choose(found, 0).sum(0)
    return (total / float(count)).transpose(1, 0, 2, 3)


def _within(x: Formula, low: float, high: float) -> Formula:
    return (x >= low) & (x <= high)


def _sampled(image: Image, planes: Formula, rows: Formula, columns: Formula) -> Formula:
    """Planes (P, C, N, H, W) read bilinearly at rows and columns (P, R, h, w) of the image of each region: (P, C, R, h, w)."""
    count, depth = planes.shape[:2]
    height, width = image.sizes
    limited, across = rows.apply(Clip(0.0, height - 1.0)), columns.apply(Clip(0.0, width - 1.0))
    if image.batch > 1:
        limited = limited + image.first_row.reshape(1, image.regions, 1, 1)
    grid = joined([p.reshape(*p.shape, 1) for p in (across, limited)], 4)
    _, regions, high, wide, _ = grid.shape
    stacked = planes.reshape(count, depth, image.batch * height, width)
    found = stacked.apply(GridSample("linear", "border", "pixels"), grid.reshape(count, regions * high, wide, 2))
    return found.reshape(count, depth, regions, high, wide)


@mapping("DeformablePSROIPooling", 1)
def deformable_psroi_pooling(b: Builder, x: Value, rois: Value, offsets: Value | None = None, *, output_dim: int, spatial_scale: float,
                             group_size: int = 1, mode: Literal["bilinear_deformable"] = "bilinear_deformable", spatial_bins_x: int = 1,
                             spatial_bins_y: int = 1, trans_std: float = 1.0, part_size: int = 1) -> Results:
    """Cell (h, w) of a region is the mean of the elements at `spatial_bins` positions in it, in the channels for this cell. `offsets`
    (R, 2 * classes, part_size, part_size) move the cells, all channels of a class alike, by shares of the region."""
    require_ranks((offsets, 4))
    image, cells = image_of(b, x, rois), group_size
    classes = 1 if offsets is None else static(offsets.shape[1], "the number of offsets") // 2
    sizes = (cells, part_size, spatial_bins_x, spatial_bins_y)
    fits = image.channels == output_dim * cells * cells and classes > 0 and output_dim % max(classes, 1) == 0
    if not fits or min(output_dim, *sizes) < 1 or max(sizes) > MOST_CELLS:
        raise SourceError(f"{x.type} does not have {output_dim} channels for each of {cells} x {cells} cells and {classes} class(es)")
    regions, bins = image.regions, (spatial_bins_y, spatial_bins_x)
    moves = None if offsets is None else Formula(b, offsets).cast(F32).reshape(regions, classes, 2, part_size, part_size)
    places, where = np.arange(cells) * part_size // cells, []
    for axis in (0, 1):
        start = image.corner(1 - axis).apply(Round("half_away_from_zero")) * spatial_scale - 0.5
        end = (image.corner(3 - axis).apply(Round("half_away_from_zero")) + 1.0) * spatial_scale - 0.5
        whole = (end - start).at_least(0.1).reshape(regions, 1, 1, 1)
        size = whole / float(cells)
        along = np.arange(cells, dtype=np.float32).reshape((1, 1, cells, 1) if axis == 0 else (1, 1, 1, cells))
        low = size * along + start.reshape(regions, 1, 1, 1)
        if moves is not None:
            moved = moves.take(1 - axis, 2).take(places, 2).take(places, 3)
            low = moved * trans_std * whole + low
        steps = np.arange(bins[axis], dtype=np.float32).reshape((bins[0], 1) if axis == 0 else (1, bins[1]))
        where.append((size / float(bins[axis])).reshape(regions, 1, 1, 1, 1, 1) * steps + low.reshape(*low.shape, 1, 1))
    shape = (regions, classes, cells, cells, *bins)
    rows, columns = (w.expand(*shape).transpose(1, 2, 3, 0, 4, 5).reshape(classes * cells * cells, regions, *bins) for w in where)
    inside = _within(rows, -0.5, image.sizes[0] - 0.5) & _within(columns, -0.5, image.sizes[1] - 0.5)
    depth = output_dim // classes
    planes = image.x.reshape(image.batch, classes, depth, cells * cells, *image.sizes).transpose(1, 3, 2, 0, 4, 5)
    found = _sampled(image, planes.reshape(classes * cells * cells, depth, image.batch, *image.sizes), rows, columns)
    total = inside.reshape(classes * cells * cells, 1, regions, *bins).choose(found, 0).sum(3, 4)
    count = inside.cast(F32).sum(2, 3).reshape(classes * cells * cells, 1, regions)
    mean = (total / count.at_least(1.0)).reshape(classes, cells, cells, depth, regions).transpose(4, 0, 3, 1, 2)
    return mean.reshape(regions, output_dim, cells, cells).cast(x.type.dtype).value


@mapping("ROIAlignRotated", 15)
def roi_align_rotated(b: Builder, x: Value, rois: Value, batch_indices: Value, *, pooled_h: int, pooled_w: int, sampling_ratio: int,
                      spatial_scale: float, clockwise_mode: bool) -> Results:
    """Regions (R, 5), centre (x, y), width, height and angle in radians, as means of `sampling_ratio` by as many positions in each cell,
    or of one for each element if it is 0."""
    if min(pooled_h, pooled_w, sampling_ratio + 1) < 1 or max(pooled_h, pooled_w, sampling_ratio) > MOST_CELLS:
        raise SourceError(f"regions of {pooled_h} by {pooled_w} cells with {sampling_ratio} samples")
    image = image_of(b, x, rois)
    image = replace(image, numbers=Formula(b, batch_indices).cast(F32).reshape(image.regions, 1))
    regions, (height, width) = image.regions, image.sizes
    x0, y0 = (image.rois.part(1, k, k + 1) * spatial_scale - 0.5 for k in (0, 1))
    wide, high = (image.rois.part(1, k, k + 1) * spatial_scale for k in (2, 3))
    angle = image.rois.part(1, 4, 5) * (-1.0 if clockwise_mode else 1.0)
    cos, sin = (angle.apply(op).reshape(regions, 1, 1) for op in (Cos(), Sin()))
    spans, there, area = ((high, pooled_h), (wide, pooled_w)), None, None
    most = sampling_ratio or max(static(most_samples(cells, max(height, width)), "the number of samples") for _, cells in spans)
    if sampling_ratio:
        offsets = [span * ((np.arange(cells * most) + 0.5) / (cells * most) - 0.5)[None] for span, cells in spans]
    else:
        taken = [samples((span * -0.5).reshape(regions, 1, 1), span.reshape(regions, 1, 1), cells, most) for span, cells in spans]
        offsets = [flat(each.places, each) for each in taken]
        there, area = both(*taken), (taken[0].count * taken[1].count).at_least(1.0).reshape(1, regions, 1, 1)
    down, across = offsets[0].reshape(regions, pooled_h * most, 1), offsets[1].reshape(regions, 1, pooled_w * most)
    rows = down * cos - across * sin + y0.reshape(regions, 1, 1)
    columns = down * sin + across * cos + x0.reshape(regions, 1, 1)
    inside = _within(rows, -1.0, float(height)) & _within(columns, -1.0, float(width))
    inside = inside if there is None else inside & there
    planes = image.x.transpose(1, 0, 2, 3).reshape(1, image.channels, image.batch, height, width)
    shape = (1, regions, pooled_h * most, pooled_w * most)
    found = _sampled(image, planes, rows.reshape(*shape), columns.reshape(*shape))
    counted = inside.reshape(1, 1, *shape[1:]).choose(found, 0)
    cells = counted.reshape(image.channels, regions, pooled_h, most, pooled_w, most).sum(3, 5)
    return (cells / (float(most**2) if area is None else area)).transpose(1, 0, 2, 3).cast(x.type.dtype).value
