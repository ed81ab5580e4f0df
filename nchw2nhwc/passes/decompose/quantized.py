"""Quantization as arithmetic on real numbers."""

from __future__ import annotations

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.binary import Add, Div, Mul, Sub
from nchw2nhwc.ops.elementwise import Cast, Round
from nchw2nhwc.ops.quantized import FLOAT32, Dequantize, Grid, Quantize, QuantizeDequantize
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.passes.decompose.sizes import INT32
from nchw2nhwc.passes.match import producer, require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()


def _whole(rw: Rewriter, x: Value, grid: Grid) -> Value:
    """The grid's integers nearest to x, as floating point numbers."""
    whole = rw.add(Round(), rw.add(Div(), x, rw.scalar(grid.scale, x)))
    if grid.zero_point:
        whole = rw.add(Add(), whole, rw.scalar(float(grid.zero_point), x))
    return rw.add(Clip(float(grid.low), float(grid.high)), whole)


def real_of(rw: Rewriter, whole: Value, grid: Grid) -> Value:
    """What integers of a grid, as floating point numbers, stand for."""
    if grid.zero_point:
        whole = rw.add(Sub(), whole, rw.scalar(float(grid.zero_point), whole))
    return rw.add(Mul(), whole, rw.scalar(grid.scale, whole))


def interpolated_integers(rw: Rewriter, value: Value) -> Value:
    """Integers that a Resize interpolates, as floating point numbers: runtimes cut off what is behind the point. Raises Mismatch unless a
    Resize makes the value, and interpolates linearly (no runtime knows cubic functions of integers)."""
    node = producer(value, Resize)
    assert isinstance(node.op, Resize)
    require(node.op.mode == "linear", "{!r} does not interpolate linearly", node)
    return rw.add(Cast(FLOAT32), rw.add(Cast(INT32), rw.add(node.op, rw.add(Cast(FLOAT32), node.input(0)))))


@RULES.on(Quantize)
def quantize(rw: Rewriter, node: Node, op: Quantize) -> Value:
    """Rounded and clipped, as an integer type."""
    return rw.add(Cast(op.dtype), _whole(rw, node.input(0), op.grid))


@RULES.on(Dequantize)
def interpolated(rw: Rewriter, node: Node, op: Dequantize) -> Value:
    """Of what a Resize makes of integers."""
    return real_of(rw, interpolated_integers(rw, node.input(0)), op.grid)


@RULES.on(Dequantize)
def dequantize(rw: Rewriter, node: Node, op: Dequantize) -> Value:
    """Without the zero point, times the scale."""
    return real_of(rw, rw.add(Cast(FLOAT32), node.input(0)), op.grid)


@RULES.on(QuantizeDequantize)
def quantize_dequantize(rw: Rewriter, node: Node, op: QuantizeDequantize) -> Value:
    """Both, without the integer type between."""
    return real_of(rw, _whole(rw, node.input(0), op.grid), op.grid)
