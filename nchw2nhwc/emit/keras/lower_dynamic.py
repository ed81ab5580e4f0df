"""Lowerings of ops whose result has sizes that are known only when the model runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lower_movement import expanded, reshape
from nchw2nhwc.emit.keras.lowering import ANY, lowering, taking
from nchw2nhwc.emit.keras.sizes import counted, line_of, size_vector
from nchw2nhwc.ir import Dim, Node
from nchw2nhwc.ops.dynamic import DynamicBroadcast, DynamicIota, DynamicReshape
from nchw2nhwc.ops.sizes import Sizes

if TYPE_CHECKING:
    from keras import KerasTensor


@lowering(Sizes)
def sizes(e: Emitter, node: Node, op: Sizes) -> None:
    """What `sizes.size_vector` makes."""
    vector = size_vector(e, op.sizes)
    e.set(node, vector if op.dtype == np.int32 else e.op(ops.cast, vector, op.dtype.name))


@lowering(DynamicIota)
def iota(e: Emitter, node: Node, op: DynamicIota) -> None:
    """The positions along a line."""
    limit = e.op(ops.maximum, e.op(ops.cast, e.of(node.input(0)), "int32", part="limit"), 0, part="count")
    e.set(node, e.op(ops.cast, counted(e, line_of(e, limit)), "int64"))


@lowering(DynamicReshape, taking(ANY))
def dynamic_reshape(e: Emitter, node: Node, op: DynamicReshape) -> None:
    """As a reshape to sizes that tensors show."""
    _learn(e, node, op)
    e.set(node, reshape(e, e.of(node.input(0)), node.input(0).shape, op.shape))


@lowering(DynamicBroadcast, taking(ANY))
def dynamic_broadcast(e: Emitter, node: Node, op: DynamicBroadcast) -> None:
    """As an expansion to sizes that tensors show."""
    _learn(e, node, op)
    e.set(node, expanded(e, e.of(node.input(0)), node.input(0).shape, op.shape))


def _learn(e: Emitter, node: Node, op: DynamicReshape | DynamicBroadcast) -> None:
    """The sizes that operand 1 holds."""
    for axis, size in enumerate(op.shape):
        if isinstance(size, Dim) and size not in e.numbers and size not in e.shown:
            e.numbers[size] = e.op(ops.cast, _element(e, e.of(node.input(1)), axis), "int32", part="size")


def _element(e: Emitter, x: KerasTensor, index: int) -> KerasTensor:
    return e.op(lambda t: t[index], x, part="element")
