"""Ranges: those that would spoil a file, and those of least error."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter
from onnx import helper

import nchw2nhwc
from nchw2nhwc.checking.litert import LoadedFile
from nchw2nhwc.errors import OptionError
from nchw2nhwc.options.quantize import QuantizeOptions
from nchw2nhwc.quantize import flatfile
from nchw2nhwc.quantize.clipping import Histograms, least_error
from tests.quantize.models import conv, network, pixel_weights, samples
from tests.quantize.test_islands import operators, quantized, run


def test_least_error_against_trying_all_values() -> None:
    """The expected error of every candidate, by quantizing the values themselves."""
    rng = np.random.default_rng(0)
    for values in (rng.laplace(0, 1, 20000), np.maximum(rng.normal(0, 1, 20000), 0), np.append(rng.uniform(-1, 2, 20000), 90.0)):
        low, high = least_error((lambda h: (h[0].astype(float), h[1]))(np.histogram(values[values != 0], 2048)))

        def error(low: float, high: float, values: np.ndarray = values) -> float:
            scale = (high - low) / 255
            zero = np.round(-low / scale)
            return float(np.mean((values - (np.clip(np.round(values / scale) + zero, 0, 255) - zero) * scale) ** 2))

        whole = (min(values.min(), 0.0), max(values.max(), 0.0))
        tried = min(error(whole[0] * a, whole[1] * b) for a in np.geomspace(1, 0.02, 30) for b in np.geomspace(1, 0.02, 30))
        assert error(low, high) <= error(*whole)
        assert error(low, high) < 1.3 * tried
        assert low <= 0 <= high


def test_all_channels_and_columns_are_in_histograms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few values are taken; with a fixed step through them the second of three channels, or every column but some, would be left out."""
    monkeypatch.setattr("nchw2nhwc.quantize.clipping._VALUES", 128)
    one, column = np.zeros((6, 8, 1, 1)), np.zeros((1, 1, 1, 8))
    one[1], column[..., 5] = 50.0, 1.0
    nodes = [helper.make_node("Abs", ["c"], ["a"], "abs"), helper.make_node("Conv", ["a", "one"], ["o"], "one"),
             helper.make_node("Mul", ["a", "column"], ["y"], "column")]
    converted = nchw2nhwc.convert(network(nodes, outputs=("o", "y"), one=one, column=column))
    histograms, loaded = Histograms({"o": (0.0, 1000.0), "y": (0.0, 10.0)}), LoadedFile(converted.tflite(), converted.inputs, inside=True)
    for sample in samples():
        histograms.add(loaded.tensors(sample, histograms.wanted))
    assert histograms.found().keys() == {"o", "y"}


def test_a_mask_stays_in_float() -> None:
    """-3e38 where a softmax is to ignore something: a scale for it would leave nothing of the rest."""
    mask = np.zeros((1, 8, 8, 8))
    mask[..., 5:] = -3e38
    nodes = [helper.make_node("Add", ["c", "m"], ["a"], "mask"), helper.make_node("Softmax", ["a"], ["s"], "soft", axis=-1),
             conv("s", "y", "last")]
    converted, content = quantized(network(nodes, v=pixel_weights(4, 8), m=mask), "int8")
    x = converted.inputs[0].to_result(samples()[5]["x"])
    expected = run(converted.tflite(), x, xnnpack=False)
    assert np.abs(run(content, x, xnnpack=False) - expected).max() < 0.05 * np.abs(expected).max()


def test_padding_with_the_lowest_number_keeps_the_scale() -> None:
    nodes = [helper.make_node("MaxPool", ["c"], ["p"], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
             conv("p", "y", "last")]
    converted, content = quantized(network(nodes, v=pixel_weights(4, 8)), "int8")
    assert operators(content).count("DEQUANTIZE") == 1
    x = converted.inputs[0].to_result(samples()[5]["x"])
    expected = run(converted.tflite(), x, xnnpack=True)
    assert np.abs(run(content, x, xnnpack=True) - expected).max() < 0.05 * np.abs(expected).max()


def test_a_sum_that_cancels_does_not_stop_the_runtime() -> None:
    """Always 0 between large operands: with its own range as scale LiteRT's kernel would end the process."""
    nodes = [helper.make_node("Mul", ["c", "big"], ["w2"], "big"), helper.make_node("Sub", ["w2", "w2"], ["z"], "zero"),
             helper.make_node("Add", ["z", "c"], ["y"], "add")]
    _, content = quantized(network(nodes, big=np.array(1000.0)), "int8")
    Interpreter(model_content=content).allocate_tensors()


@pytest.mark.parametrize("mode", ["int8", "int16x8"])
def test_a_sum_that_no_sample_chooses_does_not_stop_the_runtime(mode: str) -> None:
    """It has the scale of what is chosen: 0."""
    nodes = [helper.make_node("Mul", ["c", "many"], ["m"], "larger"), helper.make_node("Add", ["m", "c"], ["a"], "sum"),
             helper.make_node("Greater", ["c", "never"], ["g"], "greater"), helper.make_node("Mul", ["c", "none"], ["z"], "nothing"),
             helper.make_node("Where", ["g", "a", "z"], ["y"], "choice")]
    converted, content = quantized(network(nodes, many=np.array(40.0), never=np.array(1e4), none=np.array(0.0)), mode)
    found = run(content, converted.inputs[0].to_result(samples()[0]["x"]), xnnpack=False)
    assert np.abs(found).max() < 0.1


def test_a_layer_that_is_always_0_is_taken_by_xnnpack() -> None:
    nodes = [helper.make_node("Conv", ["c", "v", "low"], ["l"], "low"), helper.make_node("Relu", ["l"], ["y"], "relu")]
    converted, content = quantized(network(nodes, v=pixel_weights(4, 8), low=np.full(4, -1000.0)), "int8")
    x = converted.inputs[0].to_result(samples()[5]["x"])
    assert not run(content, x, xnnpack=True).any()


@pytest.mark.parametrize("mode", ["int8", "int16x8"])
def test_small_values_of_a_logarithm(mode: str) -> None:
    nodes = [helper.make_node("Mul", ["c", "c"], ["q"], "square"), helper.make_node("Add", ["q", "e"], ["p"], "eps"),
             helper.make_node("Log", ["p"], ["l"], "log"), conv("l", "y", "last")]
    model = network(nodes, v=pixel_weights(4, 8), e=np.array(1e-6))
    converted = nchw2nhwc.convert(model)
    options = nchw2nhwc.QuantizeOptions([mode], calibration=samples(24), ranges="minmax")
    content = converted.tflite(quantize=options)
    codes = operators(content)
    assert codes[codes.index("LOG") - 1] == "ADD"
    x = converted.inputs[0].to_result(samples()[5]["x"])
    expected = run(converted.tflite(), x, xnnpack=True)
    error = run(content, x, xnnpack=True) - expected
    # What is squared is exact; the logarithm of a sum in int8 would be -inf near 0.
    assert np.sqrt(np.mean(error**2)) < {"int8": 0.02, "int16x8": 0.01}[mode] * np.sqrt(np.mean(expected**2))


def test_weights_that_the_quantizer_does_not_know() -> None:
    from onnx import TensorProto, numpy_helper

    rng = np.random.default_rng(0)
    table = numpy_helper.from_array(rng.normal(size=(64, 32)).astype(np.float32), "t")
    graph = helper.make_graph([helper.make_node("Gather", ["t", "i"], ["y"], "pick")], "g",
                              [helper.make_tensor_value_info("i", TensorProto.INT64, [1, 5])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [table])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    converted = nchw2nhwc.convert(model)
    content = converted.tflite(quantize="weight8")
    assert len(content) < 0.65 * len(converted.tflite())
    ids = converted.inputs[0].to_result(np.array([[3, 1, 4, 1, 63]]))
    error = run(content, ids, xnnpack=True) - run(converted.tflite(), ids, xnnpack=True)
    largest = np.abs(numpy_helper.to_array(table)[[3, 1, 4, 1, 63]]).max(1)
    assert (np.abs(error).max(-1)[0] <= largest / 254 + 1e-6).all()


def test_a_tensor_that_hardly_varies() -> None:
    """Fewer float32 numbers lie in its range than a histogram has bins."""
    nodes = [helper.make_node("Mul", ["c", "tiny"], ["m"], "m"), helper.make_node("Sigmoid", ["m"], ["s"], "s"), conv("s", "y", "last")]
    converted, content = quantized(network(nodes, tiny=np.array(1e-7), v=pixel_weights(4, 8)), "int8")
    x = converted.inputs[0].to_result(samples()[5]["x"])
    expected = run(converted.tflite(), x, xnnpack=False)
    assert np.abs(run(content, x, xnnpack=False) - expected).max() < 0.02 * np.abs(expected).max()


def test_ranges_that_spoil_the_outputs_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nchw2nhwc.quantize.engine.least_error", lambda histogram: (histogram[1][0] / 50, histogram[1][-1] / 50))
    converted = nchw2nhwc.convert(network([helper.make_node("Relu", ["c"], ["r"], "relu"), conv("r", "y", "last")], v=pixel_weights(4, 8)))
    made = {ranges: converted.tflite(quantize=nchw2nhwc.QuantizeOptions(["int8"], calibration=samples(24), ranges=ranges))
            for ranges in ("auto", "mse", "minmax")}
    assert made["mse"] != made["minmax"]
    assert made["auto"] == made["minmax"]


def test_ranges_end_where_functions_are_flat() -> None:
    """And not above: what is cut at -3 would be a little off 0, for all values alike."""
    nodes = [helper.make_node("Mul", ["c", "large"], ["w2"], "scaled"), conv("w2", "d", "before"),
             helper.make_node("HardSwish", ["d"], ["h"], "act"), conv("h", "y", "last")]
    converted, content = quantized(network(nodes, large=np.array(10.0), v=pixel_weights(8, 8)), "int8")
    model = flatfile.read(content)
    part = flatfile.Part(model, model.subgraphs[0])
    (op,) = (op for op in part.graph.operators if part.code(op) == "HARD_SWISH")
    params = part.params(op.inputs[0])
    assert params is not None
    assert -3 - 2 * params.scale <= params.scale * (-128 - params.zero_point) <= -3
    x = converted.inputs[0].to_result(samples()[5]["x"])
    expected = run(converted.tflite(), x, xnnpack=True)
    assert np.abs(run(content, x, xnnpack=True) - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("mode", ["int8", "int16x8"])
def test_bounds_that_are_out_of_reach(mode: str) -> None:
    """Results so small that 6 is no 32-bit integer in steps of theirs."""
    source = network([helper.make_node("Clip", ["c", "low", "high"], ["y"], "relu6")], w=np.full((8, 4, 3, 3), 1e-9), b=np.zeros(8),
                     low=np.array(0.0), high=np.array(6.0))
    _, content = quantized(source, mode)
    Interpreter(model_content=content).allocate_tensors()


def beyond() -> onnx.ModelProto:
    """Gives out the values that are larger than any of the samples makes."""
    nodes = [helper.make_node("Greater", ["c", "much"], ["large"]), helper.make_node("NonZero", ["large"], ["where"]),
             helper.make_node("Transpose", ["where"], ["places"], perm=[1, 0]), helper.make_node("GatherND", ["c", "places"], ["found"]),
             helper.make_node("Mul", ["found", "two"], ["z"], "twice"), conv("c", "y", "last")]
    return network(nodes, outputs=("y", "z"), much=np.array(90.0), two=np.array(2.0), v=pixel_weights(4, 8))


@pytest.mark.parametrize(("mode", "types"), [("int8", []), ("int16x8", []), ("int8-full", ["z=float32"])])
def test_tensors_that_are_empty_in_all_samples(mode: str, types: list[str]) -> None:
    """No range is known of them."""
    converted = nchw2nhwc.convert(beyond())
    content = converted.tflite(quantize=QuantizeOptions([mode], calibration=samples(), io_dtype=types))
    sample = {"x": np.full((1, 4, 8, 8), 1000.0, np.float32)}
    expected, made = (LoadedFile(file, converted.inputs).run(converted.outputs, sample) for file in (converted.tflite(), content))
    assert expected["z"].size
    assert made["z"].ndim == 1


def test_integers_that_no_range_is_known_of() -> None:
    with pytest.raises(OptionError, match="no sample has values of 'z'"):
        nchw2nhwc.convert(beyond()).tflite(quantize=QuantizeOptions(["int8-full"], calibration=samples()))
