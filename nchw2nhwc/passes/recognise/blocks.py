"""Depth-to-space and space-to-depth that are spelled as Reshape, Transpose, Reshape."""

from __future__ import annotations

from collections.abc import Sequence

from nchw2nhwc.ir.dim import Shape, Size, exact_div
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth
from nchw2nhwc.passes.match import Pattern, op_of, require
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

BLOCKS = RuleSet()


def blocked_form(op: DepthToSpace | SpaceToDepth, batch: Size, channels: Size, small: Shape) -> tuple[Shape, tuple[int, ...]]:
    """The shape between the two Reshapes and the permutation behind it; `channels` and `small` are those without blocks in the channels.

    (N, blocks..., C, S...) or (N, C, blocks..., S...) to (N, C, S1, block, S2, block, ...) and back.
    """
    rank = len(small)
    blocks = (op.block,) * rank
    if isinstance(op, DepthToSpace):
        shape = (batch, *blocks, channels, *small) if op.mode == "DCR" else (batch, channels, *blocks, *small)
        first_block, channel = (1, rank + 1) if op.mode == "DCR" else (2, 1)
        return shape, (0, channel, *(axis for k in range(rank) for axis in (rank + 2 + k, first_block + k)))
    shape = (batch, channels, *(size for s in small for size in (s, op.block)))
    block_axes, space_axes = tuple(range(3, 2 * rank + 3, 2)), tuple(range(2, 2 * rank + 2, 2))
    return shape, (0, *block_axes, 1, *space_axes) if op.mode == "DCR" else (0, 1, *block_axes, *space_axes)


def _without_ones(shape: Sequence[Size], perm: Sequence[int]) -> tuple[Shape, tuple[int, ...]]:
    """A shape and a permutation of its axes without those of size 1, which move nothing."""
    kept = [k for k, size in enumerate(shape) if size != 1]
    place = {axis: k for k, axis in enumerate(kept)}
    return tuple(shape[k] for k in kept), tuple(place[axis] for axis in perm if axis in place)


@BLOCKS.on(Reshape)
def from_reshapes(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """Reshape, Transpose, Reshape of one block size along all spatial axes."""
    pattern = Pattern(rw.graph, node)
    transpose = pattern.producer(node.input(0), Transpose)
    first = pattern.producer(transpose.input(0), Reshape)
    x, result = first.input(0), node.output
    require(x.rank == result.rank >= 3, "{!r} and {!r} differ in rank", x, result)
    if x.shape[0] != result.shape[0]:
        raise Mismatch("{!r} and {!r} differ in their first axis", x, result)
    grows = exact_div(x.shape[1], result.shape[1])
    deep, wide = (x, result) if isinstance(grows, int) and grows > 1 else (result, x)
    blocks = {exact_div(w, s) for w, s in zip(wide.shape[2:], deep.shape[2:])}
    block = blocks.pop()
    require(not blocks and isinstance(block, int) and block > 1, "{!r} and {!r} have no block size in common", x, result)
    assert isinstance(block, int)
    found = _without_ones(first.output.shape, op_of(transpose, Transpose).perm)
    for mode in ("DCR", "CRD"):
        candidate = DepthToSpace(block, mode) if deep is x else SpaceToDepth(block, mode)
        if _without_ones(*blocked_form(candidate, x.shape[0], wide.shape[1], deep.shape[2:])) == found:
            require(candidate.infer_types(x.type) == (result.type,), "{!r} has another shape", result)
            pattern.require_closed()
            return rw.add(candidate, x)
    raise Mismatch("{!r} moves axes in another order", transpose)
