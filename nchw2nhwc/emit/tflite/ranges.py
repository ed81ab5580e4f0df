"""Which values are never negative, by what computes them."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir import Value
from nchw2nhwc.ops import activation_functions as act
from nchw2nhwc.ops import binary, elementwise, movement, reduce
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.indexing import Gather, TopK
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.quantized import Dequantize, QuantizeDequantize
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.selection import Compress, NonMaxSuppression
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace, SpaceToDepth

_DEPTH = 32
"""Values further back are not looked at."""

_ALWAYS = (act.Relu, act.Sigmoid, elementwise.Exp, elementwise.Sqrt, elementwise.Abs, act.Softplus,
           act.HardSigmoid, reduce.Softmax)
_KEEPS = (movement.Reshape, movement.Transpose, movement.Slice, movement.Split, movement.Concat, movement.Expand, movement.Tile, MaxPool,
          AvgPool, DepthToSpace, SpaceToDepth, elementwise.Identity, elementwise.Floor, elementwise.Ceil, QuantizeDequantize, binary.Add,
          binary.Mul, binary.Div, binary.Minimum, reduce.ReduceMean, reduce.ReduceSum, reduce.ReduceMax, reduce.ReduceMin)
"""Ops whose results are not negative if none of their operands is."""


def is_never_negative(value: Value, depth: int = _DEPTH) -> bool:
    """Whether every element is known to be at least 0 (NaN aside) and of a floating point type."""
    if kind_of(value.type.dtype) != "floating point" or depth == 0:
        return False
    if value.const is not None:
        return bool(np.min(np.asarray(value.const, np.float32), initial=0) >= 0)
    node = value.producer
    if node is None:
        return False
    op = node.op
    if isinstance(op, (binary.Arithmetic, Conv, ConvTranspose, MaxPool, AvgPool)) and op.activation in (Activation.RELU, Activation.RELU6):
        return True
    if isinstance(op, (QuantizeDequantize, Dequantize)) and op.grid.min >= 0:
        return True
    if isinstance(op, act.Clip):
        return op.min is not None and op.min >= 0
    if isinstance(op, binary.Maximum):
        return any(is_never_negative(node.input(k), depth - 1) for k in range(2))
    if isinstance(op, Gather):
        return is_never_negative(node.input(0), depth - 1)
    if isinstance(op, _ALWAYS) or (isinstance(op, binary.Mul) and node.input(0) is node.input(1)):
        return True
    padded = isinstance(op, movement.Pad) and op.value >= 0
    resized = isinstance(op, Resize) and op.mode in ("nearest", "linear") and op.roi is None
    return (padded or resized or isinstance(op, _KEEPS)) and all(v is None or is_never_negative(v, depth - 1) for v in node.inputs)


_CARRIES = (elementwise.Cast, elementwise.Identity, movement.Reshape, movement.Transpose, movement.Slice, movement.Split, movement.Concat,
            movement.Expand, movement.Tile)
"""Ops that give elements of their operands on; integers keep their values."""


def are_positions(value: Value, depth: int = _DEPTH) -> bool:
    """Whether every element is an integer that is known to be at least 0: a position that was found, or counted."""
    if value.type.dtype.kind not in "iu" or depth == 0:
        return False
    if value.const is not None:
        return int(np.min(value.const.astype(np.int64), initial=0)) >= 0
    node = value.producer
    if node is None:
        return False
    if isinstance(node.op, TopK):
        return value is node.outputs[1]
    if isinstance(node.op, (NonMaxSuppression, reduce.ArgMax, reduce.ArgMin)):
        return True
    if isinstance(node.op, (Compress, Gather)):
        return are_positions(node.input(0), depth - 1)
    return isinstance(node.op, _CARRIES) and all(v is None or are_positions(v, depth - 1) for v in node.inputs)
