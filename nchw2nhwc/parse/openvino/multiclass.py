"""Boxes of several classes of which the best are kept: MatrixNms, which lowers the scores of boxes that others overlap, and MulticlassNms,
which drops them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import DType, Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Cast
from nchw2nhwc.ops.reduce import CumSum
from nchw2nhwc.ops.selection import NonMaxSuppression
from nchw2nhwc.parse import greedy, selection
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.openvino.common import require_ranks
from nchw2nhwc.parse.openvino.registry import Results, mapping

SortType: TypeAlias = Literal["none", "score", "classid"]
I32, I64, F32 = (np.dtype(t) for t in (np.int32, np.int64, np.float32))
LEAST = float(np.finfo(np.float32).min)
_LEAST_FALLING = 0.5
"""A threshold that is not above this does not fall."""


@dataclass(frozen=True)
class Candidates:
    """Boxes of one image that may be kept, by class and then the best first: all vectors of one size, boxes (size, 4)."""

    labels: Formula
    scores: Formula
    boxes: Formula
    indices: Formula
    kept: Formula

    @property
    def count(self) -> int:
        return static(self.scores.shape[0], "the number of boxes")

    def at(self, order: Formula) -> Candidates:
        """Those at some positions."""
        return Candidates(*(part.take(order) for part in self._parts))

    def by_score(self, most: int) -> Candidates:
        """The best `most` of those that are kept, in that order, before all others."""
        _, order = self.kept.choose(self.scores, -np.inf).top(most, 0)
        return self.at(order)

    def by_label(self) -> Candidates:
        """Those that are kept by class, otherwise as they are."""
        _, order = self.kept.choose(self.labels, 1 << 30).top(self.count, 0, largest=False)
        return self.at(order)

    @property
    def _parts(self) -> tuple[Formula, ...]:
        return self.labels, self.scores, self.boxes, self.indices, self.kept

    @staticmethod
    def together(many: Sequence[Candidates]) -> Candidates:
        """One behind the other."""
        return Candidates(*(joined(parts, 0) for parts in zip(*(each._parts for each in many))))


@dataclass(frozen=True)
class Output:
    """How the boxes that are kept are put out."""

    sort: SortType
    across: bool
    keep: int
    dtype: DType

    def results(self, b: Builder, images: Sequence[Candidates]) -> tuple[Value, Value, Value]:
        """Rows (class, score, left, top, right, bottom), the indices of boxes, and how many there are of each image."""
        best = [each.by_score(min(self.keep, each.count) if self.keep > -1 else each.count) for each in images]
        counts = [each.kept.cast(I32).sum(0, keepdims=True) for each in best]
        every = Candidates.together([each.by_label() if self.sort == "classid" and not self.across else each for each in best])
        if self.across and self.sort != "none":
            every = every.by_score(every.count) if self.sort == "score" else every.by_label()
        rows = joined([every.labels.cast(F32).reshape(every.count, 1), every.scores.reshape(every.count, 1), every.boxes], 1)
        indices = every.indices.cast(self.dtype).reshape(every.count, 1)
        chosen = (selection.compressed(b, part.value, every.kept.value, 0) for part in (rows, indices))
        return *chosen, joined(counts, 0).cast(self.dtype).value  # type: ignore[return-value]


# ---- boxes that lower the scores of others ---------------------------------------------------------------------------------------
@mapping("MatrixNms", 8)
def matrix_nms(b: Builder, boxes: Value, scores: Value, *, sort_result_type: SortType = "none", sort_result_across_batch: bool = False,
               output_type: DType = I64, score_threshold: float = 0.0, nms_top_k: int = -1, keep_top_k: int = -1,
               background_class: int = -1, decay_function: Literal["gaussian", "linear"] = "linear", gaussian_sigma: float = 2.0,
               post_threshold: float = 0.0, normalized: bool = True) -> Results:
    """Of every class the `nms_top_k` best boxes of (N, boxes, 4), whose scores (N, classes, boxes) are lowered by how much better boxes
    overlap them (X. Wang et al., "SOLOv2", 2020, section 3.3); those above `post_threshold` are kept, `keep_top_k` of an image."""
    if boxes.rank != 3 or scores.rank != 3 or boxes.shape[0] != scores.shape[0]:
        raise SourceError(f"boxes {boxes.type} and scores {scores.type} do not fit together")
    batch, classes, count = (static(s, "the number of images, classes and boxes") for s in scores.shape)
    labels = [k for k in range(classes) if k != background_class]
    size = count if nms_top_k < 0 else min(nms_top_k, count)
    given = Formula(b, scores).cast(F32)
    best, order = (given if len(labels) == classes else given.take(np.array(labels), 1)).top(size, 2)
    places = order + np.arange(batch).reshape(batch, 1, 1) * count
    found = Formula(b, boxes).cast(F32).reshape(batch * count, 4).take(places)
    overlap = _overlaps(found, 0.0 if normalized else 1.0)
    earlier = Formula(b, b.const(np.tri(size, k=-1, dtype=np.bool_)))
    most = earlier.choose(overlap, 0).max(3).reshape(batch, len(labels), 1, size)
    if decay_function == "gaussian":
        decay = ((most * most - overlap * overlap) * gaussian_sigma).exp()
    else:
        decay = (1.0 - overlap) / (1.0 - most + 1e-10)
    lowered = best * earlier.choose(decay, 1).min(3).at_most(1.0)
    kept = (best > score_threshold) & (lowered > post_threshold)
    total = len(labels) * size
    column = Formula(b, b.const(np.repeat(labels, size), I32))
    images = [Candidates(column, *(part.take(k).reshape(total, *part.shape[3:]) for part in (lowered, found, places, kept)))
              for k in range(batch)]
    sort = sort_result_type if sort_result_across_batch else "score"  # within an image OpenVINO sorts by score whatever is asked for
    return Output(sort, sort_result_across_batch, keep_top_k, output_type).results(b, images)


def _overlaps(boxes: Formula, extra: float) -> Formula:
    """Intersection over union of all boxes (..., n, 4) with each other, (..., n, n); both sides of a box count `extra` more."""
    lead, (count, _) = boxes.shape[:-2], boxes.shape[-2:]
    left, top, right, bottom = (boxes.part(-1, k, k + 1) for k in range(4))
    spans = []
    for low, high in ((left, right), (top, bottom)):
        first = low.at_least(low.reshape(*lead, 1, count))
        last = high.at_most(high.reshape(*lead, 1, count))
        spans.append((last >= first).choose(last - first + extra, 0))
    inside = spans[0] * spans[1]
    area = ((right >= left) & (bottom >= top)).choose((right - left + extra) * (bottom - top + extra), 0)
    whole = area + area.reshape(*lead, 1, count) - inside
    return (inside > 0).choose(inside / (whole > 0).choose(whole, 1), 0)


# ---- boxes that drop others ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Dropping:
    """The attributes of MulticlassNms that say which boxes of a class are kept."""

    overlap: float
    score: float
    most: int
    extra: float
    eta: float

    def candidates(self, boxes: Formula, scores: Formula, label: int, first: int) -> Candidates:
        """The boxes (M, 4) of one class that no better one overlaps; their indices count from `first`."""
        b, count = boxes.b, static(scores.shape[0], "the number of boxes")
        size = count if self.most < 0 else min(self.most, count)
        counted = (scores >= self.score).choose(scores, -np.inf)
        best, order = counted.top(size, 0)
        found = boxes.take(order)
        low, high = found.part(1, 0, 2), found.part(1, 2, 4)
        shifted = joined([low, (high + self.extra if self.extra else high).at_least(low)], 1)  # one that ends before it begins is empty
        if self.eta < 1 and self.overlap > _LEAST_FALLING:
            overlaps = greedy.overlaps(shifted.reshape(1, size, 4)).reshape(size, size)
            there = greedy.falling(b, overlaps, best > LEAST, self.overlap, self.eta)
            return Candidates(Formula(b, b.const(np.full(size, label), I32)), best, found, order + first, there)
        # An overlap that equals the threshold is too large here, but not for the op.
        threshold = float(np.nextafter(np.float32(self.overlap), np.float32(0)))
        most = size if self.overlap > 0 else 1
        chosen, number = (Formula(b, v) for v in b.add(NonMaxSuppression(most, max(threshold, 0.0), LEAST), shifted.value, best.value))
        there = Formula(b, b.const(np.arange(most), I32)) < number
        return Candidates(Formula(b, b.const(np.full(most, label), I32)), best.take(chosen), found.take(chosen),
                          order.take(chosen) + first, there)


@mapping("MulticlassNms", 8)
def multiclass_nms_8(b: Builder, boxes: Value, scores: Value, *, sort_result_type: SortType = "none",
                     sort_result_across_batch: bool = False, output_type: DType = I64, iou_threshold: float = 0.0,
                     score_threshold: float = 0.0, nms_top_k: int = -1, keep_top_k: int = -1, background_class: int = -1,
                     nms_eta: float = 1.0, normalized: bool = True) -> Results:
    """Of every class of every image the boxes that no better one overlaps, at most `keep_top_k` of an image."""
    return multiclass_nms(b, boxes, scores, None, sort_result_type=sort_result_type, sort_result_across_batch=sort_result_across_batch,
                          output_type=output_type, iou_threshold=iou_threshold, score_threshold=score_threshold, nms_top_k=nms_top_k,
                          keep_top_k=keep_top_k, background_class=background_class, nms_eta=nms_eta, normalized=normalized)


@mapping("MulticlassNms", 9)
def multiclass_nms(b: Builder, boxes: Value, scores: Value, roisnum: Value | None = None, *, sort_result_type: SortType = "none",
                   sort_result_across_batch: bool = False, output_type: DType = I64, iou_threshold: float = 0.0,
                   score_threshold: float = 0.0, nms_top_k: int = -1, keep_top_k: int = -1, background_class: int = -1,
                   nms_eta: float = 1.0, normalized: bool = True) -> Results:
    """As before; with `roisnum` (N,) each class has boxes of its own, (classes, boxes, 4), which are so many of each image."""
    at = Dropping(iou_threshold, score_threshold, nms_top_k, 0.0 if normalized else 1.0, nms_eta)
    given, ranked = Formula(b, boxes).cast(F32), Formula(b, scores).cast(F32)
    if roisnum is None:
        if boxes.rank != 3 or scores.rank != 3 or boxes.shape[0] != scores.shape[0]:
            raise SourceError(f"boxes {boxes.type} and scores {scores.type} do not fit together")
        batch, classes, count = (static(s, "the number of images, classes and boxes") for s in scores.shape)
        images = [[at.candidates(given.take(image), ranked.take(image).take(label), label, image * count)
                   for label in range(classes) if label != background_class] for image in range(batch)]
    else:
        require_ranks((boxes, 3), (scores, 2), (roisnum, 1))
        images = _own_boxes(at, given, ranked, Formula(b, roisnum).cast(I32), background_class)
    output = Output(sort_result_type, sort_result_across_batch, keep_top_k, output_type)
    return output.results(b, [Candidates.together(each) for each in images])


def _own_boxes(at: Dropping, boxes: Formula, scores: Formula, numbers: Formula, background: int) -> list[list[Candidates]]:
    """The candidates of each class of each image, whose boxes are one behind another."""
    classes, count = (static(s, "the number of classes and boxes") for s in scores.shape)
    images = static(numbers.shape[0], "the number of images")
    ends = numbers.apply(CumSum(0))
    starts, places = ends - numbers, np.arange(count)
    found = []
    for image in range(images):
        here = Formula(boxes.b, boxes.b.const(places, I32))
        mine = (here >= starts.part(0, image, image + 1)) & (here < ends.part(0, image, image + 1))
        each = [at.candidates(boxes.take(k), mine.choose(scores.take(k), -np.inf), k, 0) for k in range(classes) if k != background]
        found.append([Candidates(c.labels, c.scores, c.boxes, c.indices * classes + c.labels.apply(Cast(c.indices.dtype)), c.kept)
                      for c in each])
    return found
