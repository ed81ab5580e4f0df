"""What the integer kernels of operators ask of their operands and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nchw2nhwc.emit.tflite.integer_sums import rounded_sums
from nchw2nhwc.emit.tflite.scales import is_result_too_fine
from nchw2nhwc.ir import Array, Node
from nchw2nhwc.ops import activation_functions as act
from nchw2nhwc.ops import binary, elementwise, reduce
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Pad, Reshape, Slice, Split, Transpose
from nchw2nhwc.ops.pooling import AvgPool, MaxPool
from nchw2nhwc.ops.quantized import FLOAT32, SMALLEST_SCALE, Grid
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.steps import LARGEST, steps_of
from nchw2nhwc.ops.windowed import Conv, ConvTranspose

if TYPE_CHECKING:
    from nchw2nhwc.emit.tflite.integers import Plan

CHOOSING_16: tuple[type[Op], ...] = (Reshape, Transpose, Slice, Split, Concat, Gather, MaxPool, Resize, Pad, act.Relu)
"""Ops that only choose among elements and have kernels of 16 bits."""
ONLY_8: tuple[type[Op], ...] = (binary.PRelu, act.HardSwish)
"""Ops that compute and have kernels of 8 bits alone."""
_UNSIGNED = 255
"""Integers of 8 bits are at most so far apart."""
_BROADCAST_RANK = 4
"""Axes up to which integer kernels of ADD, SUB and MUL broadcast."""

_Kernel: TypeAlias = Callable[["Plan", Node, Grid], str]
KERNELS: dict[type[Op], _Kernel] = {}
"""Why the integer kernel of an op cannot compute a node whose first operand may be integers; "" if it can."""


def _kernel(*classes: type[Op]) -> Callable[[_Kernel], _Kernel]:
    def register(function: _Kernel) -> _Kernel:
        KERNELS.update(dict.fromkeys(classes, function))
        return function
    return register


@_kernel(Conv, ConvTranspose, FullyConnected)
def _weighted(plan: Plan, node: Node, result: Grid) -> str:
    data = plan.grids.get(id(node.input(0)))
    sums = "its operand is not quantized" if data is None else rounded_sums(node, data, result, strict=plan.strict)
    if isinstance(sums, str):
        return sums
    plan.sums[node] = sums
    return ""


@_kernel(binary.Add, binary.Sub, binary.Mul)
def _pairwise(plan: Plan, node: Node, result: Grid) -> str:
    shapes = [node.input(k).shape for k in (0, 1)]
    if shapes[0] != shapes[1] and max(map(len, shapes)) > _BROADCAST_RANK:
        return f"integer kernels broadcast at most {_BROADCAST_RANK} axes"
    reason = _constants(plan, node, (0, 1), result)
    left, right = (plan.grid(node.input(k)) for k in (0, 1))
    if reason or left is None or right is None or not isinstance(node.op, binary.Add):
        return reason
    too_fine = is_result_too_fine("ADD", result.bits, (left.scale, right.scale), result.scale)
    return "the scale of its result is too small beside those of its operands" if too_fine else ""


def _constants(plan: Plan, node: Node, operands: Sequence[int], result: Grid) -> str:
    """Constant operands on a grid of their own, all others held as integers."""
    found: dict[int, Grid] = {}
    for value in map(node.input, operands):
        if value.const is not None and value.type.dtype == FLOAT32:
            grid = _grid_of(value.const, result)
            if grid is None:
                return "its constant operand is not quantized"
            found[id(value)] = grid
        elif id(value) not in plan.grids:
            return "not all of its operands are quantized"
    plan.constants.update(found)
    return ""


def _grid_of(content: Array, result: Grid) -> Grid | None:
    """The grid of which a constant's numbers are, of integers as large as a result's; zero is as near to the middle as they allow."""
    steps = steps_of(content.reshape(1, -1), _UNSIGNED if result.bits == 8 else LARGEST)
    if steps is None or 0 < steps[0] < SMALLEST_SCALE:
        return None
    scale = float(steps[0]) or 1.0
    if result.bits == 16:
        return Grid(scale, 0, result.low, result.high)
    whole = np.rint(np.divide(content, scale, dtype=np.float64))
    least, most = -128 - int(whole.min(initial=0)), LARGEST - int(whole.max(initial=0))
    return None if least > most else Grid(scale, min(max(0, least), most), -128, LARGEST)


@_kernel(MatMul)
def _product(plan: Plan, node: Node, result: Grid) -> str:
    """XNNPACK has no integer kernel for it. LiteRT's own (`batch_matmul.cc`) rounds with `MultiplyByQuantizedMultiplier`, a shift after a
    product that is rounded already, and takes many times as long as XNNPACK's for float32."""
    if not all(id(node.input(k)) in plan.grids for k in (0, 1)):
        return "not all of its operands are quantized"
    return "LiteRT's integer kernel rounds twice, and is slower than the one for float32" if plan.for_cpu else ""


@_kernel(binary.PRelu)
def _slopes(plan: Plan, node: Node, result: Grid) -> str:
    return _constants(plan, node, (0, 1), result)


@_kernel(AvgPool, Resize)
def _same_grid(plan: Plan, node: Node, result: Grid) -> str:
    return "" if plan.grids.get(id(node.input(0))) == result else "its integer kernel has one scale for operand and result, the source two"


@_kernel(act.LeakyRelu)
def _two_slopes(plan: Plan, node: Node, result: Grid) -> str:
    """XNNPACK's kernel of 8 bits multiplies by whole 256ths and rounds halves up (`xnn_qs8_vlrelu_ukernel`): 0.01 is 3/256 there."""
    return "XNNPACK's integer kernel rounds its slopes to 256ths" if plan.for_cpu and result.bits == 8 else ""


@_kernel(reduce.ReduceMean, act.HardSwish)
def _any_grid(plan: Plan, node: Node, result: Grid) -> str:
    return ""


def _fixed(scale: float, zero_point: int) -> _Kernel:
    """Of results of 8 bits; those of 16 are 1/32768."""
    def check(plan: Plan, node: Node, result: Grid) -> str:
        only = Grid(scale, zero_point, -128, 127) if result.bits == 8 else Grid(1 / (1 << 15), 0, -(1 << 15), (1 << 15) - 1)
        if result == only:
            return ""
        return f"its integer kernel has results of scale {only.scale:g} and zero point {only.zero_point} only"
    return check


_kernel(act.Sigmoid, reduce.Softmax)(_fixed(1 / 256, -128))
_kernel(elementwise.Tanh)(_fixed(1 / 128, 0))
