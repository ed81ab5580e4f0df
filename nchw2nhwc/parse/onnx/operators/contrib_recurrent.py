"""Recurrent layers of ONNX Runtime's own domain, com.microsoft, that round their data to 8 bits when they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.activation_functions import Clip
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.elementwise import Unary
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse.body import INT64, Body, add_loop, turned
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.operators.contrib_quantized import rounded_to_bytes
from nchw2nhwc.parse.onnx.operators.quantized import centred
from nchw2nhwc.parse.onnx.registry import Floats, LayerBuilder, Strings, onnx_op
from nchw2nhwc.parse.recurrent import activation_functions, directions, element_of, only_number, stacked
from nchw2nhwc.wording import counted

States: TypeAlias = tuple[Value, Value]


@dataclass(frozen=True)
class _Gates:
    """What the gates of one direction do with their sums: `functions` of gates, cell and result, behind a limit."""

    functions: tuple[Unary, ...]
    clip: float | None
    input_forget: bool
    peepholes: Value | None

    def step(self, b: LayerBuilder, sums: Formula, h: Formula, c: Formula) -> tuple[Formula, Formula]:
        """The states after a step, from the sums (batch, 4 * units) of the gates i, o, f and g."""
        units = static(h.shape[-1], "the number of units")
        i, o, f, g = (sums.part(-1, k * units, (k + 1) * units) for k in range(4))
        if self.peepholes is not None:
            to_i, to_o, to_f = (Formula(b, self.peepholes).part(0, k * units, (k + 1) * units) for k in range(3))
            i, f = i + c * to_i, f + c * to_f
        i = self._of(0, i)
        cell = (1.0 - i if self.input_forget else self._of(0, f)) * c + i * self._of(1, g)
        o = self._of(0, o if self.peepholes is None else o + cell * to_o)
        return o * cell.apply(self.functions[2]), cell

    def _of(self, index: int, x: Formula) -> Formula:
        limited = x if self.clip is None else x.apply(Clip(-self.clip, self.clip))
        return limited.apply(self.functions[index])


@onnx_op("DynamicQuantizeLSTM", 1, domain=MICROSOFT)
def dynamic_quantize_lstm(b: LayerBuilder, X: Value, W: Value, R: Value, B: Value | None, sequence_lens: Value | None,
                          initial_h: Value | None, initial_c: Value | None, P: Value | None, W_scale: Value, W_zero_point: Value,
                          R_scale: Value, R_zero_point: Value, *, hidden_size: int, direction: str = "forward",
                          activations: Strings = (), activation_alpha: Floats = (), activation_beta: Floats = (),
                          clip: float | None = None, input_forget: bool = False) -> tuple[Value, ...]:
    """An LSTM whose weights are (directions, features, 4 * units) and whose data is rounded by `rounded_to_bytes`: that of all steps
    together, the hidden state before each step. What of a batch is rounded together depends on ONNX Runtime's threads; here it is all."""
    ways = directions(direction)
    for value, rank in ((X, 3), (W, 3), (R, 3), (B, 2), (P, 2), (initial_h, 3), (initial_c, 3)):
        if value is not None and value.rank != rank:
            raise b.damaged(f"an operand {value.type} must have {rank} axes")
    if sequence_lens is not None and only_number(sequence_lens) != X.shape[0]:
        raise UnsupportedError("sequences of other lengths than that of the operand, in an LSTM that rounds when it runs", b.where,
                               "Export the model without sequence lengths.")
    functions = activation_functions(activations or ("Sigmoid", "Tanh", "Tanh") * len(ways), activation_alpha, activation_beta)
    units = static(R.shape[1], "the number of units")
    stacks = [v for v in (W, R, B, P, W_scale, W_zero_point, R_scale, R_zero_point) if v is not None]
    if any(v.shape[:1] != (len(ways),) for v in stacks) or len(functions) != 3 * len(ways) or hidden_size != units:
        raise b.damaged(f"a '{direction}' LSTM of {hidden_size} units has {counted(len(ways), 'direction')}, which its weights or "
                        "activations do not fit")
    b.remark("stays arithmetic in float: its data is rounded by scales that follow from it")
    whole, scale = rounded_to_bytes(b, X)
    zeros = b.full(np.zeros((), X.type.dtype), (X.shape[1], units))
    found: list[Formula] = []
    ends: list[States] = []
    for k, reverse in enumerate(ways):
        mine, peepholes = (None if v is None else element_of(b, v, 0, k) for v in (B, P))
        sums = whole.apply(MatMul(), _weights(b, W, W_zero_point, k)) * (scale * _scales(b, W_scale, k))
        if mine is not None:
            both = Formula(b, mine)
            sums = sums + both.part(0, 0, 4 * units) + both.part(0, 4 * units, 8 * units)
        gates = _Gates(functions[3 * k:3 * k + 3], clip, input_forget, peepholes)
        initial = [zeros if v is None else element_of(b, v, 0, k) for v in (initial_h, initial_c)]
        given = turned(b, sums.value, 0) if reverse else sums.value
        recurrent = _weights(b, R, R_zero_point, k), _scales(b, R_scale, k)
        h, c, y = _steps(b, gates, given, recurrent, (initial[0], initial[1]))
        found.append(Formula(b, turned(b, y, 0) if reverse else y).reshape(y.shape[0], 1, *y.shape[1:]))
        ends.append((h, c))
    return joined(found, 1).value, *(stacked(b, states, 0) for states in zip(*ends))


def _weights(b: LayerBuilder, stack: Value, zeros: Value, direction: int) -> Value:
    """The whole numbers (features, 4 * units) of one direction's weights, without their zero points, of which there is one or one for each
    column."""
    return centred(b, element_of(b, stack, 0, direction), element_of(b, zeros, 0, direction))


def _scales(b: LayerBuilder, stack: Value, direction: int) -> Formula:
    """The scale of one direction's weights, or one for each column."""
    return Formula(b, element_of(b, stack, 0, direction))


def _steps(b: LayerBuilder, gates: _Gates, x: Value, recurrent: tuple[Value, Formula], initial: States) -> tuple[Value, ...]:
    """The states after all steps and the hidden state after each, from what data gives the gates, (steps, batch, 4 * units)."""
    steps = x.shape[0]
    body = Body("step", b.graph.source)
    number = body.graph.add_input("number", TensorType(INT64))
    h, c = (body.graph.add_input(name, v.type) for name, v in zip("hc", initial))
    weights, scales = recurrent
    taken = body.take(x), body.take(weights), body.take(scales.value)
    peepholes = None if gates.peepholes is None else body.take(gates.peepholes)
    inner = LayerBuilder(body.graph, b.tensors)
    inner.origin = b.origin
    whole, scale = rounded_to_bytes(inner, h)
    mine = Formula(inner, inner.add1(Gather(0), taken[0], number))
    sums = mine + whole.apply(MatMul(), taken[1]) * (scale * Formula(inner, taken[2]))
    own = _Gates(gates.functions, gates.clip, gates.input_forget, peepholes)
    after, cell = own.step(inner, sums, Formula(inner, h), Formula(inner, c))
    body.returns([after.value, cell.value, after.reshape(1, *after.shape).value])
    return add_loop(b, body, Loop(body.graph, 2, steps, (0,)), initial)
