"""uint64, for which LiteRT has hardly a kernel, as the bits of int64: numbers beyond those of int64, too."""

from __future__ import annotations

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
    *((op, "a b", {}) for op in ("Add", "Sub", "Mul", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min")),
    ("Concat", "a b", {"axis": 0}), ("Gather", "a i", {}), ("Where", "c a b", {}), ("ReduceMax", "a", {"keepdims": 0}), ("TopK", "a k", {}),
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
