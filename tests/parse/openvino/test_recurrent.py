"""Recurrent layers against OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino.opset4 as op4
import openvino.opset5 as op5
import openvino.opset13 as basic
import pytest

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir import Array
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.parse.openvino import read_openvino
from tests.parse.openvino.harness import Build, Case, Input, agree, case, model_of, saved
from tests.parse.openvino.ir_text import Written

N, T, F, H = 2, 4, 3, 2
WAYS = ("forward", "reverse", "bidirectional")


def values(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(0, 0.6, shape).astype(np.float32)


def weights(gates: int, ways: int, biases: int = 0) -> tuple[Array, Array, Array]:
    return values(ways, gates * H, F), values(ways, gates * H, H), values(ways, (biases or gates) * H)


def states(direction: str, count: int) -> tuple[int, list[Array]]:
    """The number of directions, and initial states."""
    ways = 1 + (direction == "bidirectional")
    return ways, [values(N, ways, H) for _ in range(count)]


def lengths(count: int = T) -> Array:
    return np.full(N, count, np.int32)


def lstm(direction: str, **attributes: object) -> Build:
    ways, initial = states(direction, 2)
    return lambda x: op5.lstm_sequence(x, *initial, lengths(), *weights(4, ways), H, direction, **attributes).outputs()


def gru(direction: str, linear: bool = False, **attributes: object) -> Build:
    ways, initial = states(direction, 1)
    return lambda x: op5.gru_sequence(x, *initial, lengths(), *weights(3, ways, 3 + linear), H, direction, linear_before_reset=linear,
                                      **attributes).outputs()


def rnn(direction: str, **attributes: object) -> Build:
    ways, initial = states(direction, 1)
    return lambda x: op5.rnn_sequence(x, *initial, lengths(), *weights(1, ways), H, direction, **attributes).outputs()


def cell(kind: str, count: int, gates: int, **attributes: object) -> Build:
    """A cell, called with its data and states."""
    factory = {"lstm": op4.lstm_cell, "gru": op4.gru_cell, "rnn": op4.rnn_cell}[kind]
    w, r, b = (v[0] for v in weights(gates, 1, gates + bool(attributes.get("linear_before_reset"))))
    more = {"activations": ["tanh"], "activations_alpha": [], "activations_beta": []} if kind == "rnn" else {}
    return lambda *operands: factory(*operands, w, r, b, H, **more, **attributes).outputs()[:count]


X = Input((N, T, F))
CASES = [
    *(case(f"LSTMSequence {way}", lstm(way), X, tolerance=1e-5) for way in WAYS),
    *(case(f"GRUSequence {way}", gru(way), X, tolerance=1e-5) for way in WAYS),
    *(case(f"RNNSequence {way}", rnn(way), X, tolerance=1e-5) for way in WAYS),
    case("GRUSequence linear", gru("bidirectional", linear=True), X, tolerance=1e-5),
    case("LSTMSequence with a limit", lstm("forward", clip=0.3), X, tolerance=1e-5),
    case("LSTMSequence with activations for each direction", lstm("bidirectional", activations=["sigmoid", "tanh", "tanh"] * 2), X,
         tolerance=1e-5),
    case("LSTMSequence with other activations", lstm("forward", activations=["sigmoid", "relu", "tanh"]), X, tolerance=1e-5),
    case("LSTMCell", cell("lstm", 2, 4), (N, F), (N, H), (N, H), tolerance=1e-5, ops="Reshape LSTM"),
    case("GRUCell", cell("gru", 1, 3), (N, F), (N, H), tolerance=1e-5),
    case("GRUCell linear", cell("gru", 1, 3, linear_before_reset=True), (N, F), (N, H), tolerance=1e-5),
    case("RNNCell", cell("rnn", 1, 1), (N, F), (N, H), tolerance=1e-5),
    case("LSTMSequence of an open batch", lambda x: op5.lstm_sequence(
        x, *[_spread(x, values(1, 1, H), (1, H))] * 2, _lengths(x), *weights(4, 1), H, "forward").outputs(),
         Input((-1, T, F), actual=(N, T, F)), tolerance=1e-5),
    case("GRUSequence from zeros", lambda x: op5.gru_sequence(
        x, _spread(x, np.zeros((1, 1, H), np.float32), (1, H)), _lengths(x), *weights(3, 1), H, "forward").outputs(),
         Input((-1, -1, F), actual=(N, T, F)), tolerance=1e-5, ops="GRU Reshape Reshape"),
]


def _batch(x: object) -> object:
    return basic.gather(basic.shape_of(x), np.array([0]), np.array(0))


def _spread(x: object, value: Array, rest: tuple[int, ...]) -> object:
    """A constant for every element of the batch."""
    return basic.broadcast(value, basic.concat([_batch(x), np.array(rest)], 0))


def _lengths(x: object) -> object:
    """As many steps as there are, for every element of the batch."""
    return basic.broadcast(basic.gather(basic.shape_of(x), np.array([1]), np.array(0)), _batch(x))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_agrees_with_openvino(case: Case, tmp_path: Path) -> None:
    agree(case, tmp_path)


def of_lengths(kind: str, direction: str, **attributes: object) -> Build:
    """A layer over sequences whose lengths are an input."""
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
    ways, initial = states(direction, 1 + (kind == "lstm"))
    factory = {"lstm": op5.lstm_sequence, "gru": op5.gru_sequence, "rnn": op5.rnn_sequence}[kind]
    return lambda x, n: factory(x, *initial, n, *weights(gates, ways), H, direction, **attributes).outputs()


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_sequences_of_any_length(kind: str, direction: str, tmp_path: Path) -> None:
    agree(case(f"{kind} {direction}", of_lengths(kind, direction), X, Input((N,), np.int32, 1, T), tolerance=1e-5), tmp_path)


def test_sequences_of_a_known_length(tmp_path: Path) -> None:
    agree(case("short", lambda x: op5.gru_sequence(x, values(N, 1, H), lengths(2), *weights(3, 1), H, "forward").outputs(), X,
               tolerance=1e-5), tmp_path)


def test_the_cell_of_gates_that_cannot_be_held(tmp_path: Path) -> None:
    build = of_lengths("lstm", "forward", clip=0.5)
    with pytest.raises(ConversionError, match="result 2 of LSTMSequence"):
        read_openvino(saved(model_of(case("x", build, X, Input((N,), np.int32, 1, T))), tmp_path))
    agree(case("h", lambda x, n: build(x, n)[:2], X, Input((N,), np.int32, 1, T), tolerance=1e-5), tmp_path)


# ---- opset 1, whose cells OpenVINO no longer writes ------------------------------------------------------------------------
def first_cell(**data: object) -> Written:
    """An LSTMCell of opset 1 over constants."""
    shapes = [(N, F), (N, H), (N, H), (4 * H, F), (4 * H, H), (4 * H,)]
    return Written("LSTMCell", shapes, (N, H), {"hidden_size": H, **data})


def test_the_order_of_the_gates_of_a_first_cell() -> None:
    """The same numbers mean other gates; the file of the other order has its weights rearranged."""
    rng = np.random.default_rng(1)
    data = [rng.normal(size=shape).astype(np.float32) for shape in ((N, F), (N, H), (N, H), (4 * H, F), (4 * H, H), (4 * H,))]
    found = []
    for order in ("fico", "iofc"):
        where = [("fico".index(gate) * H + k) for gate in order for k in range(H)]
        graph = read_openvino(*first_cell(weights_format=order).files())
        operands = dict(zip((v.name for v in graph.inputs), [*data[:3], *(v[where] for v in data[3:])]))
        found.append(next(iter(run(graph, operands).values())))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


@pytest.mark.parametrize(("data", "message"), [
    ({"weights_format": "fic"}, "order 'fic'"), ({"hidden_size": 3}, "do not fit 4 gate"),
    ({"activations": "sigmoid,tanh"}, "2 activation"), ({"activations": "sigmoid,tanh,tanh,relu,tanh,tanh"}, "6 activation"),
    ({"activations": "sigmoid,tanh,cubic"}, "activation 'cubic'")])
def test_attributes_that_do_not_fit(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        read_openvino(*first_cell(**data).files())
