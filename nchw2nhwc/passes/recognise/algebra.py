"""Formulas read back from nodes: products taken apart, and polynomials in one value, however they are spelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.binary import Add, Arithmetic, Div, Mul, Pow, Sub
from nchw2nhwc.ops.elementwise import Neg
from nchw2nhwc.passes.match import Pattern, array, close, require, scalar
from nchw2nhwc.passes.rewrite import Mismatch

Polynomial = dict[int, float]
"""Coefficients by power; those that are 0 are left out."""
_MAX_DEGREE = 6
_MAX_STEPS = 16
"""No formula that is looked for has more nodes one behind the other, or more factors."""


@dataclass
class Product:
    """`number * (the constant arrays) * (the values)`."""

    number: float = 1.0
    arrays: list[Value] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def pair(self) -> tuple[tuple[Value, Value], tuple[Value, Value]]:
        """The two values in both orders. Raises Mismatch unless there are just two, and no arrays."""
        require(len(self.values) == 2 and not self.arrays, "not a product of two values and numbers")
        a, b = self.values
        return (a, b), (b, a)


def _is_number(value: Value) -> bool:
    if value.const is None:
        return False
    try:
        scalar(value)
    except Mismatch:
        return False
    return True


def product_of(pattern: Pattern, node: Node) -> Product:
    """A tree of Mul, Div by constants and Neg taken apart; it ends at values that something else reads, too."""
    found = Product()
    pending = [node]
    while pending:
        each = pending.pop()
        require(isinstance(each.op, (Mul, Div, Neg)), "{!r} is no product", each)
        if isinstance(each.op, Neg):
            found.number = -found.number
        elif isinstance(each.op, Arithmetic):
            require(each.op.activation is Activation.NONE, "{!r} has an activation", each)
        operands = [each.input(k) for k in range(len(each.inputs))]
        if isinstance(each.op, Div):
            found.number /= _divisor(operands.pop())
        for operand in operands:
            inner = operand.producer
            if _is_number(operand):
                found.number *= scalar(operand)
            elif operand.is_const:
                found.arrays.append(operand)
            elif inner is not None and _divides_or_multiplies(inner) and len(operand.uses) == 1:
                require(len(pending) + len(found.values) < _MAX_STEPS, "{!r} has too many factors", node)
                pattern.cover(inner)
                pending.append(inner)
            else:
                found.values.append(operand)
    return found


def _divisor(value: Value) -> float:
    number = scalar(value)
    require(number != 0, "{!r} is 0", value)
    return number


def _divides_or_multiplies(node: Node) -> bool:
    if isinstance(node.op, Div):
        return node.op.activation is Activation.NONE and _is_number(node.input(1)) and scalar(node.input(1)) != 0
    return isinstance(node.op, Neg) or (isinstance(node.op, Mul) and node.op.activation is Activation.NONE)


def polynomial(pattern: Pattern, value: Value, x: Value, steps: int = _MAX_STEPS) -> Polynomial:
    """`value` as a polynomial in `x` with numbers as coefficients. Raises Mismatch when it is none, or deeper than `steps` nodes."""
    if value is x:
        return {1: 1.0}
    if value.is_const:
        return _clean({0: scalar(value)})
    require(steps > 0, "the formula goes on before {!r}", value)
    node = pattern.producer(value, Add, Sub, Mul, Div, Neg, Pow)
    if isinstance(node.op, Arithmetic):
        require(node.op.activation is Activation.NONE, "{!r} has an activation", node)
    left = polynomial(pattern, node.input(0), x, steps - 1)
    match node.op:
        case Neg():
            return _times(left, {0: -1.0})
        case Div():
            return _times(left, {0: 1 / _divisor(node.input(1))})
        case Pow():
            exponent = scalar(node.input(1))
            require(exponent in (1, 2, 3, 4), "{!r} has another exponent", node)
            result: Polynomial = {0: 1.0}
            for _ in range(int(exponent)):
                result = _times(result, left)
            return result
    right = left if node.input(1) is node.input(0) else polynomial(pattern, node.input(1), x, steps - 1)
    if isinstance(node.op, Mul):
        return _times(left, right)
    sign = 1 if isinstance(node.op, Add) else -1
    return _clean({k: left.get(k, 0.0) + sign * right.get(k, 0.0) for k in {*left, *right}})


def linear(pattern: Pattern, value: Value, stop: Callable[[Value, float, float], bool]) -> tuple[Value, float, float]:
    """`(x, a, b)` with `value = a * x + b` and numbers a and b: the first on the way up for which `stop(x, a, b)` holds, or else the last,
    which is not scaled or shifted by a number, or has other readers."""
    a, b = 1.0, 0.0
    for _ in range(_MAX_STEPS):
        if stop(value, a, b) or len(value.uses) > 1:
            break
        node = value.producer
        step = _linear_step(node) if node is not None and isinstance(node.op, (Add, Sub, Mul, Div, Neg)) else None
        if node is None or step is None:
            break
        pattern.cover(node)
        value, factor, shift = step
        a, b = a * factor, a * shift + b
    return value, a, b


def _linear_step(node: Node) -> tuple[Value, float, float] | None:
    """`(x, factor, shift)` of a node that scales or shifts x by a number; None for any other."""
    if isinstance(node.op, Neg):
        return node.input(0), -1.0, 0.0
    left, right = node.input(0), node.input(1)
    if isinstance(node.op, Arithmetic) and node.op.activation is not Activation.NONE:
        return None
    if _is_number(right):
        x, number = left, scalar(right)
        match node.op:
            case Add():
                return x, 1.0, number
            case Sub():
                return x, 1.0, -number
            case Mul():
                return x, number, 0.0
            case _:
                return (x, 1 / number, 0.0) if number else None
    if _is_number(left):
        number = scalar(left)
        match node.op:
            case Add():
                return right, 1.0, number
            case Sub():
                return right, -1.0, number
            case Mul():
                return right, number, 0.0
    return None


def plus_number(pattern: Pattern, value: Value) -> tuple[Value, float]:
    """`(v, c)` with `value = v + c`; c is 0 where nothing is added."""
    node = value.producer
    if node is None or not isinstance(node.op, Add) or node.op.activation is not Activation.NONE:
        return value, 0.0
    for v, c in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        if c.is_const:
            pattern.cover(node)
            return v, scalar(c)
    return value, 0.0


def is_polynomial(found: Polynomial, wanted: Polynomial, dtype: DType | None = None) -> bool:
    """Whether two polynomials have the same coefficients, but for rounding; see `close`."""
    return found.keys() == wanted.keys() and all(close(found[k], wanted[k], dtype) for k in wanted)


def _clean(coefficients: Polynomial) -> Polynomial:
    return {k: c for k, c in coefficients.items() if c}


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    result: Polynomial = {}
    for i, c in a.items():
        for j, d in b.items():
            require(i + j <= _MAX_DEGREE, "a polynomial of too high a degree")
            result[i + j] = result.get(i + j, 0.0) + c * d
    return _clean(result)


def array_product(values: list[Value]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The product of constant arrays, in double precision."""
    result = np.ones((), np.float64)
    for value in values:
        result = np.multiply(result, np.asarray(array(value), np.float64))
    return result
