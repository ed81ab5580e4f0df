"""Lowerings of resizing and of rearrangements between depth and space.

LiteRT's resizing kernels know two flags, `align_corners` and `half_pixel_centers`. Whether a Resize is one of theirs is decided by
comparing what it computes, element by element of every axis, with what the kernel would; with symbolic sizes, where that cannot be done,
only the combinations that are equal by definition count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_elementwise import kernel
from nchw2nhwc.emit.tflite.lower_sizes import sizes_tensor
from nchw2nhwc.emit.tflite.lower_windowed import spatial
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.ir import Array, Node, exact_div, is_at_most
from nchw2nhwc.ops.resize import Resize, interpolation_matrix, repeats
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth


@dataclass(frozen=True)
class Flags:
    """The options of RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

    align_corners: bool = False
    half_pixel_centers: bool = False


_CODES = {"linear": "RESIZE_BILINEAR", "nearest": "RESIZE_NEAREST_NEIGHBOR"}
_LINEAR = {"asymmetric": Flags(), "half_pixel": Flags(half_pixel_centers=True), "align_corners": Flags(align_corners=True)}
_NEAREST = {("asymmetric", "floor"): Flags(), ("half_pixel", "round_prefer_ceil"): Flags(half_pixel_centers=True),
            ("tf_half_pixel_for_nn", "floor"): Flags(half_pixel_centers=True),
            ("align_corners", "round_prefer_ceil"): Flags(align_corners=True)}
"""Modes that are a kernel's by definition, if the scale is result size / operand size."""


def kernel_matrix(before: int, after: int, mode: str, flags: Flags) -> Array:
    """The (after, before) matrix that LiteRT's kernel applies to an axis, in its float32 arithmetic (`resize_bilinear.h`,
    `resize_nearest_neighbor.h`)."""
    step = np.float32(before - 1) / np.float32(after - 1) if flags.align_corners and after > 1 else np.float32(before) / np.float32(after)
    positions, half = np.arange(after, dtype=np.float32), np.float32(0.5 if flags.half_pixel_centers else 0)
    matrix, rows = np.zeros((after, before)), np.arange(after)
    if mode == "nearest":
        where = (positions + half) * step
        index = np.floor(where + np.float32(0.5)) if flags.align_corners else np.floor(where)
        matrix[rows, np.clip(index, 0, before - 1).astype(int)] = 1
        return matrix
    where = (positions + half) * step - half
    low, high = np.clip(np.floor(where), 0, None).astype(int), np.clip(np.ceil(where), None, before - 1).astype(int)
    np.add.at(matrix, (rows, low), 1 - (where - low))
    np.add.at(matrix, (rows, high), where - low)
    return matrix


def flags_of(node: Node, op: Resize) -> Flags | None:
    """The flags under which the kernel computes this Resize; None if none do."""
    spatial_axes = list(enumerate(zip(spatial(node.input(0), op.channels_last), op.sizes)))
    known = [(k, before, after) for k, (before, after) in spatial_axes if isinstance(before, int) and isinstance(after, int)]
    if len(known) < len(spatial_axes):
        return _by_definition(node, op)
    choices = (Flags(), Flags(half_pixel_centers=True), Flags(align_corners=True))
    wanted = [(before, after, interpolation_matrix(before, after, op, k)) for k, before, after in known]
    return next((f for f in choices if all(np.allclose(kernel_matrix(before, after, op.mode, f), matrix, rtol=0, atol=1e-5)
                                           for before, after, matrix in wanted)), None)


def _by_definition(node: Node, op: Resize) -> Flags | None:
    """The same for symbolic sizes. "pytorch_half_pixel" differs from "half_pixel" in results of one element only."""
    factors = [exact_div(after, before) for before, after in zip(spatial(node.input(0), op.channels_last), op.sizes)]
    if op.antialias or op.exclude_outside or (op.scales is not None and tuple(op.scales) != tuple(factors)):
        return None
    if repeats(op, spatial(node.input(0), op.channels_last)) is not None:
        return Flags(half_pixel_centers=True)
    if op.mode == "nearest":
        return _NEAREST.get((op.coordinate_mode, op.nearest_mode))
    grows = all(map(is_at_most, spatial(node.input(0), op.channels_last), op.sizes))  # one element becomes one only of one
    return _LINEAR.get("half_pixel" if op.coordinate_mode == "pytorch_half_pixel" and grows else op.coordinate_mode)


def _resizes(node: Node, op: Resize) -> str:
    if op.mode not in _CODES or op.roi is not None or len(op.sizes) != 2:
        return f"no kernel resizes {len(op.sizes)} axes in mode '{op.mode}'" + (" with a region of interest" if op.roi is not None else "")
    if op.mode == "linear" and node.input(0).type.dtype.kind != "f":
        return "RESIZE_BILINEAR does not take integers"
    if flags_of(node, op) is None:
        rounding = f" with '{op.nearest_mode}'" if op.mode == "nearest" else ""
        return f"{_CODES[op.mode]} has no coordinate mode '{op.coordinate_mode}'{rounding}"
    return kernel(_CODES[op.mode])(node, op)


@lowering(Resize, _resizes)
def resize(e: Emitter, node: Node, op: Resize) -> None:
    """RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR."""
    flags = flags_of(node, op)
    assert flags is not None
    table = "ResizeBilinearOptions" if op.mode == "linear" else "ResizeNearestNeighborOptions"
    opts = options(table, alignCorners=flags.align_corners, halfPixelCenters=flags.half_pixel_centers)
    e.op(_CODES[op.mode], [e.of(node.input(0)), sizes_tensor(e, op.sizes)], [e.out(node)], opts)


def _blocks(code: str, node: Node, op: DepthToSpace | SpaceToDepth) -> str:
    if node.input(0).rank != 4:
        return f"{code} takes two spatial axes"
    shallow = node.output if isinstance(op, DepthToSpace) else node.input(0)
    if op.mode != "DCR" and shallow.shape[-1 if op.channels_last else 1] != 1:
        return f"{code} orders channels as DCR"
    return kernel(code)(node, op)


@lowering(DepthToSpace, lambda node, op: _blocks("DEPTH_TO_SPACE", node, op))
def depth_to_space(e: Emitter, node: Node, op: DepthToSpace) -> None:
    """DEPTH_TO_SPACE."""
    e.op("DEPTH_TO_SPACE", e.operands(node), [e.out(node)], options("DepthToSpaceOptions", blockSize=op.block))


@lowering(SpaceToDepth, lambda node, op: _blocks("SPACE_TO_DEPTH", node, op))
def space_to_depth(e: Emitter, node: Node, op: SpaceToDepth) -> None:
    """SPACE_TO_DEPTH."""
    e.op("SPACE_TO_DEPTH", e.operands(node), [e.out(node)], options("SpaceToDepthOptions", blockSize=op.block))
