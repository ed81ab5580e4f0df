"""Quantization of the source as QuantizeDequantize on real numbers, which the other passes and layout treat like any function of single
elements. Integers are left only where the graph's own inputs and outputs have them.

Weights need no op: a constant that stands for integers says so by its content (see `ops.steps`), through every fold of factors
per channel and every change of order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nchw2nhwc.ir.graph import Graph, Node, Remark, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Arithmetic, FakeQuantize, Maximum, Minimum, Mul
from nchw2nhwc.ops.casts import Cast
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.kinds import integer_range, kind_of
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Tile, Transpose
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.quantized import Dequantize, Grid, Quantize, QuantizeDequantize
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMin
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace, SpaceToDepth
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.decompose.quantized import interpolated_integers, real_of
from nchw2nhwc.passes.levels import (
    HALF_A_STEP,
    LARGEST_SHIFT,
    LEVELS_OF_8_BITS,
    NO_SHIFT,
    are_rounded,
    bounds_of,
    clipped,
    grid_of,
    grid_to,
    has_several,
    other_than_constant,
    steps_of,
    why_not_carried,
)
from nchw2nhwc.passes.match import producer, require
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

QUANTIZATION = RuleSet()

CHOOSING: tuple[type[Op], ...] = (Reshape, Transpose, Slice, Split, Concat, Expand, Tile, Gather, DepthToSpace, SpaceToDepth, MaxPool,
                                  ReduceMax, ReduceMin, Resize, Pad)
"""Ops whose results are elements of their operands (some of them with attributes that `chooses` asks about)."""


def chooses(op: Op) -> bool:
    """Whether every element of the results is an element of operand 0 (of any operand of a Concat) or a padded zero, so that rounding to a
    grid before the op and after it is the same."""
    if isinstance(op, MaxPool):
        return op.activation is Activation.NONE
    if isinstance(op, Resize):
        return op.mode == "nearest" and op.roi is None
    return isinstance(op, CHOOSING)


def data_operands(node: Node) -> tuple[int, ...]:
    """Which operands of a node that `chooses` its results come from."""
    return tuple(range(len(node.inputs))) if isinstance(node.op, Concat) else (0,)


def signed(grid: Grid) -> Grid:
    """The same numbers for integers that int8 holds, or int16. Fewer levels than int8 has are its last ones where zero is the first of
    them, else its first: one bound, or both if a Relu is fused, needs no operator then."""
    if grid.low < -128 or grid.high > 255:
        return grid if grid.low < 0 else grid.shifted(-(1 << 15))
    if grid.high <= 127 and (grid.low == -128 or grid.high == 127):
        return grid
    return grid.shifted(127 - grid.high) if grid.low == grid.zero_point else grid.shifted(-128 - grid.low)


@QUANTIZATION.on(Dequantize)
def there_and_back(rw: Rewriter, node: Node, op: Dequantize) -> Value:
    """Dequantize of Quantize with one grid."""
    first = producer(node.input(0), Quantize)
    assert isinstance(first.op, Quantize)
    require(first.op.grid == op.grid, "{!r} has another grid", first)
    require(first.input(0).type == node.output.type, "{!r} is of another type", first.input(0))
    return rw.add(QuantizeDequantize(signed(op.grid)), first.input(0))


@QUANTIZATION.on(Dequantize)
def fewer_levels(rw: Rewriter, node: Node, op: Dequantize) -> Value:
    """Dequantize of Quantize with one grid, of which only some integers are let through: quantizers spell fewer bits than types have, and
    ranges that are reduced for older kernels, like that."""
    first = producer(node.input(0), Clip)
    second = producer(first.input(0), Quantize)
    assert isinstance(second.op, Quantize)
    require(second.op.grid == op.grid, "{!r} has another grid", second)
    require(second.input(0).type == node.output.type, "{!r} is of another type", second.input(0))
    _, low, high = clipped(first)
    grid = replace(op.grid, low=int(max(op.grid.low, np.ceil(low))), high=int(min(op.grid.high, np.floor(high))))
    require(grid.low <= grid.zero_point <= grid.high, "zero is none of the levels from {} to {}", grid.low, grid.high)
    return rw.add(QuantizeDequantize(signed(grid)), second.input(0))


@QUANTIZATION.on(Dequantize)
def before_choosing(rw: Rewriter, node: Node, op: Dequantize) -> Value:
    """Dequantize of integers that come from others by choice: the choice among real numbers."""
    value = node.input(0)
    first = producer(value)
    require(chooses(first.op), "{!r} computes", first)
    moved = first.op
    if isinstance(moved, Pad) and moved.mode == "constant":
        moved = Pad(moved.pads_begin, moved.pads_end, moved.mode, float(op.grid.dequantize(np.asarray(moved.value))))
    data = data_operands(first)
    operands = [rw.add(op, v) if k in data and v is not None else v for k, v in enumerate(first.inputs)]
    return rw.add_all(moved, *operands)[value.index]


@QUANTIZATION.on(Dequantize)
def interpolated(rw: Rewriter, node: Node, op: Dequantize) -> Value:
    """Dequantize of integers that are interpolated: what is left of those is on the grid."""
    return rw.add(QuantizeDequantize(signed(op.grid)), real_of(rw, interpolated_integers(rw, node.input(0)), op.grid))


@QUANTIZATION.on(QuantizeDequantize, Quantize)
def twice(rw: Rewriter, node: Node, op: QuantizeDequantize | Quantize) -> Value:
    """What is on the grid already stays as it is."""
    x = node.input(0)
    first = producer(x, QuantizeDequantize)
    assert isinstance(first.op, QuantizeDequantize)
    require(first.op.grid == signed(op.grid), "{!r} has another grid", first)
    if isinstance(op, Quantize):
        return rw.add(op, first.input(0))
    require(not rw.graph.is_output(node.output), "{!r} is an interface", node.output)
    return x


@QUANTIZATION.on(FakeQuantize)
def of_integers(rw: Rewriter, node: Node, op: FakeQuantize) -> Value:
    """FakeQuantize that maps all integers of a type to real numbers, as OpenVINO writes inputs of integers."""
    low, high, out_low, out_high = bounds_of(node)
    value, moves = _moved(node.input(0))
    first = producer(value, Cast)
    grid = grid_to((out_low, out_high), (low, high), op.levels)
    require(kind_of(first.input(0).type.dtype) == "integer", "{!r} is not of integers", first.input(0))
    require((grid.low, grid.high) == integer_range(first.input(0).type.dtype), "{!r} cuts integers", node)
    real = _moving(rw, moves, rw.add(Dequantize(grid), first.input(0)))
    return real if real.type == node.output.type else rw.add(Cast(node.output.type.dtype), real)


def _moved(value: Value) -> tuple[Value, list[Op]]:
    """The tensor of which all elements of another are chosen, and by which ops, in their order."""
    moves: list[Op] = []
    while value.producer is not None and len(value.producer.inputs) == 1 and chooses(value.producer.op):
        if isinstance(value.producer.op, Pad) and value.producer.op.mode == "constant":
            break
        moves.insert(0, value.producer.op)
        value = value.producer.input(0)
    return value, moves


def _moving(rw: Rewriter, moves: Sequence[Op], value: Value) -> Value:
    for move in moves:
        value = rw.add(move, value)
    return value


@QUANTIZATION.on(Cast)
def to_integers(rw: Rewriter, node: Node, op: Cast) -> Value:
    """FakeQuantize that maps real numbers to all integers of a type, as OpenVINO writes outputs of integers."""
    require(kind_of(op.dtype) == "integer", "{!r} is not to integers", node)
    value, moves = _moved(node.input(0))
    first = producer(value, FakeQuantize)
    assert isinstance(first.op, FakeQuantize)
    low, high, out_low, out_high = bounds_of(first)
    grid = grid_to((low, high), (out_low, out_high), first.op.levels)
    least, most = integer_range(op.dtype)
    require(least <= grid.low and grid.high <= most, "{!r} does not hold all levels", node)
    return _moving(rw, moves, rw.add(Quantize(grid, op.dtype), first.input(0)))


@QUANTIZATION.on(FakeQuantize)
def one_range(rw: Rewriter, node: Node, op: FakeQuantize) -> Value:
    """FakeQuantize of a whole tensor to one range of at most 256 levels, of which zero is (nearly) one; 65536 with zero in the middle."""
    require(not has_several(node), "{!r} has several ranges", node)
    grid, x = _carried(rw, node, op)
    return rw.add(QuantizeDequantize(signed(grid)), x)


@QUANTIZATION.on(FakeQuantize)
def range_for_each_channel(rw: Rewriter, node: Node, op: FakeQuantize) -> Value:
    """FakeQuantize to several ranges that have zero at the same level, as quantizers make them before depthwise convolutions: the grid of
    the largest range, of data that is scaled to it and back. The scales become part of the layers before and behind."""
    require(has_several(node), "{!r} has one range", node)
    require(not node.input(0).is_const, "{!r} is constant", node.input(0))
    grid, x = _carried(rw, node, op)
    shares = steps_of(node, op) / grid.scale
    scaled = rw.add(Mul(), x, rw.constant((1 / shares).astype(x.type.dtype)))
    return rw.add(Mul(), rw.add(QuantizeDequantize(signed(grid)), scaled), rw.constant(shares.astype(x.type.dtype)))


@QUANTIZATION.on(QuantizeDequantize)
def clipped_and_scaled(rw: Rewriter, node: Node, op: QuantizeDequantize) -> Value:
    """clip(x) * c, with constants c, where what the grid holds is within the range of the clip times c."""
    product = producer(node.input(0), Mul)
    value, factors = other_than_constant(product)
    first = producer(value, Relu, Clip, Minimum, Maximum)
    x, low, high = clipped(first)
    require(bool(np.all(factors > 0)), "{!r} turns numbers round", product)
    slack = op.grid.scale / 2
    require(bool(np.all(op.grid.min > low * factors - slack)), "{!r} clips more than the grid does", first)
    require(bool(np.all(op.grid.max < high * factors + slack)), "{!r} clips more than the grid does", first)
    rw.require_single_use(product.output)
    rw.require_single_use(first.output)
    return rw.add(op, rw.add(Mul(), x, rw.constant(factors.astype(x.type.dtype))))


def _carried(rw: Rewriter, node: Node, op: FakeQuantize) -> tuple[Grid, Value]:
    """The grid of a FakeQuantize, and its operand, shifted where that lets zero be a level."""
    reason = why_not_carried(node, op)
    if reason and op.levels in LEVELS_OF_8_BITS and _is_convolved(rw.graph, node.output):
        reason = why_not_carried(node, op, HALF_A_STEP)
    if reason:
        raise Mismatch(reason)
    grid, shifts, moved = grid_of(node, op)
    x, largest = node.input(0), float(shifts.reshape(-1)[np.abs(shifts).argmax()])
    if moved:
        text = f"{moved} of its ranges, of channels that are hardly ever above zero, end higher, as zero is another level of the others"
        rw.graph.remarks.append(Remark(rw.graph.where(node), text))
    remark_shift(rw, node, largest)
    if abs(largest) > LARGEST_SHIFT or (abs(largest) > NO_SHIFT and rw.single_use(x) and has_bias(x)):
        x = rw.add(Add(), x, rw.constant((shifts * steps_of(node, op)).astype(np.float32).astype(x.type.dtype)))
    return grid, x


def _is_convolved(graph: Graph, value: Value) -> bool:
    """Whether all that reads a value, perhaps by choice among its elements alone, is convolutions with weights that are rounded."""
    def reads(node: Node) -> bool:
        if isinstance(node.op, Conv):
            return node.input(0) is value and are_rounded(node.input(1))
        return chooses(node.op) and not isinstance(node.op, Concat) and all(_is_convolved(graph, v) for v in node.outputs)

    return bool(value.users) and not graph.is_output(value) and all(map(reads, value.users))


def remark_shift(rw: Rewriter, node: Node, steps: float) -> None:
    """Says that zero is not where the source has it, unless by roundings of single precision."""
    if abs(steps) > NO_SHIFT:
        rw.graph.remarks.append(Remark(rw.graph.where(node), f"its zero is {steps:+.3f} steps off the nearest level; it was moved there"))


def has_bias(x: Value) -> bool:
    """Whether a number that is added to a value becomes part of what makes it, or of what is computed in float anyway. What is rounded to
    which level is then as in the source, whose runtime moves levels in the same way."""
    node = x.producer
    if node is None:
        return False
    if isinstance(node.op, Add) and not all(_is_rounded(v) for v in node.inputs if v is not None):
        return True
    return isinstance(node.op, (Conv, ConvTranspose)) or (isinstance(node.op, Arithmetic) and any(v is not None and v.is_const
                                                                                                 for v in node.inputs))


def _is_rounded(value: Value) -> bool:
    """Whether a tensor has the levels of a grid, so that integer kernels may add it, which add no other number."""
    first, _ = _moved(value)
    return first.producer is not None and isinstance(first.producer.op, (FakeQuantize, QuantizeDequantize, Dequantize))


def _remark(graph: Graph) -> int:
    for node in graph.nodes:
        if isinstance(node.op, FakeQuantize):
            graph.remarks.append(Remark(graph.where(node), f"stays arithmetic in float: {why_not_carried(node, node.op)}"))
    return 0


REMARK = Pass("remark_quantization", _remark)
"""Says of every FakeQuantize that is left why."""

__all__ = ["CHOOSING", "QUANTIZATION", "REMARK", "chooses", "data_operands", "has_bias", "remark_shift", "signed"]
