"""Layers that run in both directions in LiteRT: one kernel where one kernel can do it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.emit.tflite.writer import FlatBuffer
from nchw2nhwc.ir import Array, Dim, Graph, Origin, Shape, Size, TensorType, Value
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.movement import Concat
from nchw2nhwc.ops.recurrent import LSTM
from nchw2nhwc.targets.gpu import GPU
from nchw2nhwc.targets.nnapi import NNAPI
from tests.emit.tflite.runs import RESOLVERS

BATCH, STEPS, FEATURES, UNITS = 2, 7, 3, 4
ONE, BOTH = "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM"


def layer(graph: Graph, x: Value, *, reverse: bool, seed: int, peepholes: bool = False, batch_first: bool = False,
          states: tuple[Value, ...] = ()) -> tuple[Value, ...]:
    rng, features = np.random.default_rng(seed), int(str(x.shape[2]))
    op = LSTM(reverse=reverse, peepholes=peepholes, batch_first=batch_first)
    shapes = (4 * UNITS, features), (4 * UNITS, UNITS), (op.bias_rows * UNITS,)
    weights = [graph.constant(rng.normal(0, 0.6, s).astype(np.float32)) for s in shapes]
    return graph.add(op, (x, *weights, *states), origin=Origin("the_layer", "LSTM"))


def net(*, batch_first: bool = False, peepholes: bool = False, layers: int = 1, shape: Shape = (STEPS, BATCH, FEATURES),
        states: bool = False) -> Graph:
    """Layers of both directions, one after the other."""
    graph = Graph("net", "net.onnx")
    value = graph.add_input("x", TensorType(np.dtype(np.float32), shape))
    given = tuple(graph.add_input(f"s{k}", TensorType(np.dtype(np.float32), (BATCH, UNITS))) for k in range(2 if states else 0))
    for k in range(layers):
        ways = [layer(graph, value, reverse=back, seed=2 * k + back, peepholes=peepholes, batch_first=batch_first, states=given)[0]
                for back in (False, True)]
        value = graph.add1(Concat(2), ways)
    graph.add_output(value, "y")
    return graph


def operators(made: FlatBuffer) -> Counter[str]:
    return Counter(op.code for subgraph in made.model.subgraphs for op in subgraph.operators)


def assert_runs(graph: Graph, made: FlatBuffer, shape: Shape) -> None:
    """Three runs of one interpreter, whose results do not depend on one another."""
    for resolver, kind in RESOLVERS.items():
        interpreter = Interpreter(model_content=made.tobytes(), experimental_op_resolver_type=kind, num_threads=1)
        details = interpreter.get_input_details()
        if tuple(details[0]["shape"]) != shape:
            interpreter.resize_tensor_input(details[0]["index"], shape)
        interpreter.allocate_tensors()
        for seed in range(3):
            rng = np.random.default_rng(seed)
            data: list[Array] = [rng.normal(size=shape if k == 0 else (BATCH, UNITS)).astype(np.float32) for k in range(len(details))]
            for detail, array in zip(details, data):
                interpreter.set_tensor(detail["index"], array)
            interpreter.invoke()
            wanted = run(graph, {v.name: array for v, array in zip(graph.inputs, data)})
            for detail, name in zip(interpreter.get_output_details(), graph.output_names):
                np.testing.assert_allclose(interpreter.get_tensor(detail["index"]), wanted[name], rtol=1e-5, atol=1e-5, err_msg=resolver)


@pytest.mark.parametrize(("batch_first", "shape"), [(False, (STEPS, BATCH, FEATURES)), (True, (1, STEPS, FEATURES))])
@pytest.mark.parametrize("peepholes", [False, True])
def test_one_kernel(batch_first: bool, shape: Shape, peepholes: bool) -> None:
    """Nothing is left of two layers but that kernel, and one operator clears the states of all; no tensor stays that nothing makes."""
    graph = net(batch_first=batch_first, peepholes=peepholes, layers=2, shape=shape)
    made = emit(graph)
    assert operators(made) == {BOTH: 2, "SPLIT_V": 1}
    (subgraph,) = made.model.subgraphs
    used = {t for op in subgraph.operators for t in (*op.inputs, *op.outputs)} - {-1}
    assert used == set(range(len(subgraph.tensors)))
    assert_runs(graph, made, shape)


@pytest.mark.parametrize("batch", [BATCH, Dim.symbol("N")])
def test_a_batch_before_the_steps(batch: Size) -> None:
    """The kernel would be wrong about the second sequence."""
    graph = net(batch_first=True, shape=(batch, STEPS, FEATURES))
    made = emit(graph)
    assert (operators(made)[ONE], operators(made)[BOTH]) == (2, 0)
    assert_runs(graph, made, (BATCH, STEPS, FEATURES))


def test_open_sizes() -> None:
    graph = net(shape=(Dim.symbol("T"), Dim.symbol("N"), FEATURES))
    made = emit(graph)
    assert operators(made)[BOTH] == 1
    assert_runs(graph, made, (5, 3, FEATURES))


def test_given_states() -> None:
    graph = net(states=True)
    made = emit(graph)
    assert operators(made) == {BOTH: 1, "SPLIT_V": 4}
    assert_runs(graph, made, (STEPS, BATCH, FEATURES))


def test_half_precision() -> None:
    assert operators(emit(net(), float16=True))[BOTH] == 1


def test_a_device_that_has_only_the_other_kernel() -> None:
    graph = net()
    made = emit(graph, available=NNAPI.computes)
    assert (operators(made)[ONE], operators(made)[BOTH]) == (2, 0)
    assert_runs(graph, made, (STEPS, BATCH, FEATURES))


def test_a_device_without_either_kernel() -> None:
    """One operator falls back to the CPU rather than four."""
    made = emit(net(), available=GPU.computes)
    assert (operators(made)[ONE], operators(made)[BOTH], operators(made)["REVERSE_V2"]) == (0, 1, 0)


def _backwards_first(graph: Graph, x: Value) -> Value:
    return graph.add1(Concat(2), [layer(graph, x, reverse=back, seed=back)[0] for back in (True, False)])


def _along_steps(graph: Graph, x: Value) -> Value:
    return graph.add1(Concat(0), [layer(graph, x, reverse=back, seed=back)[0] for back in (False, True)])


def _twice_forwards(graph: Graph, x: Value) -> Value:
    return graph.add1(Concat(2), [layer(graph, x, reverse=False, seed=seed)[0] for seed in (0, 1)])


def _of_two_sequences(graph: Graph, x: Value) -> Value:
    other = layer(graph, x, reverse=False, seed=5)[0]
    return graph.add1(Concat(2), [layer(graph, x, reverse=False, seed=0)[0], layer(graph, other, reverse=True, seed=1)[0]])


def _of_two_kinds(graph: Graph, x: Value) -> Value:
    ways = [layer(graph, x, reverse=back, seed=back, peepholes=back)[0] for back in (False, True)]
    return graph.add1(Concat(2), ways)


def _read_elsewhere(graph: Graph, x: Value) -> Value:
    forward, backward = (layer(graph, x, reverse=back, seed=back)[0] for back in (False, True))
    graph.add_output(forward, "z")
    return graph.add1(Concat(2), [forward, backward])


@pytest.mark.parametrize("made_of", [_backwards_first, _along_steps, _twice_forwards, _of_two_sequences, _read_elsewhere])
def test_what_stays_two_kernels(made_of: object) -> None:
    graph = Graph("net", "net.onnx")
    assert callable(made_of)
    graph.add_output(made_of(graph, graph.add_input("x", TensorType(np.dtype(np.float32), (STEPS, BATCH, FEATURES)))), "y")
    made = emit(graph)
    assert operators(made)[BOTH] == 0
    assert_runs(graph, made, (STEPS, BATCH, FEATURES))


def test_peepholes_of_one_direction_alone() -> None:
    graph = Graph("net", "net.onnx")
    graph.add_output(_of_two_kinds(graph, graph.add_input("x", TensorType(np.dtype(np.float32), (STEPS, BATCH, FEATURES)))), "y")
    assert_runs(graph, emit(graph), (STEPS, BATCH, FEATURES))
