"""Assignments to the elements of a tensor for which a condition holds, `x[mask] = f(y[mask])`.

Exporters write them as the positions of these elements, what stands at them in `y`, and a ScatterND: tensors whose size data decides. They
are `where(mask, f(y), x)`, as far as `f` works on single elements: then it may see all of `y`.
"""

from __future__ import annotations

from nchw2nhwc.ir.dim import Size, product
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.binary import Div, FloorDiv, FMod, Mod, Pow, Where
from nchw2nhwc.ops.dynamic import DynamicBroadcast, DynamicReshape
from nchw2nhwc.ops.elementwise import Identity
from nchw2nhwc.ops.indexing import GatherND, ScatterND
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.ops.movement import Expand, Reshape, Slice, Transpose
from nchw2nhwc.ops.rules import Elementwise
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import INT64
from nchw2nhwc.parse.selection import without_copies

_PARTIAL = (Div, FloorDiv, FMod, Mod, Pow)
"""Ops that are not defined for all integers."""
_DEEPEST = 64
"""Most operations between the elements of `y` and what is assigned."""


def scatter_nd(b: Builder, op: ScatterND, data: Value, indices: Value, updates: Value) -> Value:
    """ScatterND; of an assignment to the elements for which a condition holds a choice."""
    mask = _condition(b, indices) if op.reduction == "none" else None
    if mask is not None and data.shape[:mask.rank] == mask.shape:
        new = _single(b, updates) or _Whole(b, mask, indices.shape[0]).of(updates, _DEEPEST)
        if new is not None:
            return b.add1(Where(), b.reshape(mask, (*mask.shape, *(1,) * (data.rank - mask.rank))), new, data)
    return b.add1(op, data, indices, _as_many(b, data, indices, updates))


def _as_many(b: Builder, data: Value, indices: Value, updates: Value) -> Value:
    """The updates, as many as there are indices where data decides both numbers by different ways, as when a mask of rows is written as one
    of elements. Another number is an error when the model runs."""
    depth = indices.shape[-1] if indices.rank else None
    wanted = (*indices.shape[:-1], *data.shape[depth:]) if isinstance(depth, int) else ()
    differing = [pair for pair in zip(updates.shape, wanted) if pair[0] != pair[1]]
    if len(wanted) != updates.rank or not differing or any(len(b.decided(*pair)) < 2 for pair in differing):
        return updates
    return b.add1(DynamicReshape(wanted), updates, b.sizes(wanted, INT64))


def _condition(b: Builder, indices: Value) -> Value | None:
    """The tensor of truth values whose positions, a row for each, indices are."""
    node = without_copies(indices).producer
    if node is None or not isinstance(node.op, Transpose) or node.op.perm != (1, 0):
        return None
    found = without_copies(node.input(0))
    mask = next((x for x, positions in b.positions.items() if positions is found), None)
    return mask if mask is not None and kind_of(mask.type.dtype) == "boolean" and mask.rank else None


def _single(b: Builder, value: Value) -> Value | None:
    """The element that a tensor is filled with."""
    while value.producer is not None and isinstance(value.producer.op, (DynamicBroadcast, Expand, Identity, Reshape, Slice)):
        value = value.producer.input(0)
    return b.reshape(value, ()) if product(value.shape) == 1 else None


class _Whole:
    """Finds what tensors of the elements for which a condition holds, along their first axis, are of all elements."""

    def __init__(self, b: Builder, mask: Value, count: Size) -> None:
        self._b, self._mask, self._count = b, mask, count
        self._found: dict[Value, Value | None] = {}

    def of(self, value: Value, steps: int) -> Value | None:
        """A tensor of all elements, which may be the same along other axes; None where there is none in that many steps."""
        if value not in self._found:
            self._found[value] = self._of(value, steps)
        return self._found[value]

    def _of(self, value: Value, steps: int) -> Value | None:
        count, node = self._count, value.producer
        if node is None or not steps or value.shape[:1] != (count,) or count in value.shape[1:]:
            return None
        match node.op:
            case GatherND(batch_dims=0) if _condition(self._b, node.input(1)) is self._mask:
                y = node.input(0)
                return y if y.shape[:self._mask.rank] == self._mask.shape else None
            case Expand() | DynamicBroadcast():
                return self._operand(node.input(0), value, steps)
            case Identity() | Reshape() if node.input(0).type == value.type:
                return self.of(node.input(0), steps - 1)
            case Slice(steps=strides) if node.input(0).type == value.type and set(strides) == {1}:
                return self.of(node.input(0), steps - 1)
        return self._computed(node, value, steps) if isinstance(node.op.rule, Elementwise) and len(node.outputs) == 1 else None

    def _computed(self, node: Node, value: Value, steps: int) -> Value | None:
        """The op of single elements, applied to all of them."""
        if isinstance(node.op, _PARTIAL) and kind_of(value.type.dtype) == "integer":
            return None
        operands: list[Value | None] = []
        for given in node.inputs:
            operand = None if given is None else self._operand(given, value, steps)
            if operand is None and given is not None:
                return None
            operands.append(operand)
        return self._b.add1(node.op, *operands)

    def _operand(self, operand: Value, result: Value, steps: int) -> Value | None:
        """An operand that is broadcast to a result: what is the same for all elements loses the axis that counts them."""
        if self._count in operand.shape:
            return self.of(operand, steps - 1) if operand.rank == result.rank else None
        return operand if operand.rank < result.rank else self._b.reshape(operand, operand.shape[1:])
