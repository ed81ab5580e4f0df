"""Recurrent layers. Both directions of a bidirectional one become layers of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.recurrent import GRU, LSTM, RNN, Recurrent
from nchw2nhwc.parse.onnx.registry import Floats, LayerBuilder, Results, Strings, onnx_op
from nchw2nhwc.parse.recurrent import (
    Direction,
    activation_functions,
    directions,
    element_of,
    joined,
    keeps_cell,
    only_number,
    rows,
    run_directions,
    stacked,
)
from nchw2nhwc.wording import counted


@onnx_op("LSTM", 7, 14, 22)
def lstm(b: LayerBuilder, x: Value, w: Value, r: Value, bias: Value | None = None, sequence_lens: Value | None = None,
         initial_h: Value | None = None, initial_c: Value | None = None, p: Value | None = None, *, hidden_size: int = 0,
         direction: str = "forward", activations: Strings = (), activation_alpha: Floats = (), activation_beta: Floats = (),
         clip: float | None = None, input_forget: bool = False, layout: bool = False) -> Results:
    """Gates and the peepholes p are in our order."""
    peepholes = None if p is None or only_number(p) == 0 else p
    op = LSTM(batch_first=layout, clip=clip, input_forget=input_forget, peepholes=peepholes is not None)
    functions = activation_functions(activations or ("Sigmoid", "Tanh", "Tanh") * len(directions(direction)), activation_alpha,
                                     activation_beta)
    return _layer(b, op, (x, w, r, bias), sequence_lens, (initial_h, initial_c), hidden_size, direction, functions, peepholes)


@onnx_op("GRU", 7, 14, 22)
def gru(b: LayerBuilder, x: Value, w: Value, r: Value, bias: Value | None = None, sequence_lens: Value | None = None,
        initial_h: Value | None = None, *, hidden_size: int = 0, direction: str = "forward", activations: Strings = (),
        activation_alpha: Floats = (), activation_beta: Floats = (), clip: float | None = None, linear_before_reset: bool = False,
        layout: bool = False) -> Results:
    """Gates are in our order."""
    op = GRU(batch_first=layout, clip=clip, linear_before_reset=linear_before_reset)
    functions = activation_functions(activations or ("Sigmoid", "Tanh") * len(directions(direction)), activation_alpha, activation_beta)
    return _layer(b, op, (x, w, r, bias), sequence_lens, (initial_h,), hidden_size, direction, functions)


@onnx_op("RNN", 7, 14, 22)
def rnn(b: LayerBuilder, x: Value, w: Value, r: Value, bias: Value | None = None, sequence_lens: Value | None = None,
        initial_h: Value | None = None, *, hidden_size: int = 0, direction: str = "forward", activations: Strings = (),
        activation_alpha: Floats = (), activation_beta: Floats = (), clip: float | None = None, layout: bool = False) -> Results:
    """One gate."""
    functions = activation_functions(activations or ("Tanh",) * len(directions(direction)), activation_alpha, activation_beta)
    return _layer(b, RNN(batch_first=layout, clip=clip), (x, w, r, bias), sequence_lens, (initial_h,), hidden_size, direction, functions)


def _layer(b: LayerBuilder, op: Recurrent, operands: tuple[Value, Value, Value, Value | None], lengths: Value | None,
           initial: tuple[Value | None, ...], hidden_size: int, direction: str, functions: tuple[Unary, ...],
           peepholes: Value | None = None) -> Results:
    """Y is (steps, directions, batch, units) and a state (directions, batch, units); with `layout` 1 they are (batch, steps, directions,
    units) and (batch, directions, units)."""
    x, w, r, bias = operands
    ways, batch_first = directions(direction), op.batch_first
    for value, rank in ((x, 3), (w, 3), (r, 3), (bias, 2), (peepholes, 2), *((s, 3) for s in initial)):
        if value is not None and value.rank != rank:
            raise b.damaged(f"an operand {value.type} of {op.name} must have {rank} axes")
    stacks = [v for v in (w, r, bias, peepholes) if v is not None]
    if any(v.shape[0] != len(ways) for v in stacks) or len(functions) != op.functions * len(ways):
        raise b.damaged(f"a '{direction}' {op.name} has {counted(len(ways), 'direction')}, which weights and activations do not fit")
    if hidden_size and r.shape[2] != hidden_size:
        raise b.damaged(f"hidden_size is {hidden_size}, but the recurrent weights are {r.type}")
    whole = lengths is None or only_number(lengths) == op.steps(x.type)
    kept = all(keeps_cell(replace(op, activations=functions[k:k + op.functions])) for k in range(0, len(functions), op.functions))
    if not whole and any(b.wanted[2:]) and not kept:
        raise UnsupportedError("the cell at the end of sequences of any length, of an LSTM with a limit or with other gates than sigmoids",
                               b.where,
                               "Export the model for sequences that all have the full length, without sequence lengths.")
    parts = []
    for k, reverse in enumerate(ways):
        weights = element_of(b, w, 0, k), element_of(b, r, 0, k), _bias(b, op, r, bias, k)
        chosen = functions[k * op.functions:(k + 1) * op.functions]
        if peepholes is not None:
            weights = *weights[:2], joined(b, 0, weights[2], element_of(b, peepholes, 0, k))
        parts.append(Direction(weights, _states(b, op, initial, x, r, k), chosen, reverse))
    y, ends = run_directions(b, op, x, parts, 2 if batch_first else 1, None if whole else lengths)
    return y, *(stacked(b, end, 1 if batch_first else 0) for end in ends)


def _bias(b: LayerBuilder, op: Recurrent, r: Value, bias: Value | None, direction: int) -> Value:
    """The biases of x and of the state, which ONNX has apart, as the op takes them: added up, but for that of a GRU which is inside of the
    reset gate's reach."""
    units = r.shape[2]
    if not isinstance(units, int) or (bias is not None and bias.shape[1] != 2 * op.gates * units):
        raise b.damaged(f"the biases {None if bias is None else bias.type} do not fit the recurrent weights {r.type}")
    count = op.gates + (isinstance(op, GRU) and op.linear_before_reset)
    if bias is None:
        return b.const(np.zeros(count * units, r.type.dtype))
    both, half = element_of(b, bias, 0, direction), op.gates * units
    alone = half - (count - op.gates) * units
    added = b.add1(Add(), rows(b, both, 0, alone), rows(b, both, half, half + alone))
    return added if alone == half else joined(b, 0, added, rows(b, both, alone, half), rows(b, both, half + alone, 2 * half))


def _states(b: LayerBuilder, op: Recurrent, initial: tuple[Value | None, ...], x: Value, r: Value, direction: int) -> tuple[Value, ...]:
    """The initial states of one direction; where only some are given, the others are zeros."""
    if all(s is None or only_number(s) == 0 for s in initial):
        return ()
    axis, shape = (1, (x.shape[0], r.shape[2])) if op.batch_first else (0, (x.shape[1], r.shape[2]))
    return tuple(b.full(np.zeros((), x.type.dtype), shape) if s is None else element_of(b, s, axis, direction) for s in initial)
