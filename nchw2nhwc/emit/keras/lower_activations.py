"""Lowerings of activation functions."""

from __future__ import annotations

from math import ceil, floor, isclose

import numpy as np
from keras import layers, ops

from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lowering import FLOAT, NUMBER, lowering, taking
from nchw2nhwc.ir import Node
from nchw2nhwc.ops import activation_functions as act
from nchw2nhwc.ops import binary
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.elementwise import Tanh
from nchw2nhwc.ops.kinds import integer_range

_ACTIVATIONS: dict[type[Op], str] = {
    act.Sigmoid: "sigmoid", Tanh: "tanh", act.Softplus: "softplus", act.Softsign: "softsign", act.Mish: "mish"}
"""Ops that are activations by name."""


def _register_activation(cls: type[Op], activation: str) -> None:
    @lowering(cls, taking(FLOAT))
    def lower(e: Emitter, node: Node, op: Op) -> None:
        _activation(e, node, activation)


for _cls, _name in _ACTIVATIONS.items():
    _register_activation(_cls, _name)


def _activation(e: Emitter, node: Node, name: str) -> None:
    e.set(node, e.layer(layers.Activation(name, name=e.name()), e.of(node.input(0))))


@lowering(act.Relu, taking(NUMBER))
def relu(e: Emitter, node: Node, op: act.Relu) -> None:
    """ReLU; of integers the maximum with 0."""
    x = e.of(node.input(0))
    e.set(node, e.layer(layers.ReLU(name=e.name()), x) if node.output.type.dtype == np.float32 else e.op(ops.maximum, x, 0))


def _scaled(node: Node) -> bool:
    """Whether a reader of the result multiplies or divides it by one constant."""
    factors = [v for reader in node.output.users if isinstance(reader.op, (binary.Mul, binary.Div)) for v in reader.inputs]
    return any(v is not None and v.const is not None and v.const.size == 1 for v in factors)


@lowering(act.HardSwish, taking(FLOAT))
def hard_swish(e: Emitter, node: Node, op: act.HardSwish) -> None:
    """Activation("hard_silu"); where a constant scales it, x * clip(x / 6 + 0.5, 0, 1).

    TensorFlow's graph optimizer merges the factor with the 1/6 in Keras' `x * (relu6(x + 3) / 6)`. With oneDNN it then takes what is within
    0.01 of 1/6 for it, behind a convolution: factors from 0.94 to 1.06 are lost (TensorFlow 2.21). It does not know the other formula.
    """
    if not _scaled(node):
        _activation(e, node, "hard_silu")
        return
    x = e.of(node.input(0))
    gate = e.op(ops.clip, e.op(ops.add, e.op(ops.multiply, x, 1 / 6, part="sixth"), 0.5, part="centre"), 0.0, 1.0, part="gate")
    e.set(node, e.layer(layers.Multiply(name=e.name()), x, gate))


@lowering(act.LeakyRelu, lambda node, op: taking(FLOAT)(node, op) or ("" if op.alpha >= 0 else "LeakyReLU takes no negative slope"))
def leaky_relu(e: Emitter, node: Node, op: act.LeakyRelu) -> None:
    """LeakyReLU; of a sum its formula.

    TensorFlow's graph optimizer merges it with the sum and a convolution before that, with oneDNN, and then takes 0.2 for the slope,
    whatever that is (TensorFlow 2.21).
    """
    x, producer = e.of(node.input(0)), node.input(0).producer
    if producer is None or not isinstance(producer.op, binary.Add):
        e.set(node, e.layer(layers.LeakyReLU(negative_slope=op.alpha, name=e.name()), x))
        return
    combine = ops.maximum if op.alpha <= 1 else ops.minimum
    e.set(node, e.op(combine, x, e.op(ops.multiply, x, op.alpha, part="slope")))


@lowering(act.Elu, taking(FLOAT))
def elu(e: Emitter, node: Node, op: act.Elu) -> None:
    """ELU."""
    e.set(node, e.layer(layers.ELU(alpha=op.alpha, name=e.name()), e.of(node.input(0))))


def _standard_selu(node: Node, op: act.Selu) -> str:
    standard = act.Selu()
    usual = isclose(op.alpha, standard.alpha, rel_tol=1e-6) and isclose(op.gamma, standard.gamma, rel_tol=1e-6)
    return taking(FLOAT)(node, op) or ("" if usual else "Keras' selu has fixed constants")


@lowering(act.Selu, _standard_selu)
def selu(e: Emitter, node: Node, op: act.Selu) -> None:
    """Activation("selu")."""
    _activation(e, node, "selu")


@lowering(act.Swish, lambda node, op: taking(FLOAT)(node, op) or ("" if op.beta == 1 else "Keras' swish has no beta"))
def swish(e: Emitter, node: Node, op: act.Swish) -> None:
    """Activation("swish")."""
    _activation(e, node, "swish")


def _standard_hard_sigmoid(node: Node, op: act.HardSigmoid) -> str:
    usual = isclose(op.alpha, 1 / 6, rel_tol=1e-6) and op.beta == 0.5
    return taking(FLOAT)(node, op) or ("" if usual else "Keras' hard_sigmoid is relu6(x + 3) / 6")


@lowering(act.HardSigmoid, _standard_hard_sigmoid)
def hard_sigmoid(e: Emitter, node: Node, op: act.HardSigmoid) -> None:
    """Activation("hard_sigmoid")."""
    _activation(e, node, "hard_sigmoid")


@lowering(act.Gelu, taking(FLOAT))
def gelu(e: Emitter, node: Node, op: act.Gelu) -> None:
    """Activation("gelu"), which is the exact form."""
    if op.approximate:
        e.set(node, e.op(ops.gelu, e.of(node.input(0)), approximate=True))
    else:
        _activation(e, node, "gelu")


@lowering(act.Clip, taking(NUMBER))
def clip(e: Emitter, node: Node, op: act.Clip) -> None:
    """ReLU with a maximum, where it is that, or minimum and maximum."""
    x, dtype = e.of(node.input(0)), node.output.type.dtype
    low, high = op.min, op.max
    if dtype != np.float32:
        least, most = integer_range(dtype)
        low = None if low is None else min(max(ceil(max(low, least)), least), most)
        high = None if high is None else min(max(floor(min(high, most)), least), most)
    elif low == 0 and high is not None and high > 0:
        e.set(node, e.layer(layers.ReLU(max_value=high, name=e.name()), x))
        return
    if low is not None:
        x = e.op(ops.maximum, x, low, part="" if high is None else "min")
    if high is not None:
        x = e.op(ops.minimum, x, high)
    e.set(node, x)


@lowering(binary.PRelu, taking(FLOAT))
def prelu(e: Emitter, node: Node, op: binary.PRelu) -> None:
    """PReLU, whose slopes are weights, when they are constant and the same for the whole batch."""
    x, slope = node.input(0), node.input(1)
    if slope.const is None or (slope.rank == x.rank and slope.shape[0] != 1) or x.rank < 2:
        data = e.of(x)
        below = e.op(ops.multiply, data, e.operand(slope), part="slope")
        negative = e.op(ops.less, data, 0.0, part="negative")
        e.set(node, e.op(ops.where, negative, below, data))
        return
    aligned = np.asarray(slope.const).reshape((1,) * (x.rank - slope.rank) + slope.const.shape)[0]
    shared = [axis for axis, size in enumerate(aligned.shape, 1) if size == 1] or None
    layer = layers.PReLU(shared_axes=shared, alpha_initializer="zeros", name=e.name())
    e.set(node, e.layer(layer, e.of(x), weights=[aligned]))
