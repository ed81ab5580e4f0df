"""Activation functions in terms of the usual ones."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation_functions import (
    Affine,
    Celu,
    Clip,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    Relu,
    ScaledTanh,
    Selu,
    Sigmoid,
    Softplus,
    Softsign,
    Swish,
    ThresholdedRelu,
)
from nchw2nhwc.ops.binary import PRelu
from nchw2nhwc.ops.elementwise import Erf, Log, Sinh, Tanh
from nchw2nhwc.ops.kinds import integer_range
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import is_float, require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

_ERF = (1.12837927, 0.102769055, -1.91829907e-4, -6.19785386e-4, 8.76375858e-5, -5.66851572e-6, 1.41854415e-7)
"""P with erf(x) = tanh(x P(x^2)): fitted here to atanh(erf(x)) / x so that the largest relative error of erf is least (9.5e-8). All of it
happens at |x| < 4.6; beyond, the positive last coefficient lets tanh go to 1."""


@RULES.on(Erf)
def erf(rw: Rewriter, node: Node, op: Erf) -> Value:
    """tanh(x P(x^2)); see `_ERF`."""
    x = Term(rw, node.input(0))
    return (x * (x * x).polynomial(_ERF)).apply(Tanh()).value


@RULES.on(Gelu)
def gelu(rw: Rewriter, node: Node, op: Gelu) -> Value:
    """x / 2 * (1 + erf(x / sqrt 2)), or x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is the approximate form."""
    x = Term(rw, node.input(0))
    if not op.approximate:
        return (x * ((x * sqrt(0.5)).apply(Erf()) * 0.5 + 0.5)).value
    c = 2 * sqrt(2 / pi)
    return (x * (x * (x * x * (0.044715 * c) + c)).apply(Sigmoid())).value


@RULES.on(Swish)
def swish(rw: Rewriter, node: Node, op: Swish) -> Value:
    """x * sigmoid(beta x)."""
    x = Term(rw, node.input(0))
    return (x * (x if op.beta == 1 else x * op.beta).apply(Sigmoid())).value


@RULES.on(HardSigmoid)
def hard_sigmoid(rw: Rewriter, node: Node, op: HardSigmoid) -> Value:
    """relu6(6 alpha x + 6 beta) / 6: that clipping is an op of its own, and for alpha = 1/6 the first product goes."""
    x, alpha, beta = Term(rw, node.input(0)), 6 * op.alpha, 6 * op.beta
    return (((x if abs(alpha - 1) < 1e-6 else x * alpha) + beta).apply(Clip(0.0, 6.0)) * (1 / 6)).value


@RULES.on(HardSwish)
def hard_swish(rw: Rewriter, node: Node, op: HardSwish) -> Value:
    """x * relu6(x + 3) / 6."""
    x = Term(rw, node.input(0))
    return (x * ((x + 3.0).apply(Clip(0.0, 6.0)) * (1 / 6))).value


@RULES.on(Mish)
def mish(rw: Rewriter, node: Node, op: Mish) -> Value:
    """-x * tanh(log(sigmoid(-x))): log(1 + e^x) is -log(sigmoid(-x)), which cannot overflow, and -x costs nothing behind a convolution,
    whose weights take the sign."""
    negative = -Term(rw, node.input(0))
    return (negative * negative.apply(Sigmoid()).apply(Log()).apply(Tanh())).value


@RULES.on(Softplus)
def softplus(rw: Rewriter, node: Node, op: Softplus) -> Value:
    """max(x, 0) + log(1 + exp(-|x|))."""
    x = Term(rw, node.input(0))
    return (x.apply(Relu()) + (-abs(x)).exp().log1p()).value


@RULES.on(Softsign)
def softsign(rw: Rewriter, node: Node, op: Softsign) -> Value:
    """x / (1 + |x|)."""
    x = Term(rw, node.input(0))
    return (x / (abs(x) + 1.0)).value


@RULES.on(Elu)
def elu(rw: Rewriter, node: Node, op: Elu) -> Value:
    """max(x, 0) + alpha * elu(min(x, 0)); with alpha = 1, max(x, 0) + 2 e^h sinh(h) where h = min(x, 0) / 2."""
    x = Term(rw, node.input(0))
    below = x.at_most(0.0)
    if op.alpha != 1:
        return (x.apply(Relu()) + below.apply(Elu()) * op.alpha).value
    half = below * 0.5
    return (x.apply(Relu()) + half.exp() * half.apply(Sinh()) * 2.0).value


@RULES.on(Selu)
def selu(rw: Rewriter, node: Node, op: Selu) -> Value:
    """gamma * (max(x, 0) + alpha * elu(min(x, 0)))."""
    x = Term(rw, node.input(0))
    return (x.apply(Relu()) * op.gamma + x.at_most(0.0).apply(Elu()) * (op.gamma * op.alpha)).value


@RULES.on(Celu)
def celu(rw: Rewriter, node: Node, op: Celu) -> Value:
    """alpha * elu(x / alpha) for a positive alpha."""
    require(op.alpha > 0, "alpha is {}", op.alpha)
    x = Term(rw, node.input(0))
    return (x.apply(Elu()) if op.alpha == 1 else (x * (1 / op.alpha)).apply(Elu()) * op.alpha).value


@RULES.on(Affine)
def affine(rw: Rewriter, node: Node, op: Affine) -> Value:
    """alpha * x + beta."""
    return (Term(rw, node.input(0)) * op.alpha + op.beta).value


@RULES.on(ScaledTanh)
def scaled_tanh(rw: Rewriter, node: Node, op: ScaledTanh) -> Value:
    """alpha * tanh(beta * x)."""
    return ((Term(rw, node.input(0)) * op.beta).apply(Tanh()) * op.alpha).value


@RULES.on(ThresholdedRelu)
def thresholded_relu(rw: Rewriter, node: Node, op: ThresholdedRelu) -> Value:
    """x where x > alpha, else 0."""
    x = Term(rw, node.input(0))
    return (x > op.alpha).choose(x, rw.scalar(0.0, x.value)).value


@RULES.on(LeakyRelu)
def leaky_relu(rw: Rewriter, node: Node, op: LeakyRelu) -> Value:
    """max(x, 0) + alpha * min(x, 0)."""
    x = Term(rw, node.input(0))
    return (x.apply(Relu()) + x.at_most(0.0) * op.alpha).value


@RULES.on(PRelu)
def prelu(rw: Rewriter, node: Node, op: PRelu) -> Value:
    """max(x, 0) + slope * min(x, 0)."""
    x = Term(rw, node.input(0))
    return (x.apply(Relu()) + x.at_most(0.0) * node.input(1)).value


@RULES.on(Clip)
def clip(rw: Rewriter, node: Node, op: Clip) -> Value:
    """min(max(x, a), b); of integers with what the bounds come to in their type."""
    x = Term(rw, node.input(0))
    if not is_float(x.value):
        low, high = (int(v) for v in op.run(np.array(integer_range(x.value.type.dtype), x.value.type.dtype))[0])
        return x.at_least(low).at_most(high).value
    require(op.min is not None or op.max is not None, "{!r} has no bounds", node)
    x = x if op.min is None else x.at_least(op.min)
    return (x if op.max is None else x.at_most(op.max)).value


@RULES.on(Sigmoid)
def sigmoid(rw: Rewriter, node: Node, op: Sigmoid) -> Value:
    """1 / (1 + exp(-x)); the exponential may overflow, its reciprocal is then 0, as it should be."""
    return (1.0 / ((-Term(rw, node.input(0))).exp() + 1.0)).value
