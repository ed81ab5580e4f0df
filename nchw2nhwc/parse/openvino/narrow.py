"""Numbers rounded to floating point types of 8 bits, as they are after a conversion there and back."""

from __future__ import annotations

from typing import Literal

import numpy as np

from nchw2nhwc.ir import Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.elementwise import BitCast, Round
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.openvino.registry import Results, mapping

F32, I32 = np.dtype(np.float32), np.dtype(np.int32)


@mapping("FakeConvert", 13)
def fake_convert(b: Builder, x: Value, scale: Value, shift: Value | None = None, *,
                 destination_type: Literal["f8e4m3", "f8e5m2"] = "f8e4m3") -> Results:
    """x * scale - shift rounded to a type of 8 bits by way of one of 16 bits, as OpenVINO does it, and then scaled back; what is too large
    becomes the largest number."""
    given = Formula(b, x) * Formula(b, scale)
    if shift is not None:
        given = given - Formula(b, shift)
    bits, least, most = {"f8e4m3": (4, 2.0**-9, 448.0), "f8e5m2": (3, 2.0**-16, 57344.0)}[destination_type]
    half = _rounded(given.cast(F32), 11, 2.0**-24)
    found = _rounded(half, bits, least).apply(Clip(-most, most)).cast(x.type.dtype)
    if shift is not None:
        found = found + Formula(b, shift)
    return (found / Formula(b, scale)).value


def _rounded(x: Formula, bits: int, least: float) -> Formula:
    """To the nearest number of so many significant bits, at least to a multiple of `least`; halves to the even one.

    The power of 2 that the last bit stands for comes from the exponent of a float32, so every step is exact."""
    exponent = abs(x).apply(BitCast(I32)) // (1 << 23) * (1 << 23)
    unit = (exponent.apply(BitCast(F32)) * 2.0 ** (1 - bits)).at_least(least)
    return (x / unit).apply(Round()) * unit
