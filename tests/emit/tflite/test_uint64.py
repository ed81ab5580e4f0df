"""Integers at the ends of their types. For uint64 LiteRT has hardly a kernel: it is computed as the bits of int64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from nchw2nhwc.ir import Array
from tests.emit.tflite.test_op_cases import tflite
from tests.parse.onnx.models import model, node, tensor

A = np.array([0, 1, 5, 2**63 - 1, 2**63, 2**63 + 2**20, 2**64 - 1, 7], np.uint64)
B = np.array([3, 2**64 - 1, 5, 2**63, 2**63 - 1, 2**63 + 2**20, 1, 2**40], np.uint64)


@pytest.mark.parametrize(("op", "operands", "attributes"), [
    *((op, "a b", {}) for op in ("Add", "Sub", "Mul", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Mod")),
    ("Concat", "a b", {"axis": 0}), ("Gather", "a i", {}), ("Where", "c a b", {}), ("Mod", "a b", {"fmod": 1}), ("Sign", "a", {}),
    ("ReduceMax", "a", {"keepdims": 0}), ("TopK", "a k", {}),
    ("Cast", "a", {"to": TensorProto.FLOAT}), ("Cast", "a", {"to": TensorProto.INT64}), ("Cast", "f", {"to": TensorProto.UINT64})])
def test_as_onnx_reference(op: str, operands: str, attributes: dict[str, int]) -> None:
    given: dict[str, Array] = {"a": A, "b": B, "c": A > B, "f": np.array([0, 3.5, 2.0**40, 2.0**63, 2.0**63 + 2.0**41], np.float32)}
    data = {name: given[name] for name in operands.split() if name in given}
    outputs = ["y", "z"] if op == "TopK" else ["y"]
    made = model([node(op, operands, " ".join(outputs), **attributes)], [tensor(n, x.shape, x.dtype) for n, x in data.items()], outputs,
                 {"i": [3, -1, 4], "k": [4]}, opset=18)
    wanted = ReferenceEvaluator(made).run(outputs, data)
    for found in tflite(made)(data).values():
        for result, want in zip(found, wanted, strict=True):
            assert result.dtype == want.dtype
            np.testing.assert_array_equal(result, want)


def _quotient(x: int, y: int) -> int:
    return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


FUNCTIONS: dict[str, tuple[str, dict[str, int | str], Callable[[int, int], int]]] = {
    "quotient": ("Div", {}, _quotient), "remainder": ("Mod", {}, lambda x, y: x % y),
    "remainder as in C": ("Mod", {"fmod": 1}, lambda x, y: x - y * _quotient(x, y)),
    "shift": ("BitShift", {"direction": "RIGHT"}, lambda x, y: x >> y)}


@pytest.mark.parametrize(("name", "dtype"), [
    *((name, dtype) for name in FUNCTIONS if name != "shift" for dtype in (np.int8, np.int32, np.uint32, np.int64)), ("shift", np.uint32)])
def test_all_pairs_at_the_ends_of_types(name: str, dtype: type[np.integer]) -> None:
    """But for quotients that overflow, and their remainders (C's has a formula of its own); int64 is divided in int32, so that the ends of
    int32 are tried there."""
    op, attributes, function = FUNCTIONS[name]
    ends = np.iinfo(np.int32 if (op, dtype) == ("Div", np.int64) else dtype)
    numbers = sorted({int(n) for n in (ends.min, ends.min + 1, ends.max // 2 + 1, ends.max - 1, ends.max, 0, 1, 2, 3, 7, 100)})
    others = range(32) if name == "shift" else [n for n in numbers if n != 0]
    pairs = [(x, y) for x in numbers for y in others if "fmod" in attributes or name == "shift" or (x, y) != (ends.min, -1)]
    data = {each: np.array(column, dtype) for each, column in zip("ab", zip(*pairs))}
    made = model([node(op, "a b", "y", **attributes)], [tensor(n, x.shape, x.dtype) for n, x in data.items()], ["y"], opset=18)
    for (result,) in tflite(made)(data).values():
        assert result.tolist() == [function(*pair) for pair in pairs]
