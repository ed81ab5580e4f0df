"""Recurrent layers as both sources have them: weights with an axis of directions in front, and a layer that runs in both at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import (
    Affine,
    Elu,
    HardSigmoid,
    LeakyRelu,
    Relu,
    ScaledTanh,
    Sigmoid,
    Softplus,
    Softsign,
    ThresholdedRelu,
)
from nchw2nhwc.ops.elementwise import Cast, Identity, Tanh, Unary
from nchw2nhwc.ops.indexing import Gather, ReverseSequence
from nchw2nhwc.ops.movement import Concat, Expand, Reshape, Slice, Tile, Transpose
from nchw2nhwc.ops.recurrent import LSTM, Recurrent
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.dynamic import positions
from nchw2nhwc.parse.formula import INT64, Formula

Number: TypeAlias = Size | float

_SHUT = 1e4
"""A gate that sees this number more, or less, is 1 or 0 in single precision."""

_PLAIN: dict[str, Unary] = {"relu": Relu(), "sigmoid": Sigmoid(), "tanh": Tanh(), "softsign": Softsign(), "softplus": Softplus()}
_COPIES = (Cast, Expand, Gather, Identity, Reshape, Slice, Tile, Transpose)
"""Ops whose results hold no other numbers than their first operand does."""


def activation_functions(names: Sequence[str], alphas: Sequence[float], betas: Sequence[float]) -> tuple[Unary, ...]:
    """The functions of gates by name, in letters of either case; those that have parameters take them from the lists in turn, and the
    defaults of the ONNX ops once these end. Raises UnsupportedError."""
    alpha, beta = iter(alphas), iter(betas)
    found: list[Unary] = []
    for name in names:
        match name.lower():
            case "hardsigmoid":
                found.append(HardSigmoid(next(alpha, 0.2), next(beta, 0.5)))
            case "leakyrelu":
                found.append(LeakyRelu(next(alpha, 0.01)))
            case "elu":
                found.append(Elu(next(alpha, 1.0)))
            case "thresholdedrelu":
                found.append(ThresholdedRelu(next(alpha, 1.0)))
            case "affine":
                found.append(Affine(next(alpha, 1.0), next(beta, 0.0)))
            case "scaledtanh":
                found.append(ScaledTanh(next(alpha, 1.0), next(beta, 1.0)))
            case plain if plain in _PLAIN:
                found.append(_PLAIN[plain])
            case _:
                raise UnsupportedError(f"the activation '{name}' of a recurrent layer is not supported")
    return tuple(found)


def only_number(value: Value) -> Number | None:
    """The number that every element of a tensor has, as far as that can be told without running the model; else None."""
    while value.const is None and value.sizes is None and value.producer is not None and isinstance(value.producer.op, _COPIES):
        value = value.producer.input(0)
    if value.const is not None:
        first = value.const.ravel()[:1].tolist()
        return first[0] if first and bool((value.const == first[0]).all()) else None
    content = [] if value.sizes is None else value.sizes.ravel().tolist()
    return content[0] if content and all(s == content[0] for s in content) else None


def element_of(b: Builder, value: Value, axis: int, index: int) -> Value:
    """`value` at one place of an axis, which goes; a view of a constant."""
    if value.const is not None:
        return b.const(np.asarray(value.const.take(index, axis) if axis else value.const[index]))
    return b.add1(Gather(axis), value, b.const(index, "int64"))


def rows(b: Builder, value: Value, start: int, stop: int) -> Value:
    """Some elements along axis 0; a view of a constant."""
    if value.const is not None:
        return b.const(value.const[start:stop])
    ends = (None,) * (value.rank - 1)
    return b.add1(Slice((start, *ends), (stop, *ends), (1,) * value.rank), value)


def joined(b: Builder, axis: int, *values: Value) -> Value:
    """Values one after the other along an axis; a single one as it is."""
    return values[0] if len(values) == 1 else b.add1(Concat(axis), *values)


@dataclass(frozen=True)
class Direction:
    """What one direction of a layer runs with; initial states are all there or all left out."""

    weights: tuple[Value, Value, Value]
    states: tuple[Value, ...]
    activations: tuple[Unary, ...]
    reverse: bool


def directions(name: str) -> tuple[bool, ...]:
    """For each direction that a layer runs in whether it is the reverse one. Raises SourceError."""
    known = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
    if name.lower() not in known:
        raise SourceError(f"'{name}' is no direction")
    return known[name.lower()]


def run_directions(b: Builder, op: Recurrent, x: Value, parts: Sequence[Direction], axis: int,
                   lengths: Value | None = None) -> tuple[Value, tuple[tuple[Value, ...], ...]]:
    """A layer in all its directions: the hidden states after each step as axes 0 and 1 of x and units, with the directions as `axis` (1 or
    2) among them; and for every state its last value in each direction, (batch, units).

    Of sequences of certain `lengths` (batch,) the states behind the end are 0, and there is a last cell only if the op `keeps_cell`."""
    results = []
    for part in parts:
        states = () if all(only_number(s) == 0 for s in part.states) else part.states
        chosen = replace(op, activations=part.activations, reverse=part.reverse)
        results.append(b.add(chosen, x, *part.weights, *states) if lengths is None
                       else _of_lengths(b, chosen, x, lengths, (*part.weights, *states)))
    together, ends = joined(b, 2, *(r[0] for r in results)), tuple(zip(*(r[1:] for r in results)))
    first, second, units = results[0][0].shape
    if len(parts) == 1:
        return b.reshape(together, (first, 1, second, units) if axis == 1 else (first, second, 1, units)), ends
    apart = b.reshape(together, (first, second, len(parts), units))
    return b.transpose(apart, (0, 2, 1, 3) if axis == 1 else (0, 1, 2, 3)), ends


def keeps_cell(op: Recurrent) -> bool:
    """Whether a layer is an LSTM whose gates can be held open and shut, so that its cell stays what it is at the end of a sequence."""
    return isinstance(op, LSTM) and op.clip is None and isinstance(op.activations[0], (Sigmoid, HardSigmoid))


def _of_lengths(b: Builder, op: Recurrent, x: Value, lengths: Value, rest: Sequence[Value]) -> tuple[Value, ...]:
    """The hidden states after each step, 0 behind the end of a sequence, those after the last step that counts, and the cell after it if
    the op `keeps_cell`. All steps are run: what comes behind the end changes nothing before it, and backwards means to turn what counts of
    each sequence around."""
    steps, batch = (1, 0) if op.batch_first else (0, 1)
    turn = ReverseSequence(batch, steps)
    given = b.add1(turn, x, lengths) if op.reverse else x
    place = positions(b, x.shape[steps]).reshape(*((x.shape[steps], 1) if op.batch_first else (x.shape[steps], 1, 1)))
    ends = Formula(b, lengths).cast(INT64).reshape(*((x.shape[batch], 1, 1) if op.batch_first else (x.shape[batch], 1)))
    if keeps_cell(op):
        given, rest = _held(b, given, place >= ends, rest)
    states, _, *cell = b.add(replace(op, reverse=False), given, *rest)
    hidden = Formula(b, states)
    last = place.equals(ends - 1).choose(hidden, 0).sum(steps)
    counted = (place < ends).choose(hidden, 0).value
    return b.add1(turn, counted, lengths) if op.reverse else counted, last.value, *(cell if keeps_cell(op) else ())


def _held(b: Builder, x: Value, behind: Formula, rest: Sequence[Value]) -> tuple[Value, tuple[Value, ...]]:
    """Operands of an LSTM whose cell stays what it is `behind` the end of a sequence: one more feature shuts the input gate there and opens
    the forget gate. The large numbers are in the data, so that weights keep their range."""
    w, *others = rest
    units = w.shape[0] // 4 if isinstance(w.shape[0], int) else 0
    signs = np.repeat([-1.0, 0.0, 1.0, 0.0], units).reshape(-1, 1)
    feature = behind.cast(x.type.dtype) * _SHUT
    return joined(b, 2, x, feature.value), (joined(b, 1, w, b.const(signs, w.type.dtype)), *others)


def stacked(b: Builder, values: Sequence[Value], axis: int) -> Value:
    """(batch, units) of each direction as one tensor with an axis of directions."""
    lifted = [b.reshape(v, (*v.shape[:axis], 1, *v.shape[axis:])) for v in values]
    return joined(b, axis, *lifted)
