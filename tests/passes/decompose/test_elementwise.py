"""Accuracy in float32: over the whole range, and relative to the result's own size where it is small."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Graph
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.activation_functions import Clip, Elu, Gelu, HardSigmoid, Mish, Selu, Sigmoid, Softplus, Softsign, Swish
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.elementwise import Acos, Acosh, Asin, Asinh, Atan, Atanh, Cosh, Erf, Round, Sinh, Tan
from nchw2nhwc.passes.constants import FOLDING
from nchw2nhwc.passes.decompose import decompose
from nchw2nhwc.passes.rewrite import rule_pass

FLOAT32 = np.dtype(np.float32)
SMALL = np.concatenate([np.logspace(-20, 0, 500), -np.logspace(-20, 0, 500)])
UNIT = np.concatenate([SMALL, np.linspace(-1, 1, 2001)])
WIDE = np.concatenate([SMALL, np.linspace(-20, 20, 4001)])
HUGE = np.concatenate([WIDE, np.linspace(-80, 80, 1001)])


def _decomposed(op: Op, x: Array) -> Array:
    graph = Graph("one")
    value = graph.add_input("x", TensorType(x.dtype, x.shape))
    graph.add_output(graph.add1(op, [value]), "y")
    first = graph.nodes[0].op
    assert decompose(lambda node: node.op is not first)(graph) > 0
    rule_pass("fold", FOLDING)(graph)
    return run(graph, {"x": x})["y"]


@pytest.mark.parametrize(("op", "x", "tolerance"), [
    (Erf(), HUGE, 4e-7), (Softplus(), HUGE, 5e-7), (Swish(1.5), WIDE, 5e-6), (Sigmoid(), HUGE, 1e-6),
    (Softsign(), HUGE, 3e-7), (Selu(), HUGE, 5e-7), (Elu(0.5), HUGE, 5e-7), (Elu(), HUGE, 1e-6), (Tan(), UNIT, 4e-7), (Asin(), UNIT, 4e-7),
    (Acos(), UNIT[UNIT < 0.99], 4e-7), (Atan(), HUGE, 3e-7), (Sinh(), HUGE, 5e-6), (Cosh(), HUGE, 5e-6), (Asinh(), HUGE, 6e-7),
    (Acosh(), np.concatenate([1 + np.logspace(-7, 0, 500), np.linspace(2, 90, 900)]), 6e-7), (Atanh(), UNIT[np.abs(UNIT) < 0.999], 6e-7),
    (Gelu(approximate=True), np.abs(WIDE), 1e-6)], ids=lambda v: str(v) if isinstance(v, Op) else "")
def test_relative_to_each_result(op: Op, x: Array, tolerance: float) -> None:
    x = np.asarray(x, FLOAT32)
    wanted = np.asarray(op.run(x.astype(np.float64))[0], np.float64)
    error = np.abs(_decomposed(op, x) - wanted)
    assert np.all(error <= tolerance * np.abs(wanted) + 1e-37)


@pytest.mark.parametrize("op", [Gelu(), Mish(), HardSigmoid(1 / 6, 0.5), HardSigmoid(0.3, 0.4), Clip(-0.5, 2.0)], ids=str)
def test_relative_to_the_largest_result(op: Op) -> None:
    for scale in (1.0, 8.0):
        x = np.asarray(np.linspace(-scale, scale, 2001), FLOAT32)
        wanted = np.asarray(op.run(x.astype(np.float64))[0], np.float64)
        assert np.abs(_decomposed(op, x) - wanted).max() <= 3e-7 * np.abs(wanted).max()


@pytest.mark.parametrize(("op", "x", "wanted"), [
    (Erf(), [np.inf, -np.inf, np.nan, 0.0, 30.0], [1, -1, np.nan, 0, 1]),
    (Mish(), [1e30, -1e30, 0.0, np.nan], [1e30, 0, 0, np.nan]),
    (Softplus(), [np.inf, -np.inf, np.nan, 200.0], [np.inf, 0, np.nan, 200]),
    (Sigmoid(), [np.inf, -np.inf, -1e5], [1, 0, 0]),
    (Asin(), [1.5, -1.5, np.nan], [np.nan] * 3),
    (Acosh(), [0.5, -3.0, 1.0], [np.nan, np.nan, 0]),
    (Round("half_away_from_zero"), [0.5, -0.5, 1.5, 2.5, 0.49999997, -0.49999997, 8388609.0, -2.5, np.inf],
     [1, -1, 2, 3, 0, 0, 8388609, -3, np.inf])], ids=lambda v: str(v) if isinstance(v, Op) else "")
def test_special_numbers(op: Op, x: list[float], wanted: list[float]) -> None:
    np.testing.assert_array_equal(_decomposed(op, np.asarray(x, FLOAT32)), np.asarray(wanted, FLOAT32))
