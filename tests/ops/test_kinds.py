"""Kinds and ranges of element types."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from nchw2nhwc.ops.kinds import integer_range, kind_of


@pytest.mark.parametrize(("kind", "names"), [
    ("floating point", ["float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"]),
    ("integer", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "int4", "uint4"]),
    ("boolean", ["bool"]),
])
def test_kinds(kind: str, names: list[str]) -> None:
    assert {kind_of(np.dtype(getattr(ml_dtypes, name, name))) for name in names} == {kind}


@pytest.mark.parametrize("name", ["int4", "uint4", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_integer_ranges(name: str) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    info = ml_dtypes.iinfo(dtype)  # type: ignore[no-untyped-call]
    assert integer_range(dtype) == (info.min, info.max)
