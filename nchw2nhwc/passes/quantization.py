"""Quantization of the source as QuantizeDequantize on real numbers, which the other passes and layout treat like any function of single
elements. Integers are left only where the graph's own inputs and outputs have them.

Weights need no op: a constant that stands for integers says so by its content (see `emit.tflite.steps`), through every fold of factors
per channel and every change of order.
"""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Graph, Node, Remark, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Arithmetic, FakeQuantize
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Concat, Expand, Pad, Reshape, Slice, Split, Tile, Transpose
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.quantized import LARGEST_SCALE, SMALLEST_SCALE, Dequantize, Grid, Quantize, QuantizeDequantize
from nchw2nhwc.ops.reduce import ReduceMax, ReduceMin
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace, SpaceToDepth
from nchw2nhwc.passes import Pass
from nchw2nhwc.passes.match import array, producer, require
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

LARGEST_SHIFT = 1 / 16
"""How far the zero of a FakeQuantize may be from its nearest level, in steps: its bounds are often stored in half precision."""

_NO_SHIFT = 1e-3

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
    """The same numbers for integers that int8 holds, or int16."""
    if grid.low < 0:
        return grid
    return grid.shifted(-(1 << 15)) if grid.high > 255 else grid.shifted(-128) if grid.high > 127 else grid


@QUANTIZATION.on(Dequantize)
def there_and_back(rw: Rewriter, node: Node, op: Dequantize) -> Value:
    """Dequantize of Quantize with one grid."""
    first = producer(node.input(0), Quantize)
    assert isinstance(first.op, Quantize)
    require(first.op.grid == op.grid, "{!r} has another grid", first)
    require(first.input(0).type == node.output.type, "{!r} is of another type", first.input(0))
    return rw.add(QuantizeDequantize(signed(op.grid)), first.input(0))


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
def one_range(rw: Rewriter, node: Node, op: FakeQuantize) -> Value:
    """FakeQuantize of a whole tensor to one range of at most 256 levels, of which zero is (nearly) one; 65536 with zero in the middle."""
    reason = _not_carried(node, op)
    if reason:
        raise Mismatch(reason)
    grid, shift = _grid(node, op)
    x = node.input(0)
    if abs(shift) > _NO_SHIFT:
        text = f"its zero is {shift:+.3f} steps off the nearest level; it was moved there"
        rw.graph.remarks.append(Remark(rw.graph.where(node), text))
        if rw.single_use(x) and _has_bias(x):
            x = rw.add(Add(), x, rw.scalar(float(np.float32(shift * grid.scale)), x))
    return rw.add(QuantizeDequantize(grid), x)


def _has_bias(x: Value) -> bool:
    """Whether a number that is added to a value becomes part of what makes it. What is rounded to which level is then as in the source,
    whose runtime moves levels in the same way."""
    node = x.producer
    if node is None:
        return False
    return isinstance(node.op, (Conv, ConvTranspose)) or (isinstance(node.op, Arithmetic) and any(v is not None and v.is_const
                                                                                                 for v in node.inputs))


def _grid(node: Node, op: FakeQuantize) -> tuple[Grid, float]:
    """The grid, and by how many steps the zero of the source is above that of the grid."""
    low, high = (float(array(node.input(k)).reshape(-1)[0]) for k in (1, 2))
    scale = (high - low) / (op.levels - 1)
    exact, first = -low / scale, -(op.levels // 2)
    zero = round(exact)
    return Grid(scale, zero + first, first, first + op.levels - 1), exact - zero


def _not_carried(node: Node, op: FakeQuantize) -> str:
    """Why a FakeQuantize does not become integers; "" if it does."""
    bounds = [v.const for v in node.inputs[1:] if v is not None]
    if any(b is None for b in bounds):
        return "its range is computed at run time"
    low, high, out_low, out_high = (np.asarray(b, np.float64).reshape(-1) for b in bounds if b is not None)
    if max(a.size for a in (low, high, out_low, out_high)) > 1:
        return "it has a range for each channel, which TFLite has for weights only"
    if op.levels > 1 << 16:
        return f"it has {op.levels} levels, more than 16 bits hold"
    if not low < high or (low, high) != (out_low, out_high):
        return "it maps one range to another"
    grid, shift = _grid(node, op)
    if not grid.low <= grid.zero_point <= grid.high or abs(shift) > LARGEST_SHIFT:
        return f"zero is none of its levels from {low[0]:g} to {high[0]:g}"
    if not SMALLEST_SCALE <= grid.scale <= LARGEST_SCALE:
        return f"its levels are {grid.scale:g} apart"
    if grid.bits == 16 and grid.zero_point:
        return f"it has {op.levels} levels, more than 8 bits hold, and zero is not the middle one, as it is for integers of 16 bits"
    return ""


def _remark(graph: Graph) -> int:
    for node in graph.nodes:
        if isinstance(node.op, FakeQuantize):
            graph.remarks.append(Remark(graph.where(node), f"stays arithmetic in float: {_not_carried(node, node.op)}"))
    return 0


REMARK = Pass("remark_quantization", _remark)
"""Says of every FakeQuantize that is left why."""

__all__ = ["CHOOSING", "QUANTIZATION", "REMARK", "chooses", "data_operands", "signed"]
