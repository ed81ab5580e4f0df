"""Lowerings of matrix products."""

from __future__ import annotations

from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_binary import FUSED, refused_activation
from nchw2nhwc.emit.tflite.lower_elementwise import kernel
from nchw2nhwc.emit.tflite.lower_sums import integer_bias, integer_data, integer_weights, wide_options
from nchw2nhwc.emit.tflite.lower_windowed import constant
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.ir import Node
from nchw2nhwc.ops.matmul import FullyConnected, MatMul


@lowering(MatMul, kernel("BATCH_MATMUL"))
def matmul(e: Emitter, node: Node, op: MatMul) -> None:
    """BATCH_MATMUL."""
    e.op("BATCH_MATMUL", e.operands(node), [e.out(node)], options("BatchMatMulOptions", adjX=op.adjoint_a, adjY=op.adjoint_b))


@lowering(FullyConnected, lambda node, op: refused_activation(node, op.activation) or kernel("FULLY_CONNECTED")(node, op))
def fully_connected(e: Emitter, node: Node, op: FullyConnected) -> None:
    """FULLY_CONNECTED."""
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    keep = op.keep_num_dims and node.input(0).rank != 2
    opts = options("FullyConnectedOptions", fusedActivationFunction=FUSED[op.activation], keepNumDims=keep,
                   **wide_options(e, node))
    if e.integer:
        weights, whole = integer_weights(e, node, constant(node.input(1))), integer_bias(e, node, None if bias is None else bias.const)
        operands = [integer_data(e, node), weights, whole]
    else:
        operands = [e.of(node.input(0)), e.of(node.input(1)), -1 if bias is None else e.of(bias)]
    e.op("FULLY_CONNECTED", operands, [e.out(node)], opts)
