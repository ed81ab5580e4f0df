"""Rearrangements between channels, space and batch."""

from __future__ import annotations

from typing import Literal

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import Size, Value, exact_div, product
from nchw2nhwc.ops.movement import Pad, Slice, Transpose
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.common import axis_of, same
from nchw2nhwc.parse.openvino.registry import Results, mapping


@mapping("DepthToSpace", 1)
def depth_to_space(b: Builder, x: Value, *, mode: Literal["blocks_first", "depth_first"], block_size: int = 1) -> Results:
    """Blocks of channels become blocks of every spatial axis; "blocks_first" is DCR, "depth_first" CRD."""
    return b.add1(DepthToSpace(_block(block_size), "DCR" if mode == "blocks_first" else "CRD"), x)


@mapping("SpaceToDepth", 1)
def space_to_depth(b: Builder, x: Value, *, mode: Literal["blocks_first", "depth_first"], block_size: int = 1) -> Results:
    """The inverse of DepthToSpace."""
    return b.add1(SpaceToDepth(_block(block_size), "DCR" if mode == "blocks_first" else "CRD"), x)


def _block(size: int) -> int:
    if size < 1:
        raise SourceError(f"attribute 'block_size' is {size}; it must be at least 1")
    return size


@mapping("ShuffleChannels", 1)
def shuffle_channels(b: Builder, x: Value, *, axis: int = 1, group: int = 1) -> Results:
    """The axis as (group, rest) becomes (rest, group)."""
    along = axis_of(axis, x.rank)
    rest = exact_div(x.shape[along], group) if group >= 1 else None
    if rest is None:
        raise SourceError(f"axis {along} of {x.type} cannot be divided into {group} groups")
    apart = b.reshape(x, (*x.shape[:along], group, rest, *x.shape[along + 1:]))
    perm = tuple(along + 1 if k == along else along if k == along + 1 else k for k in range(apart.rank))
    return b.reshape(b.transpose(apart, perm), x.shape) if group > 1 else same(b, x)


@mapping("SpaceToBatch", 2)
def space_to_batch(b: Builder, x: Value, block_shape: Value, pads_begin: Value, pads_end: Value) -> Results:
    """Every axis but the batch is padded and divided into blocks; the positions in the blocks become leading parts of the batch axis."""
    blocks, begin, end = _per_axis(b, x, block_shape, pads_begin, pads_end)
    padded = b.add1(Pad(begin, end), x) if any((*begin, *end)) else x
    divided = [k for k in range(1, x.rank) if blocks[k] > 1]
    shape: list[Size] = []
    for k, size in enumerate(padded.shape):
        count = exact_div(size, blocks[k])
        if count is None:
            raise SourceError(f"axis {k} of {padded.type} cannot be divided into blocks of {blocks[k]}")
        shape += [count, blocks[k]] if k in divided else [size]
    insides = [k + 1 + divided.index(k) for k in divided]
    perm = (*insides, *(k for k in range(len(shape)) if k not in insides))
    batch = product(blocks) * x.shape[0]
    result = (batch, *(s for k, s in enumerate(shape) if k and k not in insides))
    if not divided:
        return same(b, x) if padded is x else padded
    return b.reshape(b.add1(Transpose(perm), b.reshape(padded, tuple(shape))), result)


@mapping("BatchToSpace", 2)
def batch_to_space(b: Builder, x: Value, block_shape: Value, crops_begin: Value, crops_end: Value) -> Results:
    """The inverse of SpaceToBatch; what was padding is cut off in the end."""
    blocks, begin, end = _per_axis(b, x, block_shape, crops_begin, crops_end)
    batch = exact_div(x.shape[0], product(blocks))
    if batch is None:
        raise SourceError(f"the batch of {x.type} cannot be divided into blocks {list(blocks)}")
    divided = [k for k in range(1, x.rank) if blocks[k] > 1]
    result = x
    if divided:
        apart = b.reshape(x, (*(blocks[k] for k in divided), batch, *x.shape[1:]))
        perm = [len(divided)]
        for k in range(1, x.rank):
            perm += [len(divided) + k, divided.index(k)] if k in divided else [len(divided) + k]
        result = b.reshape(b.add1(Transpose(tuple(perm)), apart), (batch, *(s * n for s, n in zip(x.shape[1:], blocks[1:]))))
    if any((*begin, *end)):
        stops = tuple(-e if e else None for e in end)
        result = b.add1(Slice(begin, stops, (1,) * x.rank), result)
    return same(b, x) if result is x else result


def _per_axis(b: Builder, x: Value, *operands: Value) -> tuple[Ints, Ints, Ints]:
    """Block sizes and the amounts before and after, one an axis. Raises SourceError."""
    blocks, begin, end = (b.ints(v, what) for v, what in zip(operands, ("the block shape", "the begins", "the ends")))
    if not len(blocks) == len(begin) == len(end) == x.rank or min((*begin, *end), default=0) < 0 or min(blocks, default=1) < 1:
        raise SourceError(f"blocks {list(blocks)}, begins {list(begin)} and ends {list(end)} do not fit {x.type}")
    if x.rank < 2 or (blocks[0], begin[0], end[0]) != (1, 0, 0):
        raise SourceError("the batch axis itself is divided, padded or cut")
    return blocks, begin, end
