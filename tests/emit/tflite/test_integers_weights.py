"""Weights and results of layers that integer kernels compute, and what computes in float instead."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from nchw2nhwc import Converted, convert
from nchw2nhwc.ir import Array
from tests.emit.tflite.integer_networks import RNG, SQUARE, Case, W, check_both, conv, integer_codes, network, op, weights
from tests.emit.tflite.runs import RESOLVERS, run_file
from tests.parse.onnx.models import model, node, runtime, tensor


def _weighted(q: Array, scale: Array, zero: Array, opset: int = 21) -> Converted:
    constants = {"w/q": q, "w/s": scale, "w/z": zero, "s": np.float32(0.02), "z": np.uint8(128), "t": np.float32(0.01)}
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "a"),
             node("DequantizeLinear", "w/q w/s w/z", "w", axis=0), node("Conv", "a w", "c"), node("QuantizeLinear", "c t z", "p"),
             node("DequantizeLinear", "p t z")]
    return convert(model(nodes, [tensor("x", (1, 4, 6, 6))], constants=constants, opset=opset))


@pytest.mark.parametrize(("q", "zero", "copies"), [
    (weights(5, 4, 3, 3), 0, 1), (RNG.integers(90, 180, (5, 4, 3, 3)).astype(np.uint8), 128, 1),
    (RNG.integers(0, 256, (5, 4, 3, 3)).astype(np.uint8), 60, 2), (np.arange(76, 256).reshape(5, 4, 3, 3).astype(np.uint8), 0, 3),
    (np.resize(np.arange(-128, 128), (5, 4, 3, 3)).astype(np.int8), 0, 1),
    (np.resize([*range(-128, 127, 9), -128], (5, 4, 3, 3)).astype(np.int8), 0, 2),
    (np.full((5, 4, 3, 3), -128, np.int8), 0, 1), (RNG.integers(-8, 8, (5, 4, 3, 3)).astype(ml_dtypes.int4), 0, 1),
    (RNG.integers(0, 16, (5, 4, 3, 3)).astype(ml_dtypes.uint4), 3, 1)])
def test_weights(q: Array, zero: int, copies: int) -> None:
    """Unsigned ones are shifted, narrow ones widened; those beyond -127 to 127 (but for one of -128) are sums, for data whose channels
    stand several times one behind the other. -128 throughout is -1 throughout."""
    converted = _weighted(q, np.float32(0.01), np.array(zero, q.dtype))
    found = converted.integers
    assert found is not None
    assert found.convolutions == (1, 1)
    assert not found.floats
    graph = converted.flatbuffer().model.subgraphs[0]
    (made,) = (operator for operator in graph.operators if operator.code == "CONV_2D")
    assert graph.tensors[made.inputs[0]].shape[-1] == 4 * copies
    x = RNG.uniform(-2.5, 2.5, (1, 4, 6, 6)).astype(np.float32)
    check_both(converted, x, converted.reference({"x": x}).expected[converted.outputs[0].name], 0.01)


@pytest.mark.parametrize(("bits", "relu", "codes"), [
    (4, True, ["CONV_2D"]), (7, True, ["CONV_2D"]), (4, False, ["CONV_2D", "MINIMUM"]), (8, True, ["CONV_2D"])])
def test_fewer_levels_than_integers_have(bits: int, relu: bool, codes: list[str]) -> None:
    """A Clip between QuantizeLinear and DequantizeLinear, as Brevitas and PyTorch's reduced ranges have it: the ends of the levels are
    those of int8 where one can be chosen, and a Relu cuts at zero."""
    most = (1 << bits) - 1 if relu else (1 << bits - 1) - 1
    dtype, least = (np.uint8, 0) if relu else (np.int8, -most - 1)
    constants = {"w/q": SQUARE["w"], "w/s": np.float32(0.004), "w/z": np.int8(0), "s": np.float32(0.02), "z": np.uint8(128),
                 "t": np.float32(1.5 / most), "u": dtype(0), "low": dtype(least), "high": dtype(most)}
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "a"),
             node("DequantizeLinear", "w/q w/s w/z", "w"), node("Conv", "a w", "c"), node("Relu" if relu else "Identity", "c", "r"),
             node("QuantizeLinear", "r t u", "d"), node("Clip", "d low high", "e"), node("DequantizeLinear", "e t u", "y")]
    source = model(nodes, [tensor("x", (1, 4, 6, 6))], constants=constants, opset=17)
    converted = convert(source)
    found = converted.integers
    assert found is not None
    assert (found.convolutions, found.floats) == ((1, 1), ())
    assert integer_codes(converted) == codes
    x = RNG.uniform(-2.5, 2.5, (1, 4, 6, 6)).astype(np.float32)
    check_both(converted, x, converted.reference({"x": x}).expected[converted.outputs[0].name], 1.5 / most)


def test_unsigned_weights_of_other_layers() -> None:
    """Also of fully connected layers and transposed convolutions; a convolution in groups stays float."""
    q = RNG.integers(0, 256, (4, 4, 3, 3)).astype(np.uint8)
    constants = {"w/q": q, "v/q": RNG.integers(0, 256, (4, 6)).astype(np.uint8), "g/q": q[:, :1],
                 "f/q": RNG.integers(0, 256, (64, 3)).astype(np.uint8), "w/s": np.float32(0.01), "w/z": np.uint8(90),
                 "s": np.float32(0.02), "z": np.uint8(128), "t": np.float32(0.5)}
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "a")]
    nodes += [node("DequantizeLinear", f"{name}/q w/s w/z", name) for name in ("w", "v", "g", "f")]
    nodes += [node("ConvTranspose", "a w", "c"), node("MatMul", "a v", "d"), node("Conv", "a g", "e", group=4),
              node("Flatten", "a", "b"), node("Gemm", "b f", "h")]
    for name in "cdeh":
        nodes += [node("QuantizeLinear", f"{name} t z", f"{name}/q"), node("DequantizeLinear", f"{name}/q t z", f"{name}/y")]
    source = model(nodes, [tensor("x", (1, 4, 4, 4))], ["c/y", "d/y", "e/y", "h/y"], constants, opset=17)
    converted = convert(source)
    found = converted.integers
    assert found is not None
    assert (found.convolutions, found.products) == ((1, 2), (2, 2))
    assert ["of a convolution in groups" in text for _, text in found.floats] == [True]
    assert converted.check().passed


@pytest.mark.parametrize("relu", [False, True])
def test_a_result_that_is_not_rounded_has_16_bits(relu: bool) -> None:
    """Within a step of what it should be, of the finest grid on which no sum is cut."""
    lines = [conv("a w bias", "r"), op("Relu", "r", "y")] if relu else [conv("a w bias", "y")]
    case = Case("wide", lines, "", W, {"bias": np.linspace(-1, 1, 5, dtype=np.float32)})
    source = network(case, "uint8")
    converted = convert(source)
    assert integer_codes(converted) == ["QUANTIZE", "CONV_2D"]
    found = converted.integers
    assert found is not None
    assert not found.floats
    assert [text for _, text in found.remarks] == ["its result, which is not rounded in the source, has 16 bits"]
    graph = converted.flatbuffer().model.subgraphs[0]
    (grid,) = (graph.tensors[o.outputs[0]].quantization for o in graph.operators if o.code == "CONV_2D")
    assert grid is not None
    extremes = np.where(np.flip(np.linspace(-1, 1, 4)) > 0, np.float32(-9), np.float32(9)).reshape(1, 4, 1, 1)
    for x in (RNG.uniform(-2.5, 2.5, (1, 4, 6, 6)).astype(np.float32), np.broadcast_to(extremes, (1, 4, 6, 6)).astype(np.float32)):
        (wanted,) = runtime(source, {"x": x})  # type: ignore[arg-type]
        for resolver in RESOLVERS:
            (result,) = run_file(converted.tflite(), [converted.inputs[0].to_result(x)], resolver)
            assert np.abs(converted.outputs[0].to_source(result) - wanted).max() <= grid.scales[0]


@pytest.mark.parametrize("bounds", [(-0.5, 0.25), (-4.0, None), (-0.1, 0.7)])
def test_what_is_cut_off_behind_takes_no_part_of_16_bits(bounds: tuple[float, float | None]) -> None:
    """The grid ends where all readers cut, if they do."""
    low, high = bounds
    ends = {"low": np.float32(low), **({} if high is None else {"high": np.float32(high)})}
    case = Case("cut", [conv("a w", "r"), op("Clip", " ".join(["r", *ends]), "y")], "", W, ends)
    source = network(case, "uint8")
    converted = convert(source)
    graph = converted.flatbuffer().model.subgraphs[0]
    (grid,) = (graph.tensors[o.outputs[0]].quantization for o in graph.operators if o.code == "CONV_2D")
    assert grid is not None
    if high is None:
        assert grid.scales[0] > 4 / 32767
    else:
        np.testing.assert_allclose(grid.scales[0], max(-low, high) / 32767, rtol=1e-6)
    x = RNG.uniform(-2.5, 2.5, (1, 4, 6, 6)).astype(np.float32)
    (wanted,) = runtime(source, {"x": x})  # type: ignore[arg-type]
    for resolver in RESOLVERS:
        (result,) = run_file(converted.tflite(), [converted.inputs[0].to_result(x)], resolver)
        assert np.abs(converted.outputs[0].to_source(result) - wanted).max() <= grid.scales[0]


@pytest.mark.parametrize(("target", "codes"), [("micro", ["QUANTIZE", "CONV_2D"]), ("gpu", []), ("nnapi", [])])
def test_results_of_16_bits_are_for_devices_that_have_them(target: str, codes: list[str]) -> None:
    converted = convert(network(Case("wide", [conv("a w", "y")], "", W), "int8"), target=target)
    assert integer_codes(converted) == codes
    found = converted.integers
    assert found is not None
    assert [text for _, text in found.floats] == ["its result is not quantized"] * (not codes)


def test_results_have_16_bits_only_where_most_would_be_float() -> None:
    """Float32 is exact and no slower. Kernels of 16 bits gather the data of each result first, so few channels come last."""
    few, many = {"v": SQUARE["w"], "w": weights(2, 4, 3, 3)}, {"v": SQUARE["w"], "w": weights(8, 4, 3, 3)}
    alone = convert(network(Case("alone", [conv("a w", "y")], "", {"w": few["w"]}), "int8"))
    assert integer_codes(alone) == ["QUANTIZE", "CONV_2D"]
    for constants in (few, many):
        half = convert(network(Case("half", [conv("a v", "b"), conv("b w", "y")], "", constants), "int8"))
        assert integer_codes(half) == ["CONV_2D", "QUANTIZE", "CONV_2D"]
        source = network(Case("most", [conv("a v", "b"), conv("b v", "c"), conv("c w", "y")], "", constants), "int8")
        most = convert(source)
        assert integer_codes(most) == ["CONV_2D", "CONV_2D"]
        found = most.integers
        assert found is not None
        assert [text for _, text in found.floats] == [
            "its result is not quantized; 16 bits would be no faster than float32, which is exact"]
        assert integer_codes(convert(source, target="micro")).count("CONV_2D") == (3 if constants is many else 2)


def test_a_result_that_16_bits_would_spoil_stays_float() -> None:
    w = weights(2, 20000, 1, 1)
    source = network(Case("long", [conv("a w", "y")], "", {"w": w}, shape=(1, 20000, 1, 1)), "int8")
    found = convert(source).integers
    assert found is not None
    assert found.convolutions == (0, 1)
    assert [text for _, text in found.floats] == [
        "its result is not quantized; 16 bits for all that its sums can be would leave less than 50 dB"]


@pytest.mark.parametrize(("constants", "axis", "reason"), [
    ({"s": np.full(4, 0.02, np.float32), "z": np.arange(4, dtype=np.uint8)}, 1, "it has several scales"),
    ({"s": np.float32(0.02), "z": np.uint16(7)}, 1, "its zero point is not 32768"), ({"z": np.uint8(7)}, 1, "is computed at run time")])
def test_what_becomes_arithmetic_is_listed(constants: dict[str, object], axis: int, reason: str) -> None:
    constants = {**constants, "w/q": SQUARE["w"], "w/s": np.float32(0.01), "w/z": np.int8(0)}
    nodes = [] if "s" in constants else [node("Abs", "x", "m"), node("ReduceMax", "m", "s", keepdims=0)]
    nodes += [node("QuantizeLinear", "x s z", "q", axis=axis), node("DequantizeLinear", "q s z", "a", axis=axis),
              node("DequantizeLinear", "w/q w/s w/z", "w"), node("Conv", "a w", "y")]
    converted = convert(model(nodes, [tensor("x", (1, 4, 6, 6))], constants=constants, opset=21))
    found = converted.integers
    assert found is not None
    assert [(where.type, reason in text) for where, text in found.remarks] == [("QuantizeLinear", True), ("DequantizeLinear", True)]
    assert [text for _, text in found.floats] == ["its operand is not quantized"]
    assert converted.check().passed


def test_the_interface_may_be_integers() -> None:
    """Inputs and outputs of small integers keep their types, and tell their scales."""
    constants = {"w/q": SQUARE["w"], "w/s": np.float32(0.01), "w/z": np.int8(0), "s": np.float32(0.02), "z": np.uint8(120),
                 "t": np.float32(0.1)}
    nodes = [node("DequantizeLinear", "x s z", "a"), node("DequantizeLinear", "w/q w/s w/z", "w"), node("Conv", "a w", "c"),
             node("QuantizeLinear", "c t z", "y")]
    source = model(nodes, [tensor("x", (1, 4, 6, 6), np.uint8)], constants=constants, opset=17)
    converted = convert(source)
    graph = converted.flatbuffer().model.subgraphs[0]
    assert [(t.dtype.name, t.quantization and t.quantization.zero_point) for t in (graph.tensors[graph.inputs[0]],
                                                                                   graph.tensors[graph.outputs[0]])] == [("uint8", 120)] * 2
    assert [o.code for o in graph.operators] == ["QUANTIZE", "CONV_2D", "QUANTIZE"]
    x = RNG.integers(0, 256, (1, 4, 6, 6)).astype(np.uint8)
    check_both(converted, x, runtime(source, {"x": x})[0], 1)
    assert converted.check().passed
