"""What the last layers of an SSD detect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from nchw2nhwc.errors import CUT, SourceError, UnsupportedError
from nchw2nhwc.ir import Value, exact_div
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Equal, Less, Maximum, Mul, Sub, Where
from nchw2nhwc.ops.elementwise import Cast, Exp
from nchw2nhwc.ops.indexing import Gather, TopK
from nchw2nhwc.ops.movement import Concat, Pad, Slice, Split
from nchw2nhwc.ops.reduce import ReduceSum
from nchw2nhwc.ops.selection import NonMaxSuppression
from nchw2nhwc.parse import detection, selection
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.openvino.attributes import Ints
from nchw2nhwc.parse.openvino.common import require_ranks
from nchw2nhwc.parse.openvino.registry import Results, mapping

I32, F32 = (np.dtype(t) for t in (np.int32, np.float32))
CodeType: TypeAlias = Literal["caffe.priorboxparameter.corner", "caffe.priorboxparameter.center_size"]


@dataclass(frozen=True)
class Detection:
    """The attributes of DetectionOutput that say which boxes are kept."""

    background: int
    top_k: int
    keep: int
    overlap: float
    confidence: float
    single: bool
    """Whether a box is of its best class alone; classes then count from the one behind class 0, which is none."""


@mapping("DetectionOutput", 1)
def detection_output_1(b: Builder, box_logits: Value, class_scores: Value, priors: Value, aux_scores: Value | None = None,
                       aux_boxes: Value | None = None, *, num_classes: int, keep_top_k: Ints, nms_threshold: float,
                       background_label_id: int = 0, top_k: int = -1, variance_encoded_in_target: bool = False,
                       code_type: CodeType = "caffe.priorboxparameter.corner", share_location: bool = True,
                       confidence_threshold: float = 0.0, clip_after_nms: bool = False, clip_before_nms: bool = False,
                       decrease_label_id: bool = False, normalized: bool = False, input_height: int = 1, input_width: int = 1,
                       objectness_score: float = 0.0) -> Results:
    """The detections of an SSD as rows (image, class, score, left, top, right, bottom), for each image `keep_top_k` at most (-1: all): by
    image and class, the best first. The row behind the last one begins with -1, what follows is 0.

    With `decrease_label_id` a box is of its best class alone, and labels count from 0 without the background (MXNet's way).
    Without `share_location` each class has boxes of its own. A second stage has the scores (background, object) and boxes of the first
    one: its boxes take the place of the prior ones, and only those whose score reaches `objectness_score` are anything."""
    if len(keep_top_k) != 1 or (aux_scores is None) != (aux_boxes is None) or (aux_boxes and not normalized):
        raise UnsupportedError("DetectionOutput with several keep_top_k or a second stage of boxes in pixels is not supported",
                               b.where, CUT)
    if decrease_label_id and background_label_id != 0:
        raise SourceError(f"decrease_label_id makes class 0 the background, but background_label_id is {background_label_id}")
    require_ranks((box_logits, 2), (class_scores, 2), (priors, 3), (aux_scores, 2), (aux_boxes, 2))
    dtype = box_logits.type.dtype
    box_logits, class_scores, priors = (Formula(b, v).cast(F32).value for v in (box_logits, class_scores, priors))
    scale = (1.0, 1.0) if normalized else (float(input_width), float(input_height))
    kinds = 1 if share_location else num_classes
    at = Coding(code_type, variance_encoded_in_target, clip_before_nms, kinds)
    stage = None if aux_boxes is None else Formula(b, aux_boxes).cast(F32).value
    corners, offsets = at.offsets(b, box_logits, priors, stage, 4 if normalized else 5, scale)
    boxes = at.moved(b, corners, offsets)
    if aux_scores is not None:
        class_scores = _objects(b, class_scores, aux_scores, num_classes, background_label_id, objectness_score)
    count = static(boxes.shape[1], "the number of boxes")
    keep = keep_top_k[0] if keep_top_k[0] > 0 else (top_k if top_k > 0 else count) * num_classes
    if decrease_label_id:  # then a score that equals the threshold is enough
        confidence_threshold = float(np.nextafter(np.float32(confidence_threshold), np.float32(-np.inf)))
    wanted = Detection(background_label_id, top_k, keep, nms_threshold, confidence_threshold, decrease_label_id)
    if b.detections is not None:
        direct = at.code.endswith(".center_size") and not clip_before_nms and corners.shape[0] == 1
        _offer(b, (corners, offsets) if direct else None, boxes, class_scores, num_classes, wanted, clip=clip_after_nms)
    result = _detections(b, boxes, class_scores, num_classes, wanted, clip_after_nms)
    return result if dtype == F32 else b.add1(Cast(dtype), result)


def _objects(b: Builder, scores: Value, stage: Value, classes: int, background: int, least: float) -> Value:
    """Scores (N, priors * classes) of what the first stage takes for an object; of all else 1 for the background and 0 for the others."""
    batch = scores.shape[0]
    known = Formula(b, stage).reshape(batch, stage.shape[1] // 2, 2).part(2, 1, 2) >= least
    nothing = (np.arange(classes) == background).astype(np.float32)
    chosen = known.choose(Formula(b, scores).reshape(batch, stage.shape[1] // 2, classes), nothing)
    return chosen.reshape(*scores.shape).value


@mapping("DetectionOutput", 8)
def detection_output(b: Builder, box_logits: Value, class_scores: Value, priors: Value, aux_scores: Value | None = None,
                     aux_boxes: Value | None = None, *, keep_top_k: Ints, nms_threshold: float, background_label_id: int = 0,
                     top_k: int = -1, variance_encoded_in_target: bool = False, code_type: CodeType = "caffe.priorboxparameter.corner",
                     share_location: bool = True, confidence_threshold: float = 0.0, clip_after_nms: bool = False,
                     clip_before_nms: bool = False, decrease_label_id: bool = False, normalized: bool = False, input_height: int = 1,
                     input_width: int = 1, objectness_score: float = 0.0) -> Results:
    """As before, with the number of classes from the operands."""
    width = 4 if normalized else 5
    count = exact_div(priors.shape[2], width) if priors.rank == 3 else None
    classes = exact_div(class_scores.shape[1], count) if count is not None and class_scores.rank == 2 else None
    if not isinstance(classes, int):
        raise SourceError(f"scores {class_scores.type} do not fit prior boxes {priors.type}")
    return detection_output_1(b, box_logits, class_scores, priors, aux_scores, aux_boxes, num_classes=classes, keep_top_k=keep_top_k,
                              nms_threshold=nms_threshold, background_label_id=background_label_id, top_k=top_k,
                              variance_encoded_in_target=variance_encoded_in_target, code_type=code_type, share_location=share_location,
                              confidence_threshold=confidence_threshold, clip_after_nms=clip_after_nms, clip_before_nms=clip_before_nms,
                              decrease_label_id=decrease_label_id, normalized=normalized, input_height=input_height,
                              input_width=input_width, objectness_score=objectness_score)


@dataclass(frozen=True)
class Coding:
    """How boxes are meant relative to the prior ones, for one class or for `kinds` of them."""

    code: str
    encoded: bool
    clip: bool
    kinds: int

    def offsets(self, b: Builder, logits: Value, priors: Value, stage: Value | None, width: int,
                scale: tuple[float, float]) -> tuple[Value, Value]:
        """The corners (1 or N, priors, 1, 4) of the prior boxes (given with image and class if `width` is 5), or of the boxes that a first
        stage made of them, and the offsets (N, priors, kinds, 4) from them that the network says, times their variances."""
        batch, count = logits.shape[0], exact_div(logits.shape[1], 4 * self.kinds)
        fits = priors.rank == 3 and priors.shape[0] in (1, batch) and priors.shape[1] in (1, 2)
        if count is None or not fits or priors.shape[2] != count * width or (not self.encoded and priors.shape[1] != 2):
            raise UnsupportedError(f"DetectionOutput of {logits.type} with prior boxes {priors.type} is not supported", b.where, CUT)
        rows = [b.reshape(part, (priors.shape[0], count, 1, width)) for part in b.add(Split(1, (1,) * int(str(priors.shape[1]))), priors)]
        corners = b.add1(Mul(), _last(b, rows[0], width - 4, width), b.const(1 / np.tile(scale, 2), np.float32))
        variances = None
        if not self.encoded:
            flat = b.reshape(rows[1], (priors.shape[0], count * width))
            packed = Formula(b, flat).part(1, 0, static(count, "the number of boxes") * 4)
            variances = packed.reshape(priors.shape[0], count, 1, 4).value
        if stage is not None:
            corners = self.moved(b, corners, _scaled(b, b.reshape(stage, (batch, count, 1, 4)), variances))
        return corners, _scaled(b, b.reshape(logits, (batch, count, self.kinds, 4)), variances)

    def moved(self, b: Builder, corners: Value, offsets: Value) -> Value:
        """The corners of the boxes that are at `offsets` from others."""
        if self.code.endswith(".corner"):
            found = b.add1(Add(), corners, offsets)
        else:
            centre, size = _centred(b, corners)
            middle = b.add1(Add(), centre, b.add1(Mul(), _last(b, offsets, 0, 2), size))
            half = b.add1(Mul(), b.add1(Mul(), b.add1(Exp(), _last(b, offsets, 2, 4)), size), b.const(0.5, np.float32))
            found = b.add1(Concat(3), b.add1(Sub(), middle, half), b.add1(Add(), middle, half))
        return b.add1(Clip(0.0, 1.0), found) if self.clip else found


def _scaled(b: Builder, offsets: Value, variances: Value | None) -> Value:
    return offsets if variances is None else b.add1(Mul(), offsets, variances)


def _centred(b: Builder, corners: Value) -> tuple[Value, Value]:
    """The centres and the sizes of boxes."""
    low, high = _last(b, corners, 0, 2), _last(b, corners, 2, 4)
    return b.add1(Mul(), b.add1(Add(), low, high), b.const(0.5, np.float32)), b.add1(Sub(), high, low)


def _offer(b: Builder, encoded: tuple[Value, Value] | None, boxes: Value, scores: Value, classes: int, at: Detection, *,
           clip: bool) -> None:
    """TFLite's operator for the same, from prior boxes and offsets if they are the numbers that it takes, else from the decoded boxes. It
    limits the boxes of a class after suppression, and has the background in front."""
    batch, count, kinds, _ = (static(s, "the number of images and of boxes") for s in boxes.shape)
    if at.background > 0 or scores.shape != (batch, count * classes) or kinds > 1:
        raise UnsupportedError(f"TFLite_Detection_PostProcess has no background as class {at.background} and no boxes of each class, and "
                               f"does not take {scores.type}", b.where)
    if at.single:
        raise UnsupportedError("TFLite_Detection_PostProcess has no boxes of their best class alone (decrease_label_id)", b.where)
    limit = min(at.top_k, count) if at.top_k > 0 else count
    rows = b.reshape(scores, (batch, count, classes))
    kept = detection.Kept(limit, at.keep, at.overlap, at.confidence, at.background == 0)
    swap = b.const(np.array([1, 0, 3, 2]))
    if encoded is None:
        flat = b.reshape(boxes, (batch, count, 4))
        detection.add(b, detection.encoded(b, b.add1(Gather(2), flat, swap), centres=False), rows, None, kept, clip=clip)
        return
    priors, offsets = encoded
    centred = b.add1(Gather(3), b.add1(Concat(3), *_centred(b, priors)), swap)
    moves = b.reshape(b.add1(Gather(3), offsets, swap), (batch, count, 4))
    detection.add(b, moves, rows, b.reshape(centred, (count, 4)), kept, clip=clip)


def _last(b: Builder, x: Value, start: int, stop: int) -> Value:
    """Part of the last of four axes."""
    return b.add1(Slice((None, None, None, start), (None, None, None, stop), (1, 1, 1, 1)), x)


def _detections(b: Builder, boxes: Value, scores: Value, classes: int, at: Detection, clip: bool) -> Value:
    """(1, 1, images * keep, 7)."""
    batch, count, kinds, _ = (static(s, "the number of images and of boxes") for s in boxes.shape)
    if scores.shape != (batch, count * classes):
        raise SourceError(f"scores {scores.type} are not those of {classes} classes and boxes {boxes.type}")
    planes = b.transpose(b.reshape(scores, (batch, count, classes)), (0, 2, 1))
    own = [b.reshape(part, (batch, count, 4)) for part in (b.add(Split(2, (1,) * kinds), boxes) if kinds > 1 else (boxes,))]
    rows, kept = [], []
    if at.single:
        planes = _best_class(b, planes, at.top_k)
    for image in range(batch):
        found = [_of_class(b, own[k % kinds], planes, image, k, at) for k in range(classes) if k != at.background]
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


def _best_class(b: Builder, planes: Value, top_k: int) -> Value:
    """Scores (N, classes, boxes) of which each box keeps that of its best class behind class 0, of equal ones the first, if it is among the
    `top_k` best boxes of its image; the others are less than all that occur."""
    given = Formula(b, planes)
    batch, classes, count = (static(s, "the number of images, classes and boxes") for s in given.shape)
    scores = given.part(1, 1, classes)
    best, which = scores.top(1, 1)
    mine = which.equals(np.arange(classes - 1)[None, :, None])
    if 0 < top_k < count:
        _, order = best.top(top_k, 2)
        chosen = order.reshape(batch, 1, 1, top_k).equals(np.arange(count)[None, None, :, None])
        mine = mine & (chosen.cast(F32).max(3) > 0)
    nothing = float(np.finfo(np.float32).min)
    return joined([Formula(b, b.const(np.full((batch, 1, count), nothing), F32)), mine.choose(scores, nothing)], 1).value


def _of_class(b: Builder, boxes: Value, planes: Value, image: int, label: int, at: Detection) -> tuple[Value, Value]:
    """The boxes of one class, best first, as rows (class, score, box), and whether each is there."""
    count = int(str(boxes.shape[1]))
    limit = min(at.top_k, count) if at.top_k > 0 else count
    given = b.add1(Gather(0), b.add1(Gather(0), planes, b.const(image, np.int64)), b.const(label, np.int64))
    best, order = b.add(TopK(0, limit), given)
    candidates = b.add1(Gather(0), b.add1(Gather(0), boxes, b.const(image, np.int64)), order)
    low, high = (selection.columns(b, candidates, k, k + 2) for k in (0, 2))
    upright = b.add1(Concat(1), low, b.add1(Maximum(), low, high))  # a box that ends before it begins overlaps nothing
    chosen, number = b.add(NonMaxSuppression(limit, at.overlap, at.confidence), upright, best)
    values = b.reshape(b.add1(Gather(0), best, chosen), (limit, 1))
    row = b.add1(Concat(1), b.const(np.full((limit, 1), label - at.single), np.float32), values, b.add1(Gather(0), candidates, chosen))
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
