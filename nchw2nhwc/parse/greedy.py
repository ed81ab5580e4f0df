"""Non-maximum suppression step by step, for overlaps and scores that no kernel computes."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import CUT, UnsupportedError
from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.reduce import ArgMax
from nchw2nhwc.parse.body import INT64, Body, add_loop
from nchw2nhwc.parse.builder import LARGEST, Builder
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.selection import Boxes

NONE = float(np.finfo(np.float32).min)
"""The score of a box that is out: less than all that occur, but finite."""


def suppressed(b: Builder, overlaps: Formula, scores: Formula, most: int, iou_threshold: float, score_threshold: float,
               sigma: float = 0.0) -> Boxes:
    """The best boxes by their scores (batch, classes, N), one after the other. Each takes those out whose overlap with it (batch, N, N)
    is above `iou_threshold`; with a `sigma` it lowers the scores of all others instead, by exp(-overlap^2 / (2 sigma)) (N. Bodla et al.,
    "Soft-NMS", 2017, equation 5). """
    batch, classes, count = (static(s, "the number of batch elements, classes and boxes") for s in scores.shape)
    planes, most = batch * classes, min(most, count)
    factors = (overlaps * overlaps * (-0.5 / sigma)).exp() if sigma else (overlaps <= iou_threshold).cast(np.float32)
    rows = factors.reshape(batch * count, count)
    first = np.repeat(np.arange(batch) * count, classes)[:, None]
    body = Body(b.graph.unique_name("boxes"), b.graph.source)
    inner = Builder(body.graph)
    inner.origin = b.origin
    body.graph.add_input("number", TensorType(INT64))
    left = Formula(inner, body.graph.add_input("left", TensorType(np.dtype(np.float32), (planes, count))))
    best = left.apply(ArgMax(1, True, dtype=INT64))
    factor = Formula(inner, body.take(rows.value)).take(best + first).reshape(planes, count)
    here = Formula(inner, inner.const(np.arange(count)[None], np.int64)).equals(best)
    after = (here | factor.equals(0) | left.equals(NONE)).choose(Formula(inner, inner.const(NONE, np.float32)), left * factor)
    body.returns([after.value, best.reshape(1, planes).value, left.max(1).reshape(1, planes).value])
    start = scores.reshape(planes, count)
    _, indices, values = add_loop(b, body, Loop(body.graph, 1, most, (0, 0)), [start.value])
    return _as_boxes(b, indices, values, batch, classes, score_threshold)


def falling(b: Builder, overlaps: Formula, there: Formula, threshold: float, eta: float) -> Formula:
    """Which of boxes (N,), best first, are kept: those that are `there` and whose overlap (N, N) with every one kept before is below a
    threshold, which every box that is kept lowers by the factor `eta` for as long as it is above 0.5."""
    count = static(there.shape[0], "the number of boxes")
    body = Body(b.graph.unique_name("boxes"), b.graph.source)
    inner = Builder(body.graph)
    inner.origin = b.origin
    number = Formula(inner, body.graph.add_input("number", TensorType(INT64)))
    kept = Formula(inner, body.graph.add_input("kept", TensorType(np.dtype(np.float32), (1, count))))
    limit = Formula(inner, body.graph.add_input("limit", TensorType(np.dtype(np.float32), (1, 1))))
    place = number.reshape(1)
    overlapped = ((Formula(inner, body.take(overlaps.value)).take(place) >= limit).cast(np.float32) * kept).max(1).reshape(1, 1)
    good = Formula(inner, body.take(there.cast(np.float32).reshape(count, 1).value)).take(place) * (1.0 - overlapped)
    here = Formula(inner, inner.const(np.arange(count)[None], np.int64)).equals(place.reshape(1, 1)).cast(np.float32)
    lower = ((limit > 0.5) & (good > 0)).choose(limit * eta, limit)
    body.returns([(kept + here * good).value, lower.value])
    start = [b.const(np.zeros((1, count)), np.float32), b.const(np.full((1, 1), threshold), np.float32)]
    kept_at_last, _ = add_loop(b, body, Loop(body.graph, 2, count), start)
    return Formula(b, kept_at_last).reshape(count) > 0


def _as_boxes(b: Builder, indices: Value, values: Value, batch: int, classes: int, threshold: float) -> Boxes:
    """What was found in each step (steps, batch * classes), by batch element and class."""
    most = static(indices.shape[0], "the number of steps")
    total = batch * classes * most
    found, best = (Formula(b, v).transpose(1, 0) for v in (indices, values))
    heads = np.stack([np.repeat(np.arange(batch), classes * most), np.tile(np.repeat(np.arange(classes), most), batch)], 1)
    rows = np.pad(heads, ((0, 0), (0, 1))).astype(np.int64)
    column = found.reshape(total, 1) * np.array([[0, 0, 1]])
    return Boxes((column + rows).value, best.reshape(total).value, (best > max(threshold, NONE)).reshape(total).value)


def require_few(b: Builder, batch: Size, count: Size) -> None:
    """Raises UnsupportedError for more boxes than all overlaps of which can be computed."""
    elements = static(batch, "the number of images") * static(count, "the number of boxes")**2
    if elements > LARGEST:
        raise UnsupportedError(f"the overlaps of {count} boxes with each other would have {elements} elements", b.where, CUT)


# ---- overlaps ----------------------------------------------------------------------------------------------------------
def overlaps(boxes: Formula) -> Formula:
    """Intersection over union of all boxes (batch, N, 4), opposite corners, with each other; 0 where one is empty."""
    batch, count = boxes.shape[:2]
    one, two = boxes.part(2, 0, 2), boxes.part(2, 2, 4)
    low, high = one.at_most(two), one.at_least(two)
    sides = high.reshape(batch, count, 1, 2).at_most(high.reshape(batch, 1, count, 2)) - low.reshape(batch, count, 1, 2).at_least(
        low.reshape(batch, 1, count, 2))
    inside = product_of(sides.at_least(0.0)).reshape(batch, count, count)
    return over_union(inside, product_of(high - low).reshape(batch, count, 1))


def product_of(sides: Formula) -> Formula:
    """Width times height."""
    axis = sides.value.rank - 1
    return sides.part(axis, 0, 1) * sides.part(axis, 1, 2)


def over_union(inside: Formula, area: Formula) -> Formula:
    """The share of intersections (batch, N, N) in the union of boxes of these areas (batch, N, 1)."""
    batch, count, _ = area.shape
    whole = area + area.reshape(batch, 1, count) - inside
    return (inside > 0).choose(inside / (whole > 0).choose(whole, 1), 0)
