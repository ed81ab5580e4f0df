"""Assignments to the elements for which a condition holds, as exporters write them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from onnx import NodeProto

from tests.parse.onnx.models import assert_as_runtime, model, node, ops, tensor

CONSTANTS = {"zero": np.float32(0), "one": np.array([1]), "first": np.array([0]), "flat": np.array([-1]), "two": np.float32(2),
             "whole": np.array(2), "row": np.array([[0.5]], np.float32), "columns": np.array([0.5, -2, 3], np.float32),
             "shape": np.array([4, 3, 5]), "fives": np.array([5])}
CHOSEN = (node("Greater", "x zero", "mask"), node("NonZero", "mask", "p"), node("Transpose", "p", "at", perm=[1, 0]),
          node("GatherND", "y at", "chosen"))
TRACED = (node("Shape", "x", "sizes"), node("Expand", "mask sizes", "wide"), node("NonZero", "wide", "q"),
          node("Transpose", "q", "rows", perm=[1, 0]), node("Reshape", "new flat", "all"), node("Shape", "rows", "s"),
          node("Gather", "s first", "count"), node("Slice", "all first count first", "u"), node("ScatterND", "x rows u", "z"))
"""How PyTorch's TorchScript exporter assigns "new"."""
COUNTED = (node("Reshape", "mask flat", "m"), node("Cast", "m", "i", to=7), node("ReduceSum", "i", "count", keepdims=1),
           node("Expand", "new count", "e"), node("Reshape", "e flat", "u"), node("ScatterND", "x at u", "z"))
"""How its newer one does."""
PLAIN = (node("ScatterND", "x at new", "z"),)


def _scattered(nodes: Sequence[NodeProto], dims: Sequence[int | str] = (4, 3), dtype: type = np.float32) -> list[str]:
    """The ops of what computes the same as the runtime."""
    inputs = [tensor("x", dims, dtype), tensor("y", dims, dtype)]
    constants = {**CONSTANTS, "zero": np.array(0, dtype), "two": np.array(2, dtype)}
    return ops(assert_as_runtime(model(nodes, inputs, ("z",), constants), unknown=4))


@pytest.mark.parametrize("dims", [(4, 3), ("n", "m"), (2, 2, 2)], ids=str)
@pytest.mark.parametrize("assign", [TRACED, COUNTED], ids=["traced", "counted"])
def test_functions_of_single_elements(assign: Sequence[NodeProto], dims: Sequence[int | str]) -> None:
    nodes = (*CHOSEN, node("Sigmoid", "chosen", "a"), node("Mul", "a two", "b"), node("Sub", "chosen b", "new"), *assign)
    found = _scattered(nodes, dims)
    assert ("Where" in found, "ScatterND" in found) == (True, False)


@pytest.mark.parametrize("new", [
    [node("Identity", "two", "new")], [node("Identity", "chosen", "new")], [node("Where", "m2 chosen two", "new")],
    [node("Reshape", "chosen flat", "new")]], ids=["number", "elements", "three operands", "reshaped"])
@pytest.mark.parametrize("assign", [TRACED, COUNTED], ids=["traced", "counted"])
def test_what_is_assigned(new: Sequence[NodeProto], assign: Sequence[NodeProto]) -> None:
    more = [] if new[0].op_type == "Identity" and new[0].input[0] == "two" and assign is TRACED else assign
    nodes = [*CHOSEN, node("Greater", "chosen two", "m2"), *new, *(more or [
        *TRACED[:4], node("Shape", "rows", "s"), node("Gather", "s first", "count"), node("Expand", "new count", "u"), TRACED[-1]])]
    found = _scattered(nodes)
    assert ("Where" in found, "ScatterND" in found) == (True, False)


def test_whole_rows() -> None:
    """A mask of the leading axes; what is the same for all rows, too, with and without the axis that counts them."""
    nodes = (node("ReduceMax", "x", "top", axes=[1], keepdims=0), node("Greater", "top zero", "mask"), *CHOSEN[1:],
             node("Mul", "chosen columns", "scaled"), node("Add", "scaled row", "new"), *PLAIN)
    found = _scattered(nodes)
    assert ("Where" in found, "ScatterND" in found) == (True, False)


def test_a_number_for_whole_rows() -> None:
    """The mask is expanded to the data's shape, the number to as many elements."""
    nodes = (node("ReduceMax", "x", "top", axes=[2], keepdims=0), node("Greater", "top zero", "mask"), node("Reshape", "mask flat", "m"),
             node("Cast", "m", "i", to=7), node("ReduceSum", "i", "rows", keepdims=1), node("Concat", "rows fives", "count", axis=0),
             node("Unsqueeze", "mask whole_axis", "three"), node("Expand", "three shape", "wide"), node("NonZero", "wide", "p"),
             node("Transpose", "p", "at", perm=[1, 0]), node("Expand", "two count", "e"), node("Reshape", "e flat", "new"), *PLAIN)
    constants = {**CONSTANTS, "whole_axis": np.array([2])}
    found = ops(assert_as_runtime(model(nodes, [tensor("x", (4, 3, 5))], ("z",), constants)))
    assert ("Where" in found, "ScatterND" in found) == (True, False)


@pytest.mark.parametrize("assign", [TRACED, (*TRACED[:5], node("ScatterND", "x rows all", "z"))], ids=["sliced", "all"])
def test_rows_that_are_assigned_element_by_element(assign: Sequence[NodeProto]) -> None:
    """As torch's `masked_scatter` does: data decides the numbers of rows and of elements apart."""
    nodes = (node("ReduceMax", "x", "top", axes=[1]), node("Greater", "top zero", "mask"), node("Reshape", "mask flat", "m"),
             node("NonZero", "m", "p"), node("Transpose", "p", "at", perm=[1, 0]), node("GatherND", "y at", "chosen"),
             node("Softmax", "chosen", "new", axis=1), *assign)
    assert "ScatterND" in _scattered(nodes)


@pytest.mark.parametrize(("nodes", "dtype"), [
    ((*CHOSEN, node("CumSum", "chosen whole_first", "new"), *PLAIN), np.float32),
    ((node("Greater", "y zero", "mask"), *CHOSEN[1:], node("Div", "two chosen", "new"), *PLAIN), np.int64),
    ((*CHOSEN[:3], node("Greater", "y zero", "m2"), node("NonZero", "m2", "p2"), node("Transpose", "p2", "at2", perm=[1, 0]),
      node("GatherND", "y at2", "some"), node("Pad", "some pads", "padded", mode="edge"), node("Shape", "at", "s"),
      node("Gather", "s first", "count"), node("Slice", "padded first count first", "new"), *PLAIN), np.float32),
    ((*CHOSEN, node("ScatterND", "x at chosen", "z", reduction="add")), np.float32),
    ((node("NonZero", "x", "p"), *CHOSEN[2:], node("Relu", "chosen", "new"), *PLAIN), np.float32),
], ids=["sums", "division of integers", "another condition", "sums of elements", "numbers"])
def test_what_stays(nodes: Sequence[NodeProto], dtype: type) -> None:
    inputs = [tensor("x", (4, 3), dtype), tensor("y", (4, 3), dtype)]
    constants = {**CONSTANTS, "zero": np.array(0, dtype), "two": np.array(2, dtype), "whole_first": np.array(0), "pads": np.array([0, 12])}
    assert "ScatterND" in ops(assert_as_runtime(model(nodes, inputs, ("z",), constants, opset=18)))
