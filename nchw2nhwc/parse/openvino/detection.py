"""Ops of object detection: which boxes are kept."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir import DType, Value
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.ops.reduce import ReduceSum
from nchw2nhwc.parse import selection
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.common import one_float, one_int
from nchw2nhwc.parse.openvino.registry import Results, mapping

I64 = np.dtype(np.int64)
F32 = np.dtype(np.float32)
Encoding: TypeAlias = Literal["corner", "center"]


@mapping("NonMaxSuppression", 1, 3, 4)
def non_max_suppression_1(b: Builder, boxes: Value, scores: Value, most: Value | None = None, iou_threshold: Value | None = None,
                          score_threshold: Value | None = None, *, box_encoding: Encoding = "corner", sort_result_descending: bool = True,
                          output_type: DType = I64) -> Results:
    """(batch element, class, box) of the boxes that are kept."""
    rows, _, _ = _suppressed(b, boxes, scores, most, iou_threshold, score_threshold, box_encoding, sort_result_descending, output_type)
    return rows


@mapping("NonMaxSuppression", 5, 9)
def non_max_suppression(b: Builder, boxes: Value, scores: Value, most: Value | None = None, iou_threshold: Value | None = None,
                        score_threshold: Value | None = None, soft_nms_sigma: Value | None = None, *, box_encoding: Encoding = "corner",
                        sort_result_descending: bool = True, output_type: DType = I64) -> Results:
    """As before, with the scores, as rows of (batch element, class, score), and the number of boxes."""
    if soft_nms_sigma is not None and one_float(b, soft_nms_sigma, "soft_nms_sigma"):
        raise UnsupportedError("NonMaxSuppression that lowers scores (soft_nms_sigma) is not supported", b.where,
                               "Cut the model before this layer with --outputs.")
    return _suppressed(b, boxes, scores, most, iou_threshold, score_threshold, box_encoding, sort_result_descending, output_type)


def _suppressed(b: Builder, boxes: Value, scores: Value, most: Value | None, iou_threshold: Value | None, score_threshold: Value | None,
                encoding: str, descending: bool, output_type: DType) -> tuple[Value, Value, Value]:
    limit = 0 if most is None else one_int(b, most, "max_output_boxes_per_class")
    if limit <= 0:
        return b.const(np.zeros((0, 3), output_type)), b.const(np.zeros((0, 3), np.float32)), b.const(np.zeros(1, output_type))
    iou, least = (0.0 if v is None else one_float(b, v, what) for v, what in ((iou_threshold, "iou_threshold"),
                                                                            (score_threshold, "score_threshold")))
    given = selection.corners(b, boxes) if encoding == "center" else boxes
    found = selection.suppressed(b, given, scores, limit, iou, least)
    if descending:
        found = selection.by_score(b, found)
    heads = b.add1(Cast(F32), found.rows)
    scored = b.add1(Concat(1), selection.columns(b, heads, 0, 2), b.reshape(b.add1(Cast(F32), found.scores), (*found.scores.shape, 1)))
    count = b.add1(ReduceSum((0,)), b.add1(Cast(output_type), found.kept))
    rows, values = (selection.compressed(b, x, found.kept, 0) for x in (b.add1(Cast(output_type), found.rows), scored))
    return rows, values, count
