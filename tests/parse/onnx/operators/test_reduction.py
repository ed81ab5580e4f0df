"""Reductions, softmax and cumulative sums against ONNX Runtime; what changed between versions above all."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto

from nchw2nhwc.errors import ConversionError
from tests.parse.onnx.models import assert_as_runtime, model, node, ops, read, tensor

REDUCTIONS = ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
              "ReduceLogSumExp")


@pytest.mark.parametrize("op", REDUCTIONS)
@pytest.mark.parametrize(("attributes", "opset"), [
    ({"axes": [1], "keepdims": 0}, 7), ({"axes": [-1, 0]}, 11), ({}, 7), ({"keepdims": 0}, 12),
])
def test_axes_as_attribute(op: str, attributes: dict[str, object], opset: int) -> None:
    assert_as_runtime(model([node(op, "x", **attributes)], [tensor("x", (2, 3, 4))], opset=opset), rtol=1e-4)


@pytest.mark.parametrize("op", REDUCTIONS)
@pytest.mark.parametrize(("operands", "attributes"), [
    ("x a", {"keepdims": 0}), ("x", {}), ("x", {"noop_with_empty_axes": 1}), ("x e", {"keepdims": 1}), ("x -", {"keepdims": 0}),
])
def test_axes_as_operand(op: str, operands: str, attributes: dict[str, object]) -> None:
    if attributes.get("noop_with_empty_axes") and op != "ReduceSum":
        pytest.skip("ONNX Runtime returns the operand itself here, against the standard; ONNX's own cases cover it")
    source = model([node(op, operands, **attributes)], [tensor("x", ("N", 3, 4))], opset=18,
                   constants={"a": np.array([-1, 1]), "e": np.array([], np.int64)})
    assert_as_runtime(source, rtol=1e-4)


def test_reduce_sum_changed_before_the_others() -> None:
    assert_as_runtime(model([node("ReduceSum", "x a")], constants={"a": np.array([1])}, opset=13))
    with pytest.raises(ConversionError, match="at most 1"):
        read(model([node("ReduceMax", "x a")], constants={"a": np.array([1])}, opset=13))


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize(("axis", "opset"), [(None, 7), (1, 11), (2, 11), (-1, 12), (0, 11), (None, 13), (1, 13), (-2, 13)])
def test_softmax(op: str, axis: int | None, opset: int) -> None:
    """Before opset 13 it runs over all axes from `axis` on, and `axis` is 1 by default."""
    attributes = {} if axis is None else {"axis": axis}
    assert_as_runtime(model([node(op, "x", **attributes)], [tensor("x", (2, 3, 4))], opset=opset))


@pytest.mark.parametrize(("shape", "axis", "wanted"), [
    (("N", 5), 1, ["Softmax"]), (("N", 5, 1, 1), 1, ["Softmax"]), (("N", 1, 5), 1, ["Softmax"]),
    (("N", 5, 2), 1, ["Reshape", "Softmax", "Reshape"]),
])
def test_old_softmax_of_one_axis_is_not_flattened(shape: tuple[int | str, ...], axis: int, wanted: list[str]) -> None:
    assert ops(assert_as_runtime(model([node("Softmax", "x", axis=axis)], [tensor("x", shape)], opset=11))) == wanted


@pytest.mark.parametrize(("source", "opset"), [
    (node("ArgMax", "x", axis=1, keepdims=0), 7), (node("ArgMin", "x"), 11), (node("ArgMax", "x", axis=-1, select_last_index=1), 12),
    (node("CumSum", "x i", exclusive=1), 11), (node("CumSum", "x i", reverse=1), 14),
])
def test_along_one_axis(source: NodeProto, opset: int) -> None:
    assert_as_runtime(model([source], [tensor("x", (3, 4, 5))], constants={"i": np.array(1)}, opset=opset))


@pytest.mark.parametrize(("source", "message"), [
    (node("ReduceMax", "x", axes=[2]), "axis 2 does not exist"), (node("ReduceMax", "x", axes=[0, -2]), "name an axis twice"),
    (node("Softmax", "x", axis=5), "axis 5 does not exist"), (node("CumSum", "x f"), "must be an integer"),
    (node("CumSum", "x two"), "must be one number"), (node("ReduceMax", "x", keepdims=2), "must be 0 or 1"),
])
def test_operands_that_do_not_fit(source: NodeProto, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        read(model([source], constants={"f": np.array(0.0), "two": np.array([0, 1])}))
