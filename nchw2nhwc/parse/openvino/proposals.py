"""Regions that may hold objects: anchors moved by what a network says of them, of which no better one overlaps those that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import DType, Value, product
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.kinds import Doubles
from nchw2nhwc.ops.movement import Pad
from nchw2nhwc.ops.selection import NonMaxSuppression
from nchw2nhwc.parse import selection
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.openvino.attributes import Floats
from nchw2nhwc.parse.openvino.common import require_ranks
from nchw2nhwc.parse.openvino.registry import Results, mapping

I32, I64, F32 = (np.dtype(t) for t in (np.int32, np.int64, np.float32))
LEAST = float(np.finfo(np.float32).min)
LARGEST_GROWTH = log(1000 / 16)
"""The logarithm of how much larger than its anchor a box may become."""

Corners: TypeAlias = tuple[Formula, Formula, Formula, Formula]
"""Left, top, right and bottom of boxes."""


@dataclass(frozen=True)
class Kept:
    """Boxes (most, 4) and scores (most,), best first, of which those at the end are none; `there` says which ones are boxes."""

    boxes: Formula
    scores: Formula
    there: Formula

    def filled(self) -> tuple[Formula, Formula]:
        """Boxes and scores with 0 for those that are none."""
        return self.there.reshape(*self.there.shape, 1).choose(self.boxes, 0), self.there.choose(self.scores, 0)


def corners_of(boxes: Formula) -> Corners:
    """Of boxes (..., 4)."""
    return tuple(boxes.part(-1, k, k + 1) for k in range(4))  # type: ignore[return-value]


def moved(anchors: Corners, deltas: Sequence[Formula], extra: float, growth: float | None = None, last: float = 0.0) -> Corners:
    """Boxes by where their centres are relative to those of the anchors, and by the logarithms of how much larger they are, at most
    `growth`. Sides of boxes are `extra` longer than the difference of their ends, of which the last ones are then `last` less."""
    found = []
    for low, high, shift, grown in zip(anchors[:2], anchors[2:], deltas[:2], deltas[2:]):
        size = high - low + extra
        middle = shift * size + (low + size * 0.5)
        half = (grown if growth is None else grown.at_most(growth)).exp() * size * 0.5
        found.append((middle - half, middle + half - last if last else middle + half))
    (left, right), (top, bottom) = found
    return left, top, right, bottom


def clipped(boxes: Corners, height: Formula, width: Formula) -> Corners:
    """Boxes within [0, width] and [0, height]."""
    return tuple(x.at_most(end).at_least(0.0) for x, end in zip(boxes, (width, height) * 2))  # type: ignore[return-value]


def best(boxes: Formula, scores: Formula, first: int, most: int, threshold: float, extra: float, used: Formula | None = None) -> Kept:
    """Non-maximum suppression of the `first` best of boxes (M, 4), at most `most` of them; of those only where `used`."""
    b, count = boxes.b, static(scores.shape[0], "the number of boxes")
    first = min(first, count)
    ranked, order = scores.top(first, 0)
    chosen = boxes.take(order)
    shifted = chosen + np.array([0, 0, extra, extra]) if extra else chosen
    keys = ranked if used is None else used.take(order).choose(ranked, -np.inf)
    size = min(most, first)
    op = NonMaxSuppression(size, min(max(threshold, 0.0), 1.0), LEAST)
    indices, number = (Formula(b, v) for v in b.add(op, shifted.value, keys.value))
    there = Formula(b, b.const(np.arange(size), I32)) < number
    return Kept(chosen.take(indices), ranked.take(indices), there)


def padded(x: Formula, count: int) -> Formula:
    """With zeros behind the last row up to a number of rows."""
    missing = count - static(x.shape[0], "the number of boxes")
    rest = (0,) * (x.value.rank - 1)
    return x.apply(Pad((0, *rest), (missing, *rest))) if missing > 0 else x


# ---- Proposal ------------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Proposals:
    """The attributes of Proposal. `framework` "tensorflow" counts sizes without the last element, and x along the rows."""

    base_size: int
    stride: int
    ratios: Floats
    scales: Floats
    tensorflow: bool

    @property
    def extra(self) -> float:
        """How much longer a side is than the difference of its ends."""
        return 0.0 if self.tensorflow else 1.0

    def anchors(self, height: int, width: int) -> Doubles:
        """(height * width * anchors, 4): all ratios and scales at every place."""
        found, centre = [], (self.base_size - self.extra) / 2
        for ratio in self.ratios:
            wide = sqrt(self.base_size**2 / ratio)
            wide = wide if self.tensorflow else _rounded(wide)
            high = wide * ratio if self.tensorflow else _rounded(wide * ratio)
            for scale in self.scales:
                half = np.array([wide * scale - self.extra, high * scale - self.extra]) / 2
                found.append([*(centre - half), *(centre + half)])
        shapes = np.array(found) - (self.base_size / 2 if self.tensorflow else 0)
        rows, columns = np.indices((height, width)) * self.stride
        x, y = (rows, columns) if self.tensorflow else (columns, rows)
        places = np.stack([x, y, x, y], -1)[:, :, None]
        return np.asarray((places + shapes).reshape(-1, 4))


def _rounded(number: float) -> float:
    """To the nearest whole number, halves away from 0."""
    return float(np.floor(number + 0.5))


@mapping("Proposal", 1)
def proposal_1(b: Builder, class_probs: Value, bbox_deltas: Value, image_shape: Value, *, base_size: int, pre_nms_topn: int,
               post_nms_topn: int, nms_thresh: float, feat_stride: int, min_size: int, ratio: Floats, scale: Floats,
               clip_before_nms: bool = True, clip_after_nms: bool = False, normalize: bool = False, box_size_scale: float = 1.0,
               box_coordinate_scale: float = 1.0, framework: str = "") -> Results:
    """`post_nms_topn` rows (image, left, top, right, bottom) for each image; the row behind the last one begins with -1, all else is 0."""
    at = Proposals(base_size, feat_stride, ratio, scale, framework == "tensorflow")
    rows, _ = _proposals(b, class_probs, bbox_deltas, image_shape, at, pre_nms_topn, post_nms_topn, nms_thresh, min_size, clip_before_nms,
                         clip_after_nms, normalize, box_size_scale, box_coordinate_scale)
    return rows


@mapping("Proposal", 4)
def proposal(b: Builder, class_probs: Value, bbox_deltas: Value, image_shape: Value, *, base_size: int, pre_nms_topn: int,
             post_nms_topn: int, nms_thresh: float, feat_stride: int, min_size: int, ratio: Floats, scale: Floats,
             clip_before_nms: bool = True, clip_after_nms: bool = False, normalize: bool = False, box_size_scale: float = 1.0,
             box_coordinate_scale: float = 1.0, framework: str = "") -> Results:
    """As before, with the scores."""
    at = Proposals(base_size, feat_stride, ratio, scale, framework == "tensorflow")
    return _proposals(b, class_probs, bbox_deltas, image_shape, at, pre_nms_topn, post_nms_topn, nms_thresh, min_size, clip_before_nms,
                      clip_after_nms, normalize, box_size_scale, box_coordinate_scale)


def _proposals(b: Builder, scores: Value, deltas: Value, shape: Value, at: Proposals, first: int, most: int, threshold: float, least: int,
               clip_before: bool, clip_after: bool, normalize: bool, size_scale: float, place_scale: float) -> tuple[Value, Value]:
    count = len(at.ratios) * len(at.scales)
    fits = scores.rank == deltas.rank == 4 and scores.shape[1:2] == (2 * count,) and deltas.shape[1:2] == (4 * count,)
    if not fits or shape.rank not in (1, 2) or product(shape.shape) not in (3, 4) or min(at.ratios) <= 0 or min(first, most) < 1:
        raise SourceError(f"scores {scores.type}, boxes {deltas.type} and sizes {shape.type} are not those of {count} anchors")
    batch, height, width = (static(s, "the size of a feature map") for s in (scores.shape[0], *scores.shape[2:]))
    total = height * width * count
    sizes = Formula(b, shape).cast(F32).reshape(static(product(shape.shape), "the number of sizes"))
    high, wide, scale_high, scale_wide = (sizes.part(0, k, k + 1) for k in (0, 1, 2, static(sizes.shape[0], "the number of sizes") - 1))
    if at.tensorflow:  # x counts rows
        high, wide = wide, high
    said = Formula(b, deltas).cast(F32).reshape(batch, count, 4, height, width).transpose(0, 3, 4, 1, 2)
    parts = corners_of(said.reshape(batch, total, 4))
    changes = [part / scale if scale != 1 else part for part, scale in zip(parts, (place_scale, place_scale, size_scale, size_scale))]
    anchors = corners_of(Formula(b, b.const(at.anchors(height, width)[None], F32)))
    boxes = moved(clipped(anchors, high, wide) if at.tensorflow else anchors, changes, at.extra)
    if clip_before:
        boxes = clipped(boxes, high - at.extra, wide - at.extra)
    left, top, right, bottom = boxes
    large = (right - left + at.extra >= scale_wide * float(least)) & (bottom - top + at.extra >= scale_high * float(least))
    given = Formula(b, scores).cast(F32).part(1, count, 2 * count).transpose(0, 2, 3, 1).reshape(batch, total, 1)
    ranked = (given * large.cast(F32)).reshape(batch, total)
    every, rows, found = joined(boxes, 2), [], []
    for image in range(batch):
        kept = best(every.take(image), ranked.take(image), first, most, threshold, at.extra)
        corners = corners_of(kept.boxes)
        if clip_after:
            corners = clipped(corners, high, wide)
        if normalize:
            corners = tuple(x / end for x, end in zip(corners, (wide, high) * 2))  # type: ignore[assignment]
        number = Formula(b, b.const(np.full((static(kept.there.shape[0], "a size"), 1), image), F32))
        row = padded(kept.there.reshape(*kept.there.shape, 1).choose(joined([number, *corners], 1), 0), most)
        behind = Formula(b, b.const(np.arange(most), I32)).equals(kept.there.cast(I32).sum(0, keepdims=True))
        rows.append(row + behind.cast(F32).reshape(most, 1) * np.array([[-1, 0, 0, 0, 0]]))
        found.append(padded(kept.filled()[1], most))
    dtype = scores.type.dtype
    return joined(rows, 0).cast(dtype).value, joined(found, 0).cast(dtype).value


# ---- GenerateProposals ----------------------------------------------------------------------------------------------------------
def _generated(anchors: Formula, deltas: Formula, scores: Formula, info: Formula, extra: float,
               least: float) -> tuple[Formula, Formula, Formula]:
    """Boxes (M, 4), scores (M,) and which boxes are large enough, of anchors (M, 4), deltas (A * 4, H, W) and scores (A, H, W); `info` is
    height, width, and perhaps by how much the image is scaled along both."""
    count, height, width = (static(s, "the size of a feature map") for s in scores.shape)
    total = count * height * width
    parts = corners_of(deltas.reshape(count, 4, height, width).transpose(2, 3, 0, 1).reshape(total, 4))
    high, wide = (info.part(0, k, k + 1) for k in (0, 1))
    boxes = clipped(moved(corners_of(anchors.reshape(total, 4)), parts, extra, LARGEST_GROWTH, extra), high - extra, wide - extra)
    left, top, right, bottom = boxes
    size = static(info.shape[0], "the number of sizes")
    scales = [info.part(0, k, k + 1) * least for k in (2, size - 1)] if size > 2 else [least, least]
    large = (right - left + extra >= scales[1]) & (bottom - top + extra >= scales[0])
    return joined(boxes, 1), scores.transpose(1, 2, 0).reshape(total), large.reshape(total)


@mapping("GenerateProposals", 9)
def generate_proposals(b: Builder, im_info: Value, anchors: Value, deltas: Value, scores: Value, *, min_size: float, nms_threshold: float,
                       pre_nms_count: int, post_nms_count: int, normalized: bool = True, nms_eta: float = 1.0,
                       roi_num_type: DType = I64) -> Results:
    """The boxes and scores of all images, one behind another, and how many there are of each image."""
    if nms_eta != 1:
        raise SourceError(f"the attribute nms_eta is {nms_eta:g}; OpenVINO itself takes no other value than 1")
    require_ranks((im_info, 2), (anchors, 4), (deltas, 4), (scores, 4))
    batch = static(scores.shape[0], "the number of images")
    extra, kept = 0.0 if normalized else 1.0, []
    for image in range(batch):
        infos, changes, given = (Formula(b, v).cast(F32).take(image) for v in (im_info, deltas, scores))
        boxes, ranked, large = _generated(Formula(b, anchors).cast(F32), changes, given, infos, extra, min_size)
        kept.append(best(boxes, ranked, pre_nms_count, post_nms_count, nms_threshold, extra, large))
    there = joined([k.there for k in kept], 0).value
    parts = (joined([k.boxes for k in kept], 0), joined([k.scores for k in kept], 0))
    found = (selection.compressed(b, part.cast(scores.type.dtype).value, there, 0) for part in parts)
    return *found, joined([k.there.cast(I32).sum(0, keepdims=True) for k in kept], 0).cast(roi_num_type).value


@mapping("ExperimentalDetectronGenerateProposalsSingleImage", 6)
def generate_proposals_single_image(b: Builder, im_info: Value, anchors: Value, deltas: Value, scores: Value, *, min_size: float,
                                    nms_threshold: float, pre_nms_count: int, post_nms_count: int) -> Results:
    """The boxes and scores of one image, then 0. Boxes that are too small have the score 0."""
    require_ranks((anchors, 2), (deltas, 3), (scores, 3))
    infos = Formula(b, im_info).cast(F32).reshape(static(product(im_info.shape), "the number of sizes")).part(0, 0, 2)
    changes, given = (Formula(b, v).cast(F32) for v in (deltas, scores))
    boxes, ranked, large = _generated(Formula(b, anchors).cast(F32), changes, given, infos, 1.0, min_size)
    kept = best(boxes, ranked * large.cast(F32), pre_nms_count, post_nms_count, nms_threshold, 0.0)
    return tuple(padded(x, post_nms_count).cast(scores.type.dtype).value for x in kept.filled())
