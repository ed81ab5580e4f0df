"""MatrixNms and MulticlassNms against OpenVINO."""

from __future__ import annotations

from itertools import product as every
from pathlib import Path

import numpy as np
import openvino.opset8 as op8
import openvino.opset9 as op9
import pytest

from tests.parse.openvino.harness import Build, Case, Input, agree, case, given


def boxes(images: int, count: int, scale: float = 1.0) -> Input:
    """Boxes left, top, right, bottom."""
    corners = np.sort(np.random.default_rng(count).uniform(0, scale, (images, count, 2, 2)), 2)
    return given(corners.reshape(images, count, 4), np.float32)


def near_boxes(images: int, count: int, scale: float = 1.0) -> Input:
    """Boxes that overlap much."""
    corners = np.array([0.2, 0.2, 0.8, 0.8]) + np.random.default_rng(count).uniform(-0.08, 0.08, (images, count, 4))
    return given(scale * corners, np.float32)


def matrix(**attributes: object) -> Build:
    usual = {"score_threshold": 0.2, "post_threshold": 0.1, "nms_top_k": 6, "keep_top_k": 8}
    return lambda x, s: op8.matrix_nms(x, s, **{**usual, **attributes}).outputs()  # type: ignore[arg-type]


def multiclass(op: object = op8, **attributes: object) -> Build:
    usual = {"iou_threshold": 0.3, "score_threshold": 0.2, "nms_top_k": 8, "keep_top_k": 9}
    return lambda *xs: op.multiclass_nms(*xs, **{**usual, **attributes}).outputs()  # type: ignore[attr-defined]


BOXES, PIXELS, SCORES = boxes(2, 12), boxes(2, 12, 20.0), Input((2, 3, 12), low=0, high=1)
NEAR, NEAR_PIXELS = near_boxes(2, 12), near_boxes(2, 12, 20.0)
OWN, OWN_SCORES = boxes(3, 12), Input((3, 12), low=0, high=1)

CASES = [
    *(case(f"MatrixNms {decay} by {sort}{' across the batch' if across else ''}",
           matrix(sort_result_type=sort, sort_result_across_batch=across, decay_function=decay), BOXES, SCORES, tolerance=1e-5)
      for decay, sort, across in every(("linear", "gaussian"), ("none", "score", "classid"), (False, True))),
    case("MatrixNms of all that there are", matrix(nms_top_k=-1, keep_top_k=-1, background_class=1), BOXES, SCORES, tolerance=1e-5),
    case("MatrixNms in pixels of 32 bits", matrix(normalized=False, output_type="i32"), PIXELS, SCORES, tolerance=1e-5),
    case("MatrixNms with sigma", matrix(decay_function="gaussian", gaussian_sigma=0.5), BOXES, SCORES, tolerance=1e-5),
    *(case(f"MulticlassNms-8 by {sort}{' across the batch' if across else ''}",
           multiclass(sort_result_type=sort, sort_result_across_batch=across), BOXES, SCORES)
      for sort, across in every(("none", "score", "classid"), (False, True))),
    case("MulticlassNms-8 of all that there are", multiclass(nms_top_k=-1, keep_top_k=-1, background_class=1), BOXES, SCORES),
    case("MulticlassNms-8 in pixels of 32 bits", multiclass(normalized=False, output_type="i32"), PIXELS, SCORES),
    case("MulticlassNms-8 one of each class", multiclass(iou_threshold=0.0), BOXES, SCORES),
    case("MulticlassNms-8 with a threshold that would fall", multiclass(nms_eta=0.5), BOXES, SCORES),
    *(case(f"MulticlassNms-8 with a threshold that falls from {start} by {eta}", multiclass(nms_eta=eta, iou_threshold=start, **more), near,
           SCORES)
      for start, eta, more, near in ((0.95, 0.9, {}, NEAR), (0.7, 0.5, {"sort_result_type": "score"}, NEAR),
                                     (0.9, 0.8, {"normalized": False, "nms_top_k": -1}, NEAR_PIXELS))),
    case("MulticlassNms-9", multiclass(op9), BOXES, SCORES),
    case("MulticlassNms-9 with boxes of each class", multiclass(op9, sort_result_type="score"), OWN, OWN_SCORES, given([5, 7])),
    case("MulticlassNms-9 without boxes of an image", multiclass(op9, sort_result_type="classid", background_class=0), OWN, OWN_SCORES,
         given([5, 0, 7])),
    case("MulticlassNms-9 with boxes of each class across the batch",
         multiclass(op9, sort_result_type="classid", sort_result_across_batch=True), OWN, OWN_SCORES, given([6, 6])),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)
