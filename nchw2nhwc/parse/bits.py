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
    if left:
        found = number * _power(places, number)
    else:
        found = _divided(number, places, most)
        if x.type.dtype.kind != "u":
            return found.value
    return out.choose(Formula(b, b.const(0, x.type.dtype)), found).value


def _divided(number: Formula, places: Formula, most: int) -> Formula:
    """number // 2 ** places, where there are at most `most` places. Divisors stay below 2 ** 31: as int32, which is what targets divide in,
    a larger one is negative or 0; and the highest bit of a type with a sign is no power of 2."""
    step = min(most if number.dtype.kind == "u" else most - 1, 30)
    while most > step:
        once = places.at_most(step)
        number, places, most = number // _power(once, number), places - once, most - step
    return number // _power(places, number)


def _power(exponent: Formula, like: Formula) -> Formula:
    """2 ** exponent in the element type of `like`, where the power of the highest bit is its sign."""
    powers = np.array([1 << k for k in range(8 * like.dtype.itemsize)], np.uint64)
    return Formula(exponent.b, exponent.b.const(powers.astype(like.dtype))).take(exponent)
