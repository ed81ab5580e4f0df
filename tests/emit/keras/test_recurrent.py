"""Recurrent layers in Keras: their layers, what those lack, and models that are saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

import keras

from nchw2nhwc.emit.keras import emit_keras, native
from nchw2nhwc.errors import TargetError
from nchw2nhwc.ir import Array, Dim, Graph, Origin, Size, TensorType
from nchw2nhwc.ops.activation_functions import Elu, HardSigmoid, LeakyRelu, Relu, Sigmoid, Softsign, ThresholdedRelu
from nchw2nhwc.ops.elementwise import Tanh
from nchw2nhwc.ops.recurrent import GRU, LSTM, RNN, Recurrent
from tests.emit.keras.runs import assert_close, check_converted, check_model, run_model
from tests.emit.tflite.runs import one_op, single
from tests.ops.samples import op_cases

N, T, F, H = 2, 5, 3, 4


def graph_of(op: Recurrent, shape: Sequence[Size] = (N, T, F), *, states: bool = False, weights: bool = True) -> tuple[Graph, list[Array]]:
    """A graph of one layer, and every operand; initial states are inputs of the graph."""
    rng = np.random.default_rng(2)
    batch = shape[0 if op.batch_first else 1]
    shapes = [(op.gates * H, F), (op.gates * H, H), (op.bias_rows * H,)]
    x = rng.normal(size=(N, T, F) if op.batch_first else (T, N, F))
    arrays = [np.asarray(a, np.float32) for a in (x, *(rng.normal(0, 0.5, s) for s in shapes))]
    graph = Graph("net", "net.onnx")
    values = [graph.add_input("x", TensorType(arrays[0].dtype, tuple(shape)))]
    values += [graph.constant(a) if weights else graph.add_input(f"w{k}", TensorType(a.dtype, a.shape)) for k, a in enumerate(arrays[1:])]
    for k in range(op.states if states else 0):
        arrays.append(rng.normal(size=(N, H)).astype(np.float32))
        values.append(graph.add_input(f"s{k}", TensorType(arrays[0].dtype, (batch, H))))
    for k, value in enumerate(graph.add(op, values, origin=Origin("the_layer", op.name))):
        graph.add_output(value, f"y{k}")
    return graph, arrays


@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("op", [
    RNN(batch_first=True), LSTM(batch_first=True), GRU(batch_first=True), GRU(batch_first=True, linear_before_reset=True),
    LSTM((HardSigmoid(1 / 6, 0.5), Relu(), Relu()), batch_first=True), GRU((Sigmoid(), LeakyRelu(0.2)), batch_first=True), RNN((Elu(),)),
    LSTM((Softsign(), Tanh(), Tanh())),
], ids=str)
def test_layers(op: Recurrent, reverse: bool, states: bool) -> None:
    """As one layer with the weights of the source, of a batch and a number of steps that are not known."""
    op = type(op)(**{**vars(op), "reverse": reverse})
    shape = (Dim.symbol("N"), Dim.symbol("T"), F) if op.batch_first else (Dim.symbol("T"), Dim.symbol("N"), F)
    graph, arrays = graph_of(op, shape, states=states)
    fed = {"x": arrays[0], **{f"s{k}": a for k, a in enumerate(arrays[4:])}}
    model = check_model(graph, fed, [np.asarray(y) for y in op.run(*arrays)])
    layer = model.get_layer("the_layer")
    assert isinstance(layer, {RNN: keras.layers.SimpleRNN, LSTM: keras.layers.LSTM, GRU: keras.layers.GRU}[type(op)])


@pytest.mark.parametrize("reverse", [False, True])
def test_a_batch_of_one_is_not_moved(reverse: bool) -> None:
    graph, arrays = graph_of(LSTM(reverse=reverse), (T, 1, F))
    arrays[0] = arrays[0][:, :1]
    model = check_model(graph, {"x": arrays[0]}, [np.asarray(y) for y in LSTM(reverse=reverse).run(*arrays)])
    assert {type(o).__name__ for o in model.operations}.isdisjoint({"Transpose", "Permute"})


@pytest.mark.parametrize(("op", "reason"), [
    (LSTM(clip=1.0), "no limits"), (LSTM(input_forget=True), "no coupled gates"), (LSTM(peepholes=True), "no peepholes"),
    (LSTM((Sigmoid(), Tanh(), Relu())), "one activation"), (GRU((HardSigmoid(0.2, 0.5), Tanh())), "no activation HardSigmoid"),
    (RNN((ThresholdedRelu(1.0),)), "no activation ThresholdedRelu"),
])
def test_what_keras_lacks(op: Recurrent, reason: str) -> None:
    graph, _ = graph_of(op, (T, N, F))
    assert not native(graph.nodes[0])
    with pytest.raises(TargetError, match=reason) as caught:
        emit_keras(graph)
    assert caught.value.where.layer == "the_layer"


@pytest.mark.parametrize("cls", [RNN, GRU, LSTM], ids=lambda cls: cls.__name__)
@settings(max_examples=6)
@given(data=st.data())
def test_cases(cls: type[Recurrent], data: DataObject) -> None:
    """As a layer, or unrolled."""
    op, operands = data.draw(op_cases(cls))
    assert isinstance(op, Recurrent)
    arrays = [single(x) for x in operands]
    graph, inputs = one_op(op, arrays, [1 <= k < 4 for k in range(len(arrays))])
    wanted = [np.asarray(y) for y in op.run(*arrays)]
    if native(graph.nodes[0]):
        check_model(graph, inputs, wanted)
    check_converted(graph, inputs, wanted)


def test_computed_weights() -> None:
    graph, _ = graph_of(GRU(), (T, N, F), weights=False)
    with pytest.raises(TargetError, match="weights of a recurrent layer are computed"):
        emit_keras(graph)


def test_a_saved_model_is_the_same(tmp_path: Path) -> None:
    op = GRU(batch_first=True, linear_before_reset=True)
    graph, arrays = graph_of(op, states=True)
    emit_keras(graph).model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert_close(run_model(loaded, [arrays[0], *arrays[4:]]), [np.asarray(y) for y in op.run(*arrays)])
