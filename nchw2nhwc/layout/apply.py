"""Carry out a solved layout problem: the graph in stored order, with the few Transposes that are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nchw2nhwc.ir.graph import Graph, Node, Origin, Value
from nchw2nhwc.ir.stored import UNKNOWN, Stored
from nchw2nhwc.ir.types import Array
from nchw2nhwc.layout.families import Placement, family_of
from nchw2nhwc.layout.problem import Assignment, Problem
from nchw2nhwc.layout.tensor import Frame, Layout, Tensor, flat, to_sizes
from nchw2nhwc.ops.movement import Reshape, Transpose

PASS = "layout"
_TRANSPOSE_RANK = 6
"""Highest rank that every kernel of Transpose takes; above it, axes that move together are merged first."""


@dataclass(frozen=True)
class Move:
    """One Transpose that is left: the source value, its two layouts, who made it and who reads it moved."""

    value: Value
    before: Layout
    after: Layout
    readers: tuple[Node, ...]
    result: Value


class Applier:
    """Builds the stored graph. Frames are wished for from readers to producers first, then fixed from producers to readers."""

    def __init__(self, problem: Problem, assignment: Assignment) -> None:
        self.problem, self.assignment = problem, assignment
        self.graph, self.tensors, self.numbers = problem.graph, problem.tensors, problem.tensors.numbers
        self.result = Graph(self.graph.name, self.graph.source)
        self.result.notes, self.result.remarks = list(self.graph.notes), list(self.graph.remarks)
        self.result.fixed_sizes, self.result.other_outputs = list(self.graph.fixed_sizes), list(self.graph.other_outputs)
        self.moves: list[Move] = []
        self.stored: dict[str, Stored] = {}
        self._wishes: dict[tuple[int, Layout], Frame] = {}
        self._frames: dict[tuple[int, Layout], tuple[Value, Frame]] = {}
        self._reshaped: dict[tuple[int, tuple[int, ...]], Value] = {}
        self.outputs: list[tuple[int, ...]] = []
        """Per output the permutation it comes out in."""
        ends = zip(self.graph.outputs, assignment.outputs, problem.outputs)
        self._choices = [self._equivalent(value, chosen, allowed) for value, chosen, allowed in ends]

    def run(self) -> Graph:
        """The stored graph."""
        self._wish_all()
        for value, perm in zip(self.graph.inputs, self.assignment.inputs):
            tensor = self.tensors[value]
            frame = tensor.frame(perm)
            stored = self.result.add_input(value.name, value.type.with_shape(to_sizes(tensor.stored_shape(frame), self.numbers)))
            stored.origin = value.origin
            self._produce(value, tensor, frame, stored)
        for node in self.graph.nodes:
            self._place(node)
        for value, name, perms in zip(self.graph.outputs, self.graph.output_names, self._choices):
            perm = self._cheapest(value, perms)
            self.outputs.append(perm)
            self.result.add_output(self._output(value, perm), name)
        return self.result

    def _equivalent(self, value: Value, chosen: tuple[int, ...], allowed: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """The allowed permutations of an output that differ from the chosen one in axes of size 1 only."""
        if value.is_const:
            return [chosen]
        tensor = self.tensors[value]
        return [perm for perm in allowed if tensor.order(perm) == tensor.order(chosen)]

    def _cheapest(self, value: Value, perms: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """The first of equivalent permutations that needs no Reshape."""
        if len(perms) == 1:
            return perms[0]
        tensor = self.tensors[value]
        shape = tensor.stored_shape(self._stored_in(value, tensor.order(perms[0]))[1])
        return next((perm for perm in perms if tensor.stored_shape(tensor.frame(perm)) == shape), perms[0])

    # ---- wishes, from the outputs backwards ---------------------------------------------------------------------------
    def _wish_all(self) -> None:
        for value, perms in zip(self.graph.outputs, self._choices):
            if not value.is_const and len(perms) == 1:
                tensor = self.tensors[value]
                self._wishes.setdefault((id(value), tensor.order(perms[0])), tensor.frame(perms[0]))
        for node in reversed(self.graph.nodes):
            view, signature = self.tensors.views[node], self.assignment.signatures[node]
            wish = [self._wishes.get((id(v), la)) for v, la in zip(node.outputs, signature.outs)]
            placement = family_of(view.rule).place(view, signature, [None] * len(view.ins), wish)
            for value, frame in zip((v for v in node.inputs if v is not None), placement.ins):
                if not value.is_const:
                    self._wishes.setdefault((id(value), flat(frame)), frame)

    # ---- nodes ---------------------------------------------------------------------------------------------------------
    def _place(self, node: Node) -> None:
        view, signature = self.tensors.views[node], self.assignment.signatures[node]
        operands = [v for v in node.inputs if v is not None]
        actual = [None if v.is_const else self._stored_in(v, la)[1] for v, la in zip(operands, signature.ins)]
        wish = [self._wishes.get((id(v), la)) for v, la in zip(node.outputs, signature.outs)]
        placement = family_of(view.rule).place(view, signature, actual, wish)
        assert tuple(map(flat, placement.outs)) == signature.outs, f"{node!r}: frames {placement.outs} for layouts {signature.outs}"
        inputs = [self._fetch(v, t, la, f, node) for v, t, la, f in zip(operands, view.ins, signature.ins, placement.ins)]
        if placement.op is None:
            self._alias(node, inputs[0], placement)
            return
        ordered = inputs if placement.operands is None else [inputs[k] for k in placement.operands] + inputs[len(placement.operands) :]
        results = self.result.add(placement.op, ordered, origin=node.origin.through(PASS) if placement.op != node.op else node.origin,
                                  names=[v.name for v in node.outputs], origins=[v.origin for v in node.outputs])
        for value, tensor, frame, stored in zip(node.outputs, view.outs, placement.outs, results):
            expected = to_sizes(tensor.stored_shape(frame), self.numbers)
            assert stored.shape == expected, f"{node!r}: stored {stored!r}, the frame says {expected}"
            self._produce(value, tensor, frame, stored)

    def _alias(self, node: Node, stored: Value, placement: Placement) -> None:
        """A view that moves nothing: the result is the operand under another name."""
        value = node.output
        self._frames[id(value), flat(placement.outs[0])] = (stored, placement.outs[0])
        if not stored.origin:
            stored.origin = value.origin
            self._record(stored, value.origin, self.tensors[value], flat(placement.outs[0]))

    def _produce(self, value: Value, tensor: Tensor, frame: Frame, stored: Value) -> None:
        self._frames[id(value), flat(frame)] = (stored, frame)
        self._record(stored, value.origin, tensor, flat(frame))

    def _record(self, stored: Value, source: str, tensor: Tensor, layout: Layout) -> None:
        """Remember how a stored tensor relates to the source tensor called `source`, or to one without a name."""
        order = {f: k for k, f in enumerate(tensor.source)}
        sizes = ((self.numbers.size(size) for size in axis) for axis in tensor.factors)
        factors = tuple(tuple(size if isinstance(size, int) else UNKNOWN for size in axis) for axis in sizes)
        self.stored[stored.name] = Stored(source, factors, tuple(order[f] for f in layout))

    def _output(self, value: Value, perm: tuple[int, ...]) -> Value:
        if value.const is not None:
            array = value.const.transpose(perm)
            return self.result.constant(array, value.name, origin=value.origin)
        tensor = self.tensors[value]
        return self._fetch(value, tensor, tensor.order(perm), tensor.frame(perm), None)

    # ---- operands ------------------------------------------------------------------------------------------------------
    def _fetch(self, value: Value, tensor: Tensor, layout: Layout, frame: Frame, reader: Node | None) -> Value:
        """`value` stored in `frame`: as it is, reshaped, or moved. Constants are laid out here for free."""
        if value.const is not None:
            return self._constant(value, value.const, tensor, frame)
        stored, have = self._stored_in(value, layout)
        assert flat(frame) == layout, f"{value!r}: frame and layout differ"
        return self._reshape(value, tensor, stored, have, frame)

    def _constant(self, value: Value, array: Array, tensor: Tensor, frame: Frame) -> Value:
        order = {f: k for k, f in enumerate(tensor.source)}
        shape, perm = tensor.stored_shape(frame), tuple(order[f] for f in flat(frame))
        if shape == array.shape and perm == tuple(range(len(perm))):
            laid = array
        else:
            laid = array.reshape([tensor.size(f) for f in tensor.source]).transpose(perm).reshape(shape)
        return self.result.constant(laid, value.name, origin=value.origin if laid is array else "")

    def _reshape(self, value: Value, tensor: Tensor, stored: Value, have: Frame, want: Frame) -> Value:
        shape = tensor.stored_shape(want)
        if tensor.stored_shape(have) == shape:
            return stored
        key = (id(stored), shape)
        if key not in self._reshaped:
            origin = self._origin(value)
            op = Reshape(to_sizes(shape, self.numbers))
            self._reshaped[key] = self.result.add1(op, (stored,), origin=origin, name=f"{value.name}/reshape")
            self._record(self._reshaped[key], "", tensor, flat(want))
        return self._reshaped[key]

    def _origin(self, value: Value) -> Origin:
        origin = value.producer.origin if value.producer is not None else Origin(value.name)
        return origin.through(PASS)

    def _stored_in(self, value: Value, layout: Layout) -> tuple[Value, Frame]:
        """`value` in `layout`, in whichever frame; moved there by a Transpose if it is not stored so yet."""
        key = (id(value), layout)
        if key not in self._frames:
            self._frames[key] = self._move(value, layout)
        return self._frames[key]

    def _move(self, value: Value, layout: Layout) -> tuple[Value, Frame]:
        tensor = self.tensors[value]
        before = self.assignment.produced[id(value)]
        stored, have = self._frames[id(value), before]
        want = self._wishes.get((id(value), layout)) or tensor.plain_frame(layout)
        pieces, result, perm = _plan(have, want, layout)
        moved = self._reshape(value, tensor, stored, have, pieces)
        moved = self.result.add1(Transpose(perm), (moved,), origin=self._origin(value), name=f"{value.name}/transpose")
        self._record(moved, "", tensor, layout)
        readers = tuple(n for n in value.users if any(v is value and la == layout for v, la in zip(
            (v for v in n.inputs if v is not None), self.assignment.signatures[n].ins)))
        self.moves.append(Move(value, before, layout, readers, moved))
        return moved, result


def _plan(have: Frame, want: Frame, layout: Layout) -> tuple[Frame, Frame, tuple[int, ...]]:
    """How to move a tensor stored in `have` to `layout`, preferably so that it comes out in `want`.

    Returns the frame to reshape it into first (often `have` itself), the frame that comes out, and the permutation between them.
    """
    position = {f: k for k, f in enumerate(layout)}
    starts = {g[0] for g in want if g}

    def cut(groups: Sequence[Layout]) -> list[Layout]:
        pieces: list[list[int]] = []
        for group in groups:
            for k, f in enumerate(group):
                if k and position[f] == position[group[k - 1]] + 1 and f not in starts:
                    pieces[-1].append(f)
                else:
                    pieces.append([f])
        return [tuple(p) for p in pieces]

    pieces = cut([g for g in have if g])
    empty = [k for k, g in enumerate(have) if not g]
    if len(pieces) + len(empty) != len(have) or len(have) > _TRANSPOSE_RANK:
        pieces = cut([flat(have)])  # it has to be reshaped anyway: merge what stays together
        empty = []
        frame: Frame = tuple(pieces)
    else:
        frame = have
    order = sorted(pieces, key=lambda g: position[g[0]])
    result = _with_empty(order, want, len(empty))
    spare = iter(empty)
    perm = tuple(frame.index(g) if g else next(spare) for g in result)
    return frame, result, perm


def _with_empty(order: Sequence[Layout], want: Frame, count: int) -> Frame:
    """`order` with `count` axes of size 1, where `want` has them as far as that goes, else in front."""
    if count == 0:
        return tuple(order)
    if tuple(g for g in want if g) == tuple(order) and len(want) == len(order) + count:
        return want
    return (*((),) * count, *order)


def apply_assignment(problem: Problem, assignment: Assignment) -> Applier:
    """Build the stored graph (`Applier.result`) and what is known about it."""
    applier = Applier(problem, assignment)
    applier.run()
    return applier


