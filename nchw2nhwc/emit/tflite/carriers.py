"""Element types that operators compute in, for data of others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.ir import DType

FLOAT32, INT8, INT16, INT32, INT64, BOOL = (np.dtype(t) for t in (np.float32, np.int8, np.int16, np.int32, np.int64, np.bool_))
UINT64 = np.dtype(np.uint64)

_WIDER: Mapping[str, tuple[str, ...]] = {
    "bool": ("int8", "int32"), "int8": ("int32",), "uint8": ("int32",), "int16": ("int32",), "uint16": ("int32",), "uint32": ("int64",)}
"""Types that hold all values of a type, nearest first. Arithmetic in them wraps to the same result when it is cast back."""

_BITS_ALONE = frozenset((
    "ADD", "SUB", "MUL", "EQUAL", "NOT_EQUAL", "GATHER", "GATHER_ND", "SELECT_V2", "TRANSPOSE", "BROADCAST_TO", "SCATTER_ND", "SPLIT",
    "SPLIT_V", "STRIDED_SLICE", "PADV2", "TILE", "CONCATENATION", "PACK", "REVERSE_V2"))
"""Operators to which the bits of uint64 are the same as those of int64."""


def carrier(code: str, dtype: DType) -> DType | None:
    """The element type in which operator `code` computes data of `dtype`: its own, or a wider one that gives the same result; or None."""
    known = KERNELS[code].types.split()
    if dtype.name in known:
        return dtype
    wider = ("int64",) if dtype.name == "uint64" and code in _BITS_ALONE else _WIDER.get(dtype.name, ())
    return next((np.dtype(name) for name in wider if name in known), None)


def refused_type(code: str, dtype: DType) -> str:
    """Why `code` cannot compute data of `dtype`; "" if it can."""
    return "" if carrier(code, dtype) is not None else f"{code} does not take {dtype.name}"
