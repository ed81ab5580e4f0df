"""Where the rounding to a grid stands: as close as possible behind the operator that computes, which then writes integers itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Pad
from nchw2nhwc.ops.pooling import MaxPool
from nchw2nhwc.ops.quantized import Grid, QuantizeDequantize
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.match import producer, require
from nchw2nhwc.passes.quantization import chooses, data_operands, signed
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

QUANTIZED = RuleSet()


def grid_behind(value: Value) -> Grid | None:
    """The grid that all elements of a value are known to be on; None if there is none."""
    node = value.producer
    if node is None:
        return None
    if isinstance(node.op, QuantizeDequantize):
        return node.op.grid
    if not chooses(node.op):
        return None
    found = {grid_behind(node.input(k)) for k in data_operands(node)}
    grid = found.pop() if len(found) == 1 else None
    padded = grid is not None and isinstance(node.op, Pad) and node.op.mode == "constant" and not pads_with(node, node.op.value, grid)
    return None if padded else grid


def pads_with(node: Node, value: float, grid: Grid) -> bool:
    """Whether padding with a number is padding with one of the grid; for a maximum, the smallest one is as good as any below it."""
    if value <= grid.min and all(isinstance(user.op, MaxPool) for user in node.output.users):
        return True
    return bool(np.isfinite(value)) and abs(float(grid.dequantize(grid.quantize(np.asarray(value)))) - value) <= 1e-6 * grid.scale


@QUANTIZED.on(QuantizeDequantize)
def known(rw: Rewriter, node: Node, op: QuantizeDequantize) -> Value:
    """What is on the grid already stays as it is."""
    x = node.input(0)
    require(grid_behind(x) == op.grid, "{!r} is not on the grid", x)
    require(not rw.graph.is_output(node.output), "{!r} is an interface", node.output)
    return x


@QUANTIZED.on(QuantizeDequantize)
def clipped(rw: Rewriter, node: Node, op: QuantizeDequantize) -> Value:
    """A Relu or Clip whose range holds that of the grid."""
    first = producer(node.input(0), Relu, Clip)
    low, high = (0.0, None) if not isinstance(first.op, Clip) else (first.op.min, first.op.max)
    slack = op.grid.scale / 2
    require(low is None or op.grid.min > low - slack, "{!r} clips more than the grid does", first)
    require(high is None or op.grid.max < high + slack, "{!r} clips more than the grid does", first)
    rw.require_single_use(node.input(0))
    return rw.add(op, first.input(0))


@QUANTIZED.on(QuantizeDequantize)
def cut_to_some_levels(rw: Rewriter, node: Node, op: QuantizeDequantize) -> Value:
    """A Clip to some of the grid's levels, of what integer kernels compute: they write those levels, where integers end for one bound."""
    first = producer(node.input(0), Clip)
    assert isinstance(first.op, Clip)
    x = first.input(0)
    producer(x, Conv, FullyConnected)
    require(op.grid.bits == 8, "{} has 16 bits", op.grid)
    rw.require_single_use(node.input(0))
    rw.require_single_use(x)
    low, high = (None if each is None else int(op.grid.quantize(np.asarray(each))) for each in (first.op.min, first.op.max))
    least = op.grid.zero_point if is_cut_at_zero(x) else op.grid.low
    levels = replace(op.grid, low=least if low is None else max(low, least), high=op.grid.high if high is None else high)
    require(levels.low <= levels.zero_point <= levels.high, "zero is none of the levels from {} to {}", levels.low, levels.high)
    return rw.add(op, rw.add(QuantizeDequantize(signed(levels)), x))


@QUANTIZED.on(QuantizeDequantize)
def before_choosing(rw: Rewriter, node: Node, op: QuantizeDequantize) -> Value:
    """Before an op whose results are elements of its operands, unless those are on grids of their own already."""
    x = node.input(0)
    first = producer(x)
    require(chooses(first.op) or isinstance(first.op, Relu), "{!r} computes", first)
    require(len(first.outputs) == 1, "{!r} has several results", first)
    rw.require_single_use(x)
    data = data_operands(first)
    require(len(data) > 1 or grid_behind(first.input(0)) is None, "{!r} has integers as its operand", first)
    moved = first.op
    if isinstance(moved, Pad) and moved.mode == "constant":
        moved = replace(moved, value=float(op.compute(np.asarray(moved.value, np.float32)).item()))
    return rw.add(moved, *(rw.add(op, v) if k in data and v is not None else v for k, v in enumerate(first.inputs)))


@QUANTIZED.on(QuantizeDequantize)
def cut_at_zero(rw: Rewriter, node: Node, op: QuantizeDequantize) -> Value:
    """A grid of fewer levels than the integers have that begins at zero: the operator that computes cuts there by a fused Relu."""
    first = producer(node.input(0), Conv, FullyConnected, Add, Sub, Mul)
    assert isinstance(first.op, (Conv, FullyConnected, Add, Sub, Mul))
    require(op.grid.low == op.grid.zero_point, "{} has levels below zero", op.grid)
    require(op.grid.low > (-128 if op.grid.bits == 8 else -(1 << 15)), "{} begins where integers do", op.grid)
    require(first.op.activation is Activation.NONE, "{!r} has an activation", first)
    rw.require_single_use(first.output)
    return rw.add(op, rw.add(replace(first.op, activation=Activation.RELU), *first.inputs))


def is_cut_at_zero(value: Value) -> bool:
    """Whether the operator that computes a value has a fused Relu."""
    return value.producer is not None and getattr(value.producer.op, "activation", None) is Activation.RELU
