"""Preprocessing that a result does itself: means, scales, reversed channels and raw element types."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto

import nchw2nhwc
from nchw2nhwc import cli
from nchw2nhwc.checking.litert import run_litert
from nchw2nhwc.debug.bisect import bisect
from nchw2nhwc.errors import OptionError
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.source import identify
from nchw2nhwc.source.reading import read
from tests.digits import ONNX, XML
from tests.parse.onnx.models import model, node, runtime, tensor

RNG = np.random.default_rng(0)
MEAN, SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
IMAGENET = {"mean": MEAN, "scale": SCALE, "reverse_channels": True, "input_dtype": "uint8"}


def network(*, pads: int = 0, before: tuple[NodeProto, ...] = (), size: int | str = 3, groups: int = 1) -> onnx.ModelProto:
    """A convolution over three channels of an image that is as large as it has channels, which no shape tells apart."""
    constants = {"w": RNG.standard_normal((6, 3 // groups, 3, 3)).astype(np.float32), "c": np.arange(3, dtype=np.float32).reshape(3, 1, 1),
                 "axes": np.array([1], np.int64)}
    first = before[-1].output[0] if before else "x"
    nodes = [*before, node("Conv", f"{first} w", "y", pads=[pads] * 4, group=groups)]
    return model(nodes, [tensor("x", ["N", 3, size, 3])], constants=constants)


def operators(converted: nchw2nhwc.Converted) -> dict[str, int]:
    return dict(converted.operator_counts())


# ---- what it means -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [{"mean": MEAN}, {"scale": SCALE}, {"reverse_channels": True}, {"input_dtype": "uint8"},
                                     {"mean": 127.5, "scale": 127.5}, {"input_dtype": "float32"}, IMAGENET],
                         ids="+".join)
@pytest.mark.parametrize("pads", [0, 1])
def test_the_source_gets_the_formula_of_raw_data(options: dict[str, object], pads: int) -> None:
    source = network(pads=pads)
    converted = nchw2nhwc.convert(source, **options)
    raw = RNG.integers(0, 256, (2, 3, 3, 3)).astype(options.get("input_dtype", "float32"))  # type: ignore[arg-type]
    x = raw.astype(np.float64)
    x = x[:, ::-1] if options.get("reverse_channels") else x
    mean, scale = (np.reshape(options.get(name, default), (-1, 1, 1)) for name, default in (("mean", 0.0), ("scale", 1.0)))
    (expected,) = runtime(source, {"x": ((x - mean) / scale).astype(np.float32)})
    actual = run_litert(converted.tflite(), converted.inputs, converted.outputs, {"x": raw})
    np.testing.assert_allclose(actual["y"], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    assert converted.check().passed


def test_what_is_folded_and_what_is_not() -> None:
    assert operators(nchw2nhwc.convert(network(), **IMAGENET)) == {"CAST": 1, "CONV_2D": 1}
    # Zeros around the normalised image are no zeros around the raw one: the mean stays, the rest goes.
    assert operators(nchw2nhwc.convert(network(pads=1), **IMAGENET)) == {"CAST": 1, "ADD": 1, "CONV_2D": 1}
    assert operators(nchw2nhwc.convert(network(pads=1), scale=SCALE, reverse_channels=True)) == {"CONV_2D": 1}
    assert operators(nchw2nhwc.convert(network(), input_dtype="float32")) == {"CONV_2D": 1}


def test_a_reversal_is_not_lost_where_no_weights_can_take_it() -> None:
    grouped = nchw2nhwc.convert(network(groups=3), reverse_channels=True)
    assert operators(grouped) == {"REVERSE_V2": 1, "DEPTHWISE_CONV_2D": 1}
    assert grouped.check().passed


@pytest.mark.parametrize("before", [
    (node("Sub", "x c", "a"), node("Relu", "a", "b")), (node("Pad", "x p", "b"),), (node("Transpose", "x", "b", perm=[0, 1, 3, 2]),)])
def test_through_what_comes_before_the_convolution(before: tuple[NodeProto, ...]) -> None:
    source = network(before=before, pads=1)
    source.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 0], np.int64), "p"))
    assert nchw2nhwc.convert(source, **IMAGENET).check().passed


def test_channels_that_come_last_in_the_source() -> None:
    source = network(before=(node("Transpose", "x", "b", perm=[0, 3, 1, 2]),), size="H")
    converted = nchw2nhwc.convert(source, **IMAGENET)
    raw = RNG.integers(0, 256, (1, 3, 5, 3)).astype(np.uint8)
    (expected,) = runtime(source, {"x": ((raw[..., ::-1] - np.array(MEAN)) / SCALE).astype(np.float32)})
    actual = run_litert(converted.tflite(), converted.inputs, converted.outputs, {"x": raw})
    np.testing.assert_allclose(actual["y"], expected, rtol=1e-4, atol=1e-4)


def test_half_precision_sources_and_keras() -> None:
    w = RNG.standard_normal((4, 3, 3, 3)).astype(np.float16)
    half = model([node("Conv", "x w")], [tensor("x", [1, 3, 8, 8], np.float16)], constants={"w": w})
    assert nchw2nhwc.convert(half, **IMAGENET).check().passed
    pytest.importorskip("keras")
    converted = nchw2nhwc.convert(network(), **IMAGENET)
    reference = converted.reference()
    assert converted.compare_keras(reference, converted.keras_network(), 1e-4).passed
    assert converted.compare_keras(reference, converted.keras_network(trainable=True), 1e-4).passed
    assert converted.keras().inputs[0].dtype == "uint8"


def test_the_graph_takes_raw_data_and_the_interface_says_so() -> None:
    options = ConvertOptions(**IMAGENET)
    source = network(pads=1)
    graph = read(identify(source), options)
    raw = RNG.integers(0, 256, (1, 3, 3, 3)).astype(np.uint8)
    info = nchw2nhwc.convert(source, **IMAGENET).inputs[0]
    (expected,) = runtime(source, {"x": info.to_network(raw)})
    np.testing.assert_allclose(run(graph, {"x": raw})["y"], expected, atol=1e-4)
    assert (info.name, info.tensor, info.dtype, info.given_type.dtype) == ("x", "x", np.uint8, np.uint8)
    assert info.source_type.dtype == np.float32


# ---- which input ---------------------------------------------------------------------------------------------------------------
def two_images() -> onnx.ModelProto:
    w = RNG.standard_normal((2, 3, 1, 1)).astype(np.float32)
    nodes = [node("Conv", "left w", "a"), node("Conv", "right w", "b"), node("Sub", "a b", "c"), node("Mul", "c factor", "y")]
    inputs = [tensor("left", [1, 3, 4, 4]), tensor("right", [1, 3, 4, 4]), tensor("factor", [1]), tensor("ids", [1], np.int64)]
    return model([*nodes, node("Cast", "ids", "z", to=1)], inputs, ["y", "z"], constants={"w": w})


def test_inputs_by_name() -> None:
    converted = nchw2nhwc.convert(two_images(), mean={"left": MEAN, "right": 1.0, "factor": 2}, reverse_channels=["right"])
    assert converted.check().passed
    assert [info["preprocessing"] for info in converted.report["inputs"]] == [
        {"mean": [*MEAN], "scale": [1.0], "reverse_channels": False}, {"mean": [1.0], "scale": [1.0], "reverse_channels": True},
        {"mean": [2.0], "scale": [1.0], "reverse_channels": False}, None]


@pytest.mark.parametrize(("options", "message"), [
    ({"mean": MEAN}, r"only image-like input.*has 2\n  The inputs are: left \(float32"),
    ({"mean": {"middle": 1}}, "there is no input 'middle'"),
    ({"mean": {"left": [1, 2]}}, "2 numbers are given for the 3 channels"),
    ({"scale": {"factor": [1, 2]}}, "which of its axes are channels"),
    ({"reverse_channels": ["factor"]}, "which of its axes are channels"),
    ({"mean": {"ids": 1}}, "its elements are int64"),
    ({"scale": 0}, "must not be 0"), ({"mean": float("nan")}, "finite"), ({"mean": "1,2"}, "give a number"), ({"mean": []}, "finite"),
    ({"input_dtype": "int4"}, "choose from float32, uint8"), ({"reverse_channels": "left"}, "give True")])
def test_what_cannot_be_meant(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        nchw2nhwc.convert(two_images(), **options)


def test_no_input_is_an_image() -> None:
    with pytest.raises(OptionError, match="has none"):
        nchw2nhwc.convert(model([node("Relu", "x")]), mean=1)


def test_cut_models() -> None:
    source = model([node("Relu", "x", "a"), node("MaxPool", "a", "y", kernel_shape=[2, 2])], [tensor("x", [1, 3, 4, 4])])
    assert nchw2nhwc.convert(source, inputs=["a"], mean=MEAN, input_dtype="uint8").check().passed


# ---- afterwards ----------------------------------------------------------------------------------------------------------------
def test_results_are_checked_and_bisected_with_raw_data(tmp_path: Path) -> None:
    arguments = ["--mean", "7.5", "--scale", "image=4", "--reverse-channels", "--input-dtype", "uint8"]
    report = tmp_path / "r.json"
    assert cli.main([str(XML), "-o", str(tmp_path), *arguments, "--report", str(report), "--quiet"]) == 0
    (info,) = json.loads(report.read_text())["inputs"]
    assert (info["dtype"], info["preprocessing"]) == ("uint8", {"mean": [7.5], "scale": [4.0], "reverse_channels": True})
    found = nchw2nhwc.check(XML, tmp_path / "digits_float32.tflite", samples=2, layers=True)
    assert found.passed
    assert found.layers is not None
    assert found.layers.first is None
    for source in (XML, ONNX):
        result = bisect(identify(source), ConvertOptions(**IMAGENET | {"mean": 7.5, "scale": 4}))  # type: ignore[arg-type]
        assert result.passed
        assert result.finding is None


def test_flags_for_several_inputs(tmp_path: Path) -> None:
    file = tmp_path / "two.onnx"
    onnx.save(two_images(), file)
    means = ["--mean", "left=1,2,3", "--mean", "right=4"]
    assert cli.main([str(file), "-o", str(tmp_path), *means, "--reverse-channels-of", "left,right"]) == 0
    assert cli.main([str(file), "-o", str(tmp_path), "--reverse-channels"]) == 2
    for wrong in (["--mean", "1", "--mean", "2"], ["--mean", "a,b"], ["--input-dtype", "int3"]):
        with pytest.raises(SystemExit):
            cli.main([str(file), *wrong])
