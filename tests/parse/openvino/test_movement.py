"""Ops that move elements about against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset7 as op7
import openvino.opset8 as op8
import openvino.opset12 as op12
import openvino.opset16 as op16
import pytest

from nchw2nhwc.errors import ConversionError, SourceError, UnsupportedError
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
    case("Gather-1", lambda x: op1.gather(x, i64(2, 0, 1, 1), np.int64(1)), ops="Gather"),
    case("Gather-7 by a scalar", lambda x: op7.gather(x, np.int64(1), np.int64(2)), ops="Gather"),
    case("Gather-8 from the end", lambda x: op8.gather(x, i64(-1, 0), np.int64(-2)), ops="Gather"),
    case("Gather by a matrix that is computed", lambda x, i: op8.gather(x, i, np.int64(1)), X, i32(2, 2, low=0, high=3), ops="Gather"),
    case("OneHot", lambda i: op1.one_hot(i, np.int64(4), np.float32(2), np.float32(-1), 1), i32(2, 3, low=-1, high=6),
         ops="Reshape Equal Where"),
    case("OneHot-16", lambda i: op16.one_hot(i, np.int64(4), np.float32(2), np.float32(-1), 1), i32(2, 3, low=-1, high=6),
         ops="Reshape Equal Where"),
    case("OneHot-16 from the end", lambda i: op16.one_hot(i, np.int64(4), np.float32(2), np.float32(-1), -1, "normalize"),
         i32(2, 3, low=-5, high=6),
         ops="Reshape Equal Equal LogicalOr Where"),
    case("OneHot last", lambda i: op1.one_hot(i, np.int64(4), np.float32(1), np.float32(0), -1), i32(5, low=0, high=4),
         ops="Reshape Equal Where"),
    case("Roll", lambda x: op7.roll(x, i64(1), i64(2)), ops="Split Concat"),
    case("Roll of two axes", lambda x: op7.roll(x, i64(-1, 7), i64(-1, 1)), ops="Split Concat Split Concat"),
    case("Roll of one axis twice", lambda x: op7.roll(x, i64(2, 1, 2), i64(3, 2, 3)), ops="Split Concat Split Concat"),
    case("Roll all round", lambda x: op7.roll(x, i64(5), i64(3)), ops="Identity"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


@pytest.mark.parametrize(("build", "error", "reason"), [
    (lambda x: op7.gather(x, np.zeros((2, 3), np.int64), np.int64(2), 1), UnsupportedError, "batch axes"),
    (lambda x: op8.gather(x, i64(0, 3), np.int64(1)), SourceError, "indices 0 to 3 do not fit axis 1"),
], ids=["batch axes", "index past the end"])
def test_what_cannot_be_expressed(build: object, error: type[ConversionError], reason: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=reason) as caught:
        read_openvino(saved(model_of(case("x", build)), tmp_path))  # type: ignore[arg-type]
    assert caught.value.where.file == "case.xml"
    assert caught.value.where.layer


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
