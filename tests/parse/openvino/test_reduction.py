"""Reductions, softmax, cumulative sums and arg-max against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset3 as op3
import openvino.opset4 as op4
import openvino.opset5 as op5
import openvino.opset8 as op8
import pytest

from tests.parse.openvino.harness import Case, agree, boolean, case, i32

REDUCTIONS = {"ReduceSum": op1.reduce_sum, "ReduceMean": op1.reduce_mean, "ReduceMax": op1.reduce_max, "ReduceMin": op1.reduce_min,
              "ReduceProd": op1.reduce_prod, "ReduceL1": op4.reduce_l1, "ReduceL2": op4.reduce_l2}


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


CASES = [
    *(case(f"{name} {'kept' if keep else 'dropped'}", lambda x, fn=fn, keep=keep: fn(x, i64(-1, 1), keep), ops=name, tolerance=1e-5)
      for name, fn in REDUCTIONS.items() for keep in (False, True)),
    case("ReduceSum of integers", lambda x: op1.reduce_sum(x, i64(0), False), i32(3, 4), ops="ReduceSum"),
    case("ReduceMax over a scalar axis", lambda x: op1.reduce_max(x, np.int64(2), True), ops="ReduceMax"),
    case("ReduceMean over one axis twice", lambda x: op1.reduce_mean(x, i64(1, 1), True), ops="ReduceMean"),
    case("ReduceLogicalAnd", lambda x: op1.reduce_logical_and(x, i64(1), False), boolean(6, 2), ops="ReduceAnd"),
    case("ReduceLogicalOr", lambda x: op1.reduce_logical_or(x, i64(0), True), boolean(2, 6), ops="ReduceOr"),
    case("SoftMax-1", lambda x: op1.softmax(x, 3), ops="Softmax"),
    case("SoftMax-8", lambda x: op8.softmax(x, -3), ops="Softmax"),
    case("LogSoftmax", lambda x: op5.log_softmax(x, -2), ops="LogSoftmax"),
    case("CumSum", lambda x: op3.cum_sum(x, np.int64(-1)), ops="CumSum"),
    case("CumSum exclusive and reverse", lambda x: op3.cum_sum(x, np.int64(1), True, True), ops="CumSum"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)
