"""Cases of recurrent layers."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

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
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.elementwise import Tanh, Unary
from nchw2nhwc.ops.kinds import FLOAT
from nchw2nhwc.ops.recurrent import GRU, LSTM, Recurrent
from nchw2nhwc.options import FORMS
from tests.ops.sampling import Case, arrays, dtypes, sampler, shapes_around

BOUNDED: tuple[Unary, ...] = (Sigmoid(), HardSigmoid(0.2, 0.5), Softsign())
OTHERS: tuple[Unary, ...] = (Sigmoid(), Tanh(), Relu(), LeakyRelu(0.1), Elu(1.0), Softplus(), ThresholdedRelu(0.5),
                             Affine(0.5, 0.25), ScaledTanh(1.5, 0.5))


def activations(cls: type[Recurrent]) -> SearchStrategy[tuple[Unary, ...]]:
    """The usual ones most often; others of gates that keep states within bounds."""
    gates = cls.functions > 1
    usual = tuple(Sigmoid() if k == 0 and gates else Tanh() for k in range(cls.functions))
    strange = st.tuples(*(st.sampled_from(BOUNDED if k == 0 and gates else OTHERS) for k in range(cls.functions)))
    return st.one_of(st.just(usual), st.just(usual), strange)


@sampler(Recurrent)
def recurrent(cls: type[Op]) -> SearchStrategy[Case]:
    """Sequences of a few steps, equal sizes and sizes of 1 on purpose; with and without initial states and limits."""
    assert issubclass(cls, Recurrent)
    flags = {"linear_before_reset": st.booleans()} if cls is not LSTM else {
        "input_forget": st.sampled_from([False, False, True]), "peepholes": st.booleans()}

    @st.composite
    def cases(draw: DrawFn) -> Case:
        steps, batch, features = (draw(st.sampled_from([6, 4, 4, 2, 1])) for _ in range(3))
        units, dtype = draw(st.sampled_from([1, 2, 4])), draw(dtypes(FLOAT))
        around = shapes_around(3, 3)
        if around:
            steps, batch, features = draw(st.sampled_from(around))
        op = cls(draw(activations(cls)), draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from([None, None, 0.5])),
                 draw(st.sampled_from(FORMS)), **({name: draw(flag) for name, flag in flags.items()} if cls in (LSTM, GRU) else {}))
        if around and op.batch_first:
            steps, batch = batch, steps
        x = draw(arrays((batch, steps, features) if op.batch_first else (steps, batch, features), dtype))
        shapes = [(cls.gates * units, features), (cls.gates * units, units), (op.bias_rows * units,)]
        if draw(st.booleans()):
            shapes += [(batch, units)] * cls.states
        return op, (x, *(np.asarray(0.25 * draw(arrays(shape, dtype)), dtype) for shape in shapes))
    return cases()
