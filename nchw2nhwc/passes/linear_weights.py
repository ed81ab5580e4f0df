"""The weights of convolutions and fully connected layers with scales folded into them."""

from __future__ import annotations

from math import prod

import numpy as np

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.passes.match import array
from nchw2nhwc.passes.rewrite import Rewriter

Linear = Conv | ConvTranspose | FullyConnected
_ROWS = 1 << 20
"""Elements of weights that are summed in double precision at a time."""


def _scaled(weights: Array, factor: Doubles) -> Array:
    """`weights * factor`, computed in double precision without a copy in double precision."""
    result: Array = np.empty(np.broadcast_shapes(weights.shape, factor.shape), weights.dtype)
    np.multiply(weights, factor, out=result, dtype=np.float64, casting="same_kind")
    return result


def out_channels(op: Linear, w: Value) -> int:
    """How many channels the result of a layer with these weights has."""
    shape = array(w).shape
    return shape[1] * op.groups if isinstance(op, ConvTranspose) else shape[0]


def in_channels(op: Linear, w: Value) -> int:
    """How many channels the operand has."""
    shape = array(w).shape
    return shape[0] if isinstance(op, ConvTranspose) else shape[1] * (op.groups if isinstance(op, Conv) else 1)


def scaled_results(op: Linear, weights: Array, scale: Doubles) -> Array:
    """Weights whose results are multiplied by `scale`, one number per result channel."""
    if isinstance(op, ConvTranspose):
        grouped = weights.reshape(op.groups, -1, *weights.shape[1:])
        return _scaled(grouped, scale.reshape(op.groups, 1, -1, *[1] * (weights.ndim - 2))).reshape(weights.shape)
    return _scaled(weights, scale.reshape(-1, *[1] * (weights.ndim - 1)))


def scaled_operand(op: Linear, weights: Array, scale: Doubles) -> Array:
    """Weights that multiply their operand by `scale`, one number per operand channel, themselves."""
    if isinstance(op, ConvTranspose):
        return _scaled(weights, scale.reshape(-1, *[1] * (weights.ndim - 1)))
    groups = 1 if isinstance(op, FullyConnected) else op.groups
    grouped = weights.reshape(groups, -1, *weights.shape[1:])
    return _scaled(grouped, scale.reshape(groups, 1, -1, *[1] * (weights.ndim - 2))).reshape(weights.shape)


def breaks_integers(rw: Rewriter, op: Linear, scale: Doubles | None) -> bool:
    """Whether weights that are to stay whole multiples of a step for each result channel would not, with these scales of their operands."""
    alone = isinstance(op, Conv) and scale is not None and op.groups == scale.size
    return rw.graph.keeps_integers and scale is not None and not alone and bool((scale != scale[0]).any())


def response(op: Conv | FullyConnected, weights: Array, shift: Doubles) -> Doubles:
    """What a constant operand, `shift` per channel, gives in each result channel."""
    groups = op.groups if isinstance(op, Conv) else 1
    rows = weights.reshape(groups, weights.shape[0] // groups, weights.shape[1], prod(weights.shape[2:]))
    per_group = shift.reshape(groups, -1)
    result: Doubles = np.zeros(rows.shape[:2])
    step = max(1, _ROWS // max(1, prod(rows.shape[2:])))
    for group in range(groups):
        for start in range(0, rows.shape[1], step):
            result[group, start:start + step] = rows[group, start:start + step].sum(-1, dtype=np.float64) @ per_group[group]
    return result.reshape(-1)
