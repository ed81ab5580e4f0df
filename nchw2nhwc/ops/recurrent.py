"""Recurrent layers over a sequence, in one direction: what a source runs in both is two of them.

Names in docstrings are those of the ONNX and OpenVINO ops that are parsed to the class. Everything is computed in double precision inside
and rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Size
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.activation_functions import Sigmoid
from nchw2nhwc.ops.base import Op, require_equal, require_shape, static
from nchw2nhwc.ops.elementwise import Tanh, Unary
from nchw2nhwc.ops.kinds import FLOAT, Doubles, require, wide
from nchw2nhwc.ops.rules import Recurrence
from nchw2nhwc.options import Form
from nchw2nhwc.wording import counted


@dataclass(frozen=True)
class Recurrent(Op, abstract=True):
    """The family. x is (steps, batch, features), or (batch, steps, features) where `batch_first`; `reverse` runs from the last step to
    the first one.

    With G gates of H units: w (G * H, features), r (G * H, H), b (G * H,), where the biases of x and of the state are added up. A gate is
    `activation(x @ w.T + h @ r.T + b)`, its argument limited to [-clip, clip]. The initial states (batch, H) are all given, or all left
    out and zero. Results: the hidden state after every step, laid out as x, and the states after the last step that was run, (batch, H).
    `form` is how a target is asked to run the steps.
    """

    activations: tuple[Unary, ...]
    reverse: bool = False
    batch_first: bool = False
    clip: float | None = None
    form: Form = "auto"
    rule = Recurrence()
    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1
    functions: ClassVar[int] = 1
    """How many activations there are."""

    @property
    def bias_rows(self) -> int:
        """How many times H entries b has."""
        return self.gates

    def steps(self, x: TensorType) -> Size:
        """The length of the sequence."""
        return x.shape[1 if self.batch_first else 0]

    def infer(self, x: TensorType, w: TensorType, r: TensorType, b: TensorType, *states: TensorType) -> tuple[TensorType, ...]:
        require(self, FLOAT, x, w, r, b, *states)
        if x.rank != 3 or w.rank != 2 or r.rank != 2:
            raise ShapeError(f"{self.name} needs a sequence of three axes and weights of two, not {x}, {w} and {r}")
        if len(self.activations) != self.functions or len(states) not in (0, self.states):
            raise ShapeError(f"{self.name} has {counted(self.functions, 'activation')} and no or {counted(self.states, 'initial state')}, "
                             f"not {len(self.activations)} and {len(states)}")
        units, batch = static(r.shape[1], "the number of units"), x.shape[0 if self.batch_first else 1]
        for given, wanted, what in ((w, (self.gates * units, x.shape[2]), "weights"), (r, (self.gates * units, units), "recurrent weights"),
                                    (b, (self.bias_rows * units,), "biases")):
            reason = f"{what} {given} of {self.name} with {units} units over {x} must be [{', '.join(map(str, wanted))}]"
            require_shape(reason, given.shape, wanted)
        for state in states:
            reason = f"initial state {state} of {self.name} must be [{batch}, {units}]"
            if state.rank != 2:
                raise ShapeError(reason)
            require_equal(reason, (state.shape[0], batch), (state.shape[1], units))
        return x.with_shape((*x.shape[:2], units)), *(x.with_shape((batch, units)),) * self.states

    def reference(self, x: Array, w: Array, r: Array, b: Array, *states: Array) -> tuple[Array, ...]:
        sequence = np.swapaxes(x, 0, 1) if self.batch_first else x
        steps, batch, units = *sequence.shape[:2], r.shape[1]
        state = tuple(map(wide, states)) or (np.zeros((batch, units)),) * self.states
        weights, recurrent, bias = wide(w), wide(r), wide(b)
        y = np.zeros((steps, batch, units))
        with np.errstate(over="ignore"):
            for t in reversed(range(steps)) if self.reverse else range(steps):
                state = self.step(np.asarray(wide(sequence[t]) @ weights.T), recurrent, bias, state)
                y[t] = state[0]
            return tuple(np.asarray(v, x.dtype) for v in (np.swapaxes(y, 0, 1) if self.batch_first else y, *state))

    def step(self, x: Doubles, r: Doubles, b: Doubles, state: tuple[Doubles, ...]) -> tuple[Doubles, ...]:
        """The states after one step, from what the step's data gives the gates: `x` is x @ w.T, (batch, G * H)."""
        raise NotImplementedError(f"{self.name}.step")

    def activate(self, index: int, x: Doubles) -> Doubles:
        """The activation function `index` of gates, after the limit."""
        limited = x if self.clip is None else np.clip(x, -self.clip, self.clip)
        return np.asarray(self.activations[index].reference(limited), np.float64)


@dataclass(frozen=True)
class RNN(Recurrent):
    """h' = f(x w + h r + b). ONNX RNN, OpenVINO RNNSequence and RNNCell."""

    activations: tuple[Unary, ...] = (Tanh(),)

    def step(self, x: Doubles, r: Doubles, b: Doubles, state: tuple[Doubles, ...]) -> tuple[Doubles, ...]:
        return (self.activate(0, x + state[0] @ r.T + b),)


@dataclass(frozen=True)
class GRU(Recurrent):
    """Gates z (update), r (reset) and n (new), in this order: h' = (1 - z) n + z h with z and r through the activation f and
    n = g(x w + (r h) r + b). Where `linear_before_reset` n = g(x w + b + r (h r + d)), and b ends with d: (4 * H,).

    ONNX GRU, OpenVINO GRUSequence and GRUCell."""

    activations: tuple[Unary, ...] = (Sigmoid(), Tanh())
    linear_before_reset: bool = False
    gates, functions = 3, 2

    @property
    def bias_rows(self) -> int:
        return 4 if self.linear_before_reset else 3

    def step(self, x: Doubles, r: Doubles, b: Doubles, state: tuple[Doubles, ...]) -> tuple[Doubles, ...]:
        (h,), n = state, 2 * r.shape[1]
        z, reset = np.split(self.activate(0, x[:, :n] + h @ r[:n].T + b[:n]), 2, axis=1)
        units = r.shape[1]
        if self.linear_before_reset:
            new = self.activate(1, x[:, n:] + b[n:n + units] + reset * (h @ r[n:].T + b[n + units:]))
        else:
            new = self.activate(1, x[:, n:] + (reset * h) @ r[n:].T + b[n:])
        return ((1 - z) * new + z * h,)


@dataclass(frozen=True)
class LSTM(Recurrent):
    """Gates i (input), o (output), f (forget) and g (cell), in this order: c' = f c + i g and h' = o k(c'), with i, o and f through the
    first activation, g through the second; k is the third. Where `input_forget` f = 1 - i. States are h and c.

    With `peepholes` the gates i and f see the cell c before the step and o the one after it, each times weights of its own: b ends with
    those of i, o and f, (7 * H,). ONNX LSTM, OpenVINO LSTMSequence and LSTMCell."""

    activations: tuple[Unary, ...] = (Sigmoid(), Tanh(), Tanh())
    input_forget: bool = False
    peepholes: bool = False
    gates, states, functions = 4, 2, 3

    @property
    def bias_rows(self) -> int:
        return 7 if self.peepholes else 4

    def step(self, x: Doubles, r: Doubles, b: Doubles, state: tuple[Doubles, ...]) -> tuple[Doubles, ...]:
        (h, c), n = state, 3 * r.shape[1]
        units = r.shape[1]
        everything = x + h @ r.T + b[:n + units]
        i, o, f, g = np.split(everything, 4, axis=1)
        to_i, to_o, to_f = np.split(b[n + units:], 3) if self.peepholes else (0.0,) * 3
        i, f = self.activate(0, i + to_i * c), self.activate(0, f + to_f * c)
        cell = (1 - i if self.input_forget else f) * c + i * self.activate(1, g)
        o = self.activate(0, o + to_o * cell)
        return o * np.asarray(self.activations[2].reference(cell), np.float64), cell
