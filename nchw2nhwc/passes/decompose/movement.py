"""Data movement: paddings that reflect more than once, and blocks between channels and space."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.bounds import bounds
from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.binary import Mod
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Pad, Reshape, Tile, Transpose
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth
from nchw2nhwc.passes.decompose.sizes import positions, size_of
from nchw2nhwc.passes.decompose.slices import Indices, picked, sliced
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.recognise.blocks import blocked_form
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()


@RULES.on(Pad)
def copied_elements(rw: Rewriter, node: Node, op: Pad) -> Value:
    """Padding by copies: constant positions along each padded axis, or computed ones where its size is open."""
    require(op.mode != "constant", "{!r} pads with a constant", node)
    x = node.input(0)
    axes = [k for k in range(x.rank) if op.pads_begin[k] or op.pads_end[k]]
    require(bool(axes), "{!r} pads nothing", node)
    for axis in axes:
        size, (before, behind) = x.shape[axis], (op.pads_begin[axis], op.pads_end[axis])
        if isinstance(size, int):
            indices: Indices = np.pad(np.arange(size), (before, behind), mode=op.mode)  # type: ignore[call-overload]
            x = picked(rw, x, axis, indices)
        elif op.mode == "edge" and (bounds(size)[0] or 0) > 0:
            x = rw.add(Concat(axis), *_repeated(rw, x, axis, (0, 1), before), x, *_repeated(rw, x, axis, (-1, None), behind))
        else:
            x = rw.add(Gather(axis), x, _source(rw, size, before, behind, op.mode).value)
    return x


def _repeated(rw: Rewriter, x: Value, axis: int, ends: tuple[int, int | None], count: int) -> list[Value]:
    """One element along an axis, so many times."""
    return [rw.add(Tile(tuple(count if k == axis else 1 for k in range(x.rank))), sliced(rw, x, axis, *ends))] if count else []


def _source(rw: Rewriter, size: Size, before: int, behind: int, mode: str) -> Term:
    """Which element each one of a padded axis is, whose size is known only when the model runs."""
    place, length = positions(rw, size + (before + behind)) - before, size_of(rw, size)
    if mode == "edge":
        return place.at_least(0).at_most(length - 1)
    if mode == "wrap":
        return place.apply(Mod(), length)
    again = 1 if mode == "symmetric" else 0  # whether elements at the ends are repeated
    period = (length * 2 - 2 * (1 - again)).at_least(1)
    turned = place.apply(Mod(), period)
    return turned.at_most(period - again - turned)


@RULES.on(DepthToSpace, SpaceToDepth)
def as_reshapes(rw: Rewriter, node: Node, op: DepthToSpace | SpaceToDepth) -> Value:
    """Reshape, Transpose, Reshape."""
    require(not op.channels_last, "{!r} is stored channels-last", node)
    x, result = node.input(0), node.output
    deep, wide = (x, result) if isinstance(op, DepthToSpace) else (result, x)
    shape, perm = blocked_form(op, x.shape[0], wide.shape[1], tuple(deep.shape[2:]))
    return rw.add(Reshape(result.shape), rw.add(Transpose(perm), rw.add(Reshape(shape), x)))
