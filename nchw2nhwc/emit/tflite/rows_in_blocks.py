"""Pixels in the order of blocks, where most of what surrounds ops on pixels wants or has them so: attention within or between patches.

Such ops treat each pixel by itself, so that they may take pixels in any order. SPACE_TO_DEPTH before each attention and DEPTH_TO_SPACE
behind it become one of each around all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod

from nchw2nhwc.emit.tflite.regions import ROWS, Region, regions, shape_of
from nchw2nhwc.ir import Graph, Node, Value
from nchw2nhwc.ops.binary import Binary
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth
from nchw2nhwc.passes import Pass

PASS = "rows_in_blocks"
_IMAGE = 4
"""Axes of a batch of images."""


def _block_before(value: Value) -> int:
    """The size of the blocks that a value is put together from; 0: none."""
    op = value.producer.op if value.producer is not None else None
    return op.block if isinstance(op, DepthToSpace) and op == DepthToSpace(op.block, channels_last=True) else 0


def _block_behind(node: Node) -> int:
    """The size of the blocks that a node takes a value apart into; 0: none."""
    return node.op.block if isinstance(node.op, SpaceToDepth) and node.op == SpaceToDepth(node.op.block, channels_last=True) else 0


def _entering(region: Region) -> list[Value]:
    return list({id(value): value for value, _ in region.entering()}.values())


def _readers(region: Region, value: Value) -> list[Node]:
    """The nodes outside that read a value."""
    return [user for user in value.users if user not in region.inside]


def _ends(region: Region) -> Iterator[int]:
    """The size of the blocks of each value that comes from outside and of each reader outside; readers that have none count as one."""
    for value in _entering(region):
        yield _block_before(value)
    for value in region.leaving():
        blocks = [_block_behind(user) for user in _readers(region, value)]
        yield from filter(None, blocks)
        if region.graph.is_output(value) or 0 in blocks:
            yield 0


def _is_of_images(region: Region) -> bool:
    """Whether pixels of equally many images are all that passes the border of a region, and no constant in it tells them apart."""
    border = [*_entering(region), *region.leaving()]
    constants = [v for node in region.nodes if isinstance(node.op, Binary) for v in node.inputs if v is not None and v.is_const]
    return ({v.rank for v in border} == {_IMAGE} and len({region.batch(v) for v in border}) == 1
            and not any(map(region.splits, region.nodes)) and all(prod(shape_of(v)[:-1]) == 1 for v in constants))


def _best_block(region: Region) -> int:
    """The size of the blocks that more than half of the ends of a region have; 0: none."""
    ends = Counter(_ends(region))
    block, count = max(ends.items(), key=lambda item: item[1], default=(0, 0))
    return block if block and 2 * count > ends.total() and _is_of_images(region) else 0


def _reorder(region: Region, block: int) -> None:
    """Let the pixels of a region be in the order of its blocks."""
    graph = region.graph
    outside = [(value, value.origin, _readers(region, value)) for value in region.leaving()]
    for value in _entering(region):
        first, maker = next(node for node in region.nodes if value in node.inputs), value.producer
        deep = (maker.input(0) if maker is not None and _block_before(value) == block
                else graph.add1(SpaceToDepth(block, channels_last=True), (value,), origin=first.origin.through(PASS), before=first))
        rows = graph.add1(Reshape(value.shape), (deep,), origin=first.origin.through(PASS), before=first)
        for node, k in value.uses:
            if node in region.inside:
                node.set_input(k, rows)
    for value in region.made.values():
        value.origin = ""  # it has the source's pixels in another order
    for value, origin, readers in outside:
        _leave(graph, value, origin, readers, block)


def _leave(graph: Graph, value: Value, origin: str, readers: list[Node], block: int) -> None:
    """Let what reads a value, whose pixels are in the order of blocks, have them as before."""
    maker = value.producer
    assert maker is not None, "a value that is made in a region"
    behind = graph.nodes.index(maker) + 1
    after = graph.nodes[behind] if behind < len(graph.nodes) else None
    batch, height, width, channels = shape_of(value)
    deep = graph.add1(Reshape((batch, height // block, width // block, channels * block * block)), (value,),
                      origin=maker.origin.through(PASS), before=after)
    for user in readers:
        if _block_behind(user) == block:
            graph.replace_uses(user.output, deep)
    others = [(user, k) for user, k in value.uses if user in readers and _block_behind(user) != block]
    if others or graph.is_output(value):
        image = graph.add1(DepthToSpace(block, channels_last=True), (deep,), origin=maker.origin.through(PASS), before=after)
        image.origin = origin
        for user, k in others:
            user.set_input(k, image)
        graph.outputs = [image if v is value else v for v in graph.outputs]


def _order(graph: Graph) -> int:
    count = 0
    for region in regions(graph, ROWS):
        block = _best_block(region)
        if block:
            _reorder(region, block)
            count += 1
    if count:
        graph.prune()
    return count


ROWS_IN_BLOCKS = Pass(PASS, _order)
"""Pixels that blocks are mostly made of, or taken to, are in the order of the blocks."""
