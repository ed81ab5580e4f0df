"""Ops that change or compute shapes, and slices, against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset3 as op3

import openvino.opset8 as op8
import openvino.opset12 as op12
import openvino.opset15 as op15
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, Input, agree, case, i32, model_of, saved

X = Input((2, 3, 4, 5))
OPEN = Input(("?", 3, 4, "?"), actual=(2, 3, 4, 5))


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


def strided(x: object, begin: list[int], end: list[int], strides: list[int] | None = None, begin_mask: list[int] | None = None,
            end_mask: list[int] | None = None, new: list[int] | None = None, shrink: list[int] | None = None, ellipsis: list[int] | None = None) -> object:
    none = [0] * len(begin)
    return op1.strided_slice(x, i64(*begin), i64(*end), i64(*(strides or [1] * len(begin))), begin_mask or none, end_mask or none,
                             new or [], shrink or [], ellipsis or [])


CASES = [
    case("Reshape", lambda x: op1.reshape(x, i64(6, 20), False), ops="Reshape"),
    case("Reshape with special zero", lambda x: op1.reshape(x, i64(0, -1, 5), True), ops="Reshape"),
    case("Reshape to itself", lambda x: op1.reshape(x, i64(2, 3, 4, 5), False), ops="Identity"),
    case("Reshape with open sizes", lambda x: op1.reshape(x, i64(0, 12, -1), True), OPEN, ops="Reshape"),
    case("Squeeze", lambda x: op1.squeeze(x, i64(0, -2)), (1, 3, 1, 1, 4, 1), ops="Reshape"),
    case("Squeeze all", lambda x: op15.squeeze(x), (1, 3, 1, 4), ops="Reshape"),
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
    case("Broadcast-3 bidirectional, both grow", lambda x: op3.broadcast(x, i64(2, 1, 4), broadcast_spec="bidirectional"), (3, 1), ops="Expand"),
    case("ShapeOf-1", lambda x: op1.shape_of(x), ops=""),
    case("ShapeOf-3", lambda x: op3.shape_of(x, "i32"), ops=""),
    case("ShapeOf with open sizes", lambda x: op3.shape_of(x, "i32"), OPEN, ops="Sizes"),
    case("shape arithmetic", lambda x: op1.reshape(x, op1.concat([op8.gather(op3.shape_of(x), i64(0), np.int64(0)), i64(-1)], 0), False), OPEN, ops="Reshape"),
    case("Range-1", lambda x: op1.add(x, op1.range(np.int32(2), np.int32(12), np.int32(3))), i32(4), ops="Add"),
    case("Range-4", lambda x: op1.add(x, op12.range(np.int64(5), np.int64(-3), np.int64(-2), "i32")), i32(4), ops="Add"),
    case("Range of floats", lambda x: op1.add(x, op12.range(np.float32(0), np.float32(1), np.float32(0.3), "f32")), (4,), ops="Add"),
    case("Slice-8", lambda x: op8.slice(x, i64(0, 1), i64(2, 3), i64(1, 1), i64(0, 3)), ops="Slice"),
    case("Slice-8 without axes", lambda x: op8.slice(x, i64(1, 0), i64(9, 2), i64(1, 2)), ops="Slice"),
    case("Slice-8 backwards", lambda x: op8.slice(x, i64(-1, 9), i64(-9, 0), i64(-2, -1), i64(-1, 2)), ops="Slice"),
    case("Slice-8 of everything", lambda x: op8.slice(x, i64(0), i64(2**63 - 1), i64(1), i64(2)), ops="Identity"),
    case("Slice-8 of an open size", lambda x: op8.slice(x, i64(1), i64(2**31 - 1), i64(1), i64(-1)), OPEN, ops="Slice"),
    case("StridedSlice", lambda x: strided(x, [0, 1, 0], [2, 3, 4], [1, 1, 2]), ops="Slice"),
    case("StridedSlice backwards", lambda x: strided(x, [1, 5], [-9, 0], [-1, -1]), ops="Slice"),
    case("StridedSlice open ends", lambda x: strided(x, [5, 1, 5, 2], [0, 2, 1, 0], None, [1, 0, 1, 0], [1, 0, 0, 1]), ops="Slice"),
    case("StridedSlice open ends backwards", lambda x: strided(x, [0, 0, 0, 0], [0, 0, 1, 0], [1, 1, -1, -2], [1, 1, 1, 1], [1, 1, 0, 1]), ops="Slice"),
    case("StridedSlice new axes", lambda x: strided(x, [0, 0, 1], [0, 1, 3], None, new=[1, 0, 0]), ops="Slice Reshape"),
    case("StridedSlice shrink", lambda x: strided(x, [0, -1, 0, -2], [1, 0, 4, 0], shrink=[1, 1, 0, 1]), ops="Slice Reshape"),
    case("StridedSlice ellipsis", lambda x: strided(x, [1, 0, 2], [2, 0, 4], ellipsis=[0, 1, 0]), ops="Slice"),
    case("StridedSlice ellipsis of nothing", lambda x: strided(x, [0, 1, 0, 0, 1], [2, 3, 4, 0, 3], ellipsis=[0, 0, 0, 1, 0]), ops="Slice"),
    case("StridedSlice ellipsis, new axis, shrink", lambda x: strided(x, [0, 0, 0, 1], [0, 0, 0, 2], new=[0, 0, 1, 0], shrink=[1, 0, 0, 1], ellipsis=[0, 1, 0, 0]),
         ops="Slice Reshape"),
    case("StridedSlice of everything", lambda x: strided(x, [0, 0], [9, 9]), ops="Identity"),
    case("StridedSlice with open sizes", lambda x: strided(x, [0, 0, 1, 0], [0, 0, 4, 2], None, [1, 1, 0, 0], [1, 1, 0, 0]), OPEN, ops="Slice"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


ENDS = [(-9, -20, -1), (9, 7, -1), (-9, 3, -1), (-20, -9, 1), (7, 9, 1), (4, -6, -2), (0, -6, -1), (5, -6, -1), (2, 2, 1), (-1, -2, 1), (-5, 5, 3)]


@pytest.mark.parametrize("fn", ["Slice", "StridedSlice"])
def test_ends_outside_of_the_axis(fn: str, tmp_path: Path) -> None:
    """Every combination in one model; an empty result has no data to compare, only a shape."""
    def build(x: object) -> list[object]:
        return [op8.slice(x, i64(a), i64(b), i64(s)) if fn == "Slice" else strided(x, [a], [b], [s]) for a, b, s in ENDS]
    agree(case("ends", build, (5,)), tmp_path)


def test_the_elements_of_a_range_are_bounded(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x: op1.add(x, op12.range(np.int64(0), np.int64(10**15), np.int64(1), "i32")), i32(1))), tmp_path)
    with pytest.raises(SourceError, match="a range of 1000000000000000 elements"):
        read_openvino(path)


def test_a_shape_that_depends_on_data(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x, s: op1.reshape(x, s, False), X, i32(2))), tmp_path)
    with pytest.raises(UnsupportedError, match="depends on data"):
        read_openvino(path)
