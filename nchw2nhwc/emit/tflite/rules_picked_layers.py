"""Layers on one tensor of whose results single numbers are picked, as relative positions along rows and along columns are: one layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.ir import Array, Node, Value
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.passes.joint import is_quantized, joint_layer
from nchw2nhwc.passes.match import array, require, static_shape
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

PICKED_LAYERS = RuleSet()


@dataclass(frozen=True)
class _Picked:
    """A Gather of constant `places` in the rows of a layer's result, seen as `count` rows."""

    layer: Node
    gather: Node
    count: int
    places: Array

    @property
    def columns(self) -> int:
        """The results of the layer for each of its own rows."""
        return static_shape(self.layer.output)[-1]

    def among(self, columns: int, first: int) -> Array:
        """The places where a row of the layer has so many columns, of which these start at `first`."""
        row, column = np.divmod(self.places, self.columns)
        return np.asarray(row * columns + first + column, np.int32)


@PICKED_LAYERS.on(FullyConnected)
def picked_together(rw: Rewriter, node: Node, op: FullyConnected) -> Value:
    """Layers on one value whose results are seen as equally many rows."""
    x = node.input(0)
    require(not is_quantized(x), "{!r} is computed with integers, whose grids may differ", node)
    mine = _picked(rw, node)
    alike = [mine, *(found for user in x.users if user is not node and (found := _like(rw, user, mine)) is not None)]
    require(len(alike) > 1, "no other layer is read like {!r}", node)
    require(all(rw.comes_later(each.gather) for each in alike), "what is picked of {!r} has been visited", node)
    joint, columns = joint_layer(rw, [each.layer for each in alike]), sum(each.columns for each in alike)
    rows = rw.add(Reshape((mine.count, static_shape(mine.gather.input(0))[1] // mine.columns * columns)), joint)
    first = 0
    for each in alike:
        rw.replace(each.gather, [rw.add_for(each.gather, Gather(1), rows, rw.constant(each.among(columns, first)))])
        first += each.columns
    return node.output


def _picked(rw: Rewriter, layer: Node) -> _Picked:
    """What alone reads a layer with constant parameters. Raises Mismatch where that is no Gather of a few rows."""
    require(all(v is None or v.is_const for v in layer.inputs[1:]), "{!r} has computed parameters", layer)
    rw.require_single_use(layer.output)
    (view,) = layer.output.users
    require(isinstance(view.op, Reshape) and view.outputs[0].rank == 2, "{!r} is not seen as rows", layer)
    rw.require_single_use(view.output)
    (gather,) = view.output.users
    require(gather.op == Gather(1), "nothing is picked of {!r}", layer)
    count, size = static_shape(view.output)
    require(size % static_shape(layer.output)[-1] == 0, "{!r} divides rows of {!r}", view, layer)
    return _Picked(layer, gather, count, np.asarray(array(gather.input(1)) % size))


def _like(rw: Rewriter, user: Node, first: _Picked) -> _Picked | None:
    """What is picked of another layer, if that is done like with the first one."""
    if user.op != first.layer.op or user.input(0) is not first.layer.input(0):
        return None
    try:
        other = _picked(rw, user)
    except Mismatch:
        return None
    return other if other.count == first.count else None
