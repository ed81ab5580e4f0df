"""Operators that read images at computed positions, or write to them."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.dim import product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.indexing import ScatterElements
from nchw2nhwc.ops.movement import Expand, Pad
from nchw2nhwc.ops.sampling import GridSample
from nchw2nhwc.parse import adaptive, blocks, deformation, dynamic, image_blocks, sampling
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, onnx_op
from nchw2nhwc.parse.regions import MOST_CELLS, image_of, largest

_MODES = {"bilinear": "linear", "bicubic": "cubic", "nearest": "nearest", "linear": "linear", "cubic": "cubic"}
"""Interpolation modes as opset 16 and as later ones spell them."""


@onnx_op("GridSample", 1, domain=MICROSOFT)
@onnx_op("GridSample", 16, 20, 22)
def grid_sample(b: LayerBuilder, x: Value, grid: Value, *, align_corners: bool = False, mode: str = "linear",
                padding_mode: str = "zeros") -> Value:
    if mode not in _MODES:
        raise b.damaged(f"there is no interpolation mode '{mode}'")
    op = GridSample(_MODES[mode], padding_mode, "align_corners" if align_corners else "half_pixel")
    return b.add1(op, x, b.cast(grid, x.type.dtype))


@onnx_op("AffineGrid", 20)
def affine_grid(b: LayerBuilder, theta: Value, size: Value, *, align_corners: bool = False) -> Value:
    """Where a grid over [-1, 1] (its ends are points of it, or edges of points) goes by an affine map `theta` (N, axes, axes + 1):
    positions (N, *spatial, axes), the last spatial axis first, for images of `size` (N, C, *spatial)."""
    rank = static(product(size.shape), "the rank of the images") - 2
    if rank not in (2, 3) or theta.rank != 3 or theta.shape[1:] != (rank, rank + 1):
        raise b.damaged(f"theta {theta.type} is no map of the {rank} spatial axes of size {size.type}")
    if b.is_computed(size):
        counts = dynamic.elements(dynamic.vector(b, size))[2:]
        places = [dynamic.counted(b, n) for n in counts]
    else:
        sizes = b.shape_of(size, "size")[2:]
        counts, places = [dynamic.size_of(b, s) for s in sizes], [dynamic.positions(b, s) for s in sizes]
    maps = [Formula(b, theta).part(2, k, k + 1).reshape(theta.shape[0], *(1,) * rank, rank) for k in range(rank + 1)]
    result = maps[rank]
    for k, (count, place) in enumerate(zip(counts, places)):
        n, at = count.cast(theta.type.dtype), place.cast(theta.type.dtype)
        where = at * 2 / (n - 1).at_least(1) - 1 if align_corners else (at * 2 + 1) / n - 1
        result = result + maps[rank - 1 - k] * where.reshape(place.shape[0], *(1,) * (rank - k))
    return result.value


@onnx_op("RoiAlign", 10)
def roi_align_10(b: LayerBuilder, x: Value, rois: Value, batch_indices: Value, *, mode: str = "avg", output_height: int = 1,
                 output_width: int = 1, sampling_ratio: int = 0, spatial_scale: float = 1.0) -> Value:
    return roi_align(b, x, rois, batch_indices, coordinate_transformation_mode="output_half_pixel", mode=mode,
                     output_height=output_height, output_width=output_width, sampling_ratio=sampling_ratio, spatial_scale=spatial_scale)


@onnx_op("RoiAlign", 16, 22)
def roi_align(b: LayerBuilder, x: Value, rois: Value, batch_indices: Value, *, coordinate_transformation_mode: str = "half_pixel",
              mode: str = "avg", output_height: int = 1, output_width: int = 1, sampling_ratio: int = 0,
              spatial_scale: float = 1.0) -> Value:
    if mode not in ("avg", "max") or coordinate_transformation_mode not in ("half_pixel", "output_half_pixel"):
        raise b.damaged(f"there is no RoiAlign with mode '{mode}' and '{coordinate_transformation_mode}'")
    half = coordinate_transformation_mode == "half_pixel"
    kind = "max_of_parts" if mode == "max" else mode  # as ONNX Runtime and ONNX's reference
    at = sampling.Pooling(kind, (output_height, output_width), sampling_ratio, spatial_scale, 0.0, -0.5 if half else 0.0, not half)
    return adaptive.roi_align(b, x, rois, batch_indices, at)


@onnx_op("MaxRoiPool", 1, 22)
def max_roi_pool(b: LayerBuilder, x: Value, rois: Value, *, pooled_shape: Ints, spatial_scale: float = 1.0) -> Value:
    """The largest element of each of the bins that a region (number of its image, left, top, right, bottom) is divided into."""
    if len(pooled_shape) != 2 or min(pooled_shape) < 1 or max(pooled_shape) > MOST_CELLS:
        raise b.damaged(f"regions of {list(pooled_shape)} cells")
    return b.cast(largest(image_of(b, x, rois), pooled_shape, spatial_scale).value, x.type.dtype)


@onnx_op("DeformConv", 19, 22)
def deform_conv(b: LayerBuilder, x: Value, w: Value, offset: Value, bias: Value | None = None, mask: Value | None = None, *,
                dilations: Ints | None = None, group: int = 1, kernel_shape: Ints | None = None, offset_group: int = 1,
                pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """The size of the result is that of the offsets."""
    at = deformation.Deformation(strides or (1, 1), dilations or (1, 1), (pads or (0,) * 4)[:2], group, offset_group)
    if {len(at.strides), len(at.dilations), len(at.pads)} != {2} or (kernel_shape and kernel_shape != w.shape[2:]):
        raise b.damaged(f"strides {list(at.strides)}, dilations {list(at.dilations)}, pads and kernel_shape do not fit {w.type}")
    return deformation.deform_conv(b, x, w, offset, bias, mask, at)


@onnx_op("Col2Im", 18)
def col2im(b: LayerBuilder, x: Value, image_shape: Value, block_shape: Value, *, dilations: Ints | None = None, pads: Ints | None = None,
           strides: Ints | None = None) -> Value:
    """Blocks (N, C * block's elements, number of blocks) added up to an image."""
    if b.is_computed(image_shape, block_shape):
        return blocks.col2im(b, x, dynamic.vector(b, image_shape), dynamic.vector(b, block_shape), strides, dilations, pads)
    block, image = b.ints(block_shape, "block_shape"), tuple(static(s, "image_shape") for s in b.shape_of(image_shape, "image_shape"))
    rank = len(block)
    around = pads or (0,) * 2 * rank
    at = image_blocks.Blocks(block, strides or (1,) * rank, dilations or (1,) * rank, around[:rank], around[rank:])
    return image_blocks.col2im(b, x, image, at)


@onnx_op("MaxUnpool", 9, 11, 22)
def max_unpool(b: LayerBuilder, x: Value, indices: Value, output_shape: Value | None = None, *, kernel_shape: Ints,
               pads: Ints | None = None, strides: Ints | None = None) -> Value:
    """Elements put back to their places, which are counted through the whole result, zeros elsewhere; a larger `output_shape` adds zeros
    behind. One that is computed speaks of the spatial axes alone."""
    rank = x.rank - 2
    steps, around = strides or (1,) * rank, pads or (0,) * 2 * rank
    if not len(kernel_shape) == len(steps) == rank or len(around) != 2 * rank or indices.shape != x.shape:
        raise b.damaged(f"{x.type} and positions {indices.type} do not fit kernel {list(kernel_shape)}")
    spatial = tuple((size - 1) * step + k - begin - end for size, step, k, begin, end
                    in zip(x.shape[2:], steps, kernel_shape, around[:rank], around[rank:]))
    shape = (*x.shape[:2], *spatial)
    total, count = product(shape), product(x.shape)
    empty = b.add1(Expand((total,)), b.const(np.zeros(1), x.type.dtype))
    places = b.add1(ScatterElements(0), empty, b.reshape(indices, (count,)), b.reshape(x, (count,)))
    result = b.reshape(places, shape)
    if output_shape is None:
        return result
    if b.is_computed(output_shape):
        for axis, size in list(enumerate(dynamic.elements(dynamic.vector(b, output_shape))))[2:]:
            none = dynamic.size_of(b, 0)
            result = dynamic.padded(b, result, axis, none, size - dynamic.size_of(b, shape[axis]), "constant", None)
        return result
    wanted = b.shape_of(output_shape, "output_shape")
    more = [static(there - here, "how much larger output_shape is") for there, here in zip(wanted, shape)]
    if len(more) != x.rank or min(more) < 0:
        raise b.damaged(f"output_shape is no larger than the shape of the result, {list(map(str, shape))}")
    return b.add1(Pad((0,) * x.rank, tuple(more)), result) if any(more) else result
