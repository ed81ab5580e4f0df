"""Recurrent layers over sequences, and single cells. Both directions of a bidirectional one become layers of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Value
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.recurrent import GRU, LSTM, RNN, Recurrent
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.openvino.attributes import number
from nchw2nhwc.parse.openvino.registry import Results, mapping
from nchw2nhwc.parse.recurrent import (
    Direction,
    activation_functions,
    directions,
    element_of,
    only_number,
    run_directions,
    stacked,
)
from nchw2nhwc.wording import counted

Weights: TypeAlias = tuple[Value, Value, Value]

FICO = (1, 3, 0, 2)
"""Where the gates i, o, f and g of an LSTM are among those of the source."""

_AS_THEY_ARE = (0, 1, 2, 3)


@mapping("LSTMSequence", 5)
def lstm_sequence(b: Builder, x: Value, h: Value, c: Value, lengths: Value, w: Value, r: Value, bias: Value, *, hidden_size: int,
                  direction: str, activations: str = "sigmoid,tanh,tanh", activations_alpha: str = "", activations_beta: str = "",
                  clip: float = 0.0) -> Results:
    """Gates f, i, c and o."""
    op = LSTM(_functions(activations, activations_alpha, activations_beta, 3), batch_first=True, clip=clip or None)
    return _sequence(b, op, x, (h, c), lengths, (w, r, bias), hidden_size, direction, FICO)


@mapping("GRUSequence", 5)
def gru_sequence(b: Builder, x: Value, h: Value, lengths: Value, w: Value, r: Value, bias: Value, *, hidden_size: int, direction: str,
                 activations: str = "sigmoid,tanh", activations_alpha: str = "", activations_beta: str = "", clip: float = 0.0,
                 linear_before_reset: bool = False) -> Results:
    """Gates z, r and h."""
    op = GRU(_functions(activations, activations_alpha, activations_beta, 2), batch_first=True, clip=clip or None,
             linear_before_reset=linear_before_reset)
    return _sequence(b, op, x, (h,), lengths, (w, r, bias), hidden_size, direction, _AS_THEY_ARE)


@mapping("RNNSequence", 5)
def rnn_sequence(b: Builder, x: Value, h: Value, lengths: Value, w: Value, r: Value, bias: Value, *, hidden_size: int, direction: str,
                 activations: str = "tanh", activations_alpha: str = "", activations_beta: str = "", clip: float = 0.0) -> Results:
    """One gate."""
    op = RNN(_functions(activations, activations_alpha, activations_beta, 1), batch_first=True, clip=clip or None)
    return _sequence(b, op, x, (h,), lengths, (w, r, bias), hidden_size, direction, _AS_THEY_ARE)


@mapping("LSTMCell", 1)
def lstm_cell_1(b: Builder, x: Value, h: Value, c: Value, w: Value, r: Value, bias: Value | None = None, peepholes: Value | None = None, *,
                hidden_size: int, activations: str = "sigmoid,tanh,tanh", activations_alpha: str = "", activations_beta: str = "",
                clip: float = 0.0, input_forget: bool = False, weights_format: str = "fico") -> Results:
    """With its gates in any order, and peepholes, which are supported where they are 0: OpenVINO itself computes without them."""
    if peepholes is not None and only_number(peepholes) != 0:
        raise UnsupportedError("an LSTM with peepholes, which OpenVINO leaves out when it computes one, so that results would differ")
    if sorted(weights_format) != ["c", "f", "i", "o"]:
        raise SourceError(f"the gates are in an order '{weights_format}'")
    op = LSTM(_functions(activations, activations_alpha, activations_beta, 3), batch_first=True, clip=clip or None,
              input_forget=input_forget)
    given = b.const(np.zeros(4 * hidden_size, w.type.dtype)) if bias is None else bias
    return _cell(b, op, x, (h, c), (w, r, given), hidden_size, tuple(map(weights_format.index, "iofc")))


@mapping("LSTMCell", 4)
def lstm_cell(b: Builder, x: Value, h: Value, c: Value, w: Value, r: Value, bias: Value, *, hidden_size: int,
              activations: str = "sigmoid,tanh,tanh", activations_alpha: str = "", activations_beta: str = "",
              clip: float = 0.0) -> Results:
    """One step of an LSTMSequence."""
    op = LSTM(_functions(activations, activations_alpha, activations_beta, 3), batch_first=True, clip=clip or None)
    return _cell(b, op, x, (h, c), (w, r, bias), hidden_size, FICO)


@mapping("GRUCell", 3)
def gru_cell(b: Builder, x: Value, h: Value, w: Value, r: Value, bias: Value | None = None, *, hidden_size: int,
             activations: str = "sigmoid,tanh", activations_alpha: str = "", activations_beta: str = "", clip: float = 0.0,
             linear_before_reset: bool = False) -> Results:
    """One step of a GRUSequence."""
    op = GRU(_functions(activations, activations_alpha, activations_beta, 2), batch_first=True, clip=clip or None,
             linear_before_reset=linear_before_reset)
    given = b.const(np.zeros(op.bias_rows * hidden_size, w.type.dtype)) if bias is None else bias
    return _cell(b, op, x, (h,), (w, r, given), hidden_size, _AS_THEY_ARE)


@mapping("RNNCell", 1, 3)
def rnn_cell(b: Builder, x: Value, h: Value, w: Value, r: Value, bias: Value | None = None, *, hidden_size: int,
             activations: str = "tanh", activations_alpha: str = "", activations_beta: str = "", clip: float = 0.0) -> Results:
    """One step of an RNNSequence."""
    op = RNN(_functions(activations, activations_alpha, activations_beta, 1), batch_first=True, clip=clip or None)
    given = b.const(np.zeros(hidden_size, w.type.dtype)) if bias is None else bias
    return _cell(b, op, x, (h,), (w, r, given), hidden_size, _AS_THEY_ARE)


def _functions(names: str, alphas: str, betas: str, count: int) -> tuple[Unary, ...]:
    """The activations, of which there must be `count`, or so many for each direction: every direction has the same."""
    lists = [[part.strip() for part in text.split(",") if part.strip()] for text in (names, alphas, betas)]
    found = activation_functions(lists[0], *([number(part) for part in entries] for entries in lists[1:]))
    if len(found) == 2 * count and found[:count] == found[count:]:
        found = found[:count]
    if len(found) != count:
        raise SourceError(f"it has {counted(len(found), 'activation')} instead of {count}")
    return found


def _sequence(b: Builder, op: Recurrent, x: Value, initial: Sequence[Value], lengths: Value, weights: Weights, hidden_size: int,
              direction: str, gates: Sequence[int]) -> Results:
    """x is (batch, steps, features), states are (batch, directions, units), and the first result is (batch, directions, steps, units). The
    cell at the end of sequences of any length is left out where nothing keeps it."""
    ways = directions(direction)
    for value, rank in (*zip((x, *weights), (3, 3, 3, 2)), *((s, 3) for s in initial)):
        if value.rank != rank:
            raise SourceError(f"an operand {value.type} must have {rank} axes")
    if any(v.shape[0] != len(ways) for v in weights) or any(s.shape[1] != len(ways) for s in initial):
        raise SourceError(f"weights or states do not fit the {counted(len(ways), 'direction')} of a '{direction}' layer")
    whole = only_number(lengths) == op.steps(x.type)
    parts = [Direction(_ordered(b, op, tuple(element_of(b, v, 0, k) for v in weights), hidden_size, gates),
                       tuple(element_of(b, s, 1, k) for s in initial), op.activations, reverse) for k, reverse in enumerate(ways)]
    y, ends = run_directions(b, op, x, parts, 1, None if whole else lengths)
    return y, *(stacked(b, end, 1) for end in ends), *(None,) * (len(initial) - len(ends))


def _cell(b: Builder, op: Recurrent, x: Value, initial: Sequence[Value], weights: Weights, hidden_size: int,
          gates: Sequence[int]) -> Results:
    """One step of a sequence of its own."""
    if x.rank != 2:
        raise SourceError(f"a cell needs an operand of two axes, not {x.type}")
    sequence = b.reshape(x, (x.shape[0], 1, x.shape[1]))
    part = Direction(_ordered(b, op, weights, hidden_size, gates), tuple(initial), op.activations, False)
    _, ends = run_directions(b, op, sequence, [part], 1)
    return tuple(end[0] for end in ends)


def _ordered(b: Builder, op: Recurrent, weights: Sequence[Value], hidden_size: int, gates: Sequence[int]) -> Weights:
    """Weights and biases with their gates in our order, given where each is. Raises SourceError where they do not fit the layer."""
    found = []
    for value, count in zip(weights, (op.gates, op.gates, op.bias_rows)):
        if hidden_size < 1 or not value.rank or value.shape[0] != count * hidden_size:
            raise SourceError(f"weights {value.type} do not fit {counted(count, 'gate')} of {hidden_size} units")
        order = np.concatenate([np.arange(hidden_size) + gate * hidden_size for gate in gates[:count]])
        if tuple(gates) == _AS_THEY_ARE:
            found.append(value)
        elif value.const is not None:
            found.append(b.const(value.const[order]))
        else:
            found.append(b.add1(Gather(0), value, b.const(order)))
    w, r, bias = found
    return w, r, bias
