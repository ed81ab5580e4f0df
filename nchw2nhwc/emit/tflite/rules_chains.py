"""Chains of moves that pad and then cut all of the padding off again, as relative positions have them: one GATHER of what is left.

A matrix whose rows are shifted by one place each, relative to one another, is written as PAD, RESHAPE, PAD, RESHAPE and STRIDED_SLICE, with
a TRANSPOSE before and behind it where it is about columns. Which element of the operand each element of the result is does not depend on
data.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.ir import Array, Node, Value
from nchw2nhwc.ops.indexing import Gather, Positions
from nchw2nhwc.ops.movement import Pad, Reshape, Slice, Transpose
from nchw2nhwc.passes.match import require, static_shape
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

CHAINS = RuleSet()

_MOVES = (Pad, Reshape, Slice, Transpose)
_SHORTEST = 4
"""Moves of a chain that is worth a GATHER and the RESHAPEs around it."""
_LARGEST = 1 << 20
"""Elements of an operand for which it is worth finding out where each goes."""


@CHAINS.on(Reshape, Slice, Transpose)
def picked(rw: Rewriter, node: Node, op: Reshape | Slice | Transpose) -> Value:
    """The last move of a chain."""
    require(not _goes_on(rw, node), "{!r} is followed by another move", node)
    chain = _chain(rw, node)
    require(any(isinstance(each.op, Pad) for each in chain), "nothing before {!r} pads", node)
    require(len(chain) >= _SHORTEST, "there are too few moves before {!r}", node)
    x = chain[-1].input(0)
    before, after = static_shape(x), static_shape(node.output)
    require(prod(before) <= _LARGEST and x.type.dtype.name in KERNELS["GATHER"].types.split(), "no kernel gathers so much of {!r}", x)
    places = _places(chain, before)
    require(bool((places >= 0).all()), "{!r} keeps some padding", node)
    count, axes = _batch(places, before, after)
    rows = rw.add(Reshape((count, prod(before) // count)), x)
    indices = places.reshape(count, *after[axes:])[0].astype(np.int32)
    return rw.add(Reshape(after), rw.add(Gather(1), rows, rw.constant(indices)))


def _places(chain: list[Node], shape: tuple[int, ...]) -> Positions:
    """Where in the operand of a chain, of this shape, each element of its result is; -1 for padding."""
    places: Array = np.arange(prod(shape)).reshape(shape)
    for each in reversed(chain):
        (places,) = (replace(each.op, value=-1.0) if isinstance(each.op, Pad) else each.op).run(places)
    return places.astype(np.int64)


def _goes_on(rw: Rewriter, node: Node) -> bool:
    """Whether one more move, alone, reads a node's result."""
    return rw.single_use(node.output) and isinstance(node.output.users[0].op, _MOVES)


def _chain(rw: Rewriter, last: Node) -> list[Node]:
    """The moves that lead to a node, which comes first."""
    chain = [last]
    while True:
        value = chain[-1].input(0)
        node = value.producer
        if node is None or not isinstance(node.op, _MOVES) or not rw.single_use(value):
            return chain
        require(not isinstance(node.op, Pad) or node.op.mode == "constant", "{!r} repeats elements", node)
        chain.append(node)


def _batch(places: Positions, before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, int]:
    """How many times the same is picked, from one part of the operand after the other, and how many axes of the result count that."""
    for axes in range(len(after), -1, -1):
        count = prod(after[:axes])
        if any(prod(before[:k]) == count for k in range(len(before))):
            parts = places.reshape(count, -1)
            if np.array_equal(parts, parts[:1] + np.arange(count)[:, None] * (prod(before) // count)):
                return count, axes
    raise Mismatch("nothing is picked")
