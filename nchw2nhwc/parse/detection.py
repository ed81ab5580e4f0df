"""What a model ends with in the place of its non-maximum suppression, when the target's operator for that is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.errors import OptionError, ShapeError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Maximum, Minimum, Mul, Sub
from nchw2nhwc.ops.detection import DetectionPostProcess
from nchw2nhwc.ops.elementwise import Cast, Log
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Split
from nchw2nhwc.parse.builder import Builder

NAMES = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
"""The outputs of such a model, as the detection models of TensorFlow call them."""

THREADS = ("TFLite_Detection_PostProcess is right with one thread: with N threads LiteRT 2.3.0 leaves out class N (counted from 0), if "
           "there is one")
"""Its kernel gives every thread one class to begin with, and lets them go on with the class after the next one."""

FLOAT32 = np.dtype(np.float32)
_LEAST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Kept:
    """Which boxes are kept: how many of each class and of all, and the thresholds; `background` says that the first class is none."""

    most_per_class: int
    most: int
    iou_threshold: float
    score_threshold: float
    background: bool = False


def offer(b: Builder, boxes: Value, scores: Value, most: int, iou_threshold: float, score_threshold: float, *, centres: bool) -> None:
    """The results `NAMES`, if they are wanted, for boxes (1, N, 4) with scores (1, classes, N), of each class `most` at most. Boxes are any
    two opposite corners (y, x, y, x), or (x, y, width, height) around `centres`. Raises ShapeError where sizes are not known or do not
    fit."""
    if b.detections is None:
        return
    if boxes.rank != 3 or scores.rank != 3:
        raise ShapeError(f"boxes {boxes.type} and scores {scores.type} do not fit together")
    per_class = min(most, static(scores.shape[2], "the number of boxes"))
    total = per_class * static(scores.shape[1], "the number of classes")
    add(b, encoded(b, boxes, centres=centres), b.transpose(scores, (0, 2, 1)), None, Kept(per_class, total, iou_threshold, score_threshold))


def add(b: Builder, encodings: Value, scores: Value, anchors: Value | None, kept: Kept, *, clip: bool = False) -> None:
    """The results `NAMES` for encodings (1, N, 4), scores (1, N, classes) and anchors (N, 4) as `DetectionPostProcess` takes them; no
    anchors: encodings as `encoded` gives them. `clip` limits corners to [0, 1]. Raises ShapeError."""
    assert b.detections is not None, "nobody asked for detections"
    if (encodings.shape[0], scores.shape[0]) != (1, 1):
        raise ShapeError(f"TFLite_Detection_PostProcess takes boxes and scores of one image, not {encodings.type} and {scores.type}",
                         advice="Convert with --batch 1, or leave out --nms detection-postprocess.")
    count, classes = (static(s, "the number of boxes and classes") for s in scores.shape[1:])
    encodings, scores = (v if v.type.dtype == FLOAT32 else b.add1(Cast(FLOAT32), v) for v in (encodings, scores))
    where = b.const(np.tile(np.array([0, 0, 1, 1]), (count, 1)), np.float32) if anchors is None else anchors
    op = DetectionPostProcess(classes - kept.background, kept.most, kept.most_per_class, max(kept.iou_threshold, _LEAST),
                              above(kept.score_threshold))
    if op.classes > 2:
        b.graph.notes.append(THREADS)
    boxes, *others = b.add(op, encodings, scores, where)
    b.detections.append((b.add1(Clip(0.0, 1.0), boxes) if clip else boxes, *others))


def encoded(b: Builder, boxes: Value, *, centres: bool) -> Value:
    """Boxes (1, N, 4) as offsets from a box at the origin, one unit wide and high."""
    if centres:
        centre, size = b.add(Split(2, (2, 2)), b.add1(Gather(2), boxes, b.const(np.array([1, 0, 3, 2]))))
    else:
        first, second = b.add(Split(2, (2, 2)), boxes)
        low, high = b.add1(Minimum(), first, second), b.add1(Maximum(), first, second)
        centre, size = b.add1(Mul(), b.add1(Add(), low, high), b.const(0.5, np.float32)), b.add1(Sub(), high, low)
    return b.add1(Concat(2), centre, b.add1(Log(), size))


def above(threshold: float) -> float:
    """The least score that is above a threshold, as a float32 number."""
    if not np.isfinite(threshold):
        return float(np.finfo(np.float32).min)
    return float(np.nextafter(np.float32(threshold), np.float32(np.inf)))


def only(b: Builder) -> tuple[Value, ...]:
    """The results of the one layer that suppresses boxes. Raises OptionError where there are several, or none that the operator can stand
    for."""
    found = b.detections or []
    if len(found) != 1:
        raise OptionError(f"--nms detection-postprocess needs one layer that suppresses boxes, outside of subgraphs, but the outputs need "
                          f"{len(found) or 'none'} that it can stand for", advice="Use --nms cut, or end at another layer with --outputs.")
    return found[0]
