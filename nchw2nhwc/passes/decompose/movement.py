"""Data movement: paddings that reflect more than once, and blocks between channels and space."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.movement import Pad, Reshape, Transpose
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth
from nchw2nhwc.passes.decompose.slices import Indices, picked
from nchw2nhwc.passes.match import require, static_sizes
from nchw2nhwc.passes.recognise.blocks import blocked_form
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()


@RULES.on(Pad)
def copied_elements(rw: Rewriter, node: Node, op: Pad) -> Value:
    """Padding by copies as constant positions along each padded axis."""
    require(op.mode != "constant", "{!r} pads with a constant", node)
    x = node.input(0)
    axes = [k for k in range(x.rank) if op.pads_begin[k] or op.pads_end[k]]
    require(bool(axes), "{!r} pads nothing", node)
    for axis, size in zip(axes, static_sizes(x, axes)):
        indices: Indices = np.pad(np.arange(size), (op.pads_begin[axis], op.pads_end[axis]), mode=op.mode)  # type: ignore[call-overload]
        x = picked(rw, x, axis, indices)
    return x


@RULES.on(DepthToSpace, SpaceToDepth)
def as_reshapes(rw: Rewriter, node: Node, op: DepthToSpace | SpaceToDepth) -> Value:
    """Reshape, Transpose, Reshape."""
    require(not op.channels_last, "{!r} is stored channels-last", node)
    x, result = node.input(0), node.output
    deep, wide = (x, result) if isinstance(op, DepthToSpace) else (result, x)
    shape, perm = blocked_form(op, x.shape[0], wide.shape[1], tuple(deep.shape[2:]))
    return rw.add(Reshape(result.shape), rw.add(Transpose(perm), rw.add(Reshape(shape), x)))
