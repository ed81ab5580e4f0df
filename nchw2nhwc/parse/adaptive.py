"""Regions of interest whose cells have as many samples as elements: what the mappings of both sources make of RoiAlign then."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import ShapeError, UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse import sampling
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.sampling import CUT, Pooling, corners

LARGEST_REGION = 2
"""How many times the size of the image a region may have: more samples than such a one has are not taken."""


def roi_align(b: Builder, x: Value, rois: Value, batch_indices: Value, at: Pooling) -> Value:
    """`sampling.roi_align`; without a number of samples each cell is the mean of ceil(its size) samples along both axes.

    A sample is a sum of elements with weights for rows and weights for columns, and so is a mean of samples: two products with matrices
    that follow from the regions. Raises ShapeError, and UnsupportedError for maxima, which are no sums."""
    if at.samples > 0:
        return sampling.roi_align(b, x, rois, batch_indices, at)
    if x.rank != 4 or rois.rank != 2 or rois.shape[1] != 4 or batch_indices.rank != 1:
        raise ShapeError(f"{x.type}, regions {rois.type} and batch indices {batch_indices.type} do not fit together")
    if at.mode != "avg":
        raise UnsupportedError("how many samples each cell has depends on the region (sampling_ratio is 0), of which the largest one is "
                               "taken", b.where, CUT)
    batch, channels, height, width = (static(s, "the size of an image") for s in x.shape)
    regions, (cells_h, cells_w) = rois.shape[0], at.sizes
    rows, columns = (_weights(b, at, rois, axis, size) for axis, size in ((0, height), (1, width)))
    if batch > 1:
        mine = Formula(b, batch_indices).reshape(regions, 1, 1, 1).equals(np.arange(batch).reshape(1, 1, batch, 1)).cast(x.type.dtype)
        rows = rows.reshape(regions, cells_h, 1, height) * mine
    images = Formula(b, x).transpose(0, 2, 1, 3).reshape(batch * height, channels * width)
    across = rows.reshape(regions * cells_h, batch * height).apply(MatMul(), images)
    found = across.reshape(regions, cells_h * channels, width).apply(MatMul(), columns.transpose(0, 2, 1))
    return found.reshape(regions, cells_h, channels, cells_w).transpose(0, 2, 1, 3).value


def _weights(b: Builder, at: Pooling, rois: Value, axis: int, size: int) -> Formula:
    """The weights (R, cells, size) of the elements along rows (0) or columns (1)."""
    regions, cells = rois.shape[0], at.sizes[axis]
    start, span = (Formula(b, v).reshape(regions, 1, 1) for v in corners(b, at, rois, axis))
    cell = span / float(cells)
    most = -(-LARGEST_REGION * size // cells) + 1
    count = cell.ceil().at_most(float(most)).at_least(1.0)
    samples = np.arange(most).reshape(1, 1, most)
    places = (cell * np.arange(cells).reshape(1, cells, 1) + start) + cell / count * (samples + 0.5)
    counts = (places >= -1.0) & (places <= float(size)) & (count > samples)
    near = places.apply(Clip(0.0, size - 1.0)).reshape(regions, cells, most, 1)
    share = (1.0 - abs(near - np.arange(size).reshape(1, 1, 1, size))).at_least(0.0)
    weighed = share * counts.apply(Cast(share.dtype)).reshape(regions, cells, most, 1)
    return weighed.sum(2) / count
