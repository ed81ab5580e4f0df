"""Integer types that a target's kernels lack. These rules are the last resort: whatever else an op can be said in is tried first."""

from __future__ import annotations

from math import prod

import numpy as np

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ir.types import DType
from nchw2nhwc.ops.activation import Activation
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import REGISTRY, Op
from nchw2nhwc.ops.binary import Add, Binary, Div, FloorDiv, Greater, GreaterEqual, Less, LessEqual, Maximum, Minimum, Mod, Mul
from nchw2nhwc.ops.elementwise import BitCast, Cast, Unary
from nchw2nhwc.ops.indexing import ScatterND, TopK
from nchw2nhwc.ops.kinds import INTEGER, kind_of
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.reduce import AlongAxis, ArgMax, ArgMin, ArgReduce, Reduce, ReduceMax, ReduceMin, ReduceSum
from nchw2nhwc.passes.decompose.term import Term
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

LARGEST_PRODUCTS = 1 << 24
"""Most products of integers that are kept until they are added up."""

INT32, INT64, UINT32, UINT64 = (np.dtype(t) for t in (np.int32, np.int64, np.uint32, np.uint64))

WIDER: dict[str, DType] = {
    **dict.fromkeys(("int8", "uint8", "int16", "uint16"), np.dtype(np.int32)),
    **dict.fromkeys(("uint32", "uint64"), np.dtype(np.int64)),
    "int64": np.dtype(np.int32),
}
"""What integer ops are computed in where a target has no kernel for their own type. int64 has no wider one: its values are sizes, positions
and counts, which fit into 32 bits; that it happens is written to the graph's notes, as for uint64."""


def _taking_integers() -> list[type[Op]]:
    """All but those whose meaning depends on the type: Clip's bounds, and bits."""
    families = (Unary, Binary, Reduce, ArgReduce, AlongAxis, ScatterND)
    found = [cls for cls in REGISTRY.values() if issubclass(cls, families) and cls not in (BitCast, Cast, Clip)]
    return [cls for cls in found if INTEGER & getattr(cls, "kinds", INTEGER)]


@RULES.on(Greater, GreaterEqual, Less, LessEqual, Maximum, Minimum, ReduceMax, ReduceMin, ArgMax, ArgMin, TopK)
def in_their_order(rw: Rewriter, node: Node, op: Op) -> tuple[Value, ...]:
    """uint64 as int64 with the highest bit turned round, which has the same order."""
    require(node.input(0).type.dtype == UINT64, "{!r} is not of uint64", node)
    operands = [_turned(rw, rw.add(BitCast(INT64), v)) if v is not None and v.type.dtype == UINT64 else v for v in node.inputs]
    found = rw.add_all(op, *operands)
    return tuple(rw.add(BitCast(UINT64), _turned(rw, v)) if v.type != old.type else v for v, old in zip(found, node.outputs))


def _turned(rw: Rewriter, x: Value) -> Value:
    return rw.add(Add(), x, rw.constant(np.asarray(np.iinfo(np.int64).min)))


@RULES.on(Cast)
def float_of_uint64(rw: Rewriter, node: Node, op: Cast) -> Value:
    """The number that int64 has for the same bits, 2**64 larger where that is negative; and the other way round."""
    types = node.input(0).type.dtype, op.dtype
    require(UINT64 in types and any(kind_of(t) == "floating point" for t in types), "{!r} has other types", node)
    if types[0] == UINT64:
        number = Term(rw, rw.add(Cast(op.dtype), rw.add(BitCast(INT64), node.input(0))))
        return (number < 0).choose(number + 2.0**64, number).value
    x = Term(rw, node.input(0))
    return rw.add(BitCast(UINT64), rw.add(Cast(INT64), (x >= 2.0**63).choose(x - 2.0**64, x).value))


@RULES.on(Div, FloorDiv)
def quotients_of_uint32(rw: Rewriter, node: Node, op: Div | FloorDiv) -> Value:
    """Twice the quotient of half the dividend, which fits into int32, and what is left over; a larger divisor than that fits once or not.

    As `Long.divideUnsigned`: H. Warren, "Hacker's Delight", 2nd ed., section 9-3.
    """
    require(node.input(0).type.dtype == UINT32, "{!r} is not of uint32", node)
    require(isinstance(op, FloorDiv) or op.activation is Activation.NONE, "{!r} has an activation", node)
    x, y = (Term(rw, v).cast(INT64) for v in (node.input(0), node.input(1)))
    high, large = x >= 2**31, y >= 2**31
    half = high.choose(x - 2**31, x).cast(INT32) // 2 + high.cast(INT32) * 2**30
    twice = (half // large.choose(y.number(1), y).cast(INT32)).cast(INT64) * 2
    found = large.choose((x >= y).cast(INT64), twice + (x - twice * y >= y).cast(INT64))
    return found.cast(UINT32).value


@RULES.on(Mod)
def remainders_of_uint64(rw: Rewriter, node: Node, op: Mod) -> Value:
    """Of the bits but the highest in int64, to which that of 2**63 is added where the highest is set. Sums are kept below the divisor; from
    a divisor that has the highest bit itself, a smaller number is left as it is, and a larger one less the divisor."""
    require(node.input(0).type.dtype == UINT64, "{!r} is not of uint64", node)
    x, y = (Term(rw, rw.add(BitCast(INT64), v)) for v in (node.input(0), node.input(1)))
    most = x.number(np.iinfo(np.int64).max)
    large, high = y < 0, x < 0
    divisor = large.choose(most, y)
    rest = high.choose(x + np.iinfo(np.int64).min, x) % divisor
    missing = divisor - most % divisor - 1
    carried = (rest >= missing).choose(rest - missing, rest - missing + divisor)
    below = Term(rw, rw.add(Less(), *node.inputs))
    found = large.choose(below.choose(x, x - y), high.choose(carried, rest))
    return rw.add(BitCast(UINT64), found.value)


@RULES.on(MatMul)
def sums_of_products(rw: Rewriter, node: Node, op: MatMul) -> Value:
    """Each row times each column, element by element, and what that adds up to: exact in the integers' own type."""
    a, b = node.input(0), node.input(1)
    require(kind_of(a.type.dtype) == "integer", "{!r} is not of integers", node)
    known = prod(s for s in (*node.output.shape, a.shape[-2 if op.adjoint_a else -1]) if isinstance(s, int))
    require(known <= LARGEST_PRODUCTS, "{!r} would keep {} products", node, known)
    rows = rw.add(Transpose(_last_two_swapped(a.rank)), a) if op.adjoint_a else a
    columns = b if op.adjoint_b else rw.add(Transpose(_last_two_swapped(b.rank)), b)
    rows = rw.add(Reshape((*rows.shape[:-1], 1, rows.shape[-1])), rows)
    columns = rw.add(Reshape((*columns.shape[:-2], 1, *columns.shape[-2:])), columns)
    products = rw.add(Mul(), rows, columns)
    return rw.add(ReduceSum((products.rank - 1,), False), products)


def _last_two_swapped(rank: int) -> tuple[int, ...]:
    return (*range(rank - 2), rank - 1, rank - 2)


@RULES.on(*_taking_integers())
def in_wider_integers(rw: Rewriter, node: Node, op: Op) -> Value:
    """The op on integers of a type that kernels have, cast there and back."""
    dtype = node.input(0).type.dtype
    require(dtype.name in WIDER, "no other integer type can stand for {}", dtype.name)
    wider = WIDER[dtype.name]
    if dtype.itemsize >= wider.itemsize:
        rw.graph.notes.append(f"'{node.origin.layer or node.output.name}' ({op.name}) is computed in {wider.name} instead of {dtype.name}")
    operands = [v if v is None or v.type.dtype != dtype else rw.add(Cast(wider), v) for v in node.inputs]
    result = rw.add(op, *operands)
    return result if result.type == node.output.type else rw.add(Cast(node.output.type.dtype), result)
