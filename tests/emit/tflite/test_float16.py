"""Files with weights in half precision."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.emit.tflite.float16 import LARGEST_VALUE, SMALLEST, is_stored_as_float16
from nchw2nhwc.ir import Graph
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.binary import Add, Mul, PRelu
from nchw2nhwc.ops.matmul import FullyConnected
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from tests.emit.tflite.graphs import conv, graph_with_input, random
from tests.emit.tflite.runs import check_file, codes


def network() -> Graph:
    """Every kind of op that has weights, all of them numbers that half precision holds."""
    graph, x = graph_with_input(1, 8, 8, 32)
    x = graph.add1(Conv((1, 1), (1, 1), (1, 1), (1, 1), groups=32, channels_last=True), [x, graph.constant(halves(32, 3, 3, 1)), None])
    x = graph.add1(ConvTranspose((2, 2), (1, 1), (0, 0), (0, 0), (0, 0), channels_last=True), [x, graph.constant(halves(16, 2, 2, 32))])
    x = graph.add1(PRelu(), [x, graph.constant(halves(16, 16, 1))])
    x = graph.add1(Mul(), [x, graph.constant(halves(1, 16, 16, 16))])
    w = graph.constant(halves(16, 16))
    x = graph.add1(Add(), [graph.add1(FullyConnected(), [x, w]), graph.add1(FullyConnected(), [x, w])])
    graph.add_output(x, "y")
    return graph


def halves(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return (random(*shape) / 4).astype(np.float16).astype(np.float32)


def test_the_file_computes_the_same_with_half_the_bytes() -> None:
    graph, inputs = network(), {"x": random(1, 8, 8, 32)}
    wanted = list(run(graph, inputs).values())
    content = check_file(graph, inputs, wanted, float16=True)
    assert len(content) < 0.65 * len(emit(graph).tobytes())


def test_a_constant_that_is_read_twice_is_widened_once() -> None:
    assert codes(emit(network(), float16=True).tobytes()).count("DEQUANTIZE") == 5


def test_small_constants_and_integers_stay() -> None:
    graph, x = graph_with_input(1, 6, 6, 3)
    graph.add_output(conv(graph, x, filters=64), "y")
    made = emit(graph, float16=True)
    constants = [(t.name, t.dtype.name) for t in made.model.subgraphs[0].tensors if t.buffer]
    assert constants == [("conv/w/float16", "float16"), ("conv/b", "float32")]


@pytest.mark.parametrize(("value", "stored"), [
    (1.0, True), (LARGEST_VALUE, True), (1e5, False), (-1e5, False), (np.inf, False), (np.nan, False)])
def test_values_that_do_not_fit_stay(value: float, stored: bool) -> None:
    array = np.zeros(SMALLEST, np.float32)
    array[3] = value
    assert is_stored_as_float16(array) is stored


def test_widening_pays_from_the_smallest_size_on() -> None:
    graph, x = graph_with_input(SMALLEST)
    graph.add_output(graph.add1(Mul(), [x, graph.constant(halves(SMALLEST), "features.0.conv.weight")]), "y")
    assert emit(graph, float16=True).size < emit(graph).size


def test_constants_that_are_given_out_stay() -> None:
    """XNNPACK refuses to widen them."""
    graph, x = graph_with_input(1, 6, 6, 16)
    weights = graph.constant(halves(16, 16))
    graph.add_output(graph.add1(FullyConnected(), [x, weights]), "y")
    graph.add_output(weights, "w")
    inputs = {"x": random(1, 6, 6, 16)}
    check_file(graph, inputs, list(run(graph, inputs).values()), float16=True)
