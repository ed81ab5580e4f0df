"""Activation functions that are spelled out in the source."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, pi, sqrt

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, Gelu, HardSigmoid, HardSwish, LeakyRelu, Mish, Relu, Sigmoid, Softplus, Swish
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Div, Greater, GreaterEqual, Less, LessEqual, Maximum, Mul, PRelu, Sub, Where
from nchw2nhwc.ops.elementwise import Abs, Erf, Exp, Log, Neg, Reciprocal, Tanh
from nchw2nhwc.passes.identities import clipped
from nchw2nhwc.passes.match import HALF, Pattern, close, op_of, other_operand, require, require_float, require_same_type, scalar
from nchw2nhwc.passes.recognise.algebra import Polynomial, Product, array_product, is_polynomial, linear, polynomial, product_of
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

ACTIVATIONS = RuleSet()
ROUNDED = RuleSet()
"""For a graph whose constants are still in half precision, in which they are further from the numbers of formulas than in float32."""
_GELU_TANH = {1: sqrt(2 / pi), 3: sqrt(2 / pi) * 0.044715}
_GELU_SIGMOID = {power: 2 * c for power, c in _GELU_TANH.items()}


def _made_by(value: Value, *classes: type[Op]) -> bool:
    return value.producer is not None and isinstance(value.producer.op, classes)


def _finished(rw: Rewriter, pattern: Pattern, node: Node, op: Op, x: Value) -> Value:
    """`op(x)` for the node's result, once the rest of the match is known to be free to go."""
    require_same_type(x, node)
    require_float(x)
    pattern.require_closed()
    return rw.add(op, x)


# ---- sigmoids ----------------------------------------------------------------------------------------------------------
@ACTIVATIONS.on(Reciprocal)
def sigmoid(rw: Rewriter, node: Node, op: Reciprocal) -> Value:
    """1 / (1 + exp(-x))."""
    pattern = Pattern(rw.graph, node)
    exponent = _exponent(pattern, node.input(0))
    x, factor, shift = linear(pattern, exponent, lambda value, a, b: close(a, -1) and b == 0)
    require(close(factor, -1) and shift == 0, "the exponent is {} x + {}", factor, shift)
    return _finished(rw, pattern, node, Sigmoid(), x)


@ACTIVATIONS.on(Div)
def divided_swish(rw: Rewriter, node: Node, op: Div) -> Value:
    """x / (1 + exp(-beta x))."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    pattern = Pattern(rw.graph, node)
    x = node.input(0)
    found = polynomial(pattern, _exponent(pattern, node.input(1)), x)
    require(found.keys() == {1}, "the exponent is {}", found)
    return _finished(rw, pattern, node, Swish(-found[1]), x)


def _exponent(pattern: Pattern, value: Value) -> Value:
    """e with `value = 1 + exp(e)`."""
    power, a, b = linear(pattern, value, _from(Exp))
    require(close(a, 1) and close(b, 1), "{!r} is not 1 + exp", value)
    return pattern.producer(power, Exp).input(0)


def _from(*classes: type[Op]) -> Callable[[Value, float, float], bool]:
    """Stops at what an op of one of these classes makes."""
    return lambda value, a, b: _made_by(value, *classes)


def _top(node: Node) -> float:
    """h of min(max(x, 0), h)."""
    clip = op_of(node, Clip)
    if clip.min != 0 or clip.max is None or clip.max <= 0:
        raise Mismatch("{!r} has other bounds", node)
    return clip.max


@ACTIVATIONS.on(Clip, Mul, Div)
def hard_sigmoid(rw: Rewriter, node: Node, op: Clip | Mul | Div) -> Value:
    """Clip(a x + b, 0, h) / h."""
    pattern = Pattern(rw.graph, node)
    if isinstance(op, Clip):
        gate, number = node.output, 1.0
    else:
        product = product_of(pattern, node)
        require(len(product.values) == 1 and not product.arrays, "{!r} is not scaled by a number", node)
        gate, number = product.values[0], product.number
    clip = pattern.producer(gate, Clip)
    h = _top(clip)
    require(close(number * h, 1), "the largest value is {}", number * h)
    x, a, b = linear(pattern, clip.input(0), lambda value, a, b: False)
    require((a, b) != (1, 0), "nothing is scaled or shifted")
    return _finished(rw, pattern, node, HardSigmoid(a / h, b / h), x)


# ---- x times a gate of x -------------------------------------------------------------------------------------------------
@ACTIVATIONS.on(Mul, Div)
def gated(rw: Rewriter, node: Node, op: Mul | Div) -> Value:
    """HardSwish, Swish, Gelu and Mish: x times a function of x, and numbers in any place."""
    pattern = Pattern(rw.graph, node)
    product = product_of(pattern, node)
    reasons = []
    for x, gate in product.pair():
        attempt = Pattern(rw.graph, node)
        product_of(attempt, node)
        try:
            return _finished(rw, attempt, node, _gate_op(attempt, product, x, gate), x)
        except Mismatch as mismatch:
            reasons.append(str(mismatch))
    raise Mismatch("{}", "; ".join(reasons))


@ROUNDED.on(Mul, Div)
def gated_in_half(rw: Rewriter, node: Node, op: Mul | Div) -> Value:
    """The same in half precision."""
    require(node.output.type.dtype.name in HALF, "{!r} is not in half precision", node)
    return gated(rw, node, op)


def _gate_op(pattern: Pattern, product: Product, x: Value, gate: Value) -> Op:
    """The op that `product.number * x * gate` is."""
    number, dtype = product.number, x.type.dtype
    if _made_by(gate, Clip, HardSigmoid):
        found, number = _hard_gate(pattern, number, x, gate)
        require(close(number, 1, dtype) and is_polynomial(found, {1: 1 / 6, 0: 0.5}, dtype), "{!r} is no hard sigmoid of {!r}", gate, x)
        return HardSwish()
    if _made_by(gate, Sigmoid):
        return _sigmoid_gate(pattern, number, x, gate)
    if _made_by(gate, Tanh) and _made_by(pattern.producer(gate, Tanh).input(0), Softplus):
        softplus = pattern.producer(pattern.producer(gate, Tanh).input(0), Softplus)
        require(softplus.input(0) is x and close(number, 1), "{!r} is no Mish of {!r}", gate, x)
        return Mish()
    base, a, b = linear(pattern, gate, _from(Erf, Tanh))
    sign = -1.0 if a * number < 0 else 1.0  # both are odd: TensorFlow has 1 - erf(-x / sqrt(2))
    require(close(sign * a * number, 0.5, dtype) and close(b * number, 0.5, dtype), "{!r} is not (1 + ...) / 2", gate)
    found = polynomial(pattern, pattern.producer(base, Erf, Tanh).input(0), x)
    found = {power: sign * c for power, c in found.items()}
    if _made_by(base, Erf):
        require(is_polynomial(found, {1: sqrt(0.5)}, dtype), "erf is taken of {}", found)
        return Gelu()
    require(is_polynomial(found, _GELU_TANH, dtype), "tanh is taken of {}", found)
    return Gelu(approximate=True)


def _hard_gate(pattern: Pattern, number: float, x: Value, gate: Value) -> tuple[Polynomial, float]:
    """`(p, c)` with `number * gate = c * min(max(p(x), 0), 1)`."""
    node = pattern.producer(gate, Clip, HardSigmoid)
    if isinstance(node.op, HardSigmoid):
        require(node.input(0) is x, "{!r} is of another value", node)
        return {1: node.op.alpha, 0: node.op.beta}, number
    h = _top(node)
    return {k: c / h for k, c in polynomial(pattern, node.input(0), x).items()}, number * h


def _sigmoid_gate(pattern: Pattern, number: float, x: Value, gate: Value) -> Op:
    require(close(number, 1), "the product is scaled by {}", number)
    found = polynomial(pattern, pattern.producer(gate, Sigmoid).input(0), x)
    if is_polynomial(found, _GELU_SIGMOID, x.type.dtype):
        return Gelu(approximate=True)
    require(found.keys() == {1}, "the sigmoid is of {}", found)
    return Swish(1.0 if close(found[1], 1) else found[1])


@ACTIVATIONS.on(Log)
def softplus(rw: Rewriter, node: Node, op: Log) -> Value:
    """log(1 + exp(x))."""
    pattern = Pattern(rw.graph, node)
    return _finished(rw, pattern, node, Softplus(), _exponent(pattern, node.input(0)))


@ACTIVATIONS.on(Add)
def stable_softplus(rw: Rewriter, node: Node, op: Add) -> Value:
    """max(x, 0) + log(1 + exp(-|x|))."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    pattern = Pattern(rw.graph, node)
    relu = next((v for v in map(node.input, range(2)) if _made_by(v, Relu)), None)
    if relu is None:
        raise Mismatch("{!r} does not add a Relu", node)
    x = pattern.producer(relu, Relu).input(0)
    inner = pattern.producer(other_operand(node, relu), Softplus)
    magnitude, factor, shift = linear(pattern, inner.input(0), _from(Abs))
    require(close(factor, -1) and shift == 0 and pattern.producer(magnitude, Abs).input(0) is x, "{!r} is not of -|x|", inner)
    return _finished(rw, pattern, node, Softplus(), x)


# ---- another slope below zero ----------------------------------------------------------------------------------------------
def _sloped(rw: Rewriter, pattern: Pattern, node: Node, x: Value, slope: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Value:
    """x where it is positive, else slope * x, for the node's result."""
    require_same_type(x, node)
    require_float(x)
    require(slope.ndim <= x.rank and bool(np.isfinite(slope).all()), "the slope does not broadcast to {!r}", x)
    pattern.require_closed()
    if slope.size == 1:
        return rw.add(LeakyRelu(float(slope.reshape(-1)[0])), x)
    return rw.add(PRelu(), x, rw.constant(slope, x.type.dtype))


def _scaled_part(pattern: Pattern, value: Value) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], Value]:
    """`(c, v)` with `value = c * v` and a constant c."""
    if not _made_by(value, Mul, Div, Neg):
        return np.ones(()), value
    product = product_of(pattern, pattern.producer(value))
    require(len(product.values) == 1, "{!r} is not scaled by a constant", value)
    return array_product(product.arrays) * product.number, product.values[0]


def _negative_part(pattern: Pattern, value: Value, x: Value) -> float:
    """c with `value = c * min(x, 0)`."""
    node = pattern.producer(value, Relu, Clip, Sub)
    if isinstance(node.op, Relu):
        require(is_polynomial(polynomial(pattern, node.input(0), x), {1: -1.0}), "{!r} is not of -x", node)
        return -1.0
    if isinstance(node.op, Clip):
        require(node.input(0) is x and node.op.min in (None, -inf) and node.op.max == 0, "{!r} is not min(x, 0)", node)
        return 1.0
    require(node.input(0) is x and pattern.producer(node.input(1), Abs).input(0) is x, "{!r} is not x - |x|", node)
    return 2.0


@ACTIVATIONS.on(Add, Sub)
def sum_of_parts(rw: Rewriter, node: Node, op: Add | Sub) -> Value:
    """max(x, 0) + slope * min(x, 0), the negative part as -max(-x, 0), min(x, 0) or (x - |x|) / 2."""
    require(op.activation is Activation.NONE, "{!r} has an activation", node)
    order = ((0, 1), (1, 0)) if isinstance(op, Add) else ((0, 1),)
    for positive, negative in order:
        part = node.input(positive)
        if part.producer is None or not isinstance(part.producer.op, Relu):
            continue
        pattern = Pattern(rw.graph, node)
        x = pattern.producer(part, Relu).input(0)
        try:
            scale, value = _scaled_part(pattern, node.input(negative))
            slope = scale * _negative_part(pattern, value, x) * (1 if isinstance(op, Add) else -1)
        except Mismatch:
            continue
        return _sloped(rw, pattern, node, x, slope)
    raise Mismatch("{!r} is no sum of a positive and a negative part", node)


@ACTIVATIONS.on(Maximum)
def maximum_of_slopes(rw: Rewriter, node: Node, op: Maximum) -> Value:
    """max(x, slope * x) with 0 <= slope <= 1."""
    for x, scaled in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        pattern = Pattern(rw.graph, node)
        if not _made_by(scaled, Mul, Div):
            continue
        slope, value = _scaled_part(pattern, scaled)
        if value is x and bool((slope >= 0).all()) and bool((slope <= 1).all()):
            return _sloped(rw, pattern, node, x, slope)
    raise Mismatch("{!r} is not between x and a slope of x", node)


@ACTIVATIONS.on(Where)
def chosen_slope(rw: Rewriter, node: Node, op: Where) -> Value:
    """x where x > 0, else slope * x; any comparison with 0."""
    pattern = Pattern(rw.graph, node)
    question = pattern.producer(node.input(0), Greater, GreaterEqual, Less, LessEqual)
    require(scalar(question.input(1)) == 0, "{!r} does not compare with 0", question)
    x = question.input(0)
    upper, lower = (1, 2) if isinstance(question.op, (Greater, GreaterEqual)) else (2, 1)
    require(node.input(upper) is x, "{!r} does not choose x where it is positive", node)
    if node.input(lower).is_const:
        require(scalar(node.input(lower)) == 0, "{!r} has another value below 0", node)
        require_same_type(x, node)
        pattern.require_closed()
        return clipped(rw, x, 0, inf)
    slope, value = _scaled_part(pattern, node.input(lower))
    require(value is x, "{!r} does not choose between slopes of x", node)
    return _sloped(rw, pattern, node, x, slope)
