"""Transposes take the axes of what is before or behind them, so that one RESHAPE less is left."""

from __future__ import annotations

from collections.abc import Sequence

from nchw2nhwc.emit.tflite.model import DELEGATE_RANK
from nchw2nhwc.ir import Node, Size, Value, product
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.passes.match import op_of, producer, require
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

MOVES = RuleSet()


@MOVES.on(Transpose)
def axes_of_the_operand(rw: Rewriter, node: Node, op: Transpose) -> Value:
    """A Transpose of a Reshape that merges axes, or drops some of size 1, moves them as they were before, where only Reshapes follow."""
    view = producer(node.input(0), Reshape)
    source = view.input(0)
    require(source.rank <= DELEGATE_RANK, "{!r} has more axes than delegates take", source)
    require(not rw.graph.is_output(node.output) and all(isinstance(user.op, Reshape) for user in node.output.users),
            "{!r} is read in its shape", node.output)
    pieces = _pieces(node.input(0).shape, source.shape)
    return rw.add(Reshape(node.output.shape), rw.add(Transpose(tuple(k for axis in op.perm for k in pieces[axis])), source))


@MOVES.on(Reshape)
def axes_of_the_result(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """A Transpose of a Reshape, whose result is only seen in a shape that splits axes, or adds some of size 1, moves those."""
    move = producer(node.input(0), Transpose)
    view, perm, wanted = producer(move.input(0), Reshape), op_of(move, Transpose).perm, node.output.shape
    rw.require_single_use(view.output)
    rw.require_single_use(move.output)
    require(len(wanted) <= DELEGATE_RANK, "{!r} has more axes than delegates take", node.output)
    pieces = _pieces(move.output.shape, wanted)
    order = [k for place in _inverse(perm) for k in pieces[place]]
    before = rw.add_for(view, Reshape(tuple(wanted[k] for k in order)), view.input(0))
    return rw.add_for(move, Transpose(_inverse(order)), before)


def _inverse(perm: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


def _pieces(shape: Sequence[Size], finer: Sequence[Size]) -> list[list[int]]:
    """For each axis of a shape the axes of a finer one that it consists of. Raises Mismatch where there are none."""
    pieces: list[list[int]] = []
    at = 0
    for size in shape:
        piece: list[int] = []
        while product(finer[k] for k in piece) != size:
            if at == len(finer):
                raise Mismatch("{} is no finer shape than {}", finer, shape)
            piece.append(at)
            at += 1
        pieces.append(piece)
    rest = list(range(at, len(finer)))
    require(all(finer[k] == 1 for k in rest), "{} is no finer shape than {}", finer, shape)
    if pieces:
        pieces[-1] += rest
    return pieces
