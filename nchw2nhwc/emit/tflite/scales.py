"""Scales that kernels can compute with.

LiteRT makes fixed-point numbers of ratios of scales while it loads a file, and where that fails some kernels end the process. So scales are
looked at before a file is loaded.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nchw2nhwc.ops.quantized import LARGEST_SCALE, SMALLEST_SCALE

if TYPE_CHECKING:
    from ai_edge_litert import schema_py_generated as schema

_SHIFTS: Mapping[str, Mapping[int, int]] = {"ADD": {8: 20, 16: 15}, "SQUARED_DIFFERENCE": {8: 14, 16: 14}}
"""By how many bits kernels shift what they divide by the scale of the result, for integers of 8 and of 16 bits: LiteRT's `add.cc` and
`squared_difference.cc`. The quotient has to be below 1."""


_SPELLED: Mapping[int, str] = {0: "ADD", 99: "SQUARED_DIFFERENCE"}
_INT16 = 7
"""Numbers of the schema."""


def is_result_too_fine(code: str, bits: int, operands: tuple[float, float], result: float) -> bool:
    """Whether the scale of a result is too small beside those of the operands for the kernel of `code`."""
    shift = _SHIFTS.get(code, {}).get(bits)
    if shift is None:
        return False
    twice = 2 * max(operands)
    return (twice * twice if code == "SQUARED_DIFFERENCE" else twice) >= result * (1 << shift)


@dataclass(frozen=True)
class BadScale:
    """A scale that LiteRT may not survive: the numbers of the subgraph and of the operator, and what is wrong."""

    subgraph: int
    operator: int
    reason: str


def bad_scale(result: str | os.PathLike[str] | bytes) -> BadScale | None:
    """The first scale of a file (a path, or its content) that LiteRT may not survive; None if there is none. What is no TFLite file is for
    LiteRT to refuse."""
    try:
        with _root(result) as model:
            for g in range(model.SubgraphsLength()):
                subgraph = model.Subgraphs(g)
                scales = [_scales(subgraph.Tensors(k)) for k in range(subgraph.TensorsLength())]
                if all(found is None for found in scales):
                    continue
                for k in range(subgraph.OperatorsLength()):
                    reason = _wrong(model, subgraph, subgraph.Operators(k), scales)
                    if reason:
                        return BadScale(g, k, reason)
    except (struct.error, ValueError, IndexError, UnicodeDecodeError):
        return None
    return None


@contextmanager
def _root(result: str | os.PathLike[str] | bytes) -> Iterator[schema.Model]:
    from ai_edge_litert import schema_py_generated as schema

    if isinstance(result, bytes):
        yield schema.Model.GetRootAs(result, 0)
        return
    with open(result, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield schema.Model.GetRootAs(content, 0)


_Scales = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def _scales(tensor: schema.Tensor) -> _Scales | None:
    """Those of a tensor; None if it has none."""
    found = tensor.Quantization()
    return None if found is None or not found.ScaleLength() else np.array(found.ScaleAsNumpy(), np.float32)


def _wrong(model: schema.Model, subgraph: schema.SubGraph, operator: schema.Operator, scales: list[_Scales | None]) -> str:
    """What is wrong with the scales of an operator's operands and results; "" if nothing is."""
    inputs, outputs = (list(map(int, numbers)) for numbers in (operator.InputsAsNumpy(), operator.OutputsAsNumpy()))
    for index in (*inputs, *outputs):
        found = scales[index] if index >= 0 else None
        if found is not None and not bool(((found >= SMALLEST_SCALE) & (found <= LARGEST_SCALE)).all()):
            bad = found[~((found >= SMALLEST_SCALE) & (found <= LARGEST_SCALE))][0]
            return f"that of '{subgraph.Tensors(index).Name().decode()}' is {bad:g}"
    code = _SPELLED.get(model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode(), "")
    known = [scales[index] for index in (*inputs[:2], outputs[0])] if code else []
    single = [float(each[0]) for each in known if each is not None and each.size == 1]
    bits = 16 if code and subgraph.Tensors(outputs[0]).Type() == _INT16 else 8
    if len(single) == 3 and is_result_too_fine(code, bits, (single[0], single[1]), single[2]):
        return f"{single[2]:g} is too small for the result of {code} of {single[0]:g} and {single[1]:g}"
    return ""


