"""The kernel of an LSTM over a sequence.

It keeps its states in variables, which hold their content from one run to the next one. Here operators write the initial states to these
variables in every run, so that a run does not depend on the ones before it. The cell state after the last step cannot be read, as nothing
says that a reader of the variable comes after the kernel.
"""

from __future__ import annotations

import numpy as np

from nchw2nhwc.emit.tflite.carriers import FLOAT32, INT32
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_movement import reshape, strided_slice
from nchw2nhwc.emit.tflite.lower_sizes import sizes_tensor
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.emit.tflite.recurrent_forms import FUNCTIONS, is_read
from nchw2nhwc.ir import Node
from nchw2nhwc.ops.recurrent import LSTM

_IFGO = (0, 2, 3, 1)
"""Where the gates of the kernel's operands are among ours."""

_IFO = (0, 2, 1)
"""Where the peepholes of the kernel's operands are among ours."""


def lstm(e: Emitter, node: Node, op: LSTM) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM, between two REVERSE_V2 for one that runs backwards."""
    x, y, axis = node.input(0), node.outputs[0], 1 if op.batch_first else 0
    data = e.of(x)
    if op.reverse:
        data = e.run("REVERSE_V2", [data, e.ints([axis])], FLOAT32, x.shape, options("ReverseV2Options"))
    w, r, b = ([e.weights(part) for part in np.split(np.asarray(node.input(k).const), op.bias_rows if k == 3 else 4)] for k in (1, 2, 3))
    none = [-1] * 3
    peepholes = [b[4 + k] for k in _IFO] if op.peepholes else none
    states = _initial(e, node)
    operands = [data, *(w[g] for g in _IFGO), *(r[g] for g in _IFGO), *peepholes, *(b[g] for g in _IFGO), *none[:2], *states]
    opts = options("UnidirectionalSequenceLSTMOptions", fusedActivationFunction=FUNCTIONS[op.activations], timeMajor=axis == 0)
    hidden = e.temp(FLOAT32, y.shape) if op.reverse or not is_read(e, y) else e.out(node, 0)
    e.op("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [hidden], opts)
    if is_read(e, node.outputs[1]):
        last = e.temp(FLOAT32, (*y.shape[:axis], 1, *y.shape[axis + 1:]))
        strided_slice(e, hidden, last, [-1 if k == axis else None for k in range(3)], [None] * 3, [1] * 3)
        reshape(e, last, e.out(node, 1), node.outputs[1].shape)
    if op.reverse and is_read(e, y):
        e.op("REVERSE_V2", [hidden, e.ints([axis])], [e.out(node, 0)], options("ReverseV2Options"))


def _initial(e: Emitter, node: Node) -> list[int]:
    """The variables of the states, after the operators that write their initial content."""
    batch, size = node.outputs[1].shape
    units = int(str(size))
    if len(node.inputs) == 4 and isinstance(batch, int):
        return [e.cleared(batch, units) for _ in range(2)]
    states = [e.variable(FLOAT32, (batch, units)) for _ in range(2)]
    if len(node.inputs) > 4:  # written by no operator whose result may share the memory of an operand, or that is computed only once
        for given, state in zip((node.input(4), node.input(5)), states):
            e.op("SPLIT_V", [e.of(given), e.ints([units]), e.const(1, INT32)], [state], options("SplitVOptions", numSplits=1))
        return states
    shape = (batch, 2 * units)
    zeros = e.run("BROADCAST_TO", [e.const(np.zeros((1, 1), np.float32)), sizes_tensor(e, shape)], FLOAT32, shape,
                  options("BroadcastToOptions"))
    e.op("SPLIT_V", [zeros, e.ints([units, units]), e.const(1, INT32)], states, options("SplitVOptions", numSplits=2))
    return states
