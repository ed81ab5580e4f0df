"""A loop whose body is one step of a recurrent layer, as IR v10 spells layers with TensorIterator: the layer itself."""

from __future__ import annotations

from dataclasses import replace

from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.binary import Sub
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Reshape, Slice, Transpose
from nchw2nhwc.ops.recurrent import Recurrent
from nchw2nhwc.passes.match import array, op_of, producer, require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

CELLS = RuleSet()

_PLAIN = (Reshape, Gather, Sub, Recurrent)
"""The ops of such a body."""


@CELLS.on(Loop)
def layer(rw: Rewriter, node: Node, op: Loop) -> list[Value]:
    """The layer over all steps that the loop takes one by one."""
    require(op.steps is not None, "a condition or a number that is computed ends {!r}", node)
    cells = [inner for inner in op.body.nodes if isinstance(inner.op, Recurrent)]
    require(len(cells) == 1 and all(isinstance(inner.op, _PLAIN) for inner in op.body.nodes), "{!r} computes other things", node)
    return _Step(rw, node, op, cells[0]).whole()


def _viewed(value: Value) -> Value:
    """What a value is, seen through changes of its shape."""
    while value.producer is not None and isinstance(value.producer.op, Reshape):
        value = value.producer.input(0)
    return value


class _Step:
    """One step of a layer within the body of a loop."""

    def __init__(self, rw: Rewriter, node: Node, op: Loop, cell: Node) -> None:
        self.rw, self.node, self.op, self.cell = rw, node, op, cell
        self.recurrent = op_of(cell, Recurrent)
        require(self.recurrent.steps(cell.input(0).type) == 1, "{!r} runs several steps", cell)
        self.batch, self.units = cell.outputs[1].shape

    def whole(self) -> list[Value]:
        """The results of the loop, made of those of the layer."""
        x, axis, reverse = self._sequence()
        order = self._order()
        weights = [self._outside(self.cell.input(k)) for k in (1, 2, 3)]
        initial = [self.node.input(order.index(k)) for k in range(self.recurrent.states)]
        made = self.rw.add_all(replace(self.recurrent, batch_first=axis == 1, reverse=reverse, form=self.op.form), x, *weights, *initial)
        hidden = self.op.body.outputs[self.op.carried:]
        return [*(made[1 + k] for k in order), *(self._parts(made[0], axis, reverse, part, at) for part, at in zip(hidden, self.op.scans))]

    def _sequence(self) -> tuple[Value, int, bool]:
        """The operand that the step takes its data of, the axis of its steps, and whether the last one comes first."""
        taken = producer(_viewed(self.cell.input(0)), Gather)
        op, x = op_of(taken, Gather), self._outside(taken.input(0))
        require(x.rank == 3 and op.axis in (0, 1), "{!r} has other axes", x)
        sizes = [s for k, s in enumerate(x.shape) if k != op.axis]
        require(sizes == [self.batch, self.cell.input(0).shape[2]] and x.shape[op.axis] == self.op.steps, "{!r} is cut elsewhere", x)
        index = _viewed(taken.input(1))
        reverse = index is not self.op.body.inputs[0]
        if reverse:
            down = producer(index, Sub)
            require(_viewed(down.input(1)) is self.op.body.inputs[0], "{!r} takes other steps", taken)
            last = array(down.input(0))
            require(isinstance(self.op.steps, int) and bool((last == self.op.steps - 1).all()), "{!r} takes other steps", taken)
        return x, op.axis, reverse

    def _order(self) -> list[int]:
        """For each value that the loop carries, which state of the layer it is."""
        states, carried = self.cell.outputs[1:], self.op.body.inputs[1:1 + self.op.carried]
        given = [self.cell.input(k) for k in range(4, len(self.cell.inputs))]
        require(len(given) == len(states) == len(carried), "{!r} carries other values", self.node)
        order = [next((k for k, state in enumerate(given) if state is before), -1) for before in carried]
        require(sorted(order) == list(range(len(states))), "{!r} carries other values", self.node)
        require(all(after is states[k] for after, k in zip(self.op.body.outputs, order)), "{!r} does not carry its states", self.node)
        require(all(len(before.uses) == 1 for before in carried), "states of {!r} have other readers", self.cell)
        return order

    def _outside(self, value: Value) -> Value:
        """What stands for a constant, or an operand that stays the same, of the body."""
        if value.const is not None:
            return self.rw.graph.constant(value.const, value.name, origin=value.origin)
        inputs = self.op.body.inputs[1 + self.op.carried:]
        found = [k for k, v in enumerate(inputs) if v is value]
        require(bool(found), "{!r} changes from step to step", value)
        return self.node.input(self.op.carried + found[0])

    def _parts(self, y: Value, axis: int, reverse: bool, part: Value, at: int) -> Value:
        """The hidden states as the loop puts them together: in the order of its iterations, along the axis `at`."""
        require(_viewed(part) in (self.cell.outputs[0], self.cell.outputs[1]), "{!r} is no hidden state", part)
        sizes = [s for k, s in enumerate(part.shape) if k != at]
        require(part.rank == 3 and sizes == [self.batch, self.units], "{!r} has other axes", part)
        if reverse:
            y = self.rw.add(Slice((None,) * 3, (None,) * 3, tuple(-1 if k == axis else 1 for k in range(3))), y)
        axes = [k for k in range(3) if k != axis]
        axes.insert(at, axis)
        return y if axes == [0, 1, 2] else self.rw.add(Transpose(tuple(axes)), y)
