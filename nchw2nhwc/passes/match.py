"""What rules look at nodes with: every function here raises `Mismatch`, with the reason, where the graph is not as asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from nchw2nhwc.ir.graph import Graph, Node, Value
from nchw2nhwc.ir.types import Array, DType
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.kinds import FLOAT, kind_of
from nchw2nhwc.passes.rewrite import Mismatch

_Op = TypeVar("_Op", bound=Op)

TOLERANCE = 2e-6
"""How far, relatively, a float32 constant may be from the number that a formula has there: a few roundings."""
HALF = {"float16": 2.0**-9, "bfloat16": 2.0**-6}
"""The same for constants of half precision."""
_UNIFORM_LIMIT = 1 << 16


def require(condition: bool, reason: str, *parts: object) -> None:
    """Raises Mismatch with `reason`, whose `{}` stand for the `parts`, unless `condition`."""
    if not condition:
        raise Mismatch(reason, *parts)


def op_of(node: Node, cls: type[_Op]) -> _Op:
    """The node's op, which has to be of this class."""
    op = node.op
    if not isinstance(op, cls):
        raise Mismatch("{!r} is no {}", node, cls.__name__)
    return op


def producer(value: Value, *classes: type[Op]) -> Node:
    """The node that makes `value`, which has to be of one of `classes` (any, when none are given)."""
    node = value.producer
    if node is None or (classes and not isinstance(node.op, classes)):
        raise Mismatch("{!r} is not made by {}", value, " or ".join(c.__name__ for c in classes) or "a node")
    return node


def array(value: Value) -> Array:
    """The content of a constant."""
    if value.const is None:
        raise Mismatch("{!r} is not constant", value)
    return value.const


def is_float(value: Value) -> bool:
    """Whether the elements are floating point numbers."""
    return kind_of(value.type.dtype) in FLOAT


def require_float(value: Value) -> None:
    """Raises Mismatch unless the elements are floating point numbers."""
    require(is_float(value), "{!r} is not floating point", value)


def scalar(value: Value) -> float:
    """The number that every element of a constant is."""
    content = array(value)
    if content.size == 1:
        return float(content.reshape(-1)[0])
    require(0 < content.size <= _UNIFORM_LIMIT, "{!r} is not a number", value)
    first = content.reshape(-1)[0]
    require(bool((content == first).all()), "{!r} has different elements", value)
    return float(first)


def close(number: float, wanted: float, dtype: DType | None = None) -> bool:
    """Whether a constant is the number of a formula but for rounding to the element type that it was stored in (default: float32)."""
    return abs(number - wanted) <= (TOLERANCE if dtype is None else HALF.get(dtype.name, TOLERANCE)) * abs(wanted)


def constant_operand(node: Node) -> tuple[Value, Value]:
    """`(other operand, constant operand)` of a node with two operands, just one of which is constant."""
    a, b = node.input(0), node.input(1)
    if a.is_const == b.is_const:
        raise Mismatch("{!r} does not have just one constant operand", node)
    return (b, a) if a.is_const else (a, b)


def other_operand(node: Node, value: Value) -> Value:
    """The operand beside `value` of a node with two operands."""
    a, b = node.input(0), node.input(1)
    if a is not value and b is not value:
        raise Mismatch("{!r} does not read {!r}", node, value)
    return b if a is value else a


def require_same_type(value: Value, node: Node) -> None:
    """Raises Mismatch unless `value` could take the place of the node's result."""
    require(value.type == node.output.type, "{!r} is of another type than {!r}", node.output, value)


def static_shape(value: Value) -> tuple[int, ...]:
    """The shape of a value whose sizes are all known."""
    sizes = [s for s in value.shape if isinstance(s, int)]
    require(len(sizes) == value.rank, "{!r} has symbolic sizes", value)
    return tuple(sizes)


def static_sizes(value: Value, axes: Sequence[int]) -> tuple[int, ...]:
    """The sizes of some axes of a value, which have to be known."""
    sizes = [s for k in axes if isinstance(s := value.shape[k], int)]
    require(len(sizes) == len(axes), "axes {} of {!r} have symbolic sizes", axes, value)
    return tuple(sizes)


class Pattern:
    """The nodes that a match covers, besides its last one; `require_closed` is how a rule makes sure that the others really go."""

    def __init__(self, graph: Graph, root: Node) -> None:
        self._graph, self._root = graph, root
        self._covered: dict[Node, None] = {}

    def producer(self, value: Value, *classes: type[Op]) -> Node:
        """As `producer`; the node found is covered by the match."""
        node = producer(value, *classes)
        self.cover(node)
        return node

    def cover(self, node: Node) -> None:
        """The node is covered by the match."""
        if node is not self._root:
            self._covered[node] = None

    def require_closed(self) -> None:
        """Raises Mismatch when something outside of the match reads a value inside of it: the nodes would have to stay."""
        for node in self._covered:
            for value in node.outputs:
                outside = [user for user in value.users if user not in self._covered and user is not self._root]
                require(not outside and not self._graph.is_output(value), "{!r} has other readers", value)
