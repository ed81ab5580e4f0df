"""The levels of a FakeQuantize as the grid of integers, and what cuts its data before."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation_functions import Clip, Relu
from nchw2nhwc.ops.binary import FakeQuantize, Maximum, Minimum, Mul, Sub
from nchw2nhwc.ops.casts import Cast
from nchw2nhwc.ops.kinds import Doubles, kind_of
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.quantized import LARGEST_SCALE, SMALLEST_SCALE, Grid
from nchw2nhwc.ops.steps import steps_of as multiples_of
from nchw2nhwc.passes.match import array, require
from nchw2nhwc.passes.rewrite import Mismatch

LARGEST_SHIFT = 1 / 16
"""How far the zero of a FakeQuantize may be from its nearest level, in steps: its bounds are often stored in half precision."""

HALF_A_STEP = 0.5
"""The same of what is convolved: OpenVINO's integer kernels for that have whole zero points."""

LEVELS_OF_8_BITS = (255, 256)
"""Of FakeQuantize nodes that OpenVINO computes with 8 bits."""

NO_SHIFT = 1e-3
"""Shifts up to this are roundings of single precision."""

_LARGEST_RATIO = 1e9
"""Between ranges of channels; those of channels that are always zero may be tiny."""

_SMALL_RANGE = 1 / 64
"""Ranges up to this part of the largest are those of channels that samples hardly ever had above zero: quantizers give them some range."""


def has_several(node: Node) -> bool:
    """Whether a FakeQuantize has more than one range."""
    return any(v.const is not None and v.const.size > 1 for v in map(node.input, range(1, 5)))


def steps_of(node: Node, op: FakeQuantize) -> Doubles:
    """How far levels are apart: one number, or more that broadcast."""
    low, high = (array(node.input(k)).astype(np.float64) for k in (1, 2))
    found = np.asarray((high - low) / (op.levels - 1))
    return found if found.size > 1 else found.reshape(())


def grid_of(node: Node, op: FakeQuantize) -> tuple[Grid, Doubles, int]:
    """The grid, of several ranges that of the largest, and by how many steps the zero of the source is above the grid's. Small ranges of
    what is not negative begin at zero where the largest does, and end higher for that: how many these are."""
    steps, first = steps_of(node, op), -(op.levels // 2)
    low = array(node.input(1)).astype(np.float64)
    exact = np.broadcast_to(-(low if steps.ndim else low.reshape(())) / steps, steps.shape)
    zero = round(float(exact.reshape(-1)[steps.argmax()]))
    shifts = np.asarray(exact - zero)
    small = (steps <= _SMALL_RANGE * steps.max()) & (shifts > LARGEST_SHIFT)
    if zero or not _is_cut_at_zero(node.input(0)):
        small = np.zeros_like(small)
    grid = Grid(float(steps.max()), zero + first, first, first + op.levels - 1)
    return grid, np.where(small, 0.0, shifts), int(small.sum())


def bounds_of(node: Node) -> tuple[float, float, float, float]:
    """The range that a FakeQuantize rounds, and the one that it is mapped to. Raises Mismatch unless there is one of each."""
    bounds = [array(node.input(k)).astype(np.float64) for k in range(1, 5)]
    require(all(bound.size == 1 for bound in bounds), "{!r} has several ranges", node)
    require(all(bool(np.isfinite(bound).all()) for bound in bounds), "{!r} has an infinite range", node)
    low, high, out_low, out_high = (float(bound.reshape(-1)[0]) for bound in bounds)
    return low, high, out_low, out_high


def grid_to(real: tuple[float, float], whole: tuple[float, float], levels: int) -> Grid:
    """The grid whose integers from the first of `whole` to the second are `levels` numbers from the first of `real` to the second. Raises
    Mismatch if that is none."""
    require(all(bound.is_integer() for bound in whole) and whole[1] - whole[0] == levels - 1, "levels are not whole numbers")
    scale = (real[1] - real[0]) / (levels - 1)
    require(SMALLEST_SCALE <= scale <= LARGEST_SCALE, "levels are {:g} apart", scale)
    exact = whole[0] - real[0] / scale
    zero = round(exact)
    require(whole[0] <= zero <= whole[1] and abs(exact - zero) <= NO_SHIFT, "zero is none of the levels")
    return Grid(scale, zero, int(whole[0]), int(whole[1]))


def why_not_carried(node: Node, op: FakeQuantize, shift: float = LARGEST_SHIFT) -> str:
    """Why a FakeQuantize does not become integers; "" if it does. Zero may be `shift` steps from the nearest level."""
    bounds = [v.const for v in node.inputs[1:] if v is not None]
    if any(b is None for b in bounds):
        return "its range is computed at run time"
    low, high, out_low, out_high = (np.asarray(b, np.float64) for b in bounds if b is not None)
    if not all(bool(np.isfinite(bound).all()) for bound in (low, high, out_low, out_high)):
        return "its range is infinite"
    if op.levels > 1 << 16:
        return f"it has {op.levels} levels, more than 16 bits hold"
    if not (low < high).all() or any(not (a == b).all() for a, b in ((low, out_low), (high, out_high))):
        return "it maps one range to another"
    (grid, shifts, _), steps = grid_of(node, op), steps_of(node, op)
    least, most = float(steps.min()), float(steps.max())
    if steps.size > 1 and float(np.ptp(shifts)) > LARGEST_SHIFT:
        return "its ranges have zero at several levels, and data has one zero point in TFLite"
    if not grid.low <= grid.zero_point <= grid.high or float(np.abs(shifts).max()) > shift:
        return f"zero is none of its levels from {low.min():g} to {high.max():g}"
    if not SMALLEST_SCALE <= least <= most <= min(LARGEST_SCALE, least * _LARGEST_RATIO):
        return f"its levels are {least:g} apart" + (f" in one range, {most:g} in another" if steps.size > 1 else "")
    if grid.bits == 16 and grid.zero_point:
        return f"it has {op.levels} levels, more than 8 bits hold, and zero is not the middle one, as it is for integers of 16 bits"
    return ""


def are_rounded(weights: Value) -> bool:
    """Whether weights are whole multiples of a step, which may not be multiplied to them yet."""
    node = weights.producer
    if node is None:
        return weights.const is not None and multiples_of(weights.const, LEVELS_OF_8_BITS[-1]) is not None
    if isinstance(node.op, (Mul, Sub, Reshape, Transpose)):
        return are_rounded(node.input(0))
    return isinstance(node.op, FakeQuantize) or (isinstance(node.op, Cast) and kind_of(node.input(0).type.dtype) == "integer")


def other_than_constant(node: Node) -> tuple[Value, Doubles]:
    """The operand of a node with two that is not constant, and the one that is. Raises Mismatch if there are none such."""
    side = next((k for k in (0, 1) if node.input(k).is_const), None)
    require(side is not None, "{!r} has no constant operand", node)
    return node.input(0 if side else 1), array(node.input(side or 0)).astype(np.float64)


def clipped(node: Node) -> tuple[Value, float, float]:
    """What a node cuts, and to which range. Raises Mismatch if it does not."""
    op = node.op
    if isinstance(op, Clip):
        return node.input(0), -np.inf if op.min is None else op.min, np.inf if op.max is None else op.max
    if isinstance(op, Relu):
        return node.input(0), 0.0, np.inf
    require(isinstance(op, (Minimum, Maximum)), "{!r} does not clip", node)
    value, bounds = other_than_constant(node)
    require(bounds.size == 1, "{!r} has several bounds", node)
    bound = float(bounds.reshape(-1)[0])
    return (value, -np.inf, bound) if isinstance(op, Minimum) else (value, bound, np.inf)


def _is_cut_at_zero(value: Value) -> bool:
    """Whether no element can be negative, as a Relu or the like is right before, perhaps with a largest number."""
    for _ in range(2):
        node = value.producer
        if node is None or not isinstance(node.op, (Relu, Clip, Minimum, Maximum)):
            return False
        try:
            value, low, _ = clipped(node)
        except Mismatch:
            return False
        if low >= 0:
            return True
    return False
