"""Quantization as arithmetic on real numbers."""

from __future__ import annotations

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.binary import Add, Div, Mul, Sub
from nchw2nhwc.ops.elementwise import Cast, Round
from nchw2nhwc.ops.quantized import FLOAT32, Dequantize, Grid, Quantize, QuantizeDequantize
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()


def _whole(rw: Rewriter, x: Value, grid: Grid) -> Value:
    """The grid's integers nearest to x, as floating point numbers."""
    whole = rw.add(Round(), rw.add(Div(), x, rw.scalar(grid.scale, x)))
    if grid.zero_point:
        whole = rw.add(Add(), whole, rw.scalar(float(grid.zero_point), x))
    return rw.add(Clip(float(grid.low), float(grid.high)), whole)


def _real(rw: Rewriter, whole: Value, grid: Grid) -> Value:
    if grid.zero_point:
        whole = rw.add(Sub(), whole, rw.scalar(float(grid.zero_point), whole))
    return rw.add(Mul(), whole, rw.scalar(grid.scale, whole))


@RULES.on(Quantize)
def quantize(rw: Rewriter, node: Node, op: Quantize) -> Value:
    """Rounded and clipped, as an integer type."""
    return rw.add(Cast(op.dtype), _whole(rw, node.input(0), op.grid))


@RULES.on(Dequantize)
def dequantize(rw: Rewriter, node: Node, op: Dequantize) -> Value:
    """Without the zero point, times the scale."""
    return _real(rw, rw.add(Cast(FLOAT32), node.input(0)), op.grid)


@RULES.on(QuantizeDequantize)
def quantize_dequantize(rw: Rewriter, node: Node, op: QuantizeDequantize) -> Value:
    """Both, without the integer type between."""
    return _real(rw, _whole(rw, node.input(0), op.grid), op.grid)
