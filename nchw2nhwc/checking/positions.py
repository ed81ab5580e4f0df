"""Open sizes for the check that a model's own positions fit: a decoder of `past + new` tokens looks each of them up in a mask whose length
is an input's size of its own, or in a table that has so many rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from nchw2nhwc.ir import Dim, Graph, Size, Value, evaluate, is_at_most, size_max
from nchw2nhwc.ops.binary import Add, Mul, Where
from nchw2nhwc.ops.elementwise import Cast, Identity
from nchw2nhwc.ops.indexing import Gather, GatherElements, GatherND
from nchw2nhwc.ops.movement import Concat, Expand, Reshape, Slice, Split, Tile, Transpose
from nchw2nhwc.ops.reduce import CumSum

_MOVES = (Cast, Concat, Expand, Identity, Reshape, Slice, Split, Tile, Transpose)
_DEEPEST = 64
"""No position that a model computes from sizes is more ops away from them."""


def positions(graph: Graph) -> list[tuple[Size, Size]]:
    """`(count, size)` for every axis of a symbolic or known size of which positions below a symbolic `count` are read."""
    found: dict[tuple[Size, Size], None] = {}
    for part in graph.graphs():
        for node in part.nodes:
            if isinstance(node.op, (Gather, GatherElements)):
                read = [(node.input(1), node.input(0).shape[node.op.axis])]
            elif isinstance(node.op, GatherND):
                read = list(zip(_columns(node.input(1)), node.input(0).shape[node.op.batch_dims:]))
            else:
                continue
            for index, size in read:
                largest = _largest(index)
                if isinstance(largest, Dim) and largest + 1 != size:
                    found[largest + 1, size] = None
    return list(found)


def fitted(needs: Sequence[tuple[Size, Size]], sizes: Mapping[str, int]) -> dict[str, int]:
    """`sizes` for the named dimensions with which every count of `needs` is at most its size: that becomes larger if it can, else what the
    count depends on is halved. Unchanged where that leads nowhere."""
    numbers = dict(sizes)
    for _ in range(16 * len(needs)):
        over = next((count - size for count, size in needs if evaluate(count - size, numbers) > 0), None)
        if over is None:
            return numbers
        if isinstance(over, Dim):
            _reduce(over, numbers)
    return dict(sizes)


def _reduce(over: Dim, numbers: dict[str, int]) -> None:
    """Let `over` become 0 or less, or come nearer to that."""
    for factors, factor in over.terms.items():
        name = str(factors[0]) if len(factors) == 1 else ""
        if factor < 0 and name in over.symbols and not any(name in Dim({m: 1}).symbols for m in over.terms if m and m != factors):
            numbers[name] -= evaluate(over, numbers) // factor
            return
    longest = max(sorted(over.symbols), key=lambda each: numbers[each])
    numbers[longest] = max(numbers[longest] // 2, 1)


def _columns(index: Value) -> Iterator[Value]:
    """The parts of rows of positions that are put together of columns."""
    node = index.producer
    if index.shape[-1] == 1:
        yield index
    elif node is not None and isinstance(node.op, Concat) and node.op.axis == index.rank - 1:
        columns = [node.input(k) for k in range(len(node.inputs))]
        if all(column.shape[-1] == 1 for column in columns):
            yield from columns


def _largest(value: Value, depth: int = _DEEPEST) -> Size | None:
    """The largest number in a tensor of positions, where that follows from sizes; None where it is not known."""
    node = value.producer
    if value.const is not None:
        return int(value.const.max()) if value.const.size and value.const.dtype.kind in "iu" else None
    if value.sizes is not None and value.sizes.size:
        numbers: list[Size] = value.sizes.ravel().tolist()
        return reduce(size_max, numbers)
    if node is None or not depth:
        return None
    if isinstance(node.op, CumSum):
        one = _largest(node.input(0), depth - 1)
        return value.shape[node.op.axis] - node.op.exclusive if one == 1 else None
    if not isinstance(node.op, (Add, Mul, Where, *_MOVES)):
        return None
    operands = [node.input(k) for k in ((1, 2) if isinstance(node.op, Where) else range(len(node.inputs)))]
    found = [n for n in (_largest(v, depth - 1) for v in operands) if n is not None]
    if len(found) < len(operands):
        return None
    match node.op:
        case Add():
            return found[0] + found[1]
        case Mul():
            return found[0] * found[1] if all(is_at_most(0, n) for n in found) else None
        case _:
            return reduce(size_max, found)
