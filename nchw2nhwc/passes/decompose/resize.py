"""Resizing by what every target has: picking elements, and products with interpolation matrices."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.elementwise import Identity
from nchw2nhwc.ops.resize import Resize, interpolation_matrix, nearest_indices, source_positions
from nchw2nhwc.passes.decompose.matrices import along_axes
from nchw2nhwc.passes.decompose.slices import picked
from nchw2nhwc.passes.match import require, require_float, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()


def _axes(node: Node) -> list[tuple[int, int, int]]:
    """`(k, size before, size after)` of each spatial axis. Raises Mismatch for symbolic sizes."""
    axes = range(2, node.input(0).rank)
    before, after = static_sizes(node.input(0), axes), static_sizes(node.output, axes)
    return [(k, b, a) for k, (b, a) in enumerate(zip(before, after))]


@RULES.on(Resize)
def nearest(rw: Rewriter, node: Node, op: Resize) -> Value:
    """The constant positions of the copied elements, along each axis."""
    require(op.mode == "nearest" and op.roi is None and not op.channels_last, "{!r} interpolates, or has a region of interest", node)
    x = node.input(0)
    for k, before, after in _axes(node):
        x = picked(rw, x, k + 2, nearest_indices(before, after, op, k))
    return x if x is not node.input(0) else rw.add(Identity(), x)


@RULES.on(Resize)
def interpolated(rw: Rewriter, node: Node, op: Resize) -> Value:
    """An interpolation matrix along each axis; rows outside of a region of interest are 0, and the extrapolation value is added there."""
    x = node.input(0)
    require(not op.channels_last, "{!r} is stored channels-last", node)
    require_float(x)
    matrices = {}
    outside = np.zeros((), np.bool_)
    for k, before, after in _axes(node):
        matrices[k + 2] = interpolation_matrix(before, after, op, k)
        beyond = np.zeros(after, np.bool_)
        if op.roi is not None:
            where = source_positions(before, after, op, k)
            beyond = np.asarray((where < 0) | (where > before - 1))
            matrices[k + 2][beyond] = 0
        outside = np.logical_or.outer(outside, beyond)
    result = along_axes(rw, x, matrices)
    if bool(outside.any()) and op.extrapolation_value:
        result = rw.add(Add(), result, rw.constant(np.where(outside, op.extrapolation_value, 0.0), x.type.dtype))
    return result if result is not x else rw.add(Identity(), x)
