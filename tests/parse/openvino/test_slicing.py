"""Slices against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset8 as op8
import openvino.opset15 as op15
import pytest

from tests.parse.openvino.harness import Build, Case, Input, agree, case, i32

X = Input((2, 3, 4, 5))
OPEN = Input(("?", 3, 4, "?"), actual=(2, 3, 4, 5))


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


def strided(x: object, begin: list[int], end: list[int], strides: list[int] | None = None, begin_mask: list[int] | None = None,
            end_mask: list[int] | None = None, new: list[int] | None = None, shrink: list[int] | None = None,
            ellipsis: list[int] | None = None) -> object:
    none = [0] * len(begin)
    return op1.strided_slice(x, i64(*begin), i64(*end), i64(*(strides or [1] * len(begin))), begin_mask or none, end_mask or none,
                             new or [], shrink or [], ellipsis or [])


def scattered(*ends: list[int]) -> Build:
    return lambda x, updates: op15.slice_scatter(x, updates, *(np.array(end, np.int64) for end in ends))


CASES = [
    case("Slice-8", lambda x: op8.slice(x, i64(0, 1), i64(2, 3), i64(1, 1), i64(0, 3)), ops="Slice"),
    case("Slice-8 without axes", lambda x: op8.slice(x, i64(1, 0), i64(9, 2), i64(1, 2)), ops="Slice"),
    case("Slice-8 backwards", lambda x: op8.slice(x, i64(-1, 9), i64(-9, 0), i64(-2, -1), i64(-1, 2)), ops="Slice"),
    case("Slice-8 of everything", lambda x: op8.slice(x, i64(0), i64(2**63 - 1), i64(1), i64(2)), ops="Identity"),
    case("Slice-8 of an open size", lambda x: op8.slice(x, i64(1), i64(2**31 - 1), i64(1), i64(-1)), OPEN, ops="Slice"),
    case("StridedSlice", lambda x: strided(x, [0, 1, 0], [2, 3, 4], [1, 1, 2]), ops="Slice"),
    case("StridedSlice backwards", lambda x: strided(x, [1, 5], [-9, 0], [-1, -1]), ops="Slice"),
    case("StridedSlice open ends", lambda x: strided(x, [5, 1, 5, 2], [0, 2, 1, 0], None, [1, 0, 1, 0], [1, 0, 0, 1]), ops="Slice"),
    case("StridedSlice open ends backwards", lambda x: strided(x, [0, 0, 0, 0], [0, 0, 1, 0], [1, 1, -1, -2], [1, 1, 1, 1], [1, 1, 0, 1]),
         ops="Slice"),
    case("StridedSlice new axes", lambda x: strided(x, [0, 0, 1], [0, 1, 3], None, new=[1, 0, 0]), ops="Slice Reshape"),
    case("StridedSlice shrink", lambda x: strided(x, [0, -1, 0, -2], [1, 0, 4, 0], shrink=[1, 1, 0, 1]), ops="Slice Reshape"),
    case("StridedSlice ellipsis", lambda x: strided(x, [1, 0, 2], [2, 0, 4], ellipsis=[0, 1, 0]), ops="Slice"),
    # The CPU plugin reads the step of the last axis from elsewhere now and then, where an ellipsis stands for no axis.
    case("StridedSlice ellipsis of nothing", lambda x: strided(x, [0, 1, 0, 0, 1], [2, 3, 4, 0, 3], ellipsis=[0, 0, 0, 1, 0]), ops="Slice",
         oracle="reference"),
    case("StridedSlice ellipsis, new axis, shrink", lambda x: strided(x, [0, 0, 0, 1], [0, 0, 0, 2], new=[0, 0, 1, 0],
                                                                      shrink=[1, 0, 0, 1], ellipsis=[0, 1, 0, 0]),
         ops="Slice Reshape"),
    case("StridedSlice of everything", lambda x: strided(x, [0, 0], [9, 9]), ops="Identity"),
    case("StridedSlice with open sizes", lambda x: strided(x, [0, 0, 1, 0], [0, 0, 4, 2], None, [1, 1, 0, 0], [1, 1, 0, 0]), OPEN,
         ops="Slice"),
    case("SliceScatter", scattered([1], [3], [1], [2]), (2, 3, 4), (2, 3, 2)),
    case("SliceScatter with steps", scattered([0, 1], [3, 4], [2, 2], [1, 2]), (2, 3, 4), (2, 2, 2)),
    case("SliceScatter backwards", scattered([-1], [-9], [-1], [1]), (2, 3, 4), (2, 3, 4)),
    case("SliceScatter backwards with steps", scattered([3], [0], [-2], [2]), (2, 3, 4), (2, 3, 2)),
    case("SliceScatter of all axes", scattered([0, 1, 1], [1, 3, 9], [1, 1, 2]), (2, 3, 4), (1, 2, 2)),
    case("SliceScatter of integers", scattered([-3], [-1], [1], [0]), i32(5), i32(2)),
    case("SliceScatter of an image", scattered([1, 2], [5, 6], [1, 1], [2, 3]), (1, 3, 6, 8), (1, 3, 4, 4)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


ENDS = [(-9, -20, -1), (9, 7, -1), (-9, 3, -1), (-20, -9, 1), (7, 9, 1), (4, -6, -2), (0, -6, -1), (5, -6, -1), (2, 2, 1), (-1, -2, 1),
        (-5, 5, 3)]


@pytest.mark.parametrize("fn", ["Slice", "StridedSlice"])
def test_ends_outside_of_the_axis(fn: str, tmp_path: Path) -> None:
    """Every combination in one model; an empty result has no data to compare, only a shape."""
    def build(x: object) -> list[object]:
        return [op8.slice(x, i64(a), i64(b), i64(s)) if fn == "Slice" else strided(x, [a], [b], [s]) for a, b, s in ENDS]
    agree(case("ends", build, (5,)), tmp_path)
