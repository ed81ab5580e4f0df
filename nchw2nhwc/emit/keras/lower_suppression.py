"""Non-maximum suppression in layers that Keras has.

Boxes are gone through from the best one on, and each needs to know which ones before it were kept. That is a recurrence, and there is a
layer for those: a GRU with linear gates whose hidden state says of each box whether it is kept. Its step is h' = z h + (1 - z) n with
n = relu(x + (r h) u). For box k, z is 0 at place k and 1 elsewhere, so that only this place changes; r is 1 for boxes that overlap box k
too much; all weights u are -1; and x is 1 for a score that is high enough. So n is 1 if nothing that was kept overlaps the box, and 0
otherwise: all numbers are whole, and nothing is rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import layers, ops

from nchw2nhwc.emit.keras.emitter import Emitter
from nchw2nhwc.emit.keras.lowering import lowering
from nchw2nhwc.ir import Array, Node
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.selection import NonMaxSuppression

if TYPE_CHECKING:
    from keras import KerasTensor

MOST_BOXES = 1024
"""Of N boxes the layer has 9 N^2 weights, and takes N steps."""


def _suppresses(node: Node, op: NonMaxSuppression) -> str:
    count = node.input(0).shape[0]
    if not isinstance(count, int) or not isinstance(op.most, int):
        return "Keras suppresses boxes of which it is known how many there are; --nms cut ends the model before that"
    if count > MOST_BOXES:
        return f"a layer that suppresses more than {MOST_BOXES} boxes, here {count}, is too large; --nms cut ends the model before that"
    return "" if node.input(0).type.dtype == np.float32 else f"NonMaxSuppression of {node.input(0).type.dtype.name} is not available"


@lowering(NonMaxSuppression, _suppresses)
def non_max_suppression(e: Emitter, node: Node, op: NonMaxSuppression) -> None:
    """See above; then the places of those that are kept, first ones first."""
    count, most = static(node.input(0).shape[0], "the number of boxes"), static(op.most, "the number of boxes")
    scores, order = e.op(ops.top_k, e.of(node.input(1)), count, part="order")
    boxes = e.op(ops.take, e.of(node.input(0)), order, axis=0, part="boxes")
    threshold = e.operand(node.input(2)) if len(node.inputs) > 2 else float(np.float32(op.iou_threshold))
    overlapping = e.op(ops.cast, e.op(ops.greater, _overlaps(e, boxes, count), threshold, part="above"), "float32", part="overlapping")
    valid = e.op(ops.cast, e.op(ops.greater, scores, op.score_threshold, part="high"), "float32", part="valid")
    place = e.op(ops.cumsum, e.op(ops.ones_like, scores, part="ones"), part="places")
    here = e.op(ops.equal, _as(e, place, (count, 1)), _as(e, place, (1, count)), part="here")
    features = [e.op(ops.cast, here, "float32", part="this"), overlapping, _as(e, valid, (count, 1))]
    steps = _as(e, e.op(ops.concatenate, features, axis=1, part="features"), (1, count, 2 * count + 1))
    kept = _as(e, _loop(e, count)(steps), (count,))
    keys = e.op(ops.multiply, kept, e.op(ops.subtract, count + 1.0, place, part="from_the_end"), part="keys")
    _, chosen = e.op(ops.top_k, keys, most, part="chosen")
    number = e.op(ops.cast, e.op(ops.minimum, e.op(ops.sum, kept, part="kept"), float(most), part="number"), "int32", part="count")
    found = e.op(ops.take, order, chosen, axis=0, part="found")
    best = e.op(ops.take, order, 0, axis=0, part="best")
    is_there = e.op(ops.less, np.arange(most, dtype=np.int32), number, part="is_there")
    e.set(node, e.op(ops.where, is_there, found, best), number)


def _as(e: Emitter, x: KerasTensor, shape: tuple[int, ...]) -> KerasTensor:
    return e.op(ops.reshape, x, shape, part="shape")


def _overlaps(e: Emitter, boxes: KerasTensor, count: int) -> KerasTensor:
    """Intersection over union of all boxes with each other, 0 where one is empty."""
    first, second = e.op(ops.split, boxes, 2, axis=1, part="corners")
    low, high = e.op(ops.minimum, first, second, part="low"), e.op(ops.maximum, first, second, part="high")
    area = e.op(ops.prod, e.op(ops.subtract, high, low, part="size"), axis=1, part="area")
    (lows, other_lows), (highs, other_highs) = ((_as(e, x, (count, 1, 2)), _as(e, x, (1, count, 2))) for x in (low, high))
    starts, ends = e.op(ops.maximum, lows, other_lows, part="starts"), e.op(ops.minimum, highs, other_highs, part="ends")
    sides = e.op(ops.maximum, e.op(ops.subtract, ends, starts, part="common"), 0.0, part="sides")
    inside = e.op(ops.prod, sides, axis=2, part="inside")
    both = e.op(ops.add, _as(e, area, (count, 1)), _as(e, area, (1, count)), part="both")
    whole = e.op(ops.subtract, both, inside, part="union")
    meets = e.op(ops.greater, inside, 0.0, part="meets")
    share = e.op(ops.divide, inside, e.op(ops.where, meets, whole, 1.0, part="whole"), part="share")
    return e.op(ops.where, meets, share, 0.0, part="overlaps")


def _loop(e: Emitter, count: int) -> layers.GRU:
    """The layer for this number of boxes, which all suppressions of as many share."""
    key = ("suppress", count)
    if key not in e.shared:
        layer = layers.GRU(count, activation="relu", recurrent_activation="linear", reset_after=False, name=e.name("loop"))
        layer.build((1, count, 2 * count + 1))
        layer.set_weights(_weights(count))
        e.shared[key] = layer
    return e.shared[key]


def _weights(count: int) -> list[Array]:
    """Kernel (2 N + 1, 3 N), recurrent kernel (N, 3 N) and biases (3 N,), gates in the order z, r, n."""
    kernel = np.zeros((2 * count + 1, 3 * count), np.float32)
    kernel[:count, :count] = -np.eye(count)
    kernel[count:2 * count, count:2 * count] = np.eye(count)
    kernel[2 * count, 2 * count:] = 1
    recurrent, bias = np.zeros((count, 3 * count), np.float32), np.zeros(3 * count, np.float32)
    recurrent[:, 2 * count:] = -1
    bias[:count] = 1
    return [kernel, recurrent, bias]
