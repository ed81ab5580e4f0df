"""Ops that read images at computed positions, or block by block."""

from __future__ import annotations

from typing import Literal, TypeAlias

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.sampling import GridSample
from nchw2nhwc.parse import adaptive, deformation, image_blocks, sampling
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.common import reshaped
from nchw2nhwc.parse.openvino.convolution import padding, reach_of
from nchw2nhwc.parse.openvino.registry import Results, mapping
from nchw2nhwc.parse.regions import MOST_CELLS

PoolingMode: TypeAlias = Literal["avg", "max"]
AlignedMode: TypeAlias = Literal["asymmetric", "half_pixel_for_nn", "half_pixel"]
AutoPad: TypeAlias = Literal["explicit", "notset", "same_upper", "same_lower", "valid"]


@mapping("GridSample", 9)
def grid_sample(b: Builder, x: Value, grid: Value, *, align_corners: bool = False,
                mode: Literal["bilinear", "bicubic", "nearest"] = "bilinear",
                padding_mode: Literal["zeros", "border", "reflection"] = "zeros") -> Results:
    """x read at positions from -1 to 1."""
    modes = {"bilinear": "linear", "bicubic": "cubic"}
    op = GridSample(modes.get(mode, mode), padding_mode, "align_corners" if align_corners else "half_pixel")
    return b.add1(op, x, grid if grid.type.dtype == x.type.dtype else b.add1(Cast(x.type.dtype), grid))


@mapping("ROIAlign", 3, 9)
def roi_align(b: Builder, x: Value, rois: Value, batch_indices: Value, *, pooled_h: int, pooled_w: int, sampling_ratio: int,
              spatial_scale: float, mode: PoolingMode, aligned_mode: AlignedMode = "asymmetric") -> Results:
    """Regions of interest, brought to one size. A maximum is at least 0, as in OpenVINO's CPU plugin."""
    if min(pooled_h, pooled_w) < 1 or max(pooled_h, pooled_w, sampling_ratio) > MOST_CELLS:
        raise SourceError(f"regions of {pooled_h} by {pooled_w} cells with {sampling_ratio} samples")
    before, after = {"asymmetric": (0.0, 0.0), "half_pixel": (0.5, -0.5), "half_pixel_for_nn": (0.0, -0.5)}[aligned_mode]
    at = sampling.Pooling(mode, (pooled_h, pooled_w), sampling_ratio, spatial_scale, before, after, aligned_mode == "asymmetric")
    result = adaptive.roi_align(b, x, rois, batch_indices, at)
    return b.add1(Relu(), result) if mode == "max" else result


@mapping("DeformableConvolution", 1, 8)
def deformable_convolution(b: Builder, x: Value, offsets: Value, filters: Value, mask: Value | None = None, *, strides: Ints,
                           pads_begin: Ints, pads_end: Ints, dilations: Ints, auto_pad: AutoPad = "explicit", group: int = 1,
                           deformable_group: int = 1, bilinear_interpolation_pad: bool = False) -> Results:
    """A convolution whose elements are read away from their places. Without `bilinear_interpolation_pad`, what is read beyond the first
    or last element is 0 at once, instead of fading over one element."""
    if {len(strides), len(dilations), x.rank - 2, filters.rank - 2} != {2} or min((*strides, *dilations)) < 1:
        raise SourceError(f"strides {list(strides)} and dilations {list(dilations)} are not those of images")
    kernel = [static(s, "the size of a kernel") for s in filters.shape[2:]]
    pads, _ = padding(x, reach_of(kernel, dilations), strides, pads_begin, pads_end, auto_pad)
    at = deformation.Deformation(strides, dilations, pads, group, deformable_group, fading=bilinear_interpolation_pad)
    return deformation.deform_conv(b, x, filters, offsets, None, mask, at)


@mapping("Col2Im", 15)
def col2im(b: Builder, x: Value, output_size: Value, kernel_size: Value, *, strides: Ints = (1, 1), dilations: Ints = (1, 1),
           pads_begin: Ints = (0, 0), pads_end: Ints = (0, 0)) -> Results:
    """Blocks added up to an image, with a batch or without."""
    image, block = b.ints(output_size, "output_size"), b.ints(kernel_size, "kernel_size")
    given = x if x.rank == 3 else reshaped(b, x, (1, *x.shape))
    added = image_blocks.col2im(b, given, image, image_blocks.Blocks(block, strides, dilations, pads_begin, pads_end))
    return added if x.rank == 3 else b.reshape(added, added.shape[1:])


@mapping("ExtractImagePatches", 3)
def extract_image_patches(b: Builder, x: Value, *, sizes: Ints, strides: Ints, rates: Ints, auto_pad: AutoPad) -> Results:
    """Blocks of images, the channels of one element behind another."""
    if x.rank != 4 or {len(sizes), len(strides), len(rates)} != {2} or min((*sizes, *strides, *rates)) < 1:
        raise SourceError(f"sizes {list(sizes)}, strides {list(strides)} and rates {list(rates)} do not fit {x.type}")
    begins, ends = [0, 0], [0, 0]
    if auto_pad in ("same_upper", "same_lower"):
        for k, size in enumerate(static(s, "the size of an image") for s in x.shape[2:]):
            total = max((-(-size // strides[k]) - 1) * strides[k] + rates[k] * (sizes[k] - 1) + 1 - size, 0)
            begins[k], ends[k] = total // 2, total - total // 2
            if auto_pad == "same_lower":
                begins[k], ends[k] = ends[k], begins[k]
    return image_blocks.patches(b, x, image_blocks.Blocks(sizes, strides, rates, tuple(begins), tuple(ends)))
