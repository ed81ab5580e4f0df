"""OpenVINO's element types: their names in an IR, their numpy types, and how a constant's bytes hold them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import ml_dtypes
import numpy as np
import numpy.typing as npt

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Array, DType
from nchw2nhwc.parse.normal_float import NF4

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Element:
    """One element type: its numpy type, the bits of one stored element, and whether packed elements begin with the highest bits."""

    name: str
    dtype: DType
    bits: int
    high_first: bool = False

    def stored(self, count: int) -> int:
        """The bytes that `count` elements take in the weights file."""
        return (count * self.bits + 7) // 8


def _elements() -> dict[str, Element]:
    plain = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i64": np.int64, "i32": np.int32,
             "i16": np.int16, "i8": np.int8, "u64": np.uint64, "u32": np.uint32, "u16": np.uint16, "u8": np.uint8, "boolean": np.bool_}
    found = {name: Element(name, np.dtype(type), 8 * np.dtype(type).itemsize) for name, type in plain.items()}
    found["u1"] = Element("u1", np.dtype(np.uint8), 1, high_first=True)
    found["u4"] = Element("u4", np.dtype(ml_dtypes.uint4), 4)
    found["i4"] = Element("i4", np.dtype(ml_dtypes.int4), 4)
    for name, narrow, bits in (("f8e4m3", "float8_e4m3fn", 8), ("f8e5m2", "float8_e5m2", 8), ("f8e8m0", "float8_e8m0fnu", 8),
                               ("f4e2m1", "float4_e2m1fn", 4), ("u2", "uint2", 2)):
        if hasattr(ml_dtypes, narrow):
            found[name] = Element(name, np.dtype(getattr(ml_dtypes, narrow)), bits)
    return found


ELEMENTS = _elements()
"""By the name that an IR gives them. Types that the installed ml_dtypes lacks are absent."""

CODES = {"nf4": Element("nf4", np.dtype(np.float32), 4)}
"""Types without a numpy type that constants alone have: what is stored tells which number of a table it is."""

_UNSUPPORTED = ("string", "nf4", "f8e8m0", "f4e2m1", "u2", "u3", "u6", "i2", "dynamic", "undefined")
"""Types that OpenVINO knows besides."""


def element_of(name: str) -> Element:
    """The element type called `name`. Raises UnsupportedError for one that is OpenVINO's but has no numpy type, else SourceError."""
    found = ELEMENTS.get(name.lower())
    if found is None:
        if name.lower() in _UNSUPPORTED:
            raise UnsupportedError(f"element type '{name}' is not supported")
        raise SourceError(f"'{name}' is no element type")
    return found


def stored_element(name: str) -> Element:
    """The element type of a constant. Raises as `element_of` does."""
    return CODES.get(name.lower()) or element_of(name)


def decode(content: Bytes, element: Element, shape: tuple[int, ...]) -> Array:
    """The tensor that the bytes of a constant hold: a view of them wherever that is possible, else a copy.

    `content` holds exactly `element.stored(prod(shape))` bytes. Packed elements (less than 8 bits) are unpacked to one byte each, those of
    nf4 to float32; any byte but 0 is a true boolean.
    """
    if element.bits < 8:
        return _unpack(content, element, prod(shape)).reshape(shape)
    if element.name == "boolean":
        return np.not_equal(content, 0).reshape(shape)
    array: Array = content.view(element.dtype)
    return (array if array.flags.aligned else array.copy()).reshape(shape)


def _unpack(content: Bytes, element: Element, count: int) -> Array:
    """Elements of 1, 2 or 4 bits, each in a byte of its own."""
    shifts = np.arange(0, 8, element.bits, dtype=np.uint8)
    if element.high_first:
        shifts = shifts[::-1]
    mask = np.uint8((1 << element.bits) - 1)
    numbers: Bytes = ((content[:, None] >> shifts) & mask).reshape(-1)[:count]
    if element.name == "nf4":
        return np.asarray(NF4[numbers])
    if element.name == "i4":
        return np.asarray((numbers ^ 8).astype(np.int8) - np.int8(8), element.dtype)
    return numbers.view(element.dtype) if element.name.startswith("f") else np.asarray(numbers, element.dtype)
