"""The small number that normalisations add to a variance, without an addition.

What a mean has been subtracted from has a mean of 0, so that `mean(d^2) + epsilon = mean((d - sqrt(epsilon))^2)`: the cross term
`2 sqrt(epsilon) mean(d)` is 0, and what rounding leaves of `mean(d)` weighs at most as much as rounding the sum would, as
`2 sqrt(epsilon) |d| <= d^2 + epsilon`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Add, Mul, SquaredDifference, Sub
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.passes.match import constant_operand, is_float, op_of, producer, require, scalar
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet


def mean_subtracted(node: Node) -> tuple[int, ...]:
    """The axes along which a node subtracts from a value its own mean; none for any other node."""
    if not isinstance(node.op, Sub) or node.op.activation is not Activation.NONE:
        return ()
    x, mean = node.input(0), node.input(1).producer
    if mean is None or not isinstance(mean.op, ReduceMean) or mean.input(0) is not x or not mean.op.keepdims or not is_float(x):
        return ()
    return mean.op.axes


def variances(native: Callable[[Node], bool]) -> RuleSet:
    """The rules for a target that has the nodes that are `native`."""
    rules = RuleSet()

    @rules.on(Add)
    def shifted_square(rw: Rewriter, node: Node, op: Add) -> Value:
        """mean(d^2) + epsilon, where d is what its mean has been subtracted from."""
        value, number = constant_operand(node)
        mean = producer(value, ReduceMean)
        square = producer(mean.input(0), Mul)
        centred, epsilon = square.input(0), scalar(number)
        require(op.activation is Activation.NONE and value.type == node.output.type, "{!r} does more than add a number", node)
        require(square.input(1) is centred and op_of(square, Mul).activation is Activation.NONE, "{!r} is no square", square)
        for each in (value, square.output):
            rw.require_single_use(each)
        axes = () if centred.producer is None else mean_subtracted(centred.producer)
        require(bool(axes) and set(axes) == set(op_of(mean, ReduceMean).axes), "{!r} may have a mean", centred)
        require(epsilon > 0, "{!r} adds nothing", node)
        shifted = rw.add(SquaredDifference(), centred, rw.scalar(sqrt(epsilon), centred))
        require(shifted.producer is not None and native(shifted.producer), "the target has no squared differences")
        return rw.add(mean.op, shifted)

    return rules
