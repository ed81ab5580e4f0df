"""Non-maximum suppression of rotated boxes, and with lowered scores, against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset5 as op5
import openvino.opset9 as op9
import openvino.opset13 as op13
import pytest

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Build, Case, Input, agree, case, given, model_of, saved


def rotated(images: int, count: int) -> Input:
    """Boxes centre, width, height and angle; the last two are the same one."""
    rng = np.random.default_rng(count)
    parts = rng.uniform(0, 10, (images, count, 2)), rng.uniform(2, 8, (images, count, 2)), rng.uniform(-3, 3, (images, count, 1))
    boxes = np.concatenate(parts, 2)
    boxes[:, -1] = boxes[:, -2]
    return given(boxes, np.float32)


def suppressed(iou: float, most: int = 6, score: float = 0.2, **attributes: object) -> Build:
    operands = np.int64(most), np.float32(iou), np.float32(score)
    return lambda x, s: op13.nms_rotated(x, s, *operands, **attributes).outputs()  # type: ignore[arg-type]


def lowered(op: object, sigma: float, most: int = 4, iou: float = 0.6, score: float = 0.3, **attributes: object) -> Build:
    operands = np.int64(most), np.float32(iou), np.float32(score), np.float32(sigma)
    return lambda x, s: op.non_max_suppression(x, s, *operands, **attributes).outputs()  # type: ignore[attr-defined]


BOXES, SCORES = Input((2, 12, 4), low=0, high=1), Input((2, 3, 12), low=0, high=1)

CASES = [
    case("NMSRotated", suppressed(0.1), rotated(2, 12), SCORES),
    case("NMSRotated counterclockwise", suppressed(0.3, clockwise=False), rotated(2, 12), SCORES),
    case("NMSRotated by class of 32 bits", suppressed(0.2, sort_result_descending=False, output_type="i32"), rotated(2, 12), SCORES),
    case("NMSRotated of more than there are", suppressed(0.5, 99, 0.0), rotated(1, 9), Input((1, 2, 9), low=0, high=1)),
    case("NonMaxSuppression of opset 5 with lowered scores", lowered(op5, 0.5), BOXES, SCORES),
    case("NonMaxSuppression of opset 9 with lowered scores", lowered(op9, 0.2), BOXES, SCORES),
    case("NonMaxSuppression of opset 9 with lowered scores by class", lowered(op9, 0.5, 5, 0.4, sort_result_descending=False), BOXES,
         SCORES),
    case("NonMaxSuppression of opset 9 with lowered scores of centres", lowered(op9, 0.3, box_encoding="center", score=0.1), BOXES, SCORES),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_too_many_boxes(tmp_path: Path) -> None:
    many = case("x", suppressed(0.1), Input((1, 5000, 5)), Input((1, 1, 5000)))
    with pytest.raises(UnsupportedError, match="overlaps of 5000 boxes"):
        read_openvino(saved(model_of(many), tmp_path))
