"""OpenVINO rounds a quantized model as it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ov

from nchw2nhwc import convert
from nchw2nhwc.checking.openvino_levels import keep_levels
from nchw2nhwc.checking.openvino_source import deviations_of
from nchw2nhwc.ir import Array
from nchw2nhwc.source import identify
from tests.quantized_openvino import residual

RNG = np.random.default_rng(2)


def _levels(x: openvino.Output, low: float, high: float) -> openvino.Node:
    bounds = [np.float32(low), np.float32(high)]
    return ov.fake_quantize(x, *bounds, *bounds, 256)


def _rounded(x: Array, low: float, high: float) -> Array:
    step = (high - low) / 255
    return np.asarray(np.rint((np.clip(x, low, high) - low) / step) * step + low)


def _weights(*shape: int) -> tuple[openvino.Node, Array]:
    """Integers times 1/100, in the form of quantized weights."""
    whole = RNG.integers(-127, 128, shape).astype(np.int8)
    return ov.multiply(ov.convert(ov.constant(whole), "f32"), np.float32(0.01)), whole * np.float64(np.float32(0.01))


def test_what_is_added_to_is_rounded_first(tmp_path: Path) -> None:
    x = ov.parameter([1, 4, 8, 8], np.float32, name="x")
    first = _levels(x, 0.0, 2.55)
    (w, content), (v, other) = _weights(4, 4, 1, 1), _weights(4, 4, 1, 1)
    left, right = (_levels(ov.convolution(first, each, [1, 1], [0, 0], [0, 0], [1, 1]), -12.8, 12.7) for each in (w, v))
    y = _levels(ov.add(left, right), -21.76, 21.59)
    openvino.save_model(openvino.Model([ov.result(ov.relu(y), name="y")], [x], "added"), tmp_path / "m.xml", compress_to_fp16=False)
    data = RNG.uniform(0, 2.55, (1, 4, 8, 8)).astype(np.float32)
    sums = [_rounded(np.einsum("oi,nihw->nohw", each[:, :, 0, 0], _rounded(data, 0.0, 2.55)), -12.8, 12.7) for each in (content, other)]
    wanted = np.maximum(_rounded(sums[0] + sums[1], -21.76, 21.59), 0)
    expected = convert(tmp_path / "m.xml").reference({"x": data}).expected["y"]
    off = np.abs(expected - wanted) > 0.01
    assert off.mean() < 0.01, "only halves, which are rounded in either direction"


def test_norms_have_the_epsilon_of_the_file(tmp_path: Path) -> None:
    x = ov.parameter([2, 16], np.float32, name="x")
    y = _levels(ov.mvn(_levels(x, -0.64, 0.635), np.array([1]), True, 0.01, "inside_sqrt"), -4.0, 4.0)
    openvino.save_model(openvino.Model([ov.result(y, name="y")], [x], "norm"), tmp_path / "m.xml", compress_to_fp16=False)
    data = RNG.uniform(-0.3, 0.3, (2, 16)).astype(np.float32)
    rounded = _rounded(data, -0.64, 0.635)
    exact = (rounded - rounded.mean(1, keepdims=True)) / np.sqrt(rounded.var(1, keepdims=True) + 0.01)
    converted = convert(tmp_path / "m.xml")
    np.testing.assert_allclose(converted.reference({"x": data}).expected["y"], _rounded(exact, -4.0, 4.0), atol=1e-5)
    assert converted.check({"x": data}).passed


def test_states_are_not_rounded(tmp_path: Path) -> None:
    """The plugin rounds those of an LSTM to the levels of the data, whose range may not hold them."""
    x, steps, size = ov.parameter([2, 30, 4], np.float32, name="x"), np.full(2, 30, np.int32), 8
    initial = ov.multiply(ov.convert(ov.constant(np.zeros((2, 1, size), np.uint8)), "f32"), np.float32(1e-6))
    (w, _), (r, _) = _weights(1, 4 * size, 4), _weights(1, 4 * size, size)
    cell, bias = (ov.constant(np.zeros(shape, np.float32)) for shape in ((2, 1, size), (1, 4 * size)))
    layer = ov.lstm_sequence(_levels(x, 0.0, 2.55), initial, cell, ov.constant(steps), w, r, bias, size, "forward")
    openvino.save_model(openvino.Model([ov.result(layer.output(0), name="y")], [x], "lstm"), tmp_path / "m.xml", compress_to_fp16=False)
    result = convert(tmp_path / "m.xml").check({"x": RNG.uniform(0, 2.55, (2, 30, 4)).astype(np.float32)})
    assert result.least_sqnr > 80


def test_outputs_come_behind_the_own_ones() -> None:
    """Of tensors that are added or multiplied; others may be aligned where they are put together."""
    a, b, c = (ov.parameter([1, 4, 8, 8], np.float32, name=name) for name in "abc")
    first, second, third = (_levels(each, -1.0, 1.0) for each in (a, b, c))
    model = openvino.Model([ov.result(ov.concat([ov.add(first, ov.multiply(second, np.float32(2))), third], 1), name="y")], [a, b, c], "m")
    keep_levels(model)
    assert [port.get_node().input_value(0).get_node() for port in model.outputs[1:]] == [first, second]
    assert model.outputs[0].get_node().get_friendly_name() == "y"


def test_what_is_not_quantized_is_left_alone() -> None:
    """Nor what only has quantized weights."""
    x = ov.parameter([1, 4, 8, 8], np.float32, name="x")
    w = _levels(ov.constant(RNG.normal(0, 1, (3, 4, 1, 1)).astype(np.float32)), -1.0, 1.0)
    made = ov.convolution(x, ov.multiply(w, np.float32(2)), [1, 1], [0, 0], [0, 0], [1, 1])
    model = openvino.Model([ov.result(made)], [x], "plain")
    keep_levels(model)
    assert len(model.outputs) == 1


def test_what_openvino_computes_otherwise(tmp_path: Path) -> None:
    for dtype, factors, halved in (("f32", False, ()), ("f16", True, ("factor",)), ("f32", True, ())):
        found = deviations_of(identify(residual(tmp_path, dtype, factors=factors), None))
        assert found.halved == halved
        assert set(found.unrounded) == {"branch"}
        assert {"conv", "branch", "add"} <= found.unrounded["branch"]
