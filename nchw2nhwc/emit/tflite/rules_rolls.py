"""Images that are rolled, as for attention in shifted windows: GATHER copies once what a SPLIT_V and a CONCATENATION copy twice.

XNNPACK takes neither SPLIT_V nor GATHER, so nothing is lost by it. What is put together out of windows and rolled back behind a layer,
which treats its rows alike, stays in the order of the windows for that layer; one GATHER brings its rows to where they belong.
"""

from __future__ import annotations

from math import prod

import numpy as np

from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Concat, Reshape, Split
from nchw2nhwc.ops.windowed import DepthToSpace
from nchw2nhwc.passes.match import array, op_of, producer, require, static_shape, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

ROLLS = RuleSet()

_ROW = 16
"""Elements that a GATHER has to copy at once to be faster."""


@ROLLS.on(Concat)
def rolled(rw: Rewriter, node: Node, op: Concat) -> Value:
    """All parts of a Split in another order."""
    parts = producer(node.input(0), Split)
    split, x = op_of(parts, Split), parts.input(0)
    require(split.axis == op.axis and len(node.inputs) == len(parts.outputs), "{!r} puts other parts together than {!r} makes", node, parts)
    require(x.type.dtype.name in KERNELS["GATHER"].types.split(), "no kernel gathers {!r}", x)
    require(prod(static_sizes(x, range(op.axis + 1, x.rank))) >= _ROW, "{!r} has short rows", x)
    starts = np.cumsum((0, *split.sizes))
    order = []
    for value in map(node.input, range(len(node.inputs))):
        rw.require_single_use(value)
        require(value.producer is parts, "{!r} is no part of {!r}", value, x)
        place = parts.outputs.index(value)
        order.append(np.arange(starts[place], starts[place + 1]))
    return rw.add(Gather(op.axis), x, rw.constant(np.concatenate(order).astype(np.int32)))


@ROLLS.on(Gather)
def rows_of_a_layer(rw: Rewriter, node: Node, op: Gather) -> Value:
    """Picks along both axes of the image that a fully connected layer makes: of its rows."""
    first = producer(node.input(0), Gather)
    layer = producer(first.input(0), FullyConnected)
    dense, before, shape = op_of(layer, FullyConnected), op_of(first, Gather), static_shape(layer.output)
    for value in (first.output, layer.output):
        rw.require_single_use(value)
    require(dense.keep_num_dims and (before.axis, op.axis) == (len(shape) - 3, len(shape) - 2), "{!r} picks along other axes", node)
    require(set(shape[:-3]) <= {1} and node.output.type == layer.output.type, "{!r} has several images, or picks some", node)
    rows, columns = (np.asarray(array(each.input(1)), np.int32) for each in (first, node))
    require(rows.ndim == columns.ndim == 1, "the indices of {!r} have other than one axis", node)
    flat = rw.add_for(layer, FullyConnected(False, dense.activation), *layer.inputs)
    return rw.add(Gather(0), flat, rw.constant((rows[:, None] * shape[-2] + columns).reshape(shape[:-1])))


@ROLLS.on(Gather)
def rows_out_of_blocks(rw: Rewriter, node: Node, op: Gather) -> Value:
    """Rows of a fully connected layer on an image that is put together of blocks, whose rows the layer treats alike."""
    layer = producer(node.input(0), FullyConnected)
    image = producer(layer.input(0), DepthToSpace)
    dense, blocks, x = op_of(layer, FullyConnected), op_of(image, DepthToSpace), image.input(0)
    require(op.axis == 0 and not dense.keep_num_dims and (blocks.mode, blocks.channels_last, x.rank) == ("DCR", True, 4),
            "{!r} picks no rows of an image", node)
    for value in (layer.output, image.output):
        rw.require_single_use(value)
    shape = static_shape(x)
    size, columns = blocks.block, shape[-1] // blocks.block**2
    require(columns == layer.input(1).shape[1], "{!r} has rows of another size", layer)
    order = np.arange(prod(shape) // columns, dtype=np.int32).reshape(*shape[:-1], size, size)
    order = np.moveaxis(order, 3, 2).reshape(-1)  # of all pixels in the image's order, the numbers that they have among the blocks
    flat = rw.add_for(layer, dense, rw.add_for(image, Reshape((len(order), columns)), x), *layer.inputs[1:])
    return rw.add(op, flat, rw.constant(order[array(node.input(1))]))
