"""The ops of Detectron's networks: anchors of all places, regions by size, and what is detected in them."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import CUT, SourceError, UnsupportedError
from nchw2nhwc.ir import DType, Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.parse import adaptive, sampling
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.openvino.attributes import Floats, Ints
from nchw2nhwc.parse.openvino.common import require_ranks, same
from nchw2nhwc.parse.openvino.proposals import F32, I32, Kept, best, corners_of, moved, padded
from nchw2nhwc.parse.openvino.registry import Results, mapping

USUAL_SIZE, USUAL_LEVEL = 224, 2
"""A region of 224 x 224 pixels belongs to level 2 of a feature pyramid, one of twice the size to the next one (T. Lin et al., "Feature
Pyramid Networks for Object Detection", 2017, equation 1)."""


@mapping("ExperimentalDetectronPriorGridGenerator", 6)
def prior_grid(b: Builder, priors: Value, feature_map: Value, image: Value, *, flatten: bool = True, h: int = 0, w: int = 0,
               stride_x: float = 0.0, stride_y: float = 0.0) -> Results:
    """The boxes (priors, 4) around the centre of each element of a feature map, (H * W * priors, 4)."""
    if priors.rank != 2 or priors.shape[1] != 4 or feature_map.rank != 4 or image.rank != 4:
        raise SourceError(f"{priors.type}, {feature_map.type} and {image.type} are not boxes, a feature map and an image")
    rows, columns = (static(s, "the size of a feature map") for s in feature_map.shape[2:])
    if h not in (0, rows) or w not in (0, columns):
        raise UnsupportedError(f"a grid of {h} by {w} over a feature map of {rows} by {columns}", b.where, CUT)
    steps = (stride_y or static(image.shape[2], "the height of an image") / rows,
             stride_x or static(image.shape[3], "the width of an image") / columns)
    y, x = np.meshgrid((np.arange(rows) + 0.5) * steps[0], (np.arange(columns) + 0.5) * steps[1], indexing="ij")
    found = Formula(b, priors).reshape(1, 1, priors.shape[0], 4) + np.stack([x, y, x, y], -1)[:, :, None]
    return found.reshape(rows * columns * priors.shape[0], 4).value if flatten else found.value


@mapping("ExperimentalDetectronTopKROIs", 6)
def top_rois(b: Builder, rois: Value, scores: Value, *, max_rois: int) -> Results:
    """The regions (R, 4) with the best scores."""
    require_ranks((rois, 2), (scores, 1))
    count = static(scores.shape[0], "the number of regions")
    _, order = Formula(b, scores).top(min(max_rois, count), 0)
    return padded(Formula(b, rois).take(order), max_rois).value


@mapping("ExperimentalDetectronROIFeatureExtractor", 6)
def roi_features(b: Builder, rois: Value, *levels: Value, output_size: int, sampling_ratio: int, pyramid_scales: Ints,
                 aligned: bool = False) -> Results:
    """Each region (R, 4) from the level of a pyramid that its size belongs to, brought to `output_size`; and the regions."""
    if not levels or len(pyramid_scales) != len(levels) or rois.rank != 2:
        raise SourceError(f"{len(levels)} levels do not fit the scales {list(pyramid_scales)}")
    require_ranks(*((level, 4) for level in levels))
    regions, given = rois.shape[0], Formula(b, rois).cast(F32)
    left, top, right, bottom = corners_of(given)
    area = ((right - left) * (bottom - top)).reshape(regions, 1, 1, 1)
    numbers = Formula(b, b.const(0, I32)).expand(regions).value
    found: Formula | None = None
    for k, (level, scale) in enumerate(zip(levels, pyramid_scales)):
        at = sampling.Pooling("avg", (output_size, output_size), sampling_ratio, 1 / scale, 0.0, -0.5 if aligned else 0.0, malformed=True)
        read = Formula(b, adaptive.roi_align(b, level if level.type.dtype == F32 else Formula(b, level).cast(F32).value, given.value,
                                             numbers, at))
        if found is None:
            found = read
        else:
            least = (2.0 ** (k - USUAL_LEVEL) - 1e-6) * USUAL_SIZE
            found = (area >= least**2).choose(read, found)
    assert found is not None
    return (area > 0).choose(found, 0).cast(levels[0].type.dtype).value, same(b, rois)


@mapping("ExperimentalDetectronDetectionOutput", 6)
def detection_output(b: Builder, rois: Value, deltas: Value, scores: Value, im_info: Value, *, score_threshold: float, nms_threshold: float,
                     num_classes: int, post_nms_count: int, max_detections_per_image: int, class_agnostic_box_regression: bool = False,
                     max_delta_log_wh: float, deltas_weights: Floats = (10.0, 10.0, 5.0, 5.0)) -> Results:
    """Boxes, classes and scores of what is detected in the regions (R, 4), the first class being the background: by class, or if there
    would be too many the best ones in that order; then 0. As in OpenVINO, boxes may reach beyond the image."""
    require_ranks((rois, 2), (deltas, 2), (scores, 2))
    regions = static(rois.shape[0], "the number of regions")
    given = Formula(b, rois).cast(F32)
    kinds = static(deltas.shape[1], "the number of boxes") // 4
    if deltas.shape != (regions, 4 * kinds) or scores.shape != (regions, num_classes) or len(deltas_weights) != 4 or num_classes < 2 or \
            kinds != num_classes:
        raise SourceError(f"boxes {deltas.type} and scores {scores.type} are not those of {num_classes} classes and {regions} regions")
    changes = Formula(b, deltas).cast(F32).reshape(regions, kinds, 4) / np.array(deltas_weights)
    anchors = tuple(x.reshape(regions, 1, 1) for x in corners_of(given))
    left, top, right, bottom = anchors
    boxes = joined([x.at_least(0.0) for x in moved((left, top, right, bottom), corners_of(changes), 1.0, max_delta_log_wh, 1.0)], 2)
    real = ((right - left > 0) & (bottom - top > 0)).reshape(regions)
    ranked = Formula(b, scores).cast(F32)
    found = []
    for label in range(1, num_classes):
        mine = ranked.part(1, label, label + 1).reshape(regions)
        kept = best(boxes.take(label, 1), mine, regions, min(post_nms_count, regions), nms_threshold, 1.0, real & (mine > score_threshold))
        found.append(kept)
    together = Kept(*(joined(parts, 0) for parts in ([k.boxes for k in found], [k.scores for k in found], [k.there for k in found])))
    labels = Formula(b, b.const(np.repeat(np.arange(1, num_classes), static(found[0].there.shape[0], "a size")), I32))
    return _put_out(together, labels, max_detections_per_image, rois.type.dtype)


def _put_out(found: Kept, labels: Formula, most: int, dtype: DType) -> tuple[Value, ...]:
    b, total = labels.b, static(labels.shape[0], "the number of boxes")
    boxes, scores, there = found.boxes, found.scores, found.there
    count = min(most, total)
    _, by_score = there.choose(scores, -np.inf).top(count, 0)
    _, in_order = there.choose(Formula(b, b.const(np.arange(total), I32)), total).top(count, 0, largest=False)
    order = (there.cast(I32).sum(0) > most).choose(by_score, in_order)
    kept = there.take(order)
    parts = (kept.reshape(count, 1).choose(boxes.take(order), 0), kept.choose(labels.take(order), 0), kept.choose(scores.take(order), 0))
    first, second, third = (padded(part, most) for part in parts)
    return first.cast(dtype).value, second.value, third.cast(dtype).value
