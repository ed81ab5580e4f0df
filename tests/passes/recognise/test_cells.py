"""Loops whose body is one step of a recurrent layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Graph, Value
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.binary import Sub
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.recurrent import GRU, LSTM, RNN, Recurrent
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.recognise import CELLS
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import DTYPE, Net, check_pass, check_untouched, node_of

RECOGNISE = rule_pass("recognise", CELLS)
T, F, H = 6, 3, 4
Change = Callable[[Graph, Value], Value]


def looped(op: Recurrent, *, batch: int = 2, axis: int = 1, backwards: bool = False, at: int = 1, order: tuple[int, ...] = (),
           change: Change | None = None, last: int = T - 1, fixed_weights: bool = True) -> Net:
    """A loop over the steps of x along `axis`, the last one first where `backwards`. It carries the states in `order`, and puts the hidden
    states together along `at`; `change` is applied to the data of each step."""
    net, body = Net(), Graph("body", "test.onnx")
    shape = (batch, T, F) if axis else (T, batch, F)
    order = order or tuple(range(op.states))
    states = [net.input(batch, H) for _ in order]
    x, weights = net.input(*shape), [net.random.normal(0, 0.4, s) for s in ((op.gates * H, F), (op.gates * H, H), (op.bias_rows * H,))]
    number = body.add_input("number", TensorType(np.dtype(np.int64), ()))
    carried = [body.add_input(f"s{k}", v.type) for k, v in enumerate(states)]
    rows = body.add_input("x", x.type)
    given = [body.constant(w) if fixed_weights else body.add_input(f"w{k}", TensorType(DTYPE, w.shape)) for k, w in enumerate(weights)]
    index = body.add1(Reshape((1,)), [number])
    index = body.add1(Sub(), [body.constant(np.array([last])), index]) if backwards else index
    now = body.add1(Gather(axis), [rows, index])
    now = body.add1(Reshape((1, batch, F)), [now if change is None else change(body, now)])
    _, *after = body.add(op, [now, *given, *(carried[order.index(k)] for k in range(op.states))])
    part = (batch, H)
    hidden = body.add1(Reshape((*part[:at], 1, *part[at:])), [after[0]])
    for k, value in enumerate([*(after[k] for k in order), hidden]):
        body.add_output(value, f"y{k}")
    outer = [] if fixed_weights else [net.const(w) for w in weights]
    return net.output(*net.all(Loop(body, len(order), T, (at,)), *states, x, *outer))


@pytest.mark.parametrize("op", [RNN(), GRU(), GRU(linear_before_reset=True), LSTM(), LSTM(clip=0.3)], ids=str)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("batch", [1, 2, F, H, T])
def test_a_layer(op: Recurrent, axis: int, backwards: bool, batch: int) -> None:
    net = looped(op, axis=axis, backwards=backwards, at=axis, batch=batch)
    assert check_pass(net, RECOGNISE) == [op.name, *(["Slice"] if backwards else [])]
    found = node_of(net.graph, op.name).op
    assert isinstance(found, Recurrent)
    assert (found.batch_first, found.reverse) == (axis == 1, backwards)


@pytest.mark.parametrize(("changes", "ops"), [
    ({"order": (1, 0)}, ["LSTM"]), ({"at": 0}, ["LSTM", "Transpose"]), ({"at": 2}, ["LSTM", "Transpose"]),
    ({"fixed_weights": False}, ["LSTM"]),
])
def test_forms(changes: dict[str, object], ops: list[str]) -> None:
    """States in any order, parts along any axis, and weights from outside."""
    assert check_pass(looped(LSTM(), **changes), RECOGNISE) == ops  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [
    {"change": lambda body, value: body.add1(Relu(), [value])}, {"backwards": True, "last": T}, {"backwards": True, "last": T - 2},
])
def test_other_loops_stay(changes: dict[str, object]) -> None:
    """What the body computes besides, and steps in another order, are no layer."""
    check_untouched(looped(GRU(), **changes), RECOGNISE)  # type: ignore[arg-type]


def test_the_loop_may_be_asked_for() -> None:
    net = looped(GRU())
    node = node_of(net.graph, "Loop")
    assert isinstance(node.op, Loop)
    node.op = Loop(node.op.body, 1, T, (1,), "unroll")
    check_pass(net, RECOGNISE)
    found = node_of(net.graph, "GRU").op
    assert isinstance(found, GRU)
    assert found.form == "unroll"


def test_two_reversals_go() -> None:
    net = looped(GRU(), backwards=True)
    rule_pass("recognise", CELLS)(net.graph)
    graph = net.graph
    back = node_of(graph, "Slice")
    graph.add_output(graph.add1(back.op, [back.output]), "forwards")
    assert check_pass(graph, rule_pass("movement", MOVEMENT)) == ["GRU", "Slice"]
