"""Ops that pick elements by index, or order them by value, against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset3 as op3
import openvino.opset4 as op4
import openvino.opset5 as op5
import openvino.opset6 as op6
import openvino.opset7 as op7
import openvino.opset8 as op8
import openvino.opset9 as op9
import openvino.opset10 as op10
import openvino.opset11 as op11
import openvino.opset12 as op12
import openvino.opset15 as op15
import openvino.opset16 as op16
import pytest

from nchw2nhwc.errors import ConversionError, ShapeError, SourceError, UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Build, Case, Input, agree, case, data_for, expected, given, i32, model_of, saved

X = Input((2, 3, 4, 5))
ROWS = np.array([[0, 2], [1, 0], [-1, -1]])


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


def elements(reduction: str, use_init_val: bool) -> Build:
    """ScatterElementsUpdate-12 with places that occur twice."""
    return lambda x, u: op12.scatter_elements_update(x, np.array([[0, 3], [1, 1], [-1, 0]]), u, np.int64(1), reduction, use_init_val)


def pieces(reduction: str) -> Build:
    """ScatterNDUpdate-15."""
    return lambda x, u: op15.scatter_nd_update(x, np.array([[0], [1], [1]]), u, reduction)


CASES = [
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
    case("Gather-7 with a batch axis", lambda x: op7.gather(x, np.array([[0, 2, 1], [1, 1, 0]]), np.int64(2), 1),
         ops="Transpose GatherND Transpose"),
    case("Gather-8 with batch axes from the end", lambda x, i: op8.gather(x, i, np.int64(2), -1), X, i32(2, 3, low=-4, high=4),
         ops="Reshape Transpose GatherND Transpose"),
    case("Gather-8 with batch axes", lambda x, i: op8.gather(x, i, np.int64(2), 2), X, i32(2, 3, low=-4, high=4), ops="Reshape GatherND"),
    case("GatherElements", lambda x, i: op6.gather_elements(x, i, 1), X, i32(2, 6, 4, 5, low=0, high=3), ops="GatherElements"),
    case("GatherND-5", lambda x: op5.gather_nd(x, np.array([[0, 2], [1, 0]])), ops="GatherND"),
    case("GatherND-5 with batch axes", lambda x, i: op5.gather_nd(x, i, 2), X, i32(2, 3, 2, 1, low=0, high=4), ops="GatherND Reshape"),
    case("GatherND-8 with batch axes", lambda x, i: op8.gather_nd(x, i, 2), X, i32(2, 3, 2, 1, low=0, high=4), ops="GatherND"),
    case("ScatterElementsUpdate-3", lambda x, u: op3.scatter_elements_update(x, np.array([[0, 1], [1, 0], [0, 1]]), u, np.int64(1)),
         (3, 2), (3, 2), ops="ScatterElements"),
    *(case(f"ScatterElementsUpdate-12 {how}, {'with' if init else 'without'} what is there", elements(how, init), (3, 4), (3, 2))
      for how in ("sum", "prod", "min", "max", "mean") for init in (True, False)),
    *(case(f"ScatterElementsUpdate-12 {how} at places that are computed, of {kind.__name__}", lambda x, i, u, how=how:
           op12.scatter_elements_update(x, i, u, np.int64(1), how, False), Input((3, 4), kind, -9, 9), given([[0, 3], [1, 1], [-1, 0]]),
           Input((3, 2), kind, -9, 9))
      for how in ("prod", "min", "max") for kind in (np.float32, np.int32)),
    case("ScatterUpdate", lambda x, u: op3.scatter_update(x, np.array([[2, 0]]), u, np.int64(1)), (2, 3, 2), (2, 1, 2, 2),
         ops="Reshape ScatterElements"),
    case("ScatterUpdate of one", lambda x, u: op3.scatter_update(x, np.int64(2), u, np.int64(-2)), (2, 3, 4), (2, 4), oracle="reference"),
    case("ScatterNDUpdate-4", lambda x, u: op4.scatter_nd_update(x, ROWS, u), (2, 3, 4), (3, 4), ops="ScatterND"),
    *(case(f"ScatterNDUpdate-15 {reduction}", pieces(reduction), (2, 3), (3, 3)) for reduction in ("sum", "sub", "prod", "min", "max")),
    case("TopK-1 max", lambda x: op1.topk(x, np.int64(1), 1, "max", "value").outputs(), ops="ReduceMax ArgMax"),
    case("TopK-3 min", lambda x: op3.topk(x, np.int64(1), -1, "min", "index", "i64").outputs(), ops="ReduceMin ArgMin"),
    case("TopK-11 positions alone", lambda x: op11.topk(x, np.int64(1), 2, "max", "none").output(1), Input((2, 3, 9)), ops="ArgMax"),
    case("TopK-3 by value", lambda x: op3.topk(x, np.int64(3), -1, "max", "value").outputs(), ops="TopK"),
    case("TopK-3 min by value", lambda x: op3.topk(x, np.int64(2), 1, "min", "value").outputs(), ops="TopK"),
    case("TopK-11 by position", lambda x: op11.topk(x, np.int64(3), -1, "max", "index", "i64").outputs(), ops="TopK TopK GatherElements"),
    case("ReverseSequence", lambda x: op1.reverse_sequence(x, np.array([2, 4, 0]), np.int64(1), np.int64(-2)), ops="ReverseSequence"),
    case("Bucketize", lambda x: op3.bucketize(x, np.array([-1, 0, 0.5], np.float32)), ops="Reshape Less Cast ReduceSum Cast"),
    case("Bucketize of integers without the right bound", lambda x: op3.bucketize(x, i64(-1, 0, 3), "i32", False), i32(3, 5),
         ops="Reshape Cast LessEqual Cast ReduceSum"),
    case("SearchSorted", lambda x: op15.search_sorted(np.array([[-1, 0, 1], [0, 0, 2]], np.float32), x), (2, 5)),
    case("SearchSorted right of equal ones", lambda x: op15.search_sorted(np.array([-1, 0, 2], np.int32), x, True), i32(2, 5)),
    case("Eye", lambda x: op1.add(x, op9.eye(np.int64(4), np.int64(5), np.int64(-1), "f32")), ops="Add"),
    case("Eye with a batch", lambda x: op1.add(x, op9.eye(np.int64(4), np.int64(5), np.int64(7), "f32", i64(2, 3))), ops="Add"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


VALUES = np.array([[2, 0, 1], [2, 0, 1], [0, 0, 3]], np.float32)


@pytest.mark.parametrize("build", [
    op3.non_zero, lambda v: op3.non_zero(v, "i32"), op10.unique, lambda v: op10.unique(v, np.int64(-1)),
    lambda v: op10.unique(v, np.int64(0), False, "i32", "i32")])
def test_of_constants(build: Build, tmp_path: Path) -> None:
    given = case("constant", lambda x: build(op1.constant(VALUES)).outputs())
    model = model_of(given)
    graph = read_openvino(saved(model, tmp_path))
    assert not graph.nodes
    for value, wanted in zip(graph.outputs, expected(given, model, data_for(given)), strict=True):
        assert value.const is not None
        assert value.type.dtype == wanted.dtype
        np.testing.assert_array_equal(value.const, wanted)


@pytest.mark.parametrize(("build", "error", "reason"), [
    (lambda x: op8.gather(x, i64(0, 3), np.int64(1)), SourceError, "indices 0 to 3 do not fit axis 1"),
    (lambda x: op3.topk(x, np.int64(9), 1, "max", "value"), ShapeError, "the top 9 of axis 1"),
], ids=["index past the end", "TopK"])
def test_what_cannot_be_expressed(build: Build, error: type[ConversionError], reason: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=reason) as caught:
        read_openvino(saved(model_of(case("x", lambda x: build(x).outputs())), tmp_path))
    assert caught.value.where.file == "case.xml"
    assert caught.value.where.layer


def test_a_mean_of_integers(tmp_path: Path) -> None:
    path = saved(model_of(case("x", elements("mean", True), i32(3, 4), i32(3, 2))), tmp_path)
    with pytest.raises(UnsupportedError, match="the mean of int32"):
        read_openvino(path)
