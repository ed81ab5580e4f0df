"""Recurrent layers against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir import Array
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.recurrent import Recurrent
from tests.parse.onnx.models import Dims, assert_as_runtime, model, node, ops, read, runtime, tensor

T, N, F, H = 4, 2, 3, 2
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def weights(kind: str, ways: int = 1) -> dict[str, Array]:
    """Everything that a layer may have besides its data."""
    rng, g = np.random.default_rng(5), GATES[kind]
    shapes = {"w": (ways, g * H, F), "r": (ways, g * H, H), "b": (ways, 2 * g * H), "h": (ways, N, H), "c": (ways, N, H)}
    return {name: rng.normal(0, 0.6, shape).astype(np.float32) for name, shape in shapes.items()} | {
        "n": np.full(N, T, np.int32), "z": np.zeros((ways, N, H), np.float32), "p": np.zeros((ways, 3 * H), np.float32)}


def results(kind: str) -> list[str]:
    return ["y", "yh", "yc"] if kind == "LSTM" else ["y", "yh"]


def layer(kind: str, operands: str, **attributes: object) -> NodeProto:
    return node(kind, operands, " ".join(results(kind)), hidden_size=H, **attributes)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("opset", [7, 14, 22])
def test_directions(kind: str, direction: str, opset: int) -> None:
    ways = 1 + (direction == "bidirectional")
    source = model([layer(kind, "x w r b n h c" if kind == "LSTM" else "x w r b n h", direction=direction)], [tensor("x", (T, N, F))],
                   results(kind), weights(kind, ways), opset)
    graph = assert_as_runtime(source, rtol=1e-5, atol=1e-6)
    layers = [n.op for n in graph.nodes if isinstance(n.op, Recurrent)]
    assert [op.reverse for op in layers] == {"forward": [False], "reverse": [True]}.get(direction, [False, True])


@pytest.mark.parametrize(("kind", "operands"), [
    ("LSTM", "x w r"), ("LSTM", "x w r b"), ("LSTM", "x w r b - z z"), ("LSTM", "x w r - - h"), ("LSTM", "x w r b n - c"),
    ("LSTM", "x w r b - h c p"), ("GRU", "x w r"), ("GRU", "x w r b - z"), ("RNN", "x w r - - h"),
])
def test_operands_that_may_be_absent(kind: str, operands: str) -> None:
    graph = assert_as_runtime(model([layer(kind, operands)], [tensor("x", (T, N, F))], results(kind), weights(kind)), rtol=1e-5, atol=1e-6)
    (node,) = [n for n in graph.nodes if isinstance(n.op, Recurrent)]
    assert (len(node.inputs) > 4) == any(name in operands for name in "hc"), "zeros are left out"


@pytest.mark.parametrize(("kind", "attributes"), [
    ("LSTM", {"clip": 0.3}), ("LSTM", {"input_forget": 1}), ("GRU", {"linear_before_reset": 1}), ("GRU", {"clip": 0.3}),
    ("LSTM", {"activations": ["HardSigmoid", "Relu", "Softsign"]}), ("GRU", {"activations": ["HardSigmoid", "LeakyRelu"],
     "activation_alpha": [0.3, 0.1], "activation_beta": [0.4]}), ("RNN", {"activations": ["Relu"]}),
    ("RNN", {"activations": ["Elu"], "activation_alpha": [0.5]}), ("RNN", {"activations": ["Softplus"]}),
    ("RNN", {"activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [0.25]}),
    ("GRU", {"activations": ["Sigmoid", "ScaledTanh"], "activation_alpha": [1.5], "activation_beta": [0.5]}),
    ("RNN", {"activations": ["ThresholdedRelu"], "activation_alpha": [0.2]}), ("GRU", {"activations": ["sigmoid", "tanh"]}),
])
def test_attributes(kind: str, attributes: dict[str, object]) -> None:
    source = model([layer(kind, "x w r b", **attributes)], [tensor("x", (T, N, F))], results(kind), weights(kind))
    assert_as_runtime(source, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("operands", "attributes"), [
    ("x w r b - h c p", {}), ("x w r - - - - p", {"clip": 0.3}), ("x w r b n h c p", {"input_forget": 1}),
])
def test_peepholes(direction: str, operands: str, attributes: dict[str, object]) -> None:
    ways = 1 + (direction == "bidirectional")
    constants = weights("LSTM", ways) | {"p": np.random.default_rng(6).normal(0, 0.6, (ways, 3 * H)).astype(np.float32)}
    source = model([layer("LSTM", operands, direction=direction, **attributes)], [tensor("x", (T, N, F))], results("LSTM"), constants)
    assert_as_runtime(source, rtol=1e-5, atol=1e-6)


def test_each_direction_has_activations_of_its_own() -> None:
    source = model([layer("GRU", "x w r b", direction="bidirectional", linear_before_reset=1, activation_alpha=[0.1, 0.3, 0.7],
                          activations=["Sigmoid", "LeakyRelu", "HardSigmoid", "Elu"])],
                   [tensor("x", (T, N, F))], results("GRU"), weights("GRU", 2))
    assert_as_runtime(source, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dims", [("T", N, F), (T, "N", F), ("T", "N", F)])
@pytest.mark.parametrize("kind", GATES)
def test_sizes_that_are_not_known(kind: str, dims: Dims) -> None:
    assert_as_runtime(model([layer(kind, "x w r b", direction="bidirectional")], [tensor("x", dims)], results(kind), weights(kind, 2)),
                      rtol=1e-5, atol=1e-6)


def test_zeros_and_lengths_made_for_the_batch() -> None:
    """As exporters write them: a zero and the number of steps, spread over a batch that is not known."""
    constants = weights("GRU") | {"zero": np.zeros(1, np.float32), "one": np.ones(1, np.int64), "size": np.array([H]),
                                  "first": np.array(0), "second": np.array(1), "axis": np.array([0])}
    nodes = [node("Shape", "x", "s"), node("Gather", "s second", "batch1"), node("Unsqueeze", "batch1 axis", "batch"),
             node("Gather", "s first", "steps1"), node("Unsqueeze", "steps1 axis", "steps"), node("Cast", "steps", "steps32", to=6),
             node("Concat", "one batch size", "shape", axis=0), node("Expand", "zero shape", "h0"),
             node("Expand", "steps32 batch", "lengths"), layer("GRU", "x w r b lengths h0")]
    for dims in ((T, "N", F), ("T", "N", F)):
        graph = assert_as_runtime(model(nodes, [tensor("x", dims)], results("GRU"), constants), rtol=1e-5, atol=1e-6)
        assert "GRU" in ops(graph)
        assert "Expand" not in ops(graph), "neither is computed"


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", GATES)
def test_layout(kind: str, direction: str) -> None:
    """ONNX Runtime has steps first alone: the same layer with the axes of everything swapped."""
    constants = weights(kind, 1 + (direction == "bidirectional"))
    swapped = {name: np.swapaxes(v, 0, 1) if name in "hc" else v for name, v in constants.items()}
    operands = "x w r b - h c" if kind == "LSTM" else "x w r b - h"
    first = read(model([layer(kind, operands, direction=direction)], [tensor("x", (T, N, F))], results(kind), constants))
    second = read(model([layer(kind, operands, direction=direction, layout=1)], [tensor("x", (N, T, F))], results(kind), swapped))
    x = np.random.default_rng(0).normal(size=(T, N, F)).astype(np.float32)
    wanted, found = run(first, {"x": x}), run(second, {"x": np.swapaxes(x, 0, 1)})
    for name in results(kind):
        perm = (2, 0, 1, 3) if name == "y" else (1, 0, 2)
        np.testing.assert_array_equal(found[name], wanted[name].transpose(perm))


def test_computed_weights() -> None:
    constants = weights("GRU", 2)
    inputs = [tensor("x", (T, N, F)), *(tensor(name, constants.pop(name).shape) for name in "wrbh")]
    source = model([layer("GRU", "x w r b - h", direction="bidirectional", linear_before_reset=1)], inputs, results("GRU"), constants)
    assert_as_runtime(source, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("changes", "attributes", "message"), [
    ({"n": np.array([T, 1], np.int32)}, {"clip": 0.5}, "the cell at the end of sequences of any length"),
    ({"n": np.array([T, 1], np.int32)}, {"activations": ["Tanh", "Tanh", "Tanh"]}, "the cell at the end of sequences of any length"),
    ({}, {"activations": ["Sigmoid", "Tanh", "Swish"]}, "activation 'Swish'"),
    ({"p": np.ones((1, 2 * H), np.float32)}, {}, "biases"), ({"p": np.ones((2, 3 * H), np.float32)}, {}, "has 1 direction"),
    ({}, {"activations": ["Sigmoid", "Tanh"]}, "weights and activations do not fit"),
    ({}, {"direction": "bidirectional"}, "has 2 direction"), ({}, {"direction": "sideways"}, "'sideways' is no direction"),
    ({"r": np.zeros((1, 8, 3), np.float32)}, {}, "hidden_size is 2"), ({"w": np.zeros((1, 7, F), np.float32)}, {}, "weights"),
    ({"b": np.zeros((1, 15), np.float32)}, {}, "biases"), ({"b": np.zeros(16, np.float32)}, {}, "must have 2 axes"),
])
def test_what_is_refused(changes: dict[str, Array], attributes: dict[str, object], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        read(model([layer("LSTM", "x w r b n h c p", **attributes)], [tensor("x", (T, N, F))], results("LSTM"), weights("LSTM") | changes))


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", GATES)
def test_lengths_that_are_an_input(kind: str, direction: str) -> None:
    """What lies behind the end of a sequence is 0, and the last state is that at its end; backwards it is run from there."""
    constants = weights(kind, 1 + (direction == "bidirectional"))
    del constants["n"]
    made = [layer(kind, "x w r b n h c" if kind == "LSTM" else "x w r b n h", direction=direction)]
    inputs, outputs = [tensor("x", ("T", N, F)), tensor("n", (N,), np.int32)], results(kind)
    made[0].output[:] = outputs
    source = model(made, inputs, outputs, constants)
    given = {"x": np.random.default_rng(0).normal(size=(T, N, F)).astype(np.float32), "n": np.array([T, 2], np.int32)}
    found = run(read(source), given)
    for name, wanted in zip(outputs, runtime(source, given)):
        np.testing.assert_allclose(found[name], wanted, rtol=1e-5, atol=1e-6)


def test_lengths_that_are_constants() -> None:
    source = model([layer("GRU", "x w r b n", direction="bidirectional")], [tensor("x", (T, N, F))], results("GRU"),
                   weights("GRU", 2) | {"n": np.array([3, 1], np.int32)})
    assert_as_runtime(source, rtol=1e-5, atol=1e-6)
