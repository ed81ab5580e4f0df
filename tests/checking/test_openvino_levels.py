"""OpenVINO rounds a quantized model as it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ov

from nchw2nhwc import convert
from nchw2nhwc.checking.openvino_levels import keep_levels
from nchw2nhwc.ir import Array

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


def _joined() -> tuple[openvino.Model, dict[str, Array], Array]:
    """Two tensors of different ranges, put together and convolved: the model, inputs, and what it says."""
    a, b = (ov.parameter([1, 4, 8, 8], np.float32, name=name) for name in "ab")
    w, content = _weights(3, 8, 1, 1)
    both = ov.concat([_levels(a, 0.0, 0.5), _levels(b, -100.0, 100.0)], 1)
    made = ov.convolution(both, w, [1, 1], [0, 0], [0, 0], [1, 1])
    data = {"a": RNG.uniform(0, 0.5, (1, 4, 8, 8)).astype(np.float32), "b": RNG.uniform(-0.2, 0.2, (1, 4, 8, 8)).astype(np.float32)}
    parts = np.concatenate([_rounded(data["a"], 0.0, 0.5), _rounded(data["b"], -100.0, 100.0)], 1)
    return openvino.Model([ov.result(made, name="y")], [a, b], "joined"), data, np.einsum("oi,nihw->nohw", content[:, :, 0, 0], parts)


def test_operands_of_a_concatenation_keep_their_levels(tmp_path: Path) -> None:
    model, data, wanted = _joined()
    openvino.save_model(model, tmp_path / "m.xml", compress_to_fp16=False)
    expected = convert(tmp_path / "m.xml").reference(data).expected["y"]
    np.testing.assert_allclose(expected, wanted, atol=1e-4 * np.abs(wanted).max())


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


def test_outputs_and_inputs_come_behind_the_own_ones() -> None:
    model, _, _ = _joined()
    assert keep_levels(model) == 1
    assert [port.get_node().get_friendly_name() for port in model.inputs] == ["a", "b", "zero"]
    assert len(model.outputs) == 3
    assert model.outputs[0].get_node().get_friendly_name() == "y"


def test_what_is_not_quantized_is_left_alone() -> None:
    """Nor what only has quantized weights."""
    x = ov.parameter([1, 4, 8, 8], np.float32, name="x")
    w = _levels(ov.constant(RNG.normal(0, 1, (3, 8, 1, 1)).astype(np.float32)), -1.0, 1.0)
    made = ov.convolution(ov.concat([x, x], 1), w, [1, 1], [0, 0], [0, 0], [1, 1])
    model = openvino.Model([ov.result(made)], [x], "plain")
    assert keep_levels(model) == 0
    assert (len(model.inputs), len(model.outputs)) == (1, 1)
