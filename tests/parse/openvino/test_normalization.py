"""Normalisations against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset2 as op2
import openvino.opset5 as op5
import openvino.opset6 as op6
import openvino.opset12 as op12
import pytest

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ops.norm import LRN
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, agree, case, model_of, saved

GAMMA, BETA, MEAN, VARIANCE = (np.asarray(v, np.float32) for v in ([0.5, 1.5, -1], [0.1, 0.2, 0.3], [0.3, -0.4, 0.5], [0.5, 1, 2]))
WIDE = (2, 9, 5, 7)


def i64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(values, np.int64)


CASES = [
    case("BatchNormInference-1", lambda x: op1.batch_norm_inference(x, GAMMA, BETA, MEAN, VARIANCE, 1e-3), ops="BatchNorm", tolerance=1e-5),
    case("BatchNormInference-5", lambda x: op5.batch_norm_inference(x, GAMMA, BETA, MEAN, VARIANCE, 1e-3), ops="BatchNorm", tolerance=1e-5),
    case("LRN over channels", lambda x: op1.lrn(x, i64(1), 0.2, 0.75, 1.0, 5), WIDE, ops="LRN", tolerance=1e-5),
    case("LRN over an even number of channels", lambda x: op1.lrn(x, i64(1), 0.2, 0.75, 1.0, 4), WIDE, ops="LRN", tolerance=1e-5),
    case("LRN within channels", lambda x: op1.lrn(x, i64(2, 3), 0.3, 0.5, 1.0, 3), WIDE, ops="Mul AvgPool Mul Add Pow Div", tolerance=1e-5),
    case("GRN", lambda x: op1.grn(x, 0.4), ops="NormalizeL2", tolerance=1e-5),
    case("NormalizeL2 add", lambda x: op1.normalize_l2(x, i64(1), 0.5, "add"), ops="NormalizeL2", tolerance=1e-5),
    case("NormalizeL2 max", lambda x: op1.normalize_l2(x, i64(1, 2, 3), 0.5, "max"), ops="NormalizeL2", tolerance=1e-5),
    case("MVN-1 of each channel", lambda x: op2.mvn(x, False, True, 1e-3), ops="MVN", tolerance=1e-5),
    case("MVN-1 across channels", lambda x: op2.mvn(x, True, True, 1e-3), ops="MVN", tolerance=1e-5),
    case("MVN-1 mean alone", lambda x: op2.mvn(x, False, False, 1e-3), ops="MVN", tolerance=1e-5),
    case("MVN-6 inside", lambda x: op6.mvn(x, i64(-1, 2), True, 0.1, "INSIDE_SQRT"), ops="MVN", tolerance=1e-5),
    case("MVN-6 outside", lambda x: op6.mvn(x, i64(-1), True, 0.1, "OUTSIDE_SQRT"), ops="MVN", tolerance=1e-5),
    case("GroupNormalization", lambda x: op12.group_normalization(x, np.linspace(0.5, 1.5, 6, dtype=np.float32),
                                                                  np.linspace(-1, 1, 6, dtype=np.float32), 2, 1e-3),
         (2, 6, 3, 4), ops="Reshape MVN Reshape Mul Add", tolerance=1e-5),
    case("GroupNormalization of single channels", lambda x: op12.group_normalization(x, GAMMA, BETA, 3, 1e-3), ops="MVN Mul Add",
         tolerance=1e-5),
    case("GroupNormalization of one group", lambda x: op12.group_normalization(x, GAMMA, BETA, 1, 1e-3), ops="MVN Mul Add", tolerance=1e-5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_the_bias_of_an_lrn(tmp_path: Path) -> None:
    """OpenVINO's CPU plugin computes with 1 whatever the bias is, so there is nothing to compare with."""
    (node,) = read_openvino(saved(model_of(case("x", lambda x: op1.lrn(x, i64(1), 0.2, 0.75, 1.5, 5))), tmp_path)).nodes
    assert node.op == LRN(5, 0.2, 0.75, 1.5)


def test_lrn_over_channels_and_space_at_once(tmp_path: Path) -> None:
    path = saved(model_of(case("x", lambda x: op1.lrn(x, i64(1, 2), 0.2, 0.75, 1.0, 5))), tmp_path)
    with pytest.raises(UnsupportedError, match="LRN over axes"):
        read_openvino(path)
