"""Transposes take the axes of what is before or behind them, so that one RESHAPE less is left."""

from __future__ import annotations

from collections.abc import Sequence

from nchw2nhwc.emit.tflite.model import DELEGATE_RANK
from nchw2nhwc.emit.tflite.rules_views import seen
from nchw2nhwc.ir import Graph, Node, Shape, Size, Value, product
from nchw2nhwc.ops.binary import Binary, Where
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.passes.identities import gives, implicit_broadcast
from nchw2nhwc.passes.match import op_of, producer, require
from nchw2nhwc.passes.rank import neighbours
from nchw2nhwc.passes.rewrite import Mismatch, Rewriter, RuleSet

MOVES = RuleSet()
MOVES.on(Binary, Where)(implicit_broadcast)


@MOVES.on(Binary)
def without_leading_ones(rw: Rewriter, node: Node, op: Binary) -> Value:
    """Arithmetic of views of more axes than delegates take, of which the first have size 1."""
    shape = node.output.shape
    more = len(shape) - DELEGATE_RANK
    require(more > 0 and set(shape[:more]) == {1}, "{!r} has few enough axes, or none of size 1 before the others", node)
    for value in map(node.input, range(len(node.inputs))):
        require(value.is_const or isinstance(producer(value).op, Reshape), "{!r} is no view", value)
    operands = [seen(rw, v, v.shape[max(0, v.rank - DELEGATE_RANK):]) for v in map(node.input, range(len(node.inputs)))]
    return rw.add(Reshape(shape), rw.add(op, *operands))


@MOVES.on(Binary, Where)
def axes_that_broadcasting_adds(rw: Rewriter, node: Node, op: Binary | Where) -> Value:
    """An operand that is a Reshape with more leading axes of size 1, which broadcasting supplies, or which the result gets instead."""
    for index, value in enumerate(node.inputs):
        view = None if value is None else value.producer
        if view is None or not isinstance(view.op, Reshape) or not _adds_leading_ones(view):
            continue
        operands = [view.input(0) if k == index else node.input(k) for k in range(len(node.inputs))]
        if gives(op, operands, node.output):
            return rw.add(op, *operands)
        if rw.single_use(view.output) and all(v.rank == 0 for k, v in enumerate(operands) if k != index):
            return rw.add(Reshape(node.output.shape), rw.add(op, *operands))
    raise Mismatch("{!r} reads no view that it could do without", node)


def _adds_leading_ones(view: Node) -> bool:
    before, after = view.input(0).shape, view.output.shape
    more = len(after) - len(before)
    return more > 0 and after == (1,) * more + before


@MOVES.on(FullyConnected)
def rows_of_any_shape(rw: Rewriter, node: Node, op: FullyConnected) -> Value:
    """A fully connected layer that counts its rows itself, and a Reshape before it."""
    source = producer(node.input(0), Reshape).input(0)
    require((not op.keep_num_dims or node.input(0).rank == 2) and source.rank <= DELEGATE_RANK, "{!r} takes the shape of its operand", node)
    return rw.add(FullyConnected(False, op.activation), source, *node.inputs[1:])


@MOVES.on(FullyConnected)
def rows_seen_in_another_shape(rw: Rewriter, node: Node, op: FullyConnected) -> Value:
    """A fully connected layer of a Reshape that leaves the last axis alone, of whose result only Reshapes read."""
    source, result = producer(node.input(0), Reshape).input(0), node.output
    require(op.keep_num_dims and 1 < source.rank <= DELEGATE_RANK, "{!r} takes the shape of its operand", node)
    require(source.shape[-1] == node.input(0).shape[-1], "{!r} is a view of other rows", node.input(0))
    views = not rw.graph.is_output(result) and all(isinstance(user.op, Reshape) for user in result.users)
    require(views, "{!r} is read in its shape", result)
    return rw.add(Reshape(result.shape), rw.add(op, source, *node.inputs[1:]))


@MOVES.on(Transpose)
def axes_of_the_operand(rw: Rewriter, node: Node, op: Transpose) -> Value:
    """A Transpose of a Reshape that merges axes, or drops some of size 1, moves them as they were before, where only Reshapes follow."""
    view = producer(node.input(0), Reshape)
    source = view.input(0)
    require(source.rank <= DELEGATE_RANK, "{!r} has more axes than delegates take", source)
    require(_is_read_in_any_shape(rw.graph, node.output), "{!r} is read in its shape", node.output)
    sizes, order = _runs(node)
    pieces = _pieces(sizes, source.shape)
    return rw.add(Reshape(node.output.shape), rw.add(Transpose(tuple(k for run in order for k in pieces[run])), source))


@MOVES.on(Reshape)
def axes_of_the_result(rw: Rewriter, node: Node, op: Reshape) -> Value:
    """A Transpose of a Reshape, whose result is only seen in a shape that splits axes, or adds some of size 1, moves those."""
    move = producer(node.input(0), Transpose)
    view, wanted = producer(move.input(0), Reshape), node.output.shape
    rw.require_single_use(view.output)
    rw.require_single_use(move.output)
    require(len(wanted) <= DELEGATE_RANK, "{!r} has more axes than delegates take", node.output)
    sizes, order = _runs(move)
    pieces = _pieces([sizes[run] for run in order], wanted)
    perm = [k for place in _inverse(order) for k in pieces[place]]
    before = rw.add_for(view, Reshape(tuple(wanted[k] for k in perm)), view.input(0))
    return rw.add_for(move, Transpose(_inverse(perm)), before)


def _inverse(perm: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


def _runs(move: Node) -> tuple[list[Size], list[int]]:
    """What a Transpose moves: the sizes of the runs of axes that stay side by side, in their order before it, and their order behind it."""
    shape = move.input(0).shape
    order = [axis for axis in op_of(move, Transpose).perm if shape[axis] != 1]
    runs = neighbours(sorted(order), order)
    before = sorted(runs)
    return [product(shape[k] for k in run) for run in before], [before.index(run) for run in runs]


def takes_axes_behind(move: Node, shape: Shape) -> bool:
    """Whether a Transpose makes its result in a finer shape that alone is read, because its operand is a view."""
    (sizes, order), view = _runs(move), move.input(0).producer
    return (len(shape) <= DELEGATE_RANK and view is not None and isinstance(view.op, Reshape) and len(view.output.users) == 1
            and _is_finer([sizes[run] for run in order], shape))


def takes_axes_before(graph: Graph, move: Node, shape: Shape) -> bool:
    """Whether a Transpose moves the axes of a finer shape that its operand is a view of, because its result is seen in another shape."""
    return len(shape) <= DELEGATE_RANK and _is_read_in_any_shape(graph, move.output) and _is_finer(_runs(move)[0], shape)


def _is_read_in_any_shape(graph: Graph, value: Value) -> bool:
    """Whether all that read a value are Reshapes, and layers that count their rows themselves or whose results are so read."""
    def takes_any(user: Node) -> bool:
        if not isinstance(user.op, FullyConnected):
            return isinstance(user.op, Reshape)
        return not user.op.keep_num_dims or _is_read_in_any_shape(graph, user.output)

    return not graph.is_output(value) and all(map(takes_any, value.users))


def _is_finer(shape: Sequence[Size], finer: Shape) -> bool:
    try:
        _pieces(shape, finer)
    except Mismatch:
        return False
    return True


def _pieces(shape: Sequence[Size], finer: Sequence[Size]) -> list[list[int]]:
    """For each axis of a shape the axes of a finer one that it consists of. Raises Mismatch where there are none."""
    pieces: list[list[int]] = []
    at = 0
    require(len(shape) > 1, "nothing is moved")
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
    pieces[-1] += rest
    return pieces
