"""Recurrent layers: one step as a formula over other ops, and sequences of a few steps as that many formulas."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Add, Mul, Sub
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Expand, Reshape, Slice, Split
from nchw2nhwc.ops.recurrent import GRU, LSTM, RNN, Recurrent
from nchw2nhwc.options import Form
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

LONGEST_UNROLLED = 4
"""Sequences of more steps are loops where the target has loops."""

MOST_UNROLLED = 128
"""Steps that a sequence may have which is unrolled because the target lacks something, without having been asked for."""


UNKNOWN_STEPS = "how many steps it has is not known, so they cannot be unrolled; give the input a fixed size, or leave out --rnn unroll"


def is_short(form: Form, steps: Size | None) -> bool:
    """Whether a target that has loops runs this many steps one after another all the same."""
    if form == "unroll":
        return True
    return isinstance(steps, int) and steps <= (1 if form == "while" else LONGEST_UNROLLED)


class Adds(Protocol):
    """What formulas are built with: a `Rewriter`, or what builds the body of a loop."""

    def add(self, op: Op, *inputs: Value | None) -> Value: ...

    def add_all(self, op: Op, *inputs: Value | None) -> tuple[Value, ...]: ...

    def constant(self, array: Array) -> Value: ...


# ---- one step ------------------------------------------------------------------------------------------------------------
def given_to_gates(g: Adds, op: Recurrent, x: Value, w: Value, b: Value, units: int) -> Value:
    """What the data gives to the gates, for any number of steps at once: (..., features) becomes (..., gates * units)."""
    return _product(g, x, w, _rows(g, b, 0, op.gates * units))


def after_step(g: Adds, op: Recurrent, given: Value, r: Value, b: Value, state: tuple[Value, ...]) -> tuple[Value, ...]:
    """The states (..., units) after one step, from what its data has given to the gates and the states before it."""
    if isinstance(op, LSTM):
        return _lstm(g, op, given, r, b, state)
    return (_gru(g, op, given, r, b, state[0]) if isinstance(op, GRU) else _activated(g, op, 0, given, _product(g, state[0], r, None)),)


def _lstm(g: Adds, op: LSTM, given: Value, r: Value, b: Value, state: tuple[Value, ...]) -> tuple[Value, ...]:
    h, c = state
    units = int(str(h.shape[-1]))
    total = g.add(Add(), given, _product(g, h, r, None))
    if op.peepholes:
        return _lstm_with_peepholes(g, op, total, b, c)
    opening, new = _cut(g, total if op.clip is None else g.add(Clip(-op.clip, op.clip), total), 3 * units, units)
    i, o, f = _cut(g, g.add(op.activations[0], opening), units, units, units)
    if op.input_forget:
        f = g.add(Sub(), g.constant(np.asarray(1, i.type.dtype)), i)
    cell = g.add(Add(), g.add(Mul(), f, c), g.add(Mul(), i, g.add(op.activations[1], new)))
    return g.add(Mul(), o, g.add(op.activations[2], cell)), cell


def _lstm_with_peepholes(g: Adds, op: LSTM, total: Value, b: Value, c: Value) -> tuple[Value, ...]:
    """From what data and state give to the gates, and the cell before the step."""
    units = int(str(c.shape[-1]))
    to_i, to_o, to_f = (_rows(g, b, k * units, (k + 1) * units) for k in (4, 5, 6))
    i, o, f, new = _cut(g, total, *(units,) * 4)
    i = _activated(g, op, 0, i, g.add(Mul(), c, to_i))
    f = g.add(Sub(), g.constant(np.asarray(1, i.type.dtype)), i) if op.input_forget else _activated(g, op, 0, f, g.add(Mul(), c, to_f))
    new = g.add(op.activations[1], new if op.clip is None else g.add(Clip(-op.clip, op.clip), new))
    cell = g.add(Add(), g.add(Mul(), f, c), g.add(Mul(), i, new))
    o = _activated(g, op, 0, o, g.add(Mul(), cell, to_o))
    return g.add(Mul(), o, g.add(op.activations[2], cell)), cell


def _gru(g: Adds, op: GRU, given: Value, r: Value, b: Value, h: Value) -> Value:
    """h' = n + z (h - n)."""
    units = int(str(h.shape[-1]))
    to_gates, to_new = _cut(g, given, 2 * units, units)
    if op.linear_before_reset:
        bias = g.constant(np.zeros(2 * units, b.type.dtype))
        behind = g.add(Concat(0), bias, _rows(g, b, 3 * units, 4 * units)) if b.const is None else g.constant(
            np.concatenate([np.zeros(2 * units, b.type.dtype), b.const[3 * units:]]))
        of_gates, of_new = _cut(g, _product(g, h, r, behind), 2 * units, units)
        z, reset = _cut(g, _activated(g, op, 0, to_gates, of_gates), units, units)
        n = _activated(g, op, 1, to_new, g.add(Mul(), reset, of_new))
    else:
        z, reset = _cut(g, _activated(g, op, 0, to_gates, _product(g, h, _rows(g, r, 0, 2 * units), None)), units, units)
        n = _activated(g, op, 1, to_new, _product(g, g.add(Mul(), reset, h), _rows(g, r, 2 * units, 3 * units), None))
    return g.add(Add(), n, g.add(Mul(), z, g.add(Sub(), h, n)))


def _activated(g: Adds, op: Recurrent, index: int, given: Value, recurrent: Value) -> Value:
    """A gate from what data and state give to it."""
    total = g.add(Add(), given, recurrent)
    return g.add(op.activations[index], total if op.clip is None else g.add(Clip(-op.clip, op.clip), total))


def _product(g: Adds, x: Value, weights: Value, bias: Value | None) -> Value:
    """x @ weights.T + bias."""
    if weights.const is not None and (bias is None or bias.const is not None):
        return g.add(FullyConnected(), x, weights, *([] if bias is None else [bias]))
    product = g.add(MatMul(adjoint_b=True), x, weights)
    return product if bias is None else g.add(Add(), product, bias)


def _rows(g: Adds, value: Value, start: int, stop: int) -> Value:
    """Some elements along axis 0."""
    if value.shape[0] == stop - start:
        return value
    if value.const is not None:
        return g.constant(value.const[start:stop])
    ends = (None,) * (value.rank - 1)
    return g.add(Slice((start, *ends), (stop, *ends), (1,) * value.rank), value)


def _cut(g: Adds, value: Value, *sizes: int) -> tuple[Value, ...]:
    """Parts along the last axis."""
    return g.add_all(Split(value.rank - 1, sizes), value)


# ---- a few steps ---------------------------------------------------------------------------------------------------------
@RULES.on(RNN, GRU, LSTM)
def unrolled(rw: Rewriter, node: Node, op: Recurrent) -> tuple[Value, ...]:
    """One step after the other."""
    x, w, r, b = (node.input(k) for k in range(4))
    steps, batch, units = op.steps(x.type), x.shape[0 if op.batch_first else 1], int(str(r.shape[1]))
    require(isinstance(steps, int) and steps > 0, "{!r} has no known number of steps", node)
    axis, count = (1 if op.batch_first else 0), int(str(steps))
    require(op.form == "unroll" or count <= MOST_UNROLLED, "{!r} has too many steps", node)
    given = given_to_gates(rw, op, x, w, b, units)
    parts = rw.add_all(Split(axis, (1,) * count), given) if count > 1 else (given,)
    state = tuple(node.input(k) for k in range(4, len(node.inputs))) or (
        rw.add(Expand((batch, units)), rw.constant(np.zeros((1, 1), x.type.dtype))),) * op.states
    hidden: dict[int, Value] = {}
    for k in reversed(range(count)) if op.reverse else range(count):
        state = after_step(rw, op, rw.add(Reshape((batch, op.gates * units)), parts[k]), r, b, state)
        hidden[k] = rw.add(Reshape((batch, 1, units) if op.batch_first else (1, batch, units)), state[0])
    return rw.add(Concat(axis), *(hidden[k] for k in range(count))) if count > 1 else hidden[0], *state
