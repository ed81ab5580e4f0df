"""Networks with recurrent layers, from ONNX to files that are run."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import onnx
import pytest

from nchw2nhwc import convert
from nchw2nhwc.errors import OptionError, TargetError
from tests.parse.onnx.models import Dims, model, node, tensor

F, H, CLASSES = 8, 6, 5


def constants(kind: str, ways: int) -> dict[str, object]:
    rng, gates = np.random.default_rng(3), 4 if kind == "LSTM" else 3
    shapes = {"f": (F, 3, 3, 3), "f1": (F, 3, 5), "w": (ways, gates * H, F), "r": (ways, gates * H, H), "b": (ways, 2 * gates * H),
              "v": (ways * H, CLASSES)}
    return {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()} | {
        "two": np.array([2]), "one": np.array([1]), "zero": np.array(0), "last": np.array(-1), "flat": np.array([0, 0, -1])}


def text_reader(dims: Dims) -> onnx.ModelProto:
    """Convolutions down to one row, whose columns an LSTM reads in both directions."""
    nodes = [node("Conv", "x f", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "a1"), node("MaxPool", "a1", "p", kernel_shape=[4, 1]),
             node("Squeeze", "p two", "s"), node("Transpose", "s", "t", perm=[2, 0, 1]),
             node("LSTM", "t w r b", "l", hidden_size=H, direction="bidirectional"), node("Transpose", "l", "m", perm=[0, 2, 1, 3]),
             node("Reshape", "m flat", "n"), node("MatMul", "n v")]
    return model(nodes, [tensor("x", dims)], constants=constants("LSTM", 2))


def keyword_spotter(dims: Dims) -> onnx.ModelProto:
    """A convolution over time, and a GRU of which only the last state counts."""
    nodes = [node("Conv", "x f1", "a", strides=[2]), node("Relu", "a", "a1"), node("Transpose", "a1", "t", perm=[2, 0, 1]),
             node("GRU", "t w r b", "g", hidden_size=H, linear_before_reset=1), node("Squeeze", "g one", "s"),
             node("Transpose", "s", "u", perm=[1, 0, 2]), node("Gather", "u last", "e", axis=1), node("MatMul", "e v")]
    return model(nodes, [tensor("x", dims)], constants=constants("GRU", 1))


@pytest.mark.parametrize(("source", "transposes"), [
    (text_reader((1, 3, 4, 12)), 0), (keyword_spotter((1, 3, 21)), 0), (keyword_spotter((4, 3, 21)), 0), (keyword_spotter(("N", 3, 21)), 0),
    (text_reader(("N", 3, 4, 12)), 1),
], ids=["text", "keyword", "keywords", "open batch", "texts, which come out steps first"])
def test_networks(source: onnx.ModelProto, transposes: int) -> None:
    """Every target agrees with ONNX Runtime, and nothing is moved that the interface does not ask for."""
    converted = convert(source)
    assert converted.check().passed
    assert len(converted.layout.transposes) == transposes
    if find_spec("tensorflow") is not None:
        assert converted.compare_keras(converted.reference(), converted.keras_network(), 1e-4).passed


@pytest.mark.parametrize("source", [text_reader((1, 3, 4, 12)), keyword_spotter((2, 3, 21))], ids=["LSTM", "GRU"])
@pytest.mark.parametrize(("rnn", "loops"), [("while", True), ("unroll", False)])
def test_the_form_that_is_asked_for(source: onnx.ModelProto, rnn: str, loops: bool) -> None:
    """No kernel, and a loop or none; a Keras layer either way."""
    converted = convert(source, rnn=rnn)
    assert ("WHILE" in converted.operator_counts()) is loops
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" not in converted.operator_counts()
    assert converted.check().passed
    if find_spec("tensorflow") is not None:
        assert converted.compare_keras(converted.reference(), converted.keras_network(), 1e-4).passed


def test_steps_that_are_not_known_are_not_unrolled() -> None:
    with pytest.raises(TargetError, match=r"give the input a fixed size"):
        convert(keyword_spotter((1, 3, "T")), rnn="unroll").tflite()


def test_there_are_three_forms() -> None:
    with pytest.raises(OptionError, match="choose from auto, while, unroll"):
        convert(keyword_spotter((1, 3, 21)), rnn="kernel")
