"""What comes behind a network that detects objects, as one op."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op, static
from nchw2nhwc.ops.rules import SourceOrder
from nchw2nhwc.ops.selection import overlaps

FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True)
class DetectionPostProcess(Op):
    """Boxes decoded, and of every class those kept that no better one overlaps; the best of all classes come first.

    Operands are encodings (1, N, 4), scores (1, N, C), where C is `classes` or, with a background in front, one more, and anchors (N, 4).
    Anchors are (y, x, height, width); the box of an encoding (dy, dx, dh, dw) has the centre y + dy * height, x + dx * width, and the size
    height * exp(dh), width * exp(dw). Of each class, of boxes whose score is at least `score_threshold`, the best ones (of equal ones the
    first) are kept whose intersection over union with every one kept before is not above `iou_threshold`, `most_per_class` of them; of all
    those the `most` best ones. Results, all float32: corners (1, most, 4) as (top, left, bottom, right), classes (1, most), scores
    (1, most), all 0 where there is no box, and how many boxes there are (1,).

    Source: the custom operator TFLite_Detection_PostProcess of LiteRT, its form for several classes (`use_regular_nms`).
    """

    classes: int
    most: int
    most_per_class: int
    iou_threshold: float
    score_threshold: float
    rule = SourceOrder()
    ranks = True

    def infer(self, encodings: TensorType, scores: TensorType, anchors: TensorType) -> tuple[TensorType, ...]:
        for given in (encodings, scores, anchors):
            if given.dtype != FLOAT32:
                raise ShapeError(f"detections are made of float32, not {given}")
        count = static(anchors.shape[0], "the number of boxes") if anchors.rank == 2 else 0
        if encodings.shape != (1, count, 4) or anchors.shape != (count, 4):
            raise ShapeError(f"encodings {encodings} of one image must have the four numbers of each anchor {anchors}")
        if scores.shape not in ((1, count, self.classes), (1, count, self.classes + 1)):
            raise ShapeError(f"scores {scores} must be those of {self.classes} classes, with or without a background, for {count} boxes")
        if min(self.classes, self.most, self.most_per_class) < 1 or not 0 < self.iou_threshold <= 1:
            raise ShapeError(f"{self} keeps no boxes")
        return tuple(TensorType(FLOAT32, shape) for shape in ((1, self.most, 4), (1, self.most), (1, self.most), (1,)))

    def reference(self, encodings: Array, scores: Array, anchors: Array) -> tuple[Array, ...]:
        boxes = decoded(encodings[0], anchors)
        found = [(float(scores[0, k, label]), label, int(k)) for label in range(scores.shape[2] - self.classes, scores.shape[2])
                 for k in self._kept(boxes, scores[0, :, label])]
        best = sorted(found, key=lambda entry: -entry[0])[:self.most]
        results = [np.zeros(shape, FLOAT32) for shape in ((1, self.most, 4), (1, self.most), (1, self.most))]
        for place, (score, label, k) in enumerate(best):
            for result, content in zip(results, (boxes[k], label - (scores.shape[2] - self.classes), score)):
                result[0, place] = content
        return *results, np.array([len(best)], FLOAT32)

    def _kept(self, boxes: Array, scores: Array) -> list[int]:
        """The boxes of one class that are kept, best first."""
        kept: list[int] = []
        for k in np.argsort(-np.asarray(scores, np.float64), kind="stable"):
            if len(kept) == self.most_per_class or not scores[k] >= np.float32(self.score_threshold):
                break
            if not (overlaps(boxes[k], boxes[kept]) > np.float32(self.iou_threshold)).any():
                kept.append(int(k))
        return kept


def decoded(encodings: Array, anchors: Array) -> Array:
    """The corners (N, 4) of boxes, computed in double precision and rounded as LiteRT does."""
    offsets, places = np.asarray(encodings, np.float64), np.asarray(anchors, np.float64)
    centre = (offsets[:, :2] * places[:, 2:] + places[:, :2]).astype(np.float32)
    with np.errstate(over="ignore"):
        half = (0.5 * np.exp(offsets[:, 2:]) * places[:, 2:]).astype(np.float32)
    return np.asarray(np.concatenate([centre - half, centre + half], 1), np.float32)
