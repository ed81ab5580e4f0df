"""Lowerings of control flow: bodies become subgraphs, which IF and WHILE call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.emit.tflite.carriers import BOOL, INT32, INT64
from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.lower_sizes import sizes_tensor
from nchw2nhwc.emit.tflite.lowering import LOWERINGS, lowering
from nchw2nhwc.emit.tflite.model import options
from nchw2nhwc.ir import Dim, Graph, Node, Value
from nchw2nhwc.ops.control import If, Loop
from nchw2nhwc.passes.decompose.recurrent import UNKNOWN_STEPS, is_short

_PARTS = ("float32", "int32", "int64", "int16", "int8", "bool")
"""Element types that DYNAMIC_UPDATE_SLICE takes."""


def _compute(e: Emitter, caller: Emitter, body: Graph, operands: Sequence[Value], given: Sequence[int] = ()) -> list[int]:
    """Add the operators of a body to its subgraph; the tensors of its outputs.

    Its first inputs are the tensors `given`; the others are `operands`, of which those that are computed become parameters of the subgraph.

    Each output is a tensor of its own that an operator has computed: LiteRT moves results by changing what tensors are made of.
    """
    fixed = [e.of(v) if v.is_const else e.parameter(caller, caller.of(v)) for v in operands]
    for value, tensor in zip(body.inputs, [*given, *fixed], strict=True):
        e.let(value, tensor)
    LOWERINGS.lower(e, body)
    e.clear()
    taken, computed = set(e.subgraph.inputs), set(e.subgraph.inputs)
    for operator in e.subgraph.operators:
        if not computed.isdisjoint(operator.inputs):
            computed.update(operator.outputs)
    found = []
    for value in body.outputs:
        tensor = e.of(value)
        if tensor in taken or tensor not in computed:
            tensor = _copied(e, tensor)
        taken.add(tensor)
        found.append(tensor)
    return found


def _copied(e: Emitter, tensor: int) -> int:
    """The content of a tensor in another one."""
    shape = e.shape_of(tensor)
    result = e.temp(e.tensor(tensor).dtype, shape)
    e.cast_to(tensor, result)
    return result


@lowering(If)
def branches(e: Emitter, node: Node, op: If) -> None:
    """IF."""
    operands = [node.input(k) for k in range(1, len(node.inputs))]
    first, second = (_branch(e, body, part, operands) for body, part in zip(op.bodies, ("then", "else")))
    e.op("IF", [e.of(node.input(0)), *_computed(e, operands)], [e.out(node, k) for k in range(len(node.outputs))],
         options("IfOptions", thenSubgraphIndex=first, elseSubgraphIndex=second))


def _computed(e: Emitter, operands: Sequence[Value]) -> list[int]:
    """The tensors of the operands that a subgraph takes: constants are in the subgraph itself."""
    return [e.of(v) for v in operands if not v.is_const]


def _branch(e: Emitter, body: Graph, part: str, operands: Sequence[Value]) -> int:
    """The subgraph of a branch; its number."""
    inner = e.branch(part, body)
    inner.subgraph.outputs = _compute(inner, e, body, operands)
    return e.number(inner)


def _refused(node: Node, op: Loop) -> str:
    for value in node.outputs[op.carried:]:
        if value.type.dtype.name not in _PARTS:
            return f"DYNAMIC_UPDATE_SLICE does not take {value.type.dtype.name}"
    if op.form == "unroll" and not isinstance(op.steps, int):
        return UNKNOWN_STEPS
    return "a few iterations are no loop" if is_short(op.form, op.steps) else ""


@lowering(Loop, _refused)
def loop(e: Emitter, node: Node, op: Loop) -> None:
    """WHILE."""
    _While(e, node, op).emit()


class _While:
    """One loop. It carries the number of the iteration; how many there are, or whether there is another one; the values of the op; what it
    puts together; and what stays the same."""

    def __init__(self, e: Emitter, node: Node, op: Loop) -> None:
        self.e, self.node, self.op = e, node, op
        self.fixed: list[Value] = []

    def emit(self) -> None:
        """Add the loop and what prepares it."""
        e, op = self.e, self.op
        values = [self.node.input(k) for k in range(len(self.node.inputs))]
        if op.steps is not None:
            limit = sizes_tensor(e, (op.steps,), INT64)
        else:
            limit = self._counted(values.pop(0)) if op.count else e.of(values.pop(0))
        self.fixed = values[op.carried:]
        whole = [self._empty(value, part) for value, part in zip(self.node.outputs[op.carried:], self._parts())]
        carried = [e.const(0, INT64), limit, *(e.of(v) for v in values[:op.carried]), *whole, *_computed(e, self.fixed)]
        condition, body = self._condition(carried), self._body(carried)
        count = len(self.node.outputs)
        results = [self._result(k) for k in range(count)]
        rest = [e.temp(e.tensor(t).dtype, e.shape_of(t)) for t in (*carried[:2], *carried[2 + count:])]
        opts = options("WhileOptions", condSubgraphIndex=condition, bodySubgraphIndex=body)
        e.op("WHILE", carried, [*rest[:2], *results, *rest[2:]], opts)
        if op.count:
            for k in range(op.carried, count):
                value = self.node.outputs[k]
                written = [results[k], e.ints([0] * value.rank), sizes_tensor(e, value.shape)]
                e.op("SLICE", written, [e.out(self.node, k)], options("SliceOptions"))

    def _result(self, k: int) -> int:
        """What the loop writes a result to: the result itself, unless there has to be room for more than there may be."""
        value = self.node.outputs[k]
        return self.e.temp(value.type.dtype, value.shape) if self.op.count and k >= self.op.carried else self.e.out(self.node, k)

    def _counted(self, count: Value) -> int:
        """The number of iterations that an operand says, which from now on is the size of a dimension."""
        e = self.e
        whole = e.run("MAXIMUM", [e.cast(e.of(count), INT32), e.const(0, INT32)], INT32, (), options("MaximumMinimumOptions"))
        size = e.run("RESHAPE", [whole, e.ints([1])], INT32, (1,), options("ReshapeOptions", newShape=(1,)))
        e.size_tensors[Dim.symbol(self.op.count)] = size
        return e.cast(size, INT64)

    def _parts(self) -> Sequence[Value]:
        """What an iteration adds to each result that is put together."""
        return self.op.body.outputs[self.op.conditional + self.op.carried:]

    def _empty(self, value: Value, part: Value) -> int:
        """A tensor to write the parts of a result into."""
        e, dtype = self.e, value.type.dtype
        if self.op.count:  # there may be no iteration, but the kernel that writes parts wants room for one
            sizes = [sizes_tensor(e, value.shape), sizes_tensor(e, part.shape)]
            room = e.run("MAXIMUM", sizes, INT32, (value.rank,), options("MaximumMinimumOptions"))
            return e.run("FILL", [room, e.const(np.zeros((), dtype))], dtype, value.shape, options("FillOptions"))
        zero = e.const(np.zeros((1,) * value.rank, dtype))
        return e.run("BROADCAST_TO", [zero, sizes_tensor(e, value.shape)], dtype, value.shape, options("BroadcastToOptions"))

    def _condition(self, carried: Sequence[int]) -> int:
        """The subgraph that says whether there is another iteration; its number."""
        e = self.e.branch("condition")
        number, limit, *_ = [e.parameter(self.e, t) for t in carried]
        if self.op.conditional:
            e.subgraph.outputs = [_copied(e, limit)]
        else:
            e.subgraph.outputs = [e.run("LESS", [number, limit], BOOL, (1,), options("LessOptions"))]
        return self.e.number(e)

    def _body(self, carried: Sequence[int]) -> int:
        """The subgraph of one iteration; its number."""
        e, op = self.e.branch("body", self.op.body), self.op
        changing = 2 + len(self.node.outputs)
        number, limit, *state = [e.parameter(self.e, t) for t in carried[:changing]]
        whole = state[op.carried:]
        made = _compute(e, self.e, op.body, self.fixed, [number, *state[:op.carried]])
        e.enter(self.node)
        after = made.pop(0) if op.conditional else limit
        written = [self._written(e, number, *parts) for parts in zip(whole, made[op.carried:], op.scans)]
        following = e.run("ADD", [number, e.const(1, INT64)], INT64, (), options("AddOptions"))
        e.subgraph.outputs = [following, after, *made[:op.carried], *written, *e.subgraph.inputs[changing:]]
        return self.e.number(e)

    def _written(self, e: Emitter, number: int, whole: int, part: int, axis: int) -> int:
        """The parts with that of this iteration in its place."""
        shape = e.shape_of(part)
        lengths, rank = sizes_tensor(e, [s if k == axis else 0 for k, s in enumerate(shape)], INT64), len(shape)
        place = e.cast(e.run("MUL", [number, lengths], INT64, (rank,), options("MulOptions")), INT32)
        return e.run("DYNAMIC_UPDATE_SLICE", [whole, part, place], e.tensor(whole).dtype, e.shape_of(whole))
