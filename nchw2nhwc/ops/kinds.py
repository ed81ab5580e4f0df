"""Kinds of element types and attributes that are one of a few words, and the checks that ops make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nchw2nhwc.errors import CUT, ShapeError
from nchw2nhwc.ir.types import Array, DType, TensorType
from nchw2nhwc.ops.base import same_dtype

if TYPE_CHECKING:
    from nchw2nhwc.ops.base import Op

Kinds: TypeAlias = frozenset[str]

FLOAT: Kinds = frozenset({"floating point"})
INTEGER: Kinds = frozenset({"integer"})
BOOL: Kinds = frozenset({"boolean"})
NUMBER: Kinds = FLOAT | INTEGER
ANY: Kinds = NUMBER | BOOL

Doubles: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_NARROW = {"int2": (-2, 1), "uint2": (0, 3), "int4": (-8, 7), "uint4": (0, 15)}
"""Ranges of ml_dtypes' integer types, which numpy does not know as such."""


def kind_of(dtype: DType) -> str:
    """"floating point", "integer" or "boolean", ml_dtypes' types (whose numpy kind says nothing) included."""
    if dtype.kind in "iu" or dtype.name in _NARROW:
        return "integer"
    return "boolean" if dtype.kind == "b" else "floating point"


def require(op: Op, kinds: Kinds, *types: TensorType) -> None:
    """Raises ShapeError unless all element types are equal and of one of `kinds`."""
    for t in types:
        if kind_of(t.dtype) not in kinds:
            raise ShapeError(f"{op.name} takes {' or '.join(sorted(kinds))} operands, not {t.dtype.name}", advice=CUT)
    same_dtype(*types)


def one_of(*choices: str) -> Mapping[str, object]:
    """Metadata of an attribute that is one of `choices`."""
    return {"choices": choices}


def check_choices(op: Op) -> None:
    """Raises ShapeError when an attribute made with `one_of` is none of its choices."""
    for f in fields(op):
        choices = f.metadata.get("choices")
        if choices is not None and getattr(op, f.name) not in choices:
            raise ShapeError(f"{op.name} has no {f.name} '{getattr(op, f.name)}'; there are {', '.join(choices)}")


def integer_range(dtype: DType) -> tuple[int, int]:
    """The smallest and the largest value of an integer type."""
    if dtype.name in _NARROW:
        return _NARROW[dtype.name]
    bits = 8 * dtype.itemsize
    return (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def wide(x: Array) -> Doubles:
    """`x` in double precision, so that a formula of several steps is rounded once, at its end."""
    return np.asarray(x, np.float64)
