"""Lowerings of quantization: QUANTIZE and DEQUANTIZE where integers begin and end, and from one grid to another."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.emit.tflite.carriers import FLOAT32, refused_type
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_elementwise import kernel
from nchw2nhwc.emit.tflite.lowering import lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.emit.tflite.rules_quantized import is_cut_at_zero
from nchw2nhwc.emit.tflite.value_tensors import integer_type
from nchw2nhwc.ir import DType, Node, Value
from nchw2nhwc.ops.kinds import integer_range
from nchw2nhwc.ops.quantized import Dequantize, Grid, Quantize, QuantizeDequantize
from nchw2nhwc.passes.quantization import signed


def _refused(node: Node, op: QuantizeDequantize) -> str:
    return "" if node.input(0).type.dtype == FLOAT32 else "QUANTIZE takes float32"


@lowering(QuantizeDequantize, _refused)
def quantize_dequantize(e: Emitter, node: Node, op: QuantizeDequantize) -> None:
    """The integers; whoever reads real numbers gets them by DEQUANTIZE."""
    e.hold(node.output, _integers(e, node.input(0), signed(op.grid)))


def _quantizes(node: Node, op: Quantize) -> str:
    known = op.dtype.name in ("int8", "uint8", "int16") and node.input(0).type.dtype == FLOAT32
    return "" if known else f"QUANTIZE makes int8, uint8 and int16 of float32, not {op.dtype.name} of {node.input(0).type.dtype.name}"


@lowering(Quantize, _quantizes)
def quantize(e: Emitter, node: Node, op: Quantize) -> None:
    """The integers as a tensor of the interface."""
    e.let(node.output, _integers(e, node.input(0), op.grid, op.dtype))


def _integers(e: Emitter, x: Value, grid: Grid, wanted: DType | None = None) -> int:
    """The integers of a value on a grid: those that it is held by, or QUANTIZE of the real numbers. Of integers on a grid of another scale
    LiteRT's kernels for the CPU round up to a quarter to the wrong side: XNNPACK's multiplies by 256ths."""
    dtype = integer_type(grid) if wanted is None else wanted
    held = e.plan.grid(x) if not x.is_const else None
    if held is not None and held == grid:
        tensor = e.held(x)
    else:
        direct = held is not None and (held.scale == grid.scale or not e.for_cpu)
        tensor = e.quantized(e.held(x) if direct else e.of(x), grid, dtype)
    cut = held == grid and grid.low == grid.zero_point and is_cut_at_zero(x)
    for code, bound, edge in zip(("MAXIMUM", "MINIMUM"), (grid.low, grid.high), integer_range(dtype)):
        if bound != edge and not (cut and bound == grid.low):
            clipped = e.integers(dtype, x.shape, grid)
            e.plain(code, [tensor, e.integer_constant(np.asarray(bound, dtype), grid)], [clipped],
                    options("MaximumMinimumOptions"))
            tensor = clipped
    return tensor


@lowering(Dequantize, lambda node, op: refused_type("CAST", node.input(0).type.dtype) or kernel("CAST")(node, op))
def dequantize(e: Emitter, node: Node, op: Dequantize) -> None:
    """An input of the graph tells its grid, and its numbers are those integers; others are computed with."""
    x, grid = node.input(0), op.grid
    if e.plan.grid(node.output) is not None:
        tensor, inside = e.of(x), signed(grid)
        e.tell(tensor, grid)
        kept = inside == grid and x.type.dtype == integer_type(inside)
        e.hold(node.output, tensor if kept else e.quantized(tensor, inside, integer_type(inside)))
        return
    whole = e.cast(e.of(x), FLOAT32)
    shift = e.const(np.asarray(grid.zero_point, np.float32))
    real = e.run("SUB", [whole, shift], FLOAT32, x.shape, options("SubOptions"))
    e.op("MUL", [real, e.const(np.asarray(grid.scale, np.float32))], [e.out(node)], options("MulOptions"))
