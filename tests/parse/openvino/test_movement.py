"""Ops that move elements about against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset7 as op7
import openvino.opset12 as op12
import pytest

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, Input, agree, case, i32, model_of, saved
from tests.parse.openvino.ir_text import Written

X = Input((2, 3, 4, 5))


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


def f32(value: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(value, np.float32)


CASES = [
    case("Concat", lambda x, y: op1.concat([x, y], 1), (2, 3, 4), (2, 5, 4), ops="Concat"),
    case("Concat from the end", lambda x, y: op1.concat([x, y, x], -1), (2, 3), (2, 1), ops="Concat"),
    case("Concat of one", lambda x: op1.concat([x], 0), ops="Identity"),
    case("Split", lambda x: op1.split(x, np.int64(1), 3).outputs(), ops="Split"),
    case("Split, one part used", lambda x: op1.split(x, np.int64(-2), 2).output(1), ops="Split"),
    case("VariadicSplit", lambda x: op1.variadic_split(x, np.int64(3), i64(1, 3, 1)).outputs(), ops="Split"),
    case("VariadicSplit with the rest", lambda x: op1.variadic_split(x, np.int64(-1), i64(1, -1, 2)).outputs(), ops="Split"),
    case("Transpose", lambda x: op1.transpose(x, i64(0, 2, 3, 1)), ops="Transpose"),
    case("Transpose reversed", lambda x: op1.transpose(x, i64()), ops="Transpose"),
    case("Transpose of nothing", lambda x: op1.transpose(x, i64(0, 1, 2, 3)), ops="Identity"),
    case("Pad-1 constant", lambda x: op1.pad(x, i64(0, 1, 2, 0), i64(1, 0, 0, 3), "constant", np.float32(1.5)), ops="Pad"),
    case("Pad-1 zeros", lambda x: op1.pad(x, i64(0, 1, 2, 0), i64(1, 0, 0, 3), "constant"), ops="Pad"),
    case("Pad-1 edge", lambda x: op1.pad(x, i64(0, 1, 2, 0), i64(1, 0, 0, 3), "edge"), ops="Pad"),
    case("Pad-1 reflect", lambda x: op1.pad(x, i64(0, 1, 2, 0), i64(1, 0, 0, 3), "reflect"), ops="Pad"),
    case("Pad-1 symmetric", lambda x: op1.pad(x, i64(0, 1, 2, 0), i64(1, 0, 0, 3), "symmetric"), ops="Pad"),
    case("Pad-12 that cuts", lambda x: op12.pad(x, i64(0, -1, 2, 0), i64(0, 0, -1, -2), "constant", np.float32(0.5)), ops="Pad Slice"),
    case("Pad-12 that only cuts", lambda x: op12.pad(x, i64(0, -1, 0, 0), i64(0, 0, -1, -2), "edge"), ops="Slice"),
    case("Pad by nothing", lambda x: op12.pad(x, i64(0, 0, 0, 0), i64(0, 0, 0, 0), "edge"), ops="Identity"),
    case("Pad of integers", lambda x: op1.pad(x, i64(1, 0), i64(0, 2), "constant", np.int32(7)), i32(2, 3), ops="Pad"),
    case("Tile", lambda x: op1.tile(x, i64(1, 2, 1, 3)), ops="Tile"),
    case("Tile with few repeats", lambda x: op1.tile(x, i64(2)), ops="Tile"),
    case("Tile with many repeats", lambda x: op1.tile(x, i64(2, 1, 3)), (2, 3), ops="Reshape Tile"),
    case("Roll", lambda x: op7.roll(x, i64(1), i64(2)), ops="Split Concat"),
    case("Roll of two axes", lambda x: op7.roll(x, i64(-1, 7), i64(-1, 1)), ops="Split Concat Split Concat"),
    case("Roll of one axis twice", lambda x: op7.roll(x, i64(2, 1, 2), i64(3, 2, 3)), ops="Split Concat Split Concat"),
    case("Roll all round", lambda x: op7.roll(x, i64(5), i64(3)), ops="Identity"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_pads_that_are_computed(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x, p: op1.pad(x, p, p, "edge"), X, i32(4, low=0))), tmp_path)
    with pytest.raises(UnsupportedError, match="the padding is computed at run time"):
        read_openvino(path)


@pytest.mark.parametrize(("axes", "mode", "expected"), [
    (i64(1, -1), "index", (slice(None), slice(None, None, -1), slice(None, None, -1))),
    (np.array([True, False, True]), "mask", (slice(None, None, -1), slice(None), slice(None, None, -1))),
    (np.array([False, False, False]), "mask", (slice(None),)), (i64(), "index", (slice(None),))])
def test_reverse(axes: np.ndarray[tuple[int, ...], np.dtype[np.int64]], mode: str, expected: tuple[slice, ...]) -> None:
    """OpenVINO has no plugin that runs it."""
    x = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    graph = read_openvino(*Written("Reverse", [x.shape, axes], x.shape, {"mode": mode}).files())
    np.testing.assert_array_equal(run(graph, {"in0": x})["op"], x[expected])
