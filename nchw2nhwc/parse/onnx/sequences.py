"""Sequences and optionals: what they hold is known while the model is read, so that nothing of them is left in the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from onnx import NodeProto

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.indexing import INT64
from nchw2nhwc.ops.movement import Concat, Split
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.onnx.scope import Absent, Entry, Tensors

if TYPE_CHECKING:
    from nchw2nhwc.parse.onnx.registry import LayerBuilder

Read: TypeAlias = "Callable[[LayerBuilder, NodeProto, Sequence[Entry]], Entry]"


def _operand(given: Sequence[Entry], place: int, what: str) -> Value:
    entry = given[place] if place < len(given) else None
    if not isinstance(entry, Value):
        raise SourceError(f"{what} must be a tensor")
    return entry


def _sequence(given: Sequence[Entry]) -> Sequence[Value]:
    if not given or not isinstance(given[0], Tensors):
        raise SourceError("operand 1 must be a sequence")
    return given[0].values


def _place(b: LayerBuilder, given: Sequence[Entry], place: int, count: int, default: int) -> int:
    """A position among `count` ones, which an operand says, from the front."""
    if place >= len(given) or given[place] is None:
        position = default
    else:
        position = b.integer(_operand(given, place, "the position"), "the position in a sequence")
    if not -count <= position < count:
        raise SourceError(f"position {position} does not exist among {count}")
    return position % count


def _numbers(node: NodeProto) -> Mapping[str, int]:
    return {a.name: a.i for a in node.attribute}


def _empty(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    return Tensors(())


def _construct(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    return Tensors(tuple(_operand(given, k, "an element") for k in range(len(given))))


def _insert(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    values = [*_sequence(given)]
    count, last = len(values), len(given) < 3 or given[2] is None
    position = count if last else b.integer(_operand(given, 2, "the position"), "the position in a sequence")
    if not -count <= position <= count:
        raise SourceError(f"position {position} does not exist in a sequence of {count}")
    values.insert(position, _operand(given, 1, "what is inserted"))
    return Tensors(tuple(values))


def _erase(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    values = [*_sequence(given)]
    del values[_place(b, given, 1, len(values), -1)]
    return Tensors(tuple(values))


def _at(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    values = _sequence(given)
    return values[_place(b, given, 1, len(values), 0)]


def _length(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    return b.const(len(_sequence(given)), INT64)


def _concat(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    values, numbers = _sequence(given), _numbers(node)
    if not values or "axis" not in numbers:
        raise SourceError("a sequence that is put together needs elements, and an axis")
    new = numbers.get("new_axis", 0)
    axis = b.axis(numbers["axis"], values[0].rank + new)
    parts = [b.reshape(v, (*v.shape[:axis], 1, *v.shape[axis:])) if new else v for v in values]
    return parts[0] if len(parts) == 1 else b.add1(Concat(axis), *parts)


def _split(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    """Pieces of one size (the last one may be smaller), of given sizes, or of size 1, which then loses its axis without `keepdims`."""
    x, numbers = _operand(given, 0, "operand 1"), _numbers(node)
    axis = b.axis(numbers.get("axis", 0), x.rank)
    by = _operand(given, 1, "split") if len(given) > 1 and given[1] is not None else None
    if by is not None and by.rank and b.is_computed(by):
        return Tensors(tuple(dynamic.split(b, x, axis, dynamic.vector(b, by))))
    size = static(x.shape[axis], "the size of an axis that becomes a sequence")
    if by is not None and by.rank:
        sizes = b.ints(by, "split")
    else:
        piece = 1 if by is None else b.integer(by, "split")
        if piece < 1:
            raise SourceError(f"pieces of {piece} elements")
        sizes = (*(piece,) * (size // piece), *((size % piece,) if size % piece else ()))
    pieces = b.add(Split(axis, sizes), x) if len(sizes) > 1 else (x,)
    if by is None and not numbers.get("keepdims", 1):
        pieces = tuple(b.reshape(v, (*v.shape[:axis], *v.shape[axis + 1:])) for v in pieces)
    return Tensors(tuple(pieces))


def _optional(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    return given[0] if given else Absent()


def _has_element(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    return b.const(bool(given) and isinstance(given[0], (Value, Tensors)))


def _get_element(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    if not given or not isinstance(given[0], (Value, Tensors)):
        raise SourceError("the optional has no element")
    return given[0]


def _identity(b: LayerBuilder, node: NodeProto, given: Sequence[Entry]) -> Entry:
    return given[0]


SEQUENCES: Mapping[str, Read] = {
    "SequenceEmpty": _empty, "SequenceConstruct": _construct, "SequenceInsert": _insert, "SequenceErase": _erase, "SequenceAt": _at,
    "SequenceLength": _length, "ConcatFromSequence": _concat, "SplitToSequence": _split,
    "Optional": _optional, "OptionalHasElement": _has_element, "OptionalGetElement": _get_element,
}
"""How each operator of sequences and optionals is read."""


def reads_sequence(domain: str, op: str, given: Sequence[Entry]) -> Read | None:
    """How a node is read that makes or takes a sequence or an optional; None for all others. Raises UnsupportedError for an operator that
    takes one and has nothing to do with them."""
    if not domain and op in SEQUENCES:
        return SEQUENCES[op]
    if not any(isinstance(entry, (Tensors, Absent)) for entry in given):
        return None
    if not domain and op == "Identity":
        return _identity
    raise UnsupportedError(f"{op} of a sequence is not supported")
