"""Ops of object detection: which boxes are kept."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import DType, Value, product
from nchw2nhwc.ops.activation_functions import Sigmoid
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.movement import Concat, Split
from nchw2nhwc.ops.reduce import ReduceSum, Softmax
from nchw2nhwc.parse import detection, greedy, selection
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.openvino.attributes import Floats, Ints
from nchw2nhwc.parse.openvino.common import axis_of, one_float, one_int, require_ranks
from nchw2nhwc.parse.openvino.registry import Results, mapping

I32, I64, F32 = (np.dtype(t) for t in (np.int32, np.int64, np.float32))
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
    sigma = 0.0 if soft_nms_sigma is None else one_float(b, soft_nms_sigma, "soft_nms_sigma")
    return _suppressed(b, boxes, scores, most, iou_threshold, score_threshold, box_encoding, sort_result_descending, output_type, sigma)


def _suppressed(b: Builder, boxes: Value, scores: Value, most: Value | None, iou_threshold: Value | None, score_threshold: Value | None,
                encoding: str, descending: bool, output_type: DType, sigma: float = 0.0) -> tuple[Value, Value, Value]:
    limit = 0 if most is None else one_int(b, most, "max_output_boxes_per_class")
    if limit <= 0:
        return none_of(b, output_type)
    iou, least = (0.0 if v is None else one_float(b, v, what) for v, what in ((iou_threshold, "iou_threshold"),
                                                                            (score_threshold, "score_threshold")))
    require_ranks((boxes, 3), (scores, 3))
    given = selection.corners(b, boxes) if encoding == "center" else boxes
    if sigma:
        greedy.require_few(b, *given.shape[:2])
        overlaps, ranked = greedy.overlaps(Formula(b, given).cast(F32)), Formula(b, scores).cast(F32)
        found = greedy.suppressed(b, overlaps, ranked, limit, iou, least, sigma)
    else:
        detection.offer(b, boxes, scores, limit, iou, least, centres=encoding == "center")
        found = selection.suppressed(b, given, scores, limit, iou, least)
    return results_of(b, found, descending, output_type)


def none_of(b: Builder, output_type: DType) -> tuple[Value, Value, Value]:
    """The results where no box may be kept."""
    return b.const(np.zeros((0, 3), output_type)), b.const(np.zeros((0, 3), np.float32)), b.const(np.zeros(1, output_type))


def results_of(b: Builder, found: selection.Boxes, descending: bool, output_type: DType) -> tuple[Value, Value, Value]:
    """Rows (batch element, class, box), rows (batch element, class, score), and the number of boxes; of all the best first if
    `descending`."""
    if descending:
        found = selection.by_score(b, found)
    heads = b.add1(Cast(F32), found.rows)
    scored = b.add1(Concat(1), selection.columns(b, heads, 0, 2), b.reshape(b.add1(Cast(F32), found.scores), (*found.scores.shape, 1)))
    count = b.add1(ReduceSum((0,)), b.add1(Cast(output_type), found.kept))
    rows, values = (selection.compressed(b, x, found.kept, 0) for x in (b.add1(Cast(output_type), found.rows), scored))
    return rows, values, count


# ---- YOLO ------------------------------------------------------------------------------------------------------------------
@mapping("RegionYolo", 1)
def region_yolo(b: Builder, x: Value, *, axis: int, coords: int, classes: int, end_axis: int, num: int, anchors: Floats = (),
                do_softmax: bool = True, mask: Ints = ()) -> Results:
    """Regions of (N, regions * (coordinates, objectness, classes), H, W): x and y and the objectness as probabilities, and the classes as
    those of one choice (`do_softmax`) or each by itself. `anchors` are for whoever reads the result."""
    regions = num if do_softmax else len(mask)
    if x.rank != 4 or coords < 2 or x.shape[1] != regions * (coords + 1 + classes):
        raise SourceError(f"{x.type} does not have {regions} regions of {coords} coordinates and {classes} classes")
    grouped = b.reshape(x, (x.shape[0], regions, coords + 1 + classes, *x.shape[2:]))
    place, size, *rest = b.add(Split(2, (2, coords - 2, 1, classes) if do_softmax else (2, coords - 2, 1 + classes)), grouped)
    parts = [b.add1(Sigmoid(), place), *([size] if coords > 2 else []), b.add1(Sigmoid(), rest[0])]
    if do_softmax:
        parts.append(b.add1(Softmax(2), rest[1]))
    result = b.reshape(b.add1(Concat(2), *parts), x.shape)
    if not do_softmax:
        return result
    first, last = axis_of(axis, x.rank), axis_of(end_axis, x.rank)
    return b.reshape(result, (*x.shape[:first], product(x.shape[first:last + 1]), *x.shape[last + 1:]))


@mapping("ReorgYolo", 2)
def reorg_yolo(b: Builder, x: Value, *, stride: int) -> Results:
    """(N, C, H, W) as (N, C * stride^2, H / stride, W / stride), in the order of YOLOv2's reorganisation layer, which reads the elements of
    x as if they were those of (N, C / stride^2, H * stride, W * stride)."""
    batch, (channels, height, width) = x.shape[0], (static(s, "the size of an image") for s in x.shape[1:])
    if stride < 1 or channels % stride**2 or height % stride or width % stride:
        raise SourceError(f"{x.type} cannot be reorganised with a stride of {stride}")
    apart = b.reshape(x, (batch, channels // stride**2, height, stride, width, stride))
    moved = b.transpose(apart, (0, 3, 5, 1, 2, 4))
    return b.reshape(moved, (batch, channels * stride**2, height // stride, width // stride))
