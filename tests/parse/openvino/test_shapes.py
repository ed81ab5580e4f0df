"""Ops that change or compute shapes against OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino.opset1 as op1
import openvino.opset3 as op3
import openvino.opset8 as op8
import openvino.opset12 as op12
import openvino.opset15 as op15
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, Input, agree, case, given, i32, model_of, saved

X = Input((2, 3, 4, 5))
OPEN = Input(("?", 3, 4, "?"), actual=(2, 3, 4, 5))


def last_size(x: Any) -> Any:
    """The size of the last axis, a number without axes."""
    return op8.gather(op3.shape_of(x), np.int64(-1), np.int64(0))


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


CASES = [
    case("Reshape", lambda x: op1.reshape(x, i64(6, 20), False), ops="Reshape"),
    case("Reshape with special zero", lambda x: op1.reshape(x, i64(0, -1, 5), True), ops="Reshape"),
    case("Reshape to itself", lambda x: op1.reshape(x, i64(2, 3, 4, 5), False), ops="Identity"),
    case("Reshape with open sizes", lambda x: op1.reshape(x, i64(0, 12, -1), True), OPEN, ops="Reshape"),
    case("Squeeze", lambda x: op1.squeeze(x, i64(0, -2)), (1, 3, 1, 1, 4, 1), ops="Reshape"),
    case("Squeeze all", op15.squeeze, (1, 3, 1, 4), ops="Reshape"),
    case("Squeeze by no axes", lambda x: op1.squeeze(x, i64()), (1, 3, 1, 4), ops="Reshape"),
    case("Squeeze of an axis that is not 1", lambda x: op1.squeeze(x, i64(0, 1)), (1, 3, 4), ops="Reshape"),
    case("Squeeze-15", lambda x: op15.squeeze(x, i64(0)), (1, 3, 1, 4), ops="Reshape"),
    case("Unsqueeze", lambda x: op1.unsqueeze(x, i64(0, -1)), ops="Reshape"),
    case("Unsqueeze in the middle", lambda x: op1.unsqueeze(x, np.int64(2)), ops="Reshape"),
    case("Broadcast-1", lambda x: op1.broadcast(x, i64(2, 3, 4)), (3, 1), ops="Expand"),
    case("Broadcast-1 explicit", lambda x: op1.broadcast(x, i64(2, 3, 4), i64(1), "explicit"), (3,), ops="Reshape Expand"),
    case("Broadcast-3", lambda x: op3.broadcast(x, i64(2, 3, 4)), (), ops="Expand"),
    case("Broadcast-3 explicit", lambda x: op3.broadcast(x, i64(2, 3, 4, 5), i64(0, 2), "explicit"), (2, 4), ops="Reshape Expand"),
    case("Broadcast-3 bidirectional", lambda x: op3.broadcast(x, i64(1, 4), broadcast_spec="bidirectional"), (3, 4), ops="Identity"),
    case("Broadcast-3 bidirectional, both grow", lambda x: op3.broadcast(x, i64(2, 1, 4), broadcast_spec="bidirectional"), (3, 1),
         ops="Expand"),
    case("ShapeOf-1", op1.shape_of, ops=""),
    case("ShapeOf-3", lambda x: op3.shape_of(x, "i32"), ops=""),
    case("ShapeOf with open sizes", lambda x: op3.shape_of(x, "i32"), OPEN, ops="Sizes"),
    case("shape arithmetic", lambda x: op1.reshape(x, op1.concat([op8.gather(op3.shape_of(x), i64(0), np.int64(0)), i64(-1)], 0), False),
         OPEN, ops="Reshape"),
    case("Range-1", lambda x: op1.add(x, op1.range(np.int32(2), np.int32(12), np.int32(3))), i32(4), ops="Add"),
    case("Range-4", lambda x: op1.add(x, op12.range(np.int64(5), np.int64(-3), np.int64(-2), "i32")), i32(4), ops="Add"),
    case("Range up to a size", lambda x: op1.multiply(x, op1.convert(op12.range(np.int32(0), last_size(x), np.int64(1), "i64"), "f32")),
         OPEN, ops="Expand CumSum Cast Mul"),
    case("Range of floats up to a size",
         lambda x: op1.multiply(x, op12.range(np.float32(0), op1.convert(last_size(x), "f32"), np.float32(1), "f32")), OPEN,
         ops="Expand CumSum Mul"),
    case("Range down from a number", lambda n: op12.range(n, np.int64(2), np.int64(-3), "i32"), given(9), ops=None),
    case("Range of halves up to a number", lambda n: op12.range(np.float32(1), n, np.float32(0.5), "f32"), given(3), ops=None),
    case("Range of floats", lambda x: op1.add(x, op12.range(np.float32(0), np.float32(1), np.float32(0.3), "f32")), (4,), ops="Add"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_the_elements_of_a_range_are_bounded(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x: op1.add(x, op12.range(np.int64(0), np.int64(10**15), np.int64(1), "i32")), i32(1))), tmp_path)
    with pytest.raises(SourceError, match="a range of 1000000000000000 elements"):
        read_openvino(path)


def test_a_shape_that_depends_on_data(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x, s: op1.reshape(x, s, False), X, i32(2))), tmp_path)
    with pytest.raises(UnsupportedError, match="depends on data"):
        read_openvino(path)
