"""Resizing by what every target has: picking elements, and products with interpolation matrices."""

from __future__ import annotations

from functools import reduce

import numpy as np

from nchw2nhwc.ir.dim import Size, is_static
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops import resampling
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.elementwise import Identity
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.resampling import FLOAT32
from nchw2nhwc.ops.resize import Resize, interpolation_matrix, nearest_indices, source_positions
from nchw2nhwc.passes.decompose.matrices import along_axes, products
from nchw2nhwc.passes.decompose.sizes import INT32, positions, size_of
from nchw2nhwc.passes.decompose.slices import picked
from nchw2nhwc.passes.decompose.term import Term
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


# ---- sizes that are known only when the model runs ---------------------------------------------------------------------
@RULES.on(Resize)
def of_open_sizes(rw: Rewriter, node: Node, op: Resize) -> Value:
    """Axis by axis: the elements at computed indices, or several of them with weights; with antialiasing the product with a matrix."""
    x = node.input(0)
    require(not is_static((*x.shape[2:], *op.sizes)) and not op.channels_last, "{!r} has known sizes", node)
    if op.mode != "nearest":
        require_float(x)
    like, outside = Term(rw, x), []
    for k, (before, after) in enumerate(zip(x.shape[2:], op.sizes)):
        axis, given = k + 2, None if op.scales is None else op.scales[k]
        if before == after and given in (None, 1.0) and op.roi is None:
            continue
        span = _span(rw, before, after, op, k)
        where = resampling.positions(positions(rw, after).cast(FLOAT32), span, op.coordinate_mode)
        if op.roi is not None:
            outside.append(_along(resampling.beyond(where, span), x.rank, axis))
        if op.mode == "nearest":
            x = rw.add(Gather(axis), x, resampling.nearest(where, span, op.nearest_mode).cast(INT32).value)
        elif op.antialias:
            x = products(rw, x, [(axis, _antialiased(rw, before, span, where, op).cast(like.dtype).value)])
        else:
            parts = [Term(rw, rw.add(Gather(axis), x, index.cast(INT32).value)) * _along(weight.cast(like.dtype), x.rank, axis)
                     for index, weight in resampling.taps(where, span, op)]
            x = reduce(lambda one, two: one + two, parts).value
    if outside:
        x = reduce(lambda one, two: one | two, outside).choose(like.number(op.extrapolation_value), x).value
    return x if x is not node.input(0) else rw.add(Identity(), x)


def _span(rw: Rewriter, before: Size, after: Size, op: Resize, k: int) -> resampling.Span[Term]:
    """How spatial axis k is resized."""
    have, wanted = size_of(rw, before, FLOAT32), size_of(rw, after, FLOAT32)
    scale = wanted / have if op.scales is None else have.number(op.scales[k])
    region = None if op.roi is None else (have.number(op.roi[k]), have.number(op.roi[k + len(op.sizes)]))
    return resampling.Span(have, wanted, scale, region)


def _along(vector: Term, rank: int, axis: int) -> Term:
    """A vector along one of `rank` axes, to be broadcast along the others."""
    return vector.apply(Reshape((*(1,) * axis, vector.shape[0], *(1,) * (rank - axis - 1))))


def _antialiased(rw: Rewriter, before: Size, span: resampling.Span[Term], where: Term, op: Resize) -> Term:
    return resampling.antialiased(where, positions(rw, resampling.reached(before, op)), positions(rw, before), span, op)
