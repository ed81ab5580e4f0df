"""Lowerings of ops that keep some of their operand's elements."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.emit.tflite.carriers import BOOL, INT32, INT64
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_elementwise import kernel
from nchw2nhwc.emit.tflite.lower_movement import reshape, strided_slice
from nchw2nhwc.emit.tflite.lower_sizes import size_tensor, sizes_tensor
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.ir import Node, Size, Value, bounds
from nchw2nhwc.ops.detection import DetectionPostProcess
from nchw2nhwc.ops.selection import Compress, NonMaxSuppression

FLOAT32 = np.dtype(np.float32)

_FAR = 1 << 22
"""A coordinate that no box has. Millions of units from there on are exact in float32."""
_ROW = 1 << 11
"""How many boxes stand beside one another there."""
_MOST = 1 << 24
"""More boxes cannot be ranked in float32. What is open has fewer: the kernel would compare them for days."""


@lowering(Compress, kernel("GATHER"))
def compress(e: Emitter, node: Node, op: Compress) -> None:
    """GATHER_ND of the positions that WHERE finds along the first axis, GATHER along others; of a condition WHERE finds them once. LiteRT
    sizes the result when it runs. Of all places, one a row, that is the result."""
    count, x, condition = node.output.shape[op.axis], node.input(0), e.of(node.input(1))
    if condition not in e.found:
        e.found[condition] = e.run("WHERE", [condition], INT64, (count, 1))
    if _is_places(x) and not e.graph.is_output(node.output):
        e.let(node.output, e.found[condition])
        return
    if op.axis == 0 and not kernel("GATHER_ND")(node, op):
        e.op("GATHER_ND", [e.of(x), e.found[condition]], [e.out(node)], options("GatherNdOptions"))
        return
    positions = e.temp(INT64, (count,))
    reshape(e, e.found[condition], positions, (count,))
    e.op("GATHER", [e.of(x), e.cast(positions, INT32)], [e.out(node)], options("GatherOptions", axis=op.axis))


def _is_places(x: Value) -> bool:
    """Whether a constant is 0, 1, 2, ... as what WHERE finds: one a row, int64."""
    return x.const is not None and x.type.dtype == INT64 and x.shape[1:] == (1,) and np.array_equal(x.const[:, 0], np.arange(len(x.const)))


def _count_up(e: Emitter, size: Size) -> int:
    """0, 1, 2, ... up to but without a size; int32."""
    if isinstance(size, int):
        return e.const(np.arange(size), INT32)
    ones = e.run("BROADCAST_TO", [e.ints([1]), sizes_tensor(e, (size,))], INT32, (size,), options("BroadcastToOptions"))
    return e.run("CUMSUM", [ones, e.const(0, INT32)], INT32, (size,), options("CumsumOptions", exclusive=True))


def _apart(e: Emitter, boxes: int, size: Size) -> int:
    """Boxes (size, 4) with those that are empty moved to where nothing else is, one unit wide: they overlap nothing there either, and the
    kernel of LiteRT 2.3.0 chooses an empty box again and again."""
    halves = []
    for start in (0, 2):
        halves.append(e.temp(FLOAT32, (size, 2)))
        strided_slice(e, boxes, halves[-1], (None, start), (None, start + 2), (1, 1))
    sides = e.run("SUB", halves, FLOAT32, (size, 2), options("SubOptions"))
    areas = e.run("REDUCE_PROD", [sides, e.ints([1])], FLOAT32, (size, 1), options("ReducerOptions", keepDims=True))
    empty = e.run("EQUAL", [areas, e.const(0, FLOAT32)], BOOL, (size, 1), options("EqualOptions"))
    first = e.const(_FAR + np.array([0, 0, 1, 1]), FLOAT32)
    if isinstance(size, int):
        places = np.stack(np.divmod(np.arange(size), _ROW) * 2, 1)
        elsewhere = e.const(2 * places + _FAR + np.array([0, 0, 1, 1]), FLOAT32)
    else:
        columns, number = [], _count_up(e, size)
        for code, kind in (("FLOOR_DIV", "FloorDivOptions"), ("FLOOR_MOD", "FloorModOptions")):
            columns.append(e.temp(INT32, (size, 1)))
            reshape(e, e.run(code, [number, e.const(_ROW, INT32)], INT32, (size,), options(kind)), columns[-1], (size, 1))
        grid = e.cast(e.run("CONCATENATION", columns * 2, INT32, (size, 4), options("ConcatenationOptions", axis=1)), FLOAT32)
        twice = e.run("MUL", [grid, e.const(2, FLOAT32)], FLOAT32, (size, 4), options("MulOptions"))
        elsewhere = e.run("ADD", [twice, first], FLOAT32, (size, 4), options("AddOptions"))
    return e.run("SELECT_V2", [empty, elsewhere, boxes], FLOAT32, (size, 4), options("SelectV2Options"))


def _count_down(e: Emitter, size: Size) -> int:
    """A size, and the numbers below it down to 1; float32."""
    if isinstance(size, int):
        return e.const(np.arange(size, 0, -1), FLOAT32)
    lower = [size_tensor(e, size), _count_up(e, size)]
    return e.cast(e.run("SUB", lower, INT32, (size,), options("SubOptions")), FLOAT32)


def _few(node: Node, op: NonMaxSuppression) -> str:
    size = node.input(0).shape[0]
    most = bounds(size)[1]
    return "" if most is None or most < _MOST else f"NON_MAX_SUPPRESSION_V4 of {size} boxes is not exact"


@lowering(NonMaxSuppression, _few)
def non_max_suppression(e: Emitter, node: Node, op: NonMaxSuppression) -> None:
    """NON_MAX_SUPPRESSION_V4 of boxes in descending order of their scores, which ranks stand for: the kernel takes equal scores in any
    order. It suppresses overlaps that equal its threshold, so that is the next larger number (but none that processors may take for 0)."""
    scores = node.input(1)
    size = scores.shape[0]
    best, order = e.temp(FLOAT32, scores.shape), e.temp(INT32, scores.shape)
    e.op("TOPK_V2", [e.of(scores), size_tensor(e, size)], [best, order], options("TopKV2Options"))
    above = e.run("GREATER", [best, e.const(np.asarray(op.score_threshold), FLOAT32)], BOOL, scores.shape, options("GreaterOptions"))
    if len(node.inputs) == 3:
        _by_data(e, node, op, order, above)
        return
    if op.iou_threshold >= 1:
        chosen, count = _first(e, op, above)
    else:
        least = max(np.nextafter(np.float32(op.iou_threshold), np.float32(np.inf)), np.finfo(np.float32).tiny)
        chosen, count = _suppressed(e, node, op, order, above, e.const(least, FLOAT32))
    e.op("GATHER", [order, chosen], [e.out(node)], options("GatherOptions", axis=0))
    e.let(node.outputs[1], count)


def _suppressed(e: Emitter, node: Node, op: NonMaxSuppression, order: int, above: int, threshold: int) -> tuple[int, int]:
    """What NON_MAX_SUPPRESSION_V4 chooses of the boxes in order, and how many those are."""
    boxes, scores = node.input(0), node.input(1)
    size = scores.shape[0]
    ranks = e.run("MUL", [e.cast(above, FLOAT32), _count_down(e, size)], FLOAT32, scores.shape, options("MulOptions"))
    ordered = _apart(e, e.run("GATHER", [e.of(boxes), order], FLOAT32, boxes.shape, options("GatherOptions", axis=0)), size)
    chosen, count = e.temp(INT32, (op.most,)), e.temp(INT32, ())
    operands = [ordered, ranks, size_tensor(e, op.most), threshold, e.const(0, FLOAT32)]
    e.op("NON_MAX_SUPPRESSION_V4", operands, [chosen, count], options("NonMaxSuppressionV4Options"))
    return chosen, count


def _by_data(e: Emitter, node: Node, op: NonMaxSuppression, order: int, above: int) -> None:
    """Both ways with a threshold that is computed. t + t * c is the next larger number for a c just above half of the last digit of 1."""
    given = e.of(node.input(2))
    digit = e.run("MUL", [given, e.const(np.asarray(2.0**-24 * (1 + 2.0**-20)), FLOAT32)], FLOAT32, (), options("MulOptions"))
    larger = e.run("ADD", [given, digit], FLOAT32, (), options("AddOptions"))
    least = e.run("MAXIMUM", [larger, e.const(np.asarray(np.finfo(np.float32).tiny))], FLOAT32, (), options("MaximumMinimumOptions"))
    within = e.run("MINIMUM", [least, e.const(1, FLOAT32)], FLOAT32, (), options("MaximumMinimumOptions"))
    usual, first = _suppressed(e, node, op, order, above, within), _first(e, op, above)
    whole = e.run("GREATER_EQUAL", [given, e.const(1, FLOAT32)], BOOL, (), options("GreaterEqualOptions"))
    chosen, count = (e.run("SELECT_V2", [whole, b, a], INT32, e.shape_of(a), options("SelectV2Options")) for a, b in zip(usual, first))
    e.op("GATHER", [order, chosen], [e.out(node)], options("GatherOptions", axis=0))
    e.let(node.outputs[1], count)


def _first(e: Emitter, op: NonMaxSuppression, above: int) -> tuple[int, int]:
    """No overlap is above 1, so the boxes are the best ones; the kernel would choose one of them again and again."""
    counted = e.run("SUM", [e.cast(above, INT32), e.ints([0])], INT32, (), options("ReducerOptions", keepDims=False))
    count = e.run("MINIMUM", [counted, size_tensor(e, op.most)], INT32, (), options("MaximumMinimumOptions"))
    places = _count_up(e, op.most)
    used = e.run("LESS", [places, counted], BOOL, (op.most,), options("LessOptions"))
    return e.run("MUL", [places, e.cast(used, INT32)], INT32, (op.most,), options("MulOptions")), count


@lowering(DetectionPostProcess)
def detection_post_process(e: Emitter, node: Node, op: DetectionPostProcess) -> None:
    """The custom operator that LiteRT's own interpreters and some delegates have."""
    e.custom("TFLite_Detection_PostProcess", e.operands(node), [e.out(node, k) for k in range(4)], max_detections=op.most,
             max_classes_per_detection=1, detections_per_class=op.most_per_class, use_regular_nms=True,
             nms_score_threshold=op.score_threshold, nms_iou_threshold=op.iou_threshold, num_classes=op.classes,
             y_scale=1.0, x_scale=1.0, h_scale=1.0, w_scale=1.0)
