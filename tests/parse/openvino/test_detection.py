"""Ops of object detection against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset1 as op1
import openvino.opset2 as op2
import openvino.opset3 as op3
import openvino.opset4 as op4
import openvino.opset5 as op5
import openvino.opset8 as op8
import openvino.opset9 as op9
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Case, Input, agree, case, model_of, saved

BOXES, SCORES = Input((2, 12, 4), low=0, high=1), Input((2, 3, 12), low=0, high=1)


def i64(value: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(value, np.int64)


def f32(value: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(value, np.float32)


def nms(op: object, most: int = 4, iou: float = 0.3, score: float = 0.4, **attributes: object) -> object:
    return lambda x, s: op.non_max_suppression(x, s, i64(most), f32(iou), f32(score), **attributes).outputs()  # type: ignore[attr-defined]


def priors(op: object, layer: tuple[int, int] = (3, 4), image: tuple[int, int] = (30, 48), **attributes: object) -> object:
    """With an input that the result depends on in form only."""
    def build(x: object) -> object:
        made = op(op1.constant(np.array(layer, np.int64)), op1.constant(np.array(image, np.int64)), attributes)  # type: ignore[operator]
        return op1.add(made, op1.multiply(op1.reduce_sum(x, np.array([0, 1, 2, 3]), False), f32(0)))
    return build


def detections(op: object, **attributes: object) -> object:
    def build(boxes: object, scores: object, prior: object, *stage: object) -> object:
        given = {"background_label_id": 0, "keep_top_k": np.array([6], np.int32), "top_k": 5, "nms_threshold": 0.4,
                 "confidence_threshold": 0.3, "normalized": True, "code_type": "caffe.PriorBoxParameter.CENTER_SIZE", **attributes}
        if op is op1:
            given["num_classes"] = 3
        return op.detection_output(boxes, scores, prior, given, *stage)  # type: ignore[attr-defined]
    return build


LOGITS, CLASSES, PRIORS = Input((2, 40), low=-1, high=1), Input((2, 30), low=0, high=1), Input((1, 2, 40), low=0, high=1)

CASES = [
    case("NonMaxSuppression-1", nms(op1), BOXES, SCORES),
    case("NonMaxSuppression-3 of 32 bits", nms(op3, output_type="i32"), BOXES, SCORES),
    case("NonMaxSuppression-4 by class", nms(op4, sort_result_descending=False), BOXES, SCORES),
    case("NonMaxSuppression-5", nms(op5), BOXES, SCORES),
    case("NonMaxSuppression-9 centres", nms(op9, box_encoding="center", iou=0.1), BOXES, SCORES),
    case("RegionYolo", lambda x: op1.region_yolo(x, 4, 3, 2, True, [0, 1], 1, 3), (1, 16, 3, 2)),
    case("RegionYolo of some masks", lambda x: op1.region_yolo(x, 4, 3, 9, False, [0, 1], 1, 3), (1, 16, 3, 2)),
    case("ReorgYolo", lambda x: op2.reorg_yolo(x, [2]), (1, 8, 4, 6)),
    case("PriorBoxClustered", priors(op1.prior_box_clustered, width=[9.0, 20.5], height=[7.0, 31.0], offset=0.5, step_w=12.0, step_h=10.0,
                                     variance=[0.1, 0.1, 0.2, 0.2])),
    case("PriorBoxClustered clipped", priors(op1.prior_box_clustered, width=[40.0], height=[20.0], offset=0.5, clip=True, variance=[0.3])),
    case("PriorBox-1", priors(op1.prior_box, min_size=[9.0, 20.0], max_size=[20.0, 30.0], aspect_ratio=[2.0, 3.0], flip=True, offset=0.5,
                              step=0.0, variance=[0.1, 0.1, 0.2, 0.2])),
    case("PriorBox-1 of shares", priors(op1.prior_box, min_size=[0.2, 0.3], aspect_ratio=[2.0, 0.5], offset=0.5, step=0.3,
                                        scale_all_sizes=False, clip=True, variance=[0.1])),
    case("PriorBox-1 of fixed sizes", priors(op1.prior_box, fixed_size=[9.0, 17.0], density=[2.0, 1.0], offset=0.3, step=5.0,
                                             aspect_ratio=[2.0])),
    case("PriorBox-1 of fixed ratios", priors(op1.prior_box, fixed_size=[9.0, 17.0], density=[2.0, 1.0], fixed_ratio=[1.0, 0.5], offset=0.3,
                                              step=5.0, aspect_ratio=[2.0])),
    case("PriorBox-8 ratios first", priors(op8.prior_box, min_size=[9.0, 20.0], max_size=[20.0, 30.0], aspect_ratio=[2.0], flip=True,
                                           offset=0.5, min_max_aspect_ratios_order=False)),
    case("DetectionOutput-1", detections(op1), LOGITS, CLASSES, PRIORS, tolerance=1e-5),
    case("DetectionOutput-8 corners", detections(op8, code_type="caffe.PriorBoxParameter.CORNER", clip_before_nms=True), LOGITS, CLASSES,
         PRIORS, tolerance=1e-5),
    case("DetectionOutput-8 of all that there are", detections(op8, keep_top_k=np.array([30], np.int32), top_k=-1, clip_after_nms=True,
                                                               variance_encoded_in_target=True, confidence_threshold=0.8), LOGITS, CLASSES,
         Input((1, 1, 40), low=0, high=1), tolerance=1e-5),
    case("DetectionOutput-1 with boxes of each class", detections(op1, share_location=False), Input((2, 120), low=-1, high=1), CLASSES,
         PRIORS, tolerance=1e-5),
    case("DetectionOutput-8 with boxes of each class", detections(op8, share_location=False, background_label_id=1),
         Input((2, 120), low=-1, high=1), CLASSES, PRIORS, tolerance=1e-5),
    case("DetectionOutput-8 of any number", detections(op8, keep_top_k=np.array([-1], np.int32)), LOGITS, CLASSES, PRIORS, tolerance=1e-5),
    case("DetectionOutput-8 of any number of all boxes", detections(op8, keep_top_k=np.array([-1], np.int32), top_k=-1), LOGITS, CLASSES,
         PRIORS, tolerance=1e-5),
    case("DetectionOutput-8 with prior boxes of each image", detections(op8), LOGITS, CLASSES, Input((2, 2, 40), low=0, high=1),
         tolerance=1e-5),
    case("DetectionOutput-8 in pixels", detections(op8, normalized=False, input_height=30, input_width=40), LOGITS, CLASSES,
         Input((1, 2, 50), low=0, high=30), tolerance=1e-5),
    case("DetectionOutput-8 of a second stage", detections(op8, objectness_score=0.4), LOGITS, CLASSES, PRIORS,
         Input((2, 20), low=0, high=1), Input((2, 40), low=-1, high=1), tolerance=1e-5),
    *(case(f"DetectionOutput-1 of the best class, {name}", detections(op1, decrease_label_id=True, **more), LOGITS, CLASSES, PRIORS,
           tolerance=1e-5)
      for name, more in (("few boxes", {}), ("all", {"top_k": -1, "keep_top_k": np.array([12], np.int32), "confidence_threshold": 0.1}),
                         ("two", {"top_k": 2}), ("of which many overlap", {"nms_threshold": 0.7, "confidence_threshold": 0.0}))),
    case("DetectionOutput-8 of the best class with boxes of each class", detections(op8, share_location=False, decrease_label_id=True),
         Input((2, 120), low=-1, high=1), CLASSES, PRIORS, tolerance=1e-5),
    case("NonMaxSuppression-9 more than there are", nms(op9, most=99, iou=0.5, score=0.0), BOXES, SCORES),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def test_detections_that_are_not_supported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="DetectionOutput"):
        read_openvino(saved(model_of(case("x", detections(op1, keep_top_k=np.array([6, 6], np.int32)), LOGITS, CLASSES, PRIORS)), tmp_path))
    path = saved(model_of(case("x", detections(op1), LOGITS, CLASSES, PRIORS)), tmp_path)
    path.write_text(path.read_text().replace('decrease_label_id="false"', 'decrease_label_id="true"').replace(
        'background_label_id="0"', 'background_label_id="1"'))
    with pytest.raises(SourceError, match="background"):
        read_openvino(path)
