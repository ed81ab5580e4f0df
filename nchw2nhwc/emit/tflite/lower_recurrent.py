"""Lowerings of recurrent layers: the kernel for the usual LSTM, and for all others a loop whose body is one step.

What the data gives to the gates is computed for all steps at once, before the loop. The loop carries the index of the step, what the gates
were given, the hidden states after each step, and the states; all have three axes, so that nothing is reshaped within it. Where nothing
reads the hidden states after each step, they are not carried, and the states have two axes, as they have outside. A batch of one is then
read as rows, whatever axes they are counted by.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.emit.tflite.carriers import BOOL, FLOAT32, INT32
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_lstm import lstm
from nchw2nhwc.emit.tflite.lower_movement import reshape
from nchw2nhwc.emit.tflite.lower_sizes import size_tensor, sizes_tensor
from nchw2nhwc.emit.tflite.lowering import LOWERINGS, lowering, native
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.emit.tflite.recurrent_forms import is_flat, is_kernel, is_read, rows_of
from nchw2nhwc.ir import Array, Dim, Graph, Node, Origin, Shape, Value
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.recurrent import GRU, LSTM, RNN, Recurrent
from nchw2nhwc.passes.decompose import decompose
from nchw2nhwc.passes.decompose.recurrent import UNKNOWN_STEPS, after_step, given_to_gates, is_short
from nchw2nhwc.passes.match import array


class Fragment:
    """A graph of a few nodes on behalf of another graph's node, whose inputs are its operands in a new form."""

    def __init__(self, e: Emitter, origin: Origin) -> None:
        self.graph, self.origin = Graph(origin.layer, e.graph.source), origin

    def operand(self, like: Value, shape: Shape | None = None) -> Value:
        """A constant, or an input of this element type."""
        if like.const is not None and shape is None:
            return like
        return self.graph.add_input(like.name, like.type if shape is None else like.type.with_shape(shape))

    def add(self, op: Op, *inputs: Value | None) -> Value:
        """A node with one result."""
        return self.graph.add1(op, inputs, origin=self.origin)

    def add_all(self, op: Op, *inputs: Value | None) -> tuple[Value, ...]:
        """A node; its results."""
        return self.graph.add(op, inputs, origin=self.origin)

    def constant(self, array: Array) -> Value:
        """A constant."""
        return self.graph.constant(np.asarray(array), f"{self.origin.layer}/const")

    def emit(self, e: Emitter, tensors: Sequence[int], results: Sequence[Value]) -> list[int]:
        """Add the operators of the fragment, given the tensors of its inputs; the tensors of its results."""
        for value in results:
            self.graph.add_output(value, value.name)
        for value, tensor in zip(self.graph.inputs, tensors, strict=True):
            e.let(value, tensor)
        decompose(native)(self.graph)
        LOWERINGS.lower(e, self.graph)
        e.kept.append(self.graph)
        return [e.of(value) for value in self.graph.outputs]


def _refused(node: Node, op: Recurrent) -> str:
    if any(v is not None and v.type.dtype != FLOAT32 for v in node.inputs):
        return f"{op.name} takes float32 alone"
    steps = op.steps(node.input(0).type)
    if op.form == "unroll" and not isinstance(steps, int):
        return UNKNOWN_STEPS
    return "a sequence of a few steps is no loop" if is_short(op.form, steps) else ""


def recurrent(e: Emitter, node: Node, op: Recurrent) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM, or WHILE."""
    if isinstance(op, LSTM) and is_kernel(e, node, op):
        lstm(e, node, op)
        return
    loop = _Loop(e, node, op)
    before = Fragment(e, node.origin)
    x, w, b = (node.input(k) for k in (0, 1, 3))
    if loop.rows is not None:
        bias = before.constant(array(b)[: op.gates * loop.units])
        given = before.add(FullyConnected(keep_num_dims=False), before.operand(loop.rows), w, bias)
    else:
        given = given_to_gates(before, op, before.operand(x), before.operand(w), before.operand(b), loop.units)
    loop.given = before.emit(e, [e.of(v) for v in (x if loop.rows is None else loop.rows, w, b) if v.const is None], [given])[0]
    e.enter(node)
    loop.emit()


for _cls in (RNN, GRU, LSTM):
    lowering(_cls, _refused)(recurrent)


class _Loop:
    """One layer as a loop; `given` is the tensor of what the data gives to the gates."""

    def __init__(self, e: Emitter, node: Node, op: Recurrent) -> None:
        self.e, self.node, self.op = e, node, op
        x = node.input(0)
        self.axis = 1 if op.batch_first else 0
        self.units = int(str(node.input(2).shape[1]))
        self.steps, self.batch = op.steps(x.type), x.shape[1 - self.axis]
        self.given = -1
        self.used = [is_read(e, v) for v in node.outputs]
        self.flat, self.rows = is_flat(e, node, op), rows_of(e, node, op)
        self.computed = [v for v in (node.input(2), node.input(3)) if v.const is None]

    def step_shape(self, size: int) -> Shape:
        """The shape of one step of a sequence, and of what is carried from step to step."""
        if self.flat:
            return self.batch, size
        return (self.batch, 1, size) if self.axis else (1, self.batch, size)

    def index(self, e: Emitter, number: int) -> int:
        """A constant that the index of a step may be compared with or added to."""
        return e.const(number, INT32) if self.flat and self.rows is None else e.ints([number])

    def emit(self) -> None:
        """Add the loop and what prepares it."""
        e, last = self.e, isinstance(self.steps, Dim)
        end = size_tensor(e, self.steps) if self.flat and self.rows is None else sizes_tensor(e, (self.steps,))
        first = e.run("SUB", [end, e.ints([1])], INT32, (1,), options("SubOptions")) if last and self.op.reverse else self.index(
            e, int(str(self.steps)) - 1 if self.op.reverse else 0)
        carried = [first, end, self.given]
        if self.used[0]:
            zero, shape = e.const(np.zeros((1, 1, 1), np.float32)), self.node.outputs[0].shape
            carried.append(e.run("BROADCAST_TO", [zero, sizes_tensor(e, shape)], FLOAT32, shape, options("BroadcastToOptions")))
        carried += [*self._initial(), *(e.of(v) for v in self.computed)]
        body, condition = self._body(carried), self._condition(carried)
        results = [e.temp(e.tensor(t).dtype, e.shape_of(t)) for t in carried]
        if self.used[0]:
            results[3] = e.out(self.node)
        ends = {2 + self.used[0] + k: e.out(self.node, k) for k in range(1, len(self.node.outputs)) if self.used[k]}
        if self.flat:
            results = [ends.get(k, t) for k, t in enumerate(results)]
        opts = options("WhileOptions", condSubgraphIndex=condition, bodySubgraphIndex=body)
        e.op("WHILE", carried, results, opts)
        for k, end in ends.items() if not self.flat else ():
            reshape(e, results[k], end, self.node.outputs[1].shape)

    def _initial(self) -> list[int]:
        """The initial states, as they are carried."""
        e, shape = self.e, self.step_shape(self.units)
        given = self.node.inputs[4:]
        if not given and isinstance(self.batch, int):
            sizes = [int(str(s)) for s in shape]
            return [e.const(np.zeros(sizes, np.float32))] * self.op.states
        if self.flat and given:
            return [e.of(self.node.input(k)) for k in range(4, 4 + len(given))]
        if not given:
            zero = e.const(np.zeros((1,) * len(shape), np.float32))
            zeros = e.run("BROADCAST_TO", [zero, sizes_tensor(e, shape)], FLOAT32, shape, options("BroadcastToOptions"))
            return [zeros] * self.op.states
        found = []
        for k in range(4, 4 + len(given)):
            found.append(e.temp(FLOAT32, shape))
            reshape(e, e.of(self.node.input(k)), found[-1], shape)
        return found

    def _condition(self, carried: Sequence[int]) -> int:
        """The subgraph that says whether there is another step; its number."""
        e = self.e.branch("condition")
        index, end, *_ = [e.parameter(self.e, t) for t in carried]
        if self.op.reverse:
            more = e.run("GREATER_EQUAL", [index, self.index(e, 0)], BOOL, e.shape_of(index), options("GreaterEqualOptions"))
        else:
            more = e.run("LESS", [index, end], BOOL, e.shape_of(index), options("LessOptions"))
        e.subgraph.outputs = [more]
        return self.e.number(e)

    def _body(self, carried: Sequence[int]) -> int:
        """The subgraph of one step; its number."""
        e, op = self.e.branch("step"), self.op
        inputs = [e.parameter(self.e, t) for t in carried]
        index, given, states = inputs[0], inputs[2], inputs[3 + self.used[0]:]
        now = e.run("GATHER", [given, index], FLOAT32, self.step_shape(op.gates * self.units),
                    options("GatherOptions", axis=self.axis if self.rows is None else 0))
        fragment, like, shape = Fragment(e, self.node.origin), self.node.outputs[1], self.step_shape(self.units)
        step = fragment.operand(like, self.step_shape(op.gates * self.units))
        before = tuple(fragment.operand(like, shape) for _ in range(op.states))
        after = after_step(fragment, op, step, fragment.operand(self.node.input(2)), fragment.operand(self.node.input(3)), before)
        results = fragment.emit(e, [now, *states], after)
        following = e.run("ADD", [index, self.index(e, -1 if op.reverse else 1)], INT32, e.shape_of(index), options("AddOptions"))
        outputs = [following, *inputs[1:3]]
        if self.used[0]:
            place = e.run("MUL", [index, e.ints([int(k == self.axis) for k in range(3)])], INT32, (3,), options("MulOptions"))
            outputs.append(e.run("DYNAMIC_UPDATE_SLICE", [inputs[3], results[0], place], FLOAT32, e.shape_of(inputs[3])))
        e.subgraph.outputs = [*outputs, *results, *states[op.states:]]
        return self.e.number(e)
