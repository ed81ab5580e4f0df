"""Moves of blocks of an image, as attention in windows has them: SPACE_TO_DEPTH or DEPTH_TO_SPACE for what no TRANSPOSE of few axes does.

A window partition that goes on to the heads of attention moves 7 axes, more than XNNPACK and delegates take. The kernels for blocks copy
whole rows of a block, and what is left for a TRANSPOSE has few axes: both together are faster than the kernel for any number of axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.emit.tflite.model import DELEGATE_RANK
from nchw2nhwc.ir import Node, Shape, Size, Value, exact_div, product
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rank import moved, neighbours
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

BLOCKS = RuleSet()

Order = tuple[int, ...]
"""Axes of the operand that move, in another order."""


@dataclass(frozen=True)
class _Blocks:
    """Axes, the same ones in two orders: an image (lead, rows, columns, rest), whose rows and columns are blocks and what is in a block,
    and its blocks (lead, rows, columns, rows in a block, columns in a block, rest)."""

    lead: Order
    inner_rows: Order
    columns: Order
    inner_columns: Order
    rest: Order

    @property
    def deep(self) -> Order:
        """The axes as blocks."""
        return (*self.lead, *self.columns, *self.inner_rows, *self.inner_columns, *self.rest)

    def block(self, sizes: Sequence[Size]) -> int:
        """How many rows and columns a block has."""
        block = product(sizes[k] for k in self.inner_rows)
        assert isinstance(block, int), "blocks have a known size"
        return block

    def shape(self, sizes: Sequence[Size], like: Shape) -> Shape:
        """The image's shape, with the batch of `like` where that is a shape of it, else with all leading axes in its rows."""
        rows, columns, rest = (product(sizes[k] for k in axes) for axes in
                               (self.lead + self.inner_rows, self.columns + self.inner_columns, self.rest))
        fits = len(like) == 4 and like[2:] == (columns, rest) and exact_div(like[1], self.block(sizes)) is not None
        return like if fits else (1, rows, columns, rest)


def _images(order: Order, sizes: Sequence[Size]) -> Iterator[_Blocks]:
    """The ways to see axes in this order as an image."""
    for i, j, k, n in combinations(range(len(order)), 4):
        inner_rows, inner_columns = order[i:j], order[k:n]
        block = product(sizes[axis] for axis in inner_rows)
        if isinstance(block, int) and block == product(sizes[axis] for axis in inner_columns):
            yield _Blocks(order[:i], inner_rows, order[j:k], inner_columns, order[n:])


@BLOCKS.on(Transpose)
def out_of_blocks(rw: Rewriter, node: Node, op: Transpose) -> Value:
    """A Transpose of more axes than delegates take that has few of them once the blocks of an image have been taken apart."""
    x, before, after = _many_axes(node, op)
    image = min(_images(before, x.shape), key=lambda image: len(neighbours(image.deep, after)), default=None)
    if image is None or len(neighbours(image.deep, after)) > DELEGATE_RANK:
        raise Mismatch("blocks of an image do not help {!r}", node)
    view = x.producer
    like = view.input(0).shape if view is not None and isinstance(view.op, Reshape) else x.shape
    deep = rw.add(SpaceToDepth(image.block(x.shape), channels_last=True), rw.add(Reshape(image.shape(x.shape, like)), x))
    return rw.add(Reshape(node.output.shape), moved(rw, deep, image.deep, after, x.shape))


@BLOCKS.on(Transpose)
def into_blocks(rw: Rewriter, node: Node, op: Transpose) -> Value:
    """A Transpose of more axes than delegates take that has few of them if the blocks of an image are put together behind it."""
    x, before, after = _many_axes(node, op)
    image = min(_images(after, x.shape), key=lambda image: len(neighbours(before, image.deep)), default=None)
    if image is None or len(neighbours(before, image.deep)) > DELEGATE_RANK:
        raise Mismatch("blocks of an image do not help {!r}", node)
    like = next((user.output.shape for user in node.output.users if isinstance(user.op, Reshape)), node.output.shape)
    block, (batch, height, width, channels) = image.block(x.shape), image.shape(x.shape, like)
    small = [exact_div(size, block) for size in (height, width)]
    deep = rw.add(Reshape((batch, *(size for size in small if size is not None), channels * block * block)),
                  moved(rw, x, before, image.deep, x.shape))
    return rw.add(Reshape(node.output.shape), rw.add(DepthToSpace(block, channels_last=True), deep))


def _many_axes(node: Node, op: Transpose) -> tuple[Value, Order, Order]:
    """The operand, and its axes of more than one element before and after the move. Raises Mismatch for moves of few axes and elements that
    the kernels for blocks do not take."""
    x = node.input(0)
    after = tuple(axis for axis in op.perm if x.shape[axis] != 1)
    before = tuple(sorted(after))
    require(x.rank > DELEGATE_RANK and len(before) > 3 and 0 not in x.shape, "{!r} has few enough axes", node)
    require(x.type.dtype.name in KERNELS["SPACE_TO_DEPTH"].types.split(), "no kernel moves blocks of {!r}", x)
    return x, before, after


@BLOCKS.on(Transpose)
def side_by_side(rw: Rewriter, node: Node, op: Transpose) -> Value:
    """A Transpose of more axes than delegates take: those that stay side by side are merged, and those of one element go."""
    x = node.input(0)
    after = tuple(axis for axis in op.perm if x.shape[axis] != 1)
    require(x.rank > DELEGATE_RANK >= len(neighbours(tuple(sorted(after)), after)), "{!r} has few enough axes, or too many that move", node)
    return rw.add(Reshape(node.output.shape), moved(rw, x, tuple(sorted(after)), after, x.shape))
