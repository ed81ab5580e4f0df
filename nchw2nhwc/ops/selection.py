"""Ops that keep some of their operand's elements: those where a condition holds, and boxes that no better one overlaps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.bounds import bounds, is_at_most
from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.base import Op, axis_role, require_shape, static
from nchw2nhwc.ops.kinds import FLOAT, require
from nchw2nhwc.ops.movement import require_axis
from nchw2nhwc.ops.rules import Along, SourceOrder

INT32 = np.dtype(np.int32)


@dataclass(frozen=True)
class Compress(Op):
    """The slices of `data` along `axis` where `condition`, a vector, holds. How many those are depends on the data: the result's axis is
    the named dimension `count`. Source: ONNX Compress and NonZero, OpenVINO NonZero-3.
    """

    axis: int = field(metadata=axis_role())
    count: str
    rule = Along()
    ranks = True

    @property
    def decides(self) -> frozenset[str]:
        return frozenset((self.count,))

    def infer(self, data: TensorType, condition: TensorType) -> TensorType:
        require_axis(self.axis, data)
        reason = f"the condition {condition} must be a boolean for each position along axis {self.axis} of {data}"
        if condition.dtype != np.bool_:
            raise ShapeError(reason)
        require_shape(reason, condition.shape, (data.shape[self.axis],))
        size = data.shape[self.axis]
        kept = Dim.symbol(self.count, size if isinstance(size, int) else bounds(size)[1], least=0)
        return data.with_shape((*data.shape[:self.axis], kept, *data.shape[self.axis + 1:]))

    def reference(self, data: Array, condition: Array) -> Array:
        return np.compress(np.asarray(condition, np.bool_), data, self.axis)


@dataclass(frozen=True)
class NonMaxSuppression(Op):
    """The boxes (N, 4) that no better one overlaps: their indices (M,) with M = min(`most`, N), best first, and how many there are, ().

    A box is two opposite corners (y, x, y, x). Of the boxes with a score above `score_threshold`, from the best one on (of equal ones the
    first), those are kept whose intersection over union with every box kept so far is not above `iou_threshold`, or above operand 2 where
    there is one. Indices past the count are that of the best score of all. Both are int32.

    Source: ONNX NonMaxSuppression, OpenVINO NonMaxSuppression-1 to -9, for one class.
    """

    most: Size
    iou_threshold: float
    score_threshold: float
    rule = SourceOrder()
    ranks = True

    def infer(self, boxes: TensorType, scores: TensorType, threshold: TensorType | None = None) -> tuple[TensorType, TensorType]:
        require(self, FLOAT, boxes, scores)
        if threshold is not None and threshold != boxes.with_shape(()):
            raise ShapeError(f"the threshold must be one number without axes, not {threshold}")
        reason = f"boxes {boxes} must have four coordinates each, and scores {scores} one number for each box"
        if boxes.rank != 2 or boxes.shape[1] != 4:
            raise ShapeError(reason)
        require_shape(reason, scores.shape, boxes.shape[:1])
        if not 0 <= self.iou_threshold <= 1:
            raise ShapeError(f"the threshold {self.iou_threshold:g} of intersection over union is not within [0, 1]")
        count = boxes.shape[0]
        if not is_at_most(self.most, count) or not is_at_most(int(isinstance(count, int)), self.most):
            raise ShapeError(f"up to {self.most} of {count} boxes cannot be chosen")
        return TensorType(INT32, (self.most,)), TensorType(INT32, ())

    def reference(self, boxes: Array, scores: Array, threshold: Array | None = None) -> tuple[Array, Array]:
        limit = np.float32(self.iou_threshold if threshold is None else threshold)
        corners = np.asarray(boxes, np.float32)
        order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
        most = static(self.most, "the number of boxes")
        kept: list[int] = []
        for k in order:
            if len(kept) == most or not scores[k] > self.score_threshold:
                break
            if not (overlaps(corners[k], corners[kept]) > limit).any():
                kept.append(int(k))
        indices = np.full(most, order[0] if len(order) else 0, INT32)
        indices[:len(kept)] = kept
        return indices, np.asarray(len(kept), INT32)


def overlaps(box: Array, others: Array) -> Array:
    """The intersection over union of a box with each of others, in float32; 0 where either is empty."""
    (low, high), (lows, highs) = ((np.minimum(b[..., :2], b[..., 2:]), np.maximum(b[..., :2], b[..., 2:])) for b in (box, others))
    sides = np.maximum(np.minimum(high, highs) - np.maximum(low, lows), 0)
    inside = sides[..., 0] * sides[..., 1]
    area, areas = np.prod(high - low), np.prod(highs - lows, axis=-1)
    whole = area + areas - inside
    return np.asarray(np.where((area > 0) & (areas > 0), inside / np.where(whole > 0, whole, 1), 0), np.float32)
