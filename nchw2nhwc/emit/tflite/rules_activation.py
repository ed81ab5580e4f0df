"""Activations become part of the operator before them, where TFLite's kernels apply them to what they compute."""

from __future__ import annotations

from dataclasses import replace

from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.binary import Arithmetic
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.passes.match import producer, require, require_float
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

ACTIVATION = RuleSet()

_FUSING = (Conv, ConvTranspose, FullyConnected, Arithmetic, MaxPool, AvgPool)
_CLIPS = {(0.0, None): Activation.RELU, (0.0, float("inf")): Activation.RELU, (0.0, 6.0): Activation.RELU6,
          (-1.0, 1.0): Activation.RELU_N1_TO_1}


def _fused(rw: Rewriter, value: Value, activation: Activation) -> Value:
    """`value` with `activation` applied by the operator that makes it. Raises Mismatch when that cannot, or others read it without."""
    first = producer(value, *_FUSING)
    op = first.op
    assert isinstance(op, _FUSING)
    require(op.activation is Activation.NONE, "{!r} has an activation", first)
    require_float(value)
    rw.require_single_use(value)
    result = rw.add(replace(op, activation=activation), *first.inputs)
    assert result.producer is not None
    result.producer.origin = first.origin.through(rw.name)
    return result


@ACTIVATION.on(Relu)
def relu(rw: Rewriter, node: Node, op: Relu) -> Value:
    """max(x, 0)."""
    return _fused(rw, node.input(0), Activation.RELU)


@ACTIVATION.on(Clip)
def clip(rw: Rewriter, node: Node, op: Clip) -> Value:
    """Both bounds if they are those of an activation; else a lower bound of 0 by itself."""
    bounds = (op.min, op.max)
    if bounds in _CLIPS:
        return _fused(rw, node.input(0), _CLIPS[bounds])
    require(op.min == 0, "{!r} has no lower bound of 0", node)
    return rw.add(replace(op, min=None), _fused(rw, node.input(0), Activation.RELU))
