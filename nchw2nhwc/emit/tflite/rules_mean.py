"""A mean and a number added to it, as normalisations have it for their variance: one FULLY_CONNECTED with that number as its bias."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.reduce import ReduceMean
from nchw2nhwc.passes.match import constant_operand, op_of, producer, require, scalar, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

MEANS = RuleSet()


@MEANS.on(Add)
def shifted_mean(rw: Rewriter, node: Node, op: Add) -> Value:
    """mean(x) + number, along the last axis."""
    value, number = constant_operand(node)
    mean = producer(value, ReduceMean)
    rw.require_single_use(value)
    x, reduction = mean.input(0), op_of(mean, ReduceMean)
    require(op.activation is Activation.NONE and value.type == node.output.type, "{!r} does more than add a number", node)
    require(reduction.keepdims and reduction.axes == (x.rank - 1,) and x.rank > 1, "{!r} is not along the last axis", mean)
    require(x.type.dtype == np.float32 and number.shape.count(1) == number.rank, "{!r} does not add a number to float32", node)
    (size,) = static_sizes(x, (x.rank - 1,))
    weights = rw.constant(np.full((1, size), 1 / size), x.type.dtype)
    return rw.add(FullyConnected(), x, weights, rw.constant(np.full(1, scalar(number)), x.type.dtype))
