"""How a recurrent layer runs: by the kernel of an LSTM or as a loop, and what the loop reads."""

from __future__ import annotations

from nchw2nhwc.emit.tflite.emitter import Emitter
from nchw2nhwc.emit.tflite.model import DELEGATE_RANK
from nchw2nhwc.ir import Node, Value
from nchw2nhwc.ops.activation_functions import Relu, Sigmoid
from nchw2nhwc.ops.elementwise import Tanh, Unary
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.recurrent import LSTM, Recurrent

FUNCTIONS: dict[tuple[Unary, ...], int] = {(Sigmoid(), Tanh(), Tanh()): 4, (Sigmoid(), Relu(), Relu()): 1}
"""Activations that the kernel has, and the schema's number for that of cells and outputs."""


def is_read(e: Emitter, value: Value) -> bool:
    """Whether anything needs a result."""
    return bool(value.uses) or e.graph.is_output(value)


def is_kernel(e: Emitter, node: Node, op: LSTM) -> bool:
    """Whether the kernel computes a layer."""
    allowed = op.form == "auto" and all(node.input(k).is_const for k in (1, 2, 3))
    return allowed and op.activations in FUNCTIONS and op.clip is None and not op.input_forget and not is_read(e, node.outputs[2])


def is_flat(e: Emitter, node: Node, op: Recurrent) -> bool:
    """Whether the states of a loop have two axes, as nothing reads those after each of its steps, whose number is known."""
    return not is_read(e, node.outputs[0]) and isinstance(op.steps(node.input(0).type), int)


def rows_of(e: Emitter, node: Node, op: Recurrent) -> Value | None:
    """What the sequence that a loop reads is a view of: a row for each step, of any other axes. None where its own axes matter."""
    x = node.input(0)
    view = x.producer
    if view is None or not isinstance(view.op, Reshape) or e.graph.is_output(x) or len(x.users) != 1:
        return None
    if (isinstance(op, LSTM) and is_kernel(e, node, op)) or not is_flat(e, node, op) or not all(node.input(k).is_const for k in (1, 3)):
        return None
    source, one = view.input(0), x.shape[0 if op.batch_first else 1] == 1
    return source if one and not source.is_const and 1 < source.rank <= DELEGATE_RANK and source.shape[-1] == x.shape[-1] else None


def is_passed_over(e: Emitter, view: Node) -> bool:
    """Whether a Reshape need not be computed, as the loop that alone reads it reads rows."""
    reader = next(iter(view.output.users), None)
    return (reader is not None and isinstance(reader.op, Recurrent) and reader.input(0) is view.output
            and rows_of(e, reader, reader.op) is not None)
