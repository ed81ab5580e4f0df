"""Networks that OpenVINO has quantized with FakeQuantize, as integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ov

from nchw2nhwc import Converted, convert
from tests.emit.tflite.integer_networks import RNG, check_both, integer_codes, weights
from tests.emit.tflite.runs import RESOLVERS, run_file
from tests.parse.onnx.models import model, node, runtime, tensor


def _fake(x: openvino.Output, low: object, high: object, levels: int = 256) -> openvino.Node:
    bounds = [np.asarray(bound, np.float32) for bound in (low, high)]
    return ov.fake_quantize(x, *bounds, *bounds, levels)


def _openvino(tmp_path: Path, *, data: tuple[object, object], result: tuple[float, float], levels: int = 256) -> Converted:
    x = ov.parameter([1, 3, 8, 8], np.float32, name="x")
    rows = np.abs(RNG.normal(0, 1, (4, 3, 3, 3))).max(axis=(1, 2, 3), keepdims=True)
    w = _fake(ov.constant(RNG.uniform(-1, 1, (4, 3, 3, 3)).astype(np.float32)), -rows, rows, 255)
    made = ov.convolution(_fake(x, *data), w, [1, 1], [1, 1], [1, 1], [1, 1])
    y = _fake(ov.relu(made) if result[0] == 0 else made, *result, levels)
    file = tmp_path / "model.xml"
    openvino.save_model(openvino.Model([ov.result(y, name="y")], [x], "m"), file, compress_to_fp16=False)
    return convert(file)


@pytest.mark.parametrize(("data", "result", "levels", "floats"), [
    ((0.0, 2.55), (0.0, 4.0), 256, ""), ((-1.28, 1.27), (-2.56, 2.54), 256, ""), ((0.0, 2.55), (0.0, 4.0), 16, ""),
    ((-1.28, 1.27), (-2.54, 2.54), 255, ""), ((-1.28, 1.2704), (-2.56, 2.5405), 256, ""),
    ((0.5, 2.5), (0.0, 4.0), 256, "zero is none of its levels"),
    (([[[[0.0]], [[-1.28]], [[0.0]]]], [[[[1.0]], [[1.27]], [[3.0]]]]), (0.0, 4.0), 256, "its ranges have zero at several levels")])
def test_fake_quantize(data: tuple[object, object], result: tuple[float, float], levels: int, floats: str, tmp_path: Path) -> None:
    """Of 256 levels and fewer, unsigned and signed, also where zero is nearly a level; others stay arithmetic, with their reason."""
    converted = _openvino(tmp_path, data=data, result=result, levels=levels)
    found = converted.integers
    assert found is not None
    assert found.convolutions == (int(not floats), 1)
    assert not floats or any(floats in text for _, text in found.remarks)
    x = RNG.uniform(-1, 3, (1, 3, 8, 8)).astype(np.float32)
    wanted = converted.reference({"x": x}).expected["y"]
    check_both(converted, x, wanted, (result[1] - result[0]) / (levels - 1))


@pytest.mark.parametrize(("low", "high"), [(-0.003, 2.0), (-0.9987, 1.0), (-1.0, 1.0), (-0.31, 1.7), (-0.313, 1.7)])
def test_zero_between_two_levels(low: float, high: float, tmp_path: Path) -> None:
    """OpenVINO's integer kernels take the integers of the file and a whole zero point, so its numbers are a part of a step off."""
    converted = _openvino(tmp_path, data=(low, high), result=(-2.56, 2.54))
    found = converted.integers
    assert found is not None
    assert found.convolutions == (1, 1)
    assert [text for _, text in found.remarks if "steps off the nearest level; it was moved there" in text]
    x = RNG.uniform(-1, 3, (1, 3, 8, 8)).astype(np.float32)
    check_both(converted, x, converted.reference({"x": x}).expected["y"], 0.02)
    assert converted.check({"x": x}).least_sqnr > 45


def test_an_interface_of_integers(tmp_path: Path) -> None:
    """As OpenVINO's frontend for TFLite writes it: FakeQuantize from and to the range of a type."""
    x = ov.parameter([1, 8, 8, 3], np.int8, name="x")
    ends, data, result = (np.float32(-128), np.float32(127)), (np.float32(-1.28), np.float32(1.27)), (np.float32(0), np.float32(5.1))
    a = ov.fake_quantize(ov.transpose(ov.convert(x, np.float32), np.array([0, 3, 1, 2])), *ends, *data, 256)
    w = _fake(ov.constant(RNG.uniform(-1, 1, (4, 3, 3, 3)).astype(np.float32)), -1.0, 1.0, 255)
    y = ov.fake_quantize(ov.convolution(a, w, [1, 1], [1, 1], [1, 1], [1, 1]), *result, *ends, 256)
    file = tmp_path / "model.xml"
    made = ov.convert(ov.transpose(y, np.array([0, 2, 3, 1])), np.int8)
    openvino.save_model(openvino.Model([ov.result(made, name="y")], [x], "m"), file, compress_to_fp16=False)
    converted = convert(file)
    assert [o.code for o in converted.flatbuffer().model.subgraphs[0].operators] == ["CONV_2D"]
    assert converted.check().passed


@pytest.mark.parametrize("clip", [6.0, None])
def test_a_range_for_each_channel_before_a_depthwise_convolution(clip: float | None, tmp_path: Path) -> None:
    """Its scales become part of the weights of the layers around."""
    x = ov.parameter([1, 3, 8, 8], np.float32, name="x")
    filters = [RNG.uniform(-1, 1, shape).astype(np.float32) for shape in ((4, 3, 3, 3), (4, 1, 1, 3, 3))]
    rows = [np.abs(w).reshape(4, -1).max(axis=1).reshape(4, *[1] * (w.ndim - 1)) for w in filters]
    first, second = (_fake(ov.constant(w), -row, row, 255) for w, row in zip(filters, rows))
    y = ov.convolution(_fake(x, 0.0, 2.55), first, [1, 1], [1, 1], [1, 1], [1, 1])
    y = ov.relu(y) if clip is None else ov.clamp(y, 0.0, clip)
    y = _fake(y, np.zeros((1, 4, 1, 1)), np.array([3.0, 0.5, 5.9, 1e-3]).reshape(1, 4, 1, 1))
    y = _fake(ov.group_convolution(y, second, [1, 1], [1, 1], [1, 1], [1, 1]), -4.0, 3.96875)
    openvino.save_model(openvino.Model([ov.result(y, name="y")], [x], "m"), tmp_path / "model.xml", compress_to_fp16=False)
    converted = convert(tmp_path / "model.xml")
    found = converted.integers
    assert found is not None
    assert (found.convolutions, found.floats, found.remarks) == ((2, 2), (), ())
    assert integer_codes(converted) == ["CONV_2D", "DEPTHWISE_CONV_2D"]
    data = RNG.uniform(-1, 3, (1, 3, 8, 8)).astype(np.float32)
    check_both(converted, data, converted.reference({"x": data}).expected["y"], 1 / 32)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("group", [4, 1])
def test_scales_for_each_channel(dtype: str, group: int) -> None:
    """Only a depthwise convolution has weights that can take them; others compute in float."""
    scales = np.array([0.01, 0.02, 1e-4, 0.03], np.float32)
    constants = {"w/q": weights(4, 4 // group, 3, 3), "w/s": np.float32(0.01), "w/z": np.int8(0), "s": scales,
                 "z": np.full(4, 100 if dtype == "uint8" else -28, dtype), "t": np.float32(0.05), "u": np.array(120, dtype)}
    nodes = [node("QuantizeLinear", "x s z", "q", axis=1), node("DequantizeLinear", "q s z", "a", axis=1),
             node("DequantizeLinear", "w/q w/s w/z", "w"), node("Conv", "a w", "c", group=group),
             node("QuantizeLinear", "c t u", "d"), node("DequantizeLinear", "d t u", "y")]
    source = model(nodes, [tensor("x", (1, 4, 6, 6))], constants=constants, opset=13)
    converted = convert(source)
    found = converted.integers
    assert found is not None
    assert found.convolutions == (int(group > 1), 1)
    assert group > 1 or "its operand is not quantized" in [text for _, text in found.floats]
    x = RNG.uniform(-1, 1, (1, 4, 6, 6)).astype(np.float32)
    check_both(converted, x, runtime(source, {"x": x})[0], 0.05)


def test_operands_of_a_concatenation_share_a_grid(tmp_path: Path) -> None:
    """Of a short range beside a long one few levels are left, which the convolution before cuts to by where integers end."""
    x = ov.parameter([1, 3, 8, 8], np.float32, name="x")
    first, second, third = (_fake(ov.constant(RNG.uniform(-1, 1, shape).astype(np.float32)), -1.0, 1.0, 255)
                            for shape in ((4, 3, 3, 3), (4, 3, 3, 3), (4, 8, 1, 1)))
    data = _fake(x, 0.0, 2.55)
    short = _fake(ov.relu(ov.convolution(data, first, [1, 1], [1, 1], [1, 1], [1, 1])), 0.0, 0.25)
    long = _fake(ov.convolution(data, second, [1, 1], [1, 1], [1, 1], [1, 1]), -6.4, 6.35)
    y = _fake(ov.convolution(ov.concat([short, long], 1), third, [1, 1], [0, 0], [0, 0], [1, 1]), -6.4, 6.35)
    openvino.save_model(openvino.Model([ov.result(y, name="y")], [x], "m"), tmp_path / "model.xml", compress_to_fp16=False)
    converted = convert(tmp_path / "model.xml")
    found = converted.integers
    assert found is not None
    assert (found.convolutions, found.floats, found.remarks) == ((3, 3), (), ())
    assert integer_codes(converted) == ["CONV_2D", "QUANTIZE", "CONV_2D", "CONCATENATION", "CONV_2D"]
    pixels = RNG.uniform(-1, 3, (1, 3, 8, 8)).astype(np.float32)
    check_both(converted, pixels, converted.reference({"x": pixels}).expected["y"], 0.05)


@pytest.mark.parametrize(("low", "high", "codes"), [(0.0, 3.0, ["CONV_2D", "QUANTIZE"]),
                                                    (-1.0, 3.0, ["CONV_2D", "MINIMUM", "QUANTIZE"])])
def test_what_is_cut_to_less_than_the_range(low: float, high: float, codes: list[str], tmp_path: Path) -> None:
    """The convolution writes the levels that are left, one end of them where integers end."""
    x = ov.parameter([1, 3, 8, 8], np.float32, name="x")
    w = _fake(ov.constant(RNG.uniform(-1, 1, (4, 3, 3, 3)).astype(np.float32)), -1.0, 1.0, 255)
    made = ov.convolution(_fake(x, 0.0, 2.55), w, [1, 1], [1, 1], [1, 1], [1, 1])
    y = _fake(ov.clamp(made, low, high), -6.4, 6.35)
    openvino.save_model(openvino.Model([ov.result(y, name="y")], [x], "m"), tmp_path / "model.xml", compress_to_fp16=False)
    converted = convert(tmp_path / "model.xml")
    assert integer_codes(converted) == codes
    data = RNG.uniform(-1, 3, (1, 3, 8, 8)).astype(np.float32)
    check_both(converted, data, converted.reference({"x": data}).expected["y"], 0.05)


def test_fake_quantize_of_16_bits(tmp_path: Path) -> None:
    """OpenVINO's CPU plugin leaves out the rounding of what is no 8 bits."""
    converted = _openvino(tmp_path, data=(-1.28, 1.27), result=(-13.1072, 13.1068), levels=65536)
    found = converted.integers
    assert found is not None
    assert found.convolutions == (1, 1)
    x = RNG.uniform(-1, 3, (1, 3, 8, 8)).astype(np.float32)
    wanted = converted.reference({"x": x}).expected["y"]
    for resolver in RESOLVERS:
        (result,) = run_file(converted.tflite(), [converted.inputs[0].to_result(x)], resolver)
        off = np.abs(np.subtract(converted.outputs[0].to_source(result), wanted, dtype=np.float64))
        assert 0 < off.max() <= 1.1 * 0.0004, resolver
