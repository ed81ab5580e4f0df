"""Ops that a device lacks in terms of others, before layout: what `passes.decompose` has, and what only devices need.

`lacking` says which ops that are. All of it is exact but for rounding, except `approximate_gelu`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.activation_functions import Clip, Elu, Gelu, HardSwish, LeakyRelu, Sigmoid
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import GreaterEqual, LessEqual, Mul, PRelu, SquaredDifference, Sub
from nchw2nhwc.ops.elementwise import Cast, Ceil, Floor, Neg, Rsqrt, Sign
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Expand, Reshape, Slice, Tile
from nchw2nhwc.ops.norm import LRN
from nchw2nhwc.ops.reduce import ArgMax, ArgMin, ArgReduce, LogSoftmax, ReduceMax, ReduceMin
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import array, require, require_float, static_shape, static_sizes
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet
from nchw2nhwc.targets.table import Target

REWRITES = RuleSet()
"""Tried before the decompositions that all targets share."""

_SPATIAL_AXES = 3
_EXACT = 1 << 24
_INT32 = np.dtype(np.int32)

_CODES: Mapping[type[Op], str] = {
    ArgMax: "ARG_MAX", ArgMin: "ARG_MIN", Ceil: "CEIL", Elu: "ELU", Gelu: "GELU", HardSwish: "HARD_SWISH",
    LeakyRelu: "LEAKY_RELU", LogSoftmax: "LOG_SOFTMAX", LRN: "LOCAL_RESPONSE_NORMALIZATION", PRelu: "PRELU", Rsqrt: "RSQRT",
    Sigmoid: "LOGISTIC", Sign: "SIGN", SquaredDifference: "SQUARED_DIFFERENCE"}
"""The operator that is written for an op which can be said in others."""

_OTHERS: Mapping[str, str] = {
    "ARG_MAX": "REDUCE_MAX GREATER_EQUAL CAST MUL SUB", "ARG_MIN": "REDUCE_MIN LESS_EQUAL CAST MUL SUB", "CEIL": "NEG FLOOR",
    "ELU": "RELU MINIMUM EXP MUL ADD TANH", "CONV_3D": "CONV_2D STRIDED_SLICE ADD",
    "GATHER": "STRIDED_SLICE RESHAPE", "GELU": "MUL ADD TANH", "HARD_SWISH": "ADD RELU6 MUL", "LEAKY_RELU": "RELU MINIMUM MUL ADD",
    "LOG_SOFTMAX": "REDUCE_MAX SUB EXP SUM LOG", "LOCAL_RESPONSE_NORMALIZATION": "MUL FULLY_CONNECTED ADD POW",
    "PRELU": "RELU MINIMUM MUL ADD", "RSQRT": "SQRT DIV", "LOGISTIC": "NEG EXP ADD DIV", "RELU_0_TO_1": "MAXIMUM MINIMUM",
    "SIGN": "GREATER CAST SUB", "SQUARED_DIFFERENCE": "SUB MUL"}
"""The operators that each can be said in; a device that lacks some of them too is left with the one."""

_KEPT = (("edgetpu", "CONV_3D"), ("nnapi", "SIGN"))
"""What would only become more operators that the device does not run: planes as a batch, of which the Edge TPU takes one, and casts of
truth values."""

_PICKS_ONE = ("micro",)
"""Devices whose GATHER takes a single index."""


def _code(node: Node) -> str:
    """The operator that is written for a node which can be said in others; "" for any other."""
    op = node.op
    if isinstance(op, Conv):
        return "CONV_3D" if len(op.strides) == _SPATIAL_AXES else ""
    if isinstance(op, Clip):
        return "RELU_0_TO_1" if (op.min, op.max) == (0.0, 1.0) else ""
    return _CODES.get(type(op), "")


def _picks_one(node: Node) -> bool:
    return isinstance(node.op, Gather) and node.input(1).is_const and node.input(1).rank == 0


def _are_most_picked(node: Node, op: Gather) -> bool:
    """Whether more than half of what is along the axis is picked one by one: one UNPACK does that (see `emit.tflite.unpack`)."""
    size = node.input(0).shape[op.axis]
    picked = {int(array(user.input(1))) for user in node.input(0).users if user.op == op and _picks_one(user)}
    return isinstance(size, int) and len(picked) * 2 > size > 1


def lacking(target: Target) -> Callable[[Node], bool]:
    """Whether a device lacks the operator of a node, and has those that it can be said in."""
    def sayable(code: str) -> bool:
        return all(other in target.rows for other in _OTHERS[code].split())

    def lacks(node: Node) -> bool:
        if isinstance(node.op, Gather):
            if not _picks_one(node) or target.name in _PICKS_ONE or ("UNPACK" in target.rows and _are_most_picked(node, node.op)):
                return False
            return sayable("GATHER") and all(target.computes(other, node.output.type.dtype) for other in _OTHERS["GATHER"].split())
        code = _code(node)
        if isinstance(node.op, ArgReduce) and code in target.rows:
            return node.op.dtype != _INT32  # which the decomposition that all targets share makes of it
        return bool(code) and code not in target.rows and (target.name, code) not in _KEPT and sayable(code)
    return lacks


@REWRITES.on(Gather)
def single_pick(rw: Rewriter, node: Node, op: Gather) -> Value:
    """One constant place along an axis: a slice without that axis."""
    x, index = node.input(0), array(node.input(1))
    require(index.ndim == 0, "{!r} picks several", node)
    (size,) = static_sizes(x, (op.axis,))
    place = int(index) % size
    starts, stops = ([None] * x.rank for _ in range(2))
    starts[op.axis], stops[op.axis] = place, place + 1  # type: ignore[call-overload]
    return rw.add(Reshape(node.output.shape), rw.add(Slice(tuple(starts), tuple(stops), (1,) * x.rank), x))


EXTREMES = RuleSet()
"""For devices that find no places of extremes."""


@EXTREMES.on(ArgMax, ArgMin)
def first_extreme(rw: Rewriter, node: Node, op: ArgMax | ArgMin) -> Value:
    """n - max(h * (n - k)) over the n places k, of which h is 1 where the extreme is reached, else 0. Exact in floats: n is below 2^24."""
    x = node.input(0)
    require(not op.select_last_index, "{!r} finds the last place", node)
    require_float(x)
    (size,) = static_sizes(x, (op.axis,))
    require(size < _EXACT, "{!r} counts too far", node)
    largest = isinstance(op, ArgMax)
    extreme = rw.add(ReduceMax((op.axis,), True) if largest else ReduceMin((op.axis,), True), x)
    reached = rw.add(Cast(x.type.dtype), rw.add(GreaterEqual() if largest else LessEqual(), x, extreme))
    line = (1,) * op.axis + (size,) + (1,) * (x.rank - op.axis - 1)
    weighed = rw.add(Mul(), reached, rw.constant(np.arange(size, 0, -1, dtype=x.type.dtype).reshape(line)))
    first = rw.add(ReduceMax((op.axis,), op.keepdims), weighed)
    return rw.add(Cast(op.dtype), rw.add(Sub(), rw.scalar(float(size), x), first))


@REWRITES.on(Ceil)
def negated_floor(rw: Rewriter, node: Node, op: Ceil) -> Value:
    """-floor(-x)."""
    return rw.add(Neg(), rw.add(Floor(), rw.add(Neg(), node.input(0))))


@REWRITES.on(Sign)
def compared_with_zero(rw: Rewriter, node: Node, op: Sign) -> Value:
    """(x > 0) - (0 > x), as numbers."""
    require_float(node.input(0))
    x = Term(rw, node.input(0))
    below = Term(rw, rw.scalar(0.0, x.value)) > x
    return ((x > 0.0).as_number(x) - below.as_number(x)).value


EXPAND_AS_TILE, TILE_AS_EXPAND = RuleSet(), RuleSet()
"""For stored graphs, after all others."""


@EXPAND_AS_TILE.on(Expand)
def repeated(rw: Rewriter, node: Node, op: Expand) -> Value:
    """Tile of the operand with as many axes as the result."""
    x, shape = node.input(0), static_shape(node.output)
    apart = (1,) * (len(shape) - x.rank) + static_shape(x)
    full = x if x.rank == len(shape) else rw.add(Reshape(apart), x)
    return rw.add(Tile(tuple(a // b for a, b in zip(shape, apart))), full)


@TILE_AS_EXPAND.on(Tile)
def broadcast(rw: Rewriter, node: Node, op: Tile) -> Value:
    """Expand along a new axis before each that is repeated, of size 1 until then; what lies between is one axis."""
    x = node.input(0)
    before, after, fresh = [1], [1], False
    for size, count in zip(static_shape(x), op.repeats):
        if count != 1:
            before.append(1)
            after.append(count)
            fresh = True
        if fresh:
            before.append(size)
            after.append(size)
            fresh = False
        else:
            before[-1] *= size
            after[-1] *= size
    return rw.add(Reshape(node.output.shape), rw.add(Expand(tuple(after)), rw.add(Reshape(tuple(before)), x)))


APPROXIMATE = RuleSet()
"""For devices that have few functions; what it approximates, and by how much, is noted in `Graph.notes`."""


@APPROXIMATE.on(Gelu)
def approximate_gelu(rw: Rewriter, node: Node, op: Gelu) -> Value:
    """x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)) for x / 2 * (1 + erf(x / sqrt 2)), off by at most 4.8e-4.

    Source: D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", section 2.
    """
    require(not op.approximate, "{!r} is the approximation", node)
    note = "GELU is computed as x * sigmoid(1.5958 (x + 0.044715 x^3)), which is off by at most 4.8e-4"
    if note not in rw.graph.notes:
        rw.graph.notes.append(note)
    return rw.add(Gelu(approximate=True), node.input(0))
