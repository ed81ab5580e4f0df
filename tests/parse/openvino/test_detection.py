"""Ops of object detection against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset3 as op3
import openvino.opset4 as op4
import openvino.opset5 as op5
import openvino.opset9 as op9
import pytest

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, Input, agree, case, model_of, saved

BOXES, SCORES = Input((2, 12, 4), low=0, high=1), Input((2, 3, 12), low=0, high=1)


def i64(value: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(value, np.int64)


def f32(value: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(value, np.float32)


def nms(op: object, most: int = 4, iou: float = 0.3, score: float = 0.4, **attributes: object) -> object:
    return lambda x, s: op.non_max_suppression(x, s, i64(most), f32(iou), f32(score), **attributes).outputs()  # type: ignore[attr-defined]


CASES = [
    case("NonMaxSuppression-1", nms(op1), BOXES, SCORES),
    case("NonMaxSuppression-3 of 32 bits", nms(op3, output_type="i32"), BOXES, SCORES),
    case("NonMaxSuppression-4 by class", nms(op4, sort_result_descending=False), BOXES, SCORES),
    case("NonMaxSuppression-5", nms(op5), BOXES, SCORES),
    case("NonMaxSuppression-9 centres", nms(op9, box_encoding="center", iou=0.1), BOXES, SCORES),
    case("NonMaxSuppression-9 more than there are", nms(op9, most=99, iou=0.5, score=0.0), BOXES, SCORES),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_lowered_scores_are_not_supported(tmp_path: Path) -> None:
    soft = case("soft", lambda x, s: op9.non_max_suppression(x, s, i64(4), f32(0.3), f32(0.4), f32(0.5)).outputs(), BOXES, SCORES)
    with pytest.raises(UnsupportedError, match="soft_nms_sigma"):
        read_openvino(saved(model_of(soft), tmp_path))
