"""Patches of an image that are put together out of strided slices: SPACE_TO_DEPTH, and a layer behind whose weights follow its order.

Between both there may be a normalisation along the channels, which does not depend on their order.
"""

from __future__ import annotations

import numpy as np

from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops.binary import Binary
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Concat, Slice
from nchw2nhwc.ops.reduce import Reduce
from nchw2nhwc.ops.windowed import SpaceToDepth
from nchw2nhwc.passes.match import array, op_of, producer, require, static_shape
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

MERGING = RuleSet()

_IMAGE = 4
"""Axes of a batch of images."""


@MERGING.on(Concat)
def patches(rw: Rewriter, node: Node, op: Concat) -> Value:
    """Every pixel of each block, one behind the other along the channels, in any order."""
    block = round(len(node.inputs) ** 0.5)
    parts = [node.input(k) for k in range(len(node.inputs))]
    require(op.axis == node.output.rank - 1 == _IMAGE - 1 and block > 1 and block * block == len(parts), "{!r} makes no patches", node)
    x, places = producer(parts[0], Slice).input(0), [_place(rw, value, block) for value in parts]
    require(all(producer(value).input(0) is x for value in parts), "{!r} takes several images apart", node)
    _, height, width, channels = static_shape(x)
    require(height % block == 0 == width % block and sorted(places) == list(range(len(places))), "{!r} leaves out some pixels", node)
    require(x.type.dtype.name in KERNELS["SPACE_TO_DEPTH"].types.split(), "no kernel takes {!r} apart", x)
    deep = rw.add(SpaceToDepth(block, channels_last=True), x)
    if places != sorted(places):
        order = (np.array(places)[:, None] * channels + np.arange(channels)).reshape(-1)
        inside, layers = _behind(rw, node.output)
        for value in inside:
            value.origin = ""  # it has the source's channels in another order
        for layer in layers:
            weights = array(layer.input(1))
            followed = np.empty_like(weights)
            followed[:, order] = weights
            layer.set_input(1, rw.constant(followed))
    return deep


def _place(rw: Rewriter, value: Value, block: int) -> int:
    """The number, among those of a block, of the pixels that a Slice takes."""
    rw.require_single_use(value)
    op = op_of(producer(value, Slice), Slice)
    rows, columns = (start or 0 for start in op.starts[1:3])
    if not isinstance(rows, int) or not isinstance(columns, int) or not (0 <= rows < block and 0 <= columns < block):
        raise Mismatch("{!r} does not start in the first block", value)
    require(op.steps == (1, block, block, 1) and op.starts[0] is op.starts[3] is None and set(op.stops) == {None},
            "{!r} does not take one pixel of each block", value)
    return rows * block + columns


def _behind(rw: Rewriter, first: Value) -> tuple[list[Value], list[Node]]:
    """Values with the channels of one, and the fully connected layers that read them, when nothing else depends on the channels' order."""
    inside, layers, last = [first], dict[Node, None](), first.rank - 1
    for value in inside:
        require(not rw.graph.is_output(value), "{!r} is read outside", value)
        for user in value.users:
            if isinstance(user.op, FullyConnected):
                require(user.input(0) is value and user.input(1).is_const, "{!r} has computed weights", user)
                layers[user] = None
            elif isinstance(user.op, Reduce):
                require(user.op.axes == (last,) and user.op.keepdims, "{!r} reduces other axes", user)
            else:
                require(isinstance(user.op, (Unary, Binary)) and user.output.rank == value.rank, "{!r} may depend on the order", user)
                inside += [user.output] if all(user.output is not each for each in inside) else []
    held = {id(value) for value in inside}
    for node in (value.producer for value in inside[1:]):
        others = [v for v in (node.inputs if node is not None else ()) if v is not None and id(v) not in held]
        require(all(v.rank == 0 or v.shape[-1] == 1 for v in others), "{!r} combines it with channels in their own order", node)
    return inside, list(layers)
