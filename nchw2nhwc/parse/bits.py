"""Shifts of the bits of integers, which targets have no ops for."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula


def shifted(b: Builder, x: Value, y: Value, *, left: bool) -> Value:
    """x << y or x >> y: a product with, or the quotient by, a power of 2, rounded down: of negative numbers the sign stays. By negative
    numbers, and by as many bits as there are or more, everything is shifted out."""
    given, number = Formula(b, y).cast(np.int64), Formula(b, x)
    most = 8 * x.type.dtype.itemsize - 1
    out = (given < 0) | (given > most)
    places = out.choose(Formula(b, b.const(most, np.int64)), given)
    if not left and x.type.dtype.kind != "u":
        once = places.at_most(most - 1)  # the sign is no power of 2
        return (number // _power(once, number) // _power(places - once, number)).value
    power = _power(places, number)
    found = number * power if left else number // power
    return out.choose(Formula(b, b.const(0, x.type.dtype)), found).value


def _power(exponent: Formula, like: Formula) -> Formula:
    """2 ** exponent in the element type of `like`, where the power of the highest bit is its sign."""
    powers = np.array([1 << k for k in range(8 * like.dtype.itemsize)], np.uint64)
    return Formula(exponent.b, exponent.b.const(powers.astype(like.dtype))).take(exponent)
