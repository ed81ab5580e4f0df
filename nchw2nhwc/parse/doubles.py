"""Bits of float64, which targets hold as float32: those of the number that float32 has, by arithmetic on integers.

Numbers below 2**-126 in size, of which some runtimes compute with none, count as 0.
"""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ops.elementwise import BitCast
from nchw2nhwc.parse.formula import INT64, Formula

_SIGN32, _SIGN64 = -(1 << 31), -(1 << 63)
_DIGITS32, _DIGITS64 = 23, 52
_MORE = _DIGITS64 - _DIGITS32
"""How many digits float64 has that float32 lacks."""
_HIGHER = 1023 - 127
"""How much higher its exponents are."""


def of_float32(x: Formula) -> Formula:
    """The bits, as int64, of float32 numbers in double precision."""
    bits = x.apply(BitCast(np.dtype(np.int32))).cast(INT64)
    negative = bits < 0
    size = negative.choose(bits - _SIGN32, bits)
    exponent = size // (1 << _DIGITS32)
    digits = (size - exponent * (1 << _DIGITS32)) * (1 << _MORE)
    wide = exponent.equals(255).choose(x.b.const(2047, INT64), exponent + _HIGHER) * (1 << _DIGITS64) + digits
    found = exponent.equals(0).choose(x.b.const(0, INT64), wide)
    return negative.choose(found + _SIGN64, found)


def to_float32(bits: Formula) -> Formula:
    """Numbers in double precision, given by their bits as int64, as float32: the nearest one, halves to the even one."""
    low = bits % (1 << 32)
    middle = (bits - low) % (1 << 48)
    high = _part(bits - low - middle, 48)
    negative = high < 0
    head = negative.choose(high + (1 << 15), high)
    exponent = head // 16
    tail = low % (1 << _MORE)
    kept = (head % 16) * (1 << 19) + _part(middle, 32) * 8 + _part(low - tail, _MORE)
    up = (tail > 1 << (_MORE - 1)) | (tail.equals(1 << (_MORE - 1)) & (kept % 2).equals(1))
    normal = (exponent - _HIGHER).at_least(0).at_most(255) * (1 << _DIGITS32)
    digits = normal.equals(255 << _DIGITS32).choose(bits.b.const(0, np.int32), kept + up.cast(np.int32))  # what is too large is infinite
    lost = exponent.equals(2047) & (kept.differs(0) | tail.differs(0))
    size = (normal < 1 << _DIGITS32).choose(bits.b.const(0, np.int32), normal + digits)
    found = lost.choose(bits.b.const(0x7FC00000, np.int32), size).apply(BitCast(np.dtype(np.float32)))
    return negative.choose(-found, found)


def _part(bits: Formula, place: int) -> Formula:
    """What stands at and above a place, as int32; there is nothing below it, and no more digits than float32 has."""
    return (bits.cast(np.float32) * 2.0**-place).cast(np.int32)
