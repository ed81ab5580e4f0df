"""Means that are subtracted for their variance alone, as the layers behind a normalisation ignore them.

`(x - mean(x)) * r` before layers with weights W is `x * r` before layers with weights `W - mean(W)`, along the same axis. The squared
difference of x and its mean, for the variance, is one op.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Mul, SquaredDifference
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.along_axis import ALONG, axis_after, data_of
from nchw2nhwc.passes.centred import subtracts_mean, without_mean
from nchw2nhwc.passes.match import array, op_of, producer, require
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet


@dataclass
class _Reach:
    """What movements make of a value, and the layers that read that."""

    values: dict[int, tuple[Value, int]] = field(default_factory=dict)
    layers: dict[Node, None] = field(default_factory=dict)


def _reach(rw: Rewriter, start: Value, axis: int) -> _Reach:
    """Follow an axis to the layers that take it as their channels. Raises Mismatch where anything else reads it."""
    found, pending, joints = _Reach(), [(start, axis)], dict[Node, None]()
    while pending:
        value, along = pending.pop()
        if id(value) in found.values:
            continue
        found.values[id(value)] = value, along
        require(not rw.graph.is_output(value), "{!r} is an output", value)
        for node in value.users:
            if _takes(node, value, along):
                found.layers[node] = None
                continue
            after = axis_after(node, along) if isinstance(node.op, ALONG) and any(v is value for v in data_of(node)) else None
            if after is None:
                raise Mismatch("{!r} needs {!r} as it is", node, value)
            joints[node] = None
            pending += [(v, after) for v in node.outputs]
    for node in joints:
        require(all(id(v) in found.values for v in data_of(node)), "{!r} puts it together with something else", node)
    return found


def _takes(node: Node, value: Value, axis: int) -> bool:
    """Whether a node is a layer with constant weights whose channels are along the axis."""
    op = node.op
    if not isinstance(op, (Conv, FullyConnected)) or node.input(0) is not value or not node.input(1).is_const:
        return False
    if isinstance(op, FullyConnected):
        return op.keep_num_dims and axis == value.rank - 1
    return op.groups == 1 and not op.channels_last and axis == 1


def uncentred(native: Callable[[Node], bool]) -> RuleSet:
    """The rules for a target that has the nodes that are `native`."""
    rules = RuleSet()

    @rules.on(Mul)
    def variance_alone(rw: Rewriter, node: Node, op: Mul) -> Value:
        """The square of what its mean has been subtracted from."""
        centred = node.input(0)
        require(centred is node.input(1) and op.activation is Activation.NONE, "{!r} is no square", node)
        sub = producer(centred)
        axis = subtracts_mean(sub)
        if axis is None:
            raise Mismatch("{!r} subtracts no mean", sub)
        require(not rw.graph.is_output(centred), "{!r} is an output", centred)
        scaled = [user for user in centred.users if user is not node]
        reached = [_reach(rw, _scaled(user, centred, axis), axis) for user in scaled]
        square = rw.add(SquaredDifference(), sub.input(0), sub.input(1))
        require(square.producer is not None and native(square.producer), "the target has no squared differences")
        for user, reach in zip(scaled, reached):
            user.set_inputs([sub.input(0) if v is centred else v for v in user.inputs])
            for layer in reach.layers:
                weights = array(layer.input(1))
                layer.set_input(1, rw.graph.constant(without_mean(weights, 1), layer.input(1).name))
            for value, _ in reach.values.values():
                value.origin = ""
        return square

    return rules


def _scaled(user: Node, centred: Value, axis: int) -> Value:
    """The product of a centred value and a factor that is the same along the axis."""
    op_of(user, Mul)
    a, b = user.input(0), user.input(1)
    factor = b if a is centred else a
    along = axis - centred.rank + factor.rank
    require(factor is not centred and (along < 0 or factor.shape[along] == 1), "{!r} is no scaling along axis {}", user, axis)
    require(user.output.rank == centred.rank, "{!r} has more axes", user)
    return user.output
