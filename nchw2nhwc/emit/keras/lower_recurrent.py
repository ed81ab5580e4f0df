"""Lowerings of recurrent layers."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING

import numpy as np
from keras import layers, ops

from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lower_movement import reshape
from nchw2nhwc.emit.keras.lowering import FLOAT, lowering, taking
from nchw2nhwc.ir import Array, Node, Shape
from nchw2nhwc.ops import activation_functions as act
from nchw2nhwc.ops import elementwise
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.recurrent import GRU, LSTM, RNN, Recurrent
from nchw2nhwc.passes.decompose.recurrent import UNKNOWN_STEPS

if TYPE_CHECKING:
    from keras import KerasTensor

_PLAIN: dict[type[Unary], str] = {act.Sigmoid: "sigmoid", elementwise.Tanh: "tanh", act.Relu: "relu",
                                  act.Softsign: "softsign", act.Softplus: "softplus"}
_ADJUSTED: dict[Unary, str] = {act.HardSigmoid(1 / 6, 0.5): "hard_sigmoid", act.LeakyRelu(0.2): "leaky_relu",
                               act.Elu(1.0): "elu"}
"""Activations of which Keras has the form with these parameters."""

IFGO = (0, 2, 3, 1)
"""Where the gates of a Keras LSTM are among ours."""


def _activation(op: Unary) -> str:
    """Keras' name of an activation; "" if it has none."""
    for known, name in _ADJUSTED.items():
        if type(op) is type(known) and all(isclose(getattr(op, f), v, rel_tol=1e-6) for f, v in vars(known).items()):
            return name
    return _PLAIN.get(type(op), "")


def _refused(node: Node, op: Recurrent) -> str:
    strange = [a for a in op.activations if not _activation(a)]
    if op.form == "unroll" and not isinstance(op.steps(node.input(0).type), int):
        return UNKNOWN_STEPS
    if any(node.input(k).const is None for k in (1, 2, 3)):
        return "the weights of a recurrent layer are computed"
    if op.clip is not None:
        return f"the {op.name} layer of Keras has no limits for its gates"
    if strange:
        return f"the {op.name} layer of Keras has no activation {strange[0]}"
    if isinstance(op, LSTM) and op.input_forget:
        return "the LSTM layer of Keras has no coupled gates"
    if isinstance(op, LSTM) and op.peepholes:
        return "the LSTM layer of Keras has no peepholes"
    if isinstance(op, LSTM) and _activation(op.activations[1]) != _activation(op.activations[2]):
        return "the LSTM layer of Keras has one activation for the new content of a cell and for its output"
    return taking(FLOAT)(node, op)


def _by_gate(weights: Array, order: tuple[int, ...]) -> Array:
    """Weights or biases with the gates along axis 0 in this order."""
    parts = np.split(weights, len(order))
    return np.concatenate([parts[k] for k in order])


def _weights(node: Node, op: Recurrent) -> list[Array]:
    """The kernel, the recurrent kernel and the biases as the layer has them. A GRU's biases of x and of the state are apart where the reset
    gate comes after the product."""
    w, r, b = (np.asarray(node.input(k).const) for k in (1, 2, 3))
    order = IFGO if isinstance(op, LSTM) else tuple(range(op.gates))
    bias = _by_gate(b, (*order, *range(op.gates, op.bias_rows)))
    if isinstance(op, GRU) and op.linear_before_reset:
        units = r.shape[1]
        bias = np.stack([b[:3 * units], np.concatenate([np.zeros(2 * units, b.dtype), b[3 * units:]])])
    return [_by_gate(w, order).T, _by_gate(r, order).T, bias]


def _layer(e: Emitter, node: Node, op: Recurrent) -> layers.Layer:
    """The Keras layer, which returns the states, and the sequence where it is read."""
    names = [_activation(a) for a in op.activations]
    common = {"units": node.input(2).shape[1], "activation": names[-1], "return_sequences": e.is_read(node.outputs[0]),
              "return_state": True, "go_backwards": op.reverse, "unroll": op.form == "unroll", "name": e.name()}
    if isinstance(op, RNN):
        return layers.SimpleRNN(**common)
    if isinstance(op, GRU):
        return layers.GRU(recurrent_activation=names[0], reset_after=op.linear_before_reset, **common)
    return layers.LSTM(recurrent_activation=names[0], **common)


def recurrent(e: Emitter, node: Node, op: Recurrent) -> None:
    """LSTM, GRU or SimpleRNN, which have the batch first, and return the hidden states in the order in which they were made."""
    data = e.of(node.input(0))
    layer = _layer(e, node, op)
    if not op.batch_first:
        data = _swapped(e, data, node.input(0).shape, "batch_first")
    initial = [e.of(node.input(k)) for k in range(4, len(node.inputs))]
    y, *states = layer(data, initial_state=initial) if initial else layer(data)
    layer.set_weights([np.asarray(w, np.float32) for w in _weights(node, op)])
    e.set(node, _in_order(e, node, y, op) if e.is_read(node.outputs[0]) else None, *states)


def _in_order(e: Emitter, node: Node, y: KerasTensor, op: Recurrent) -> KerasTensor:
    """The sequence of hidden states with its steps and axes as the op has them."""
    if op.reverse:
        y = e.op(ops.flip, y, axis=1, part="in_order")
    steps, batch, units = node.outputs[0].shape
    return y if op.batch_first else _swapped(e, y, (batch, steps, units), "steps_first")


def _swapped(e: Emitter, x: KerasTensor, shape: Shape, part: str) -> KerasTensor:
    """x, of this shape, with its first two axes swapped, which moves nothing where one of them has size 1."""
    first, second, features = shape
    if 1 in (first, second):
        return reshape(e, x, shape, (second, first, features), part)
    return e.op(ops.transpose, x, (1, 0, 2), part=part)


for _cls in (RNN, GRU, LSTM):
    lowering(_cls, _refused)(recurrent)
