"""Non-maximum suppression of rotated boxes."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import SourceError
from nchw2nhwc.ir import DType, Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.elementwise import Cos, Sin
from nchw2nhwc.parse import greedy
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.openvino.common import one_float, one_int
from nchw2nhwc.parse.openvino.detection import I64, none_of, results_of
from nchw2nhwc.parse.openvino.registry import Results, mapping


@mapping("NMSRotated", 13)
def nms_rotated(b: Builder, boxes: Value, scores: Value, most: Value, iou_threshold: Value, score_threshold: Value, *,
                sort_result_descending: bool = True, output_type: DType = I64, clockwise: bool = True) -> Results:
    """NonMaxSuppression of boxes (N, boxes, 5): centre (x, y), width, height and angle in radians."""
    if boxes.rank != 3 or boxes.shape[2] != 5 or scores.rank != 3:
        raise SourceError(f"boxes {boxes.type} and scores {scores.type} are not those of rotated boxes")
    limit = one_int(b, most, "max_output_boxes_per_class")
    if limit <= 0:
        return none_of(b, output_type)
    iou, least = one_float(b, iou_threshold, "iou_threshold"), one_float(b, score_threshold, "score_threshold")
    given = Formula(b, boxes).cast(np.float32)
    greedy.require_few(b, *given.shape[:2])
    found = greedy.suppressed(b, overlaps(given, clockwise), Formula(b, scores).cast(np.float32), limit, iou, least)
    return results_of(b, found, sort_result_descending, output_type)


def overlaps(boxes: Formula, clockwise: bool) -> Formula:
    """Intersection over union of all rotated boxes (batch, N, 5) with each other.

    By Green's theorem the area of an intersection is a sum over its border, which is what is inside the other box of the edges of either.
    An edge that both have counts once."""
    batch, count = (static(s, "the number of boxes") for s in boxes.shape[:2])
    centre, size = boxes.part(2, 0, 2), boxes.part(2, 2, 4)
    angle = boxes.part(2, 4, 5) * (1.0 if clockwise else -1.0)
    cos, sin = angle.apply(Cos()), angle.apply(Sin())
    wide, high = (size.part(2, k, k + 1) * 0.5 for k in (0, 1))
    # The corners around the centre, in the order of growing angles.
    x, y = wide * np.array([-1, 1, 1, -1]), high * np.array([-1, -1, 1, 1])
    corners = [(x * cos - y * sin).reshape(batch, count, 1, 4), (x * sin + y * cos).reshape(batch, count, 1, 4)]
    shifts = [(part.reshape(batch, 1, count, 1) - part.reshape(batch, count, 1, 1)) for part in (centre.part(2, k, k + 1) for k in (0, 1))]
    own = (corners[0], corners[1])
    other = tuple(c.reshape(batch, 1, count, 4) + shift for c, shift in zip(corners, shifts))
    inside = _border(own, (other[0], other[1]), strict=False) + _border((other[0], other[1]), own, strict=True)
    area = greedy.product_of(size).reshape(batch, count, 1)
    return greedy.over_union((inside * 0.5).at_least(0.0), area)


def _border(edges: tuple[Formula, Formula], polygon: tuple[Formula, Formula], strict: bool) -> Formula:
    """Twice the area between the origin and what is inside a polygon of the edges from each corner to the next one; all corners are
    (..., 4). An edge on the border of the polygon is inside, unless `strict`."""
    (x, y), (dx, dy) = edges, _steps(edges)
    (px, py), (ex, ey) = ((part.reshape(*part.shape, 1).transpose(0, 1, 2, 4, 3) for part in pair) for pair in (polygon, _steps(polygon)))
    x4, y4, dx4, dy4 = (part.reshape(*part.shape, 1) for part in (x, y, dx, dy))
    distance = ex * (y4 - py) - ey * (x4 - px)
    growth = ex * dy4 - ey * dx4
    rising, falling = growth > 0, growth < 0
    meeting = distance * -1.0 / (rising | falling).choose(growth, 1)
    outside = distance <= 0 if strict else distance < 0
    apart = (~(rising | falling) & outside).cast(np.float32)
    start = (rising.choose(meeting, 0) + apart * 2.0).max(4).at_least(0.0)
    end = falling.choose(meeting, 1).min(4).at_most(1.0)
    return ((end - start).at_least(0.0) * (x * dy - y * dx)).sum(3)


def _steps(corners: tuple[Formula, Formula]) -> tuple[Formula, Formula]:
    """From each corner to the next one."""
    x, y = (joined([part.part(3, 1, 4), part.part(3, 0, 1)], 3) - part for part in corners)
    return x, y
