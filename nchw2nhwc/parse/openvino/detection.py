"""Ops of object detection: which boxes are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import DType, Value, exact_div, product
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Equal, Less, Mul, Sub, Where
from nchw2nhwc.ops.elementwise import Cast, Clip, Exp, Sigmoid
from nchw2nhwc.ops.indexing import Gather, TopK
from nchw2nhwc.ops.movement import Concat, Pad, Slice, Split
from nchw2nhwc.ops.reduce import ReduceSum, Softmax
from nchw2nhwc.ops.selection import NonMaxSuppression
from nchw2nhwc.parse import detection, selection
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.attributes import Floats, Ints
from nchw2nhwc.parse.openvino.common import axis_of, one_float, one_int
from nchw2nhwc.parse.openvino.registry import Results, mapping

I32, I64, F32 = (np.dtype(t) for t in (np.int32, np.int64, np.float32))
CUT = "Cut the model before this layer with --outputs."
Encoding: TypeAlias = Literal["corner", "center"]
CodeType: TypeAlias = Literal["caffe.priorboxparameter.corner", "caffe.priorboxparameter.center_size"]


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
        raise UnsupportedError("NonMaxSuppression that lowers scores (soft_nms_sigma) is not supported", b.where, CUT)
    return _suppressed(b, boxes, scores, most, iou_threshold, score_threshold, box_encoding, sort_result_descending, output_type)


def _suppressed(b: Builder, boxes: Value, scores: Value, most: Value | None, iou_threshold: Value | None, score_threshold: Value | None,
                encoding: str, descending: bool, output_type: DType) -> tuple[Value, Value, Value]:
    limit = 0 if most is None else one_int(b, most, "max_output_boxes_per_class")
    if limit <= 0:
        return b.const(np.zeros((0, 3), output_type)), b.const(np.zeros((0, 3), np.float32)), b.const(np.zeros(1, output_type))
    iou, least = (0.0 if v is None else one_float(b, v, what) for v, what in ((iou_threshold, "iou_threshold"),
                                                                            (score_threshold, "score_threshold")))
    detection.offer(b, boxes, scores, limit, iou, least, centres=encoding == "center")
    given = selection.corners(b, boxes) if encoding == "center" else boxes
    found = selection.suppressed(b, given, scores, limit, iou, least)
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


# ---- SSD -------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Detection:
    """The attributes of DetectionOutput that say which boxes are kept."""

    background: int
    top_k: int
    keep: int
    overlap: float
    confidence: float


@mapping("DetectionOutput", 1)
def detection_output_1(b: Builder, box_logits: Value, class_scores: Value, priors: Value, aux_scores: Value | None = None,
                       aux_boxes: Value | None = None, *, num_classes: int, keep_top_k: Ints, nms_threshold: float,
                       background_label_id: int = 0, top_k: int = -1, variance_encoded_in_target: bool = False,
                       code_type: CodeType = "caffe.priorboxparameter.corner", share_location: bool = True,
                       confidence_threshold: float = 0.0, clip_after_nms: bool = False, clip_before_nms: bool = False,
                       decrease_label_id: bool = False, normalized: bool = False, input_height: int = 1, input_width: int = 1,
                       objectness_score: float = 0.0) -> Results:
    """The detections of an SSD as rows (image, class, score, left, top, right, bottom), for each image `keep_top_k` at most: by image and
    class, the best first. The row behind the last one begins with -1, what follows is 0."""
    if aux_scores is not None or aux_boxes is not None or not share_location or decrease_label_id or len(keep_top_k) != 1:
        raise UnsupportedError("DetectionOutput with boxes for each class, a second stage, decrease_label_id or several keep_top_k is not "
                               "supported", b.where, CUT)
    if keep_top_k[0] < 1:
        raise UnsupportedError("DetectionOutput that keeps any number of boxes is not supported", b.where, CUT)
    dtype = box_logits.type.dtype
    box_logits, class_scores, priors = (v if v.type.dtype == F32 else b.add1(Cast(F32), v) for v in (box_logits, class_scores, priors))
    scale = (1.0, 1.0) if normalized else (float(input_width), float(input_height))
    at = Detection(background_label_id, top_k, keep_top_k[0], nms_threshold, confidence_threshold)
    corners, offsets = _offsets(b, box_logits, priors, normalized, variance_encoded_in_target, scale)
    boxes = _decoded(b, corners, offsets, code_type)
    if clip_before_nms:
        boxes = b.add1(Clip(0.0, 1.0), boxes)
    if b.detections is not None:
        direct = code_type.endswith(".center_size") and not clip_before_nms
        _offer(b, (corners, offsets) if direct else None, boxes, class_scores, num_classes, at, clip=clip_after_nms)
    result = _detections(b, boxes, class_scores, num_classes, at, clip_after_nms)
    return result if dtype == F32 else b.add1(Cast(dtype), result)


@mapping("DetectionOutput", 8)
def detection_output(b: Builder, box_logits: Value, class_scores: Value, priors: Value, aux_scores: Value | None = None,
                     aux_boxes: Value | None = None, *, keep_top_k: Ints, nms_threshold: float, background_label_id: int = 0,
                     top_k: int = -1, variance_encoded_in_target: bool = False, code_type: CodeType = "caffe.priorboxparameter.corner",
                     share_location: bool = True, confidence_threshold: float = 0.0, clip_after_nms: bool = False,
                     clip_before_nms: bool = False, decrease_label_id: bool = False, normalized: bool = False, input_height: int = 1,
                     input_width: int = 1, objectness_score: float = 0.0) -> Results:
    """As before, with the number of classes from the operands."""
    count = exact_div(box_logits.shape[1], 4) if box_logits.rank == 2 else None
    classes = exact_div(class_scores.shape[1], count) if count is not None and class_scores.rank == 2 else None
    if not isinstance(classes, int):
        raise SourceError(f"scores {class_scores.type} do not fit boxes {box_logits.type}")
    return detection_output_1(b, box_logits, class_scores, priors, aux_scores, aux_boxes, num_classes=classes, keep_top_k=keep_top_k,
                              nms_threshold=nms_threshold, background_label_id=background_label_id, top_k=top_k,
                              variance_encoded_in_target=variance_encoded_in_target, code_type=code_type, share_location=share_location,
                              confidence_threshold=confidence_threshold, clip_after_nms=clip_after_nms, clip_before_nms=clip_before_nms,
                              decrease_label_id=decrease_label_id, normalized=normalized, input_height=input_height,
                              input_width=input_width, objectness_score=objectness_score)


def _offsets(b: Builder, logits: Value, priors: Value, normalized: bool, encoded: bool, scale: tuple[float, float]) -> tuple[Value, Value]:
    """The corners (1, priors, 4) of the prior boxes (given with image and class if not `normalized`), and the offsets (N, priors, 4) from
    them that the network says, times their variances."""
    count, batch = exact_div(logits.shape[1], 4), logits.shape[0]
    width = 4 if normalized else 5
    if count is None or priors.rank != 3 or priors.shape[0] != 1 or priors.shape[2] != count * width or priors.shape[1] not in (1, 2):
        raise UnsupportedError(f"DetectionOutput of {logits.type} with prior boxes {priors.type} is not supported", b.where, CUT)
    offsets = b.reshape(logits, (batch, count, 4))
    kinds = [b.reshape(part, (1, count, width)) for part in b.add(Split(1, (1,) * int(str(priors.shape[1]))), priors)]
    corners = b.add1(Mul(), _last(b, kinds[0], width - 4, width), b.const(1 / np.tile(scale, 2), np.float32))
    if not encoded and len(kinds) == 2:
        offsets = b.add1(Mul(), offsets, _last(b, b.reshape(kinds[1], (1, count, width)), 0, 4))
    return corners, offsets


def _decoded(b: Builder, corners: Value, offsets: Value, code: str) -> Value:
    """The corners of the boxes that are at `offsets` from prior boxes."""
    if code.endswith(".corner"):
        return b.add1(Add(), corners, offsets)
    centre, size = _centred(b, corners)
    middle = b.add1(Add(), centre, b.add1(Mul(), _last(b, offsets, 0, 2), size))
    half = b.add1(Mul(), b.add1(Mul(), b.add1(Exp(), _last(b, offsets, 2, 4)), size), b.const(0.5, np.float32))
    return b.add1(Concat(2), b.add1(Sub(), middle, half), b.add1(Add(), middle, half))


def _centred(b: Builder, corners: Value) -> tuple[Value, Value]:
    """The centres and the sizes of boxes."""
    low, high = _last(b, corners, 0, 2), _last(b, corners, 2, 4)
    return b.add1(Mul(), b.add1(Add(), low, high), b.const(0.5, np.float32)), b.add1(Sub(), high, low)


def _offer(b: Builder, encoded: tuple[Value, Value] | None, boxes: Value, scores: Value, classes: int, at: Detection, *,
           clip: bool) -> None:
    """TFLite's operator for the same, from prior boxes and offsets if they are the numbers that it takes, else from the decoded boxes. It
    limits the boxes of a class after suppression, and has the background in front."""
    batch, count = (static(s, "the number of images and of boxes") for s in boxes.shape[:2])
    if at.background > 0 or scores.shape != (batch, count * classes):
        raise UnsupportedError(f"TFLite_Detection_PostProcess has no background as class {at.background}, and does not take {scores.type}",
                               b.where)
    limit = min(at.top_k, count) if at.top_k > 0 else count
    rows = b.reshape(scores, (batch, count, classes))
    kept = detection.Kept(limit, at.keep, at.overlap, at.confidence, at.background == 0)
    swap = b.const(np.array([1, 0, 3, 2]))
    if encoded is None:
        detection.add(b, detection.encoded(b, b.add1(Gather(2), boxes, swap), centres=False), rows, None, kept, clip=clip)
        return
    priors, offsets = encoded
    centred = b.add1(Gather(2), b.add1(Concat(2), *_centred(b, priors)), swap)
    detection.add(b, b.add1(Gather(2), offsets, swap), rows, b.reshape(centred, (count, 4)), kept, clip=clip)


def _last(b: Builder, x: Value, start: int, stop: int) -> Value:
    """Part of the last of three axes."""
    return b.add1(Slice((None, None, start), (None, None, stop), (1, 1, 1)), x)


def _detections(b: Builder, boxes: Value, scores: Value, classes: int, at: Detection, clip: bool) -> Value:
    """(1, 1, images * keep, 7)."""
    batch, count = (static(s, "the number of images and of boxes") for s in boxes.shape[:2])
    if scores.shape != (batch, count * classes):
        raise SourceError(f"scores {scores.type} are not those of {classes} classes and boxes {boxes.type}")
    planes = b.transpose(b.reshape(scores, (batch, count, classes)), (0, 2, 1))
    rows, kept = [], []
    for image in range(batch):
        found = [_of_class(b, boxes, planes, image, k, at) for k in range(classes) if k != at.background]
        row, keep = _best(b, image, found, at.keep)
        rows.append(row)
        kept.append(keep)
    every, valid = (parts[0] if len(parts) == 1 else b.add1(Concat(0), *parts) for parts in (rows, kept))
    if clip:
        box = b.add1(Clip(0.0, 1.0), selection.columns(b, every, 3, 7))
        every = b.add1(Concat(1), selection.columns(b, every, 0, 3), box)
    total = batch * at.keep
    every, valid = _to_front(b, every, valid, total)
    number = b.add1(ReduceSum((0,)), b.add1(Cast(I32), valid))
    places = b.const(np.arange(total), I32)
    end = b.reshape(b.add1(Cast(F32), b.add1(Equal(), places, number)), (total, 1))
    empty = b.add1(Mul(), end, b.const([-1.0, 0, 0, 0, 0, 0, 0], np.float32))
    return b.reshape(b.add1(Where(), b.reshape(valid, (total, 1)), every, empty), (1, 1, total, 7))


def _of_class(b: Builder, boxes: Value, planes: Value, image: int, label: int, at: Detection) -> tuple[Value, Value]:
    """The boxes of one class, best first, as rows (class, score, box), and whether each is there."""
    count = int(str(boxes.shape[1]))
    limit = min(at.top_k, count) if at.top_k > 0 else count
    given = b.add1(Gather(0), b.add1(Gather(0), planes, b.const(image, np.int64)), b.const(label, np.int64))
    best, order = b.add(TopK(0, limit), given)
    candidates = b.add1(Gather(0), b.add1(Gather(0), boxes, b.const(image, np.int64)), order)
    chosen, number = b.add(NonMaxSuppression(limit, at.overlap, at.confidence), candidates, best)
    values = b.reshape(b.add1(Gather(0), best, chosen), (limit, 1))
    row = b.add1(Concat(1), b.const(np.full((limit, 1), label), np.float32), values, b.add1(Gather(0), candidates, chosen))
    return row, b.add1(Less(), b.const(np.arange(limit), I32), number)


def _best(b: Builder, image: int, found: list[tuple[Value, Value]], keep: int) -> tuple[Value, Value]:
    """The `keep` best rows of all classes, in the order that they are in, with the image in front."""
    rows, kept = (parts[0] if len(parts) == 1 else b.add1(Concat(0), *parts) for parts in zip(*found))
    total = int(str(rows.shape[0]))
    if keep > total:
        rows, kept = b.add1(Pad((0, 0), (keep - total, 0)), rows), b.add1(Pad((0,), (keep - total,)), kept)
        total = keep
    values = b.reshape(selection.columns(b, rows, 1, 2), (total,))
    keys = b.add1(Where(), kept, values, b.const(-np.inf, np.float32))
    _, order = b.add(TopK(0, keep), keys)
    labelled = b.add1(Concat(1), b.const(np.full((total, 1), image), np.float32), rows)
    order, _ = b.add(TopK(0, keep, False), b.add1(Cast(I32), order))
    return b.add1(Gather(0), labelled, order), b.add1(Gather(0), kept, order)


def _to_front(b: Builder, rows: Value, kept: Value, total: int) -> tuple[Value, Value]:
    """The rows that are there in front of the others."""
    places = b.const(np.arange(total), I32)
    keys = b.add1(Where(), kept, places, b.add1(Add(), places, b.const(total, I32)))
    _, order = b.add(TopK(0, total, False), keys)
    return b.add1(Gather(0), rows, order), b.add1(Gather(0), kept, order)
