"""Networks that are quantized already: which operators compute with integers, and that they give what the source's runtime does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ml_dtypes
import numpy as np
import openvino
import pytest
from onnx import NodeProto
from openvino import opset13 as ov

from nchw2nhwc import Converted, convert
from nchw2nhwc.emit.tflite.model import Tensor
from nchw2nhwc.ir import Array
from tests.emit.tflite.runs import RESOLVERS, run_file
from tests.parse.onnx.models import Dims, model, node, runtime, tensor

RNG = np.random.default_rng(5)
SCALES = {"a": 0.021, "b": 0.033, "c": 0.05, "d": 1 / 256, "e": 1 / 128}
"""One for each quantized tensor of a case, by the letter that its name begins with."""
SCALES_16 = {"a": 0.0003, "b": 0.0005, "c": 0.0007, "d": 1 / 32768, "e": 1 / 32768}
ZEROS = {"int16": dict.fromkeys("abcde", 0), "uint16": dict.fromkeys("abcde", 1 << 15),
         "uint8": {"a": 120, "b": 131, "c": 128, "d": 0, "e": 128}, "int8": {"a": -8, "b": 3, "c": 0, "d": -128, "e": 0}}


def weights(*shape: int) -> Array:
    """Integers that stand for weights, with the largest one in every row."""
    w = RNG.integers(-127, 128, shape).astype(np.int8)
    w.reshape(len(w), -1)[:, 0] = 127
    return w


@dataclass(frozen=True)
class Case:
    """A network of real numbers: its operators as `Op operands result attributes`, of which every tensor that begins with a letter of
    `SCALES` is quantized. `x` is its input, `weights` are integers with a scale for each row, `codes` the operators that compute."""

    name: str
    lines: Sequence[tuple[str, str, str, dict[str, object]]]
    codes: str
    weights: dict[str, Array] = field(default_factory=dict)
    plain: dict[str, Array] = field(default_factory=dict)
    shape: Dims = (1, 4, 6, 6)
    reasons: str = ""
    axis: int = 0
    has_16_bits: bool = True
    """Whether the same holds for integers of 16 bits."""

    def __str__(self) -> str:
        return self.name


def op(kind: str, operands: str, result: str, **attributes: object) -> tuple[str, str, str, dict[str, object]]:
    return kind, operands, result, attributes


def conv(operands: str = "a w", result: str = "b", **attributes: object) -> tuple[str, str, str, dict[str, object]]:
    return op("Conv", operands, result, pads=[1, 1, 1, 1], **attributes)


W = {"w": weights(5, 4, 3, 3)}
SQUARE = {"w": weights(4, 4, 3, 3)}

CASES = [
    Case("conv", [conv()], "CONV_2D", W),
    Case("conv with bias", [conv("a w bias")], "CONV_2D", W, {"bias": np.linspace(-1, 1, 5, dtype=np.float32)}),
    Case("strided conv", [conv(strides=[2, 2])], "PAD CONV_2D", W),
    Case("dilated conv", [op("Conv", "a w", "b", dilations=[2, 2])], "CONV_2D", W),
    Case("conv in groups", [conv(group=2)], "CONV_2D", {"w": weights(6, 2, 3, 3)}),
    Case("depthwise conv", [conv(group=4)], "DEPTHWISE_CONV_2D", {"w": weights(8, 1, 3, 3)}),
    Case("conv and Relu", [conv(result="r"), op("Relu", "r", "b")], "CONV_2D", W),
    Case("conv and Clip", [conv(result="r"), op("Clip", "r zero six", "b")], "CONV_2D", W, {"zero": np.float32(0), "six": np.float32(6)}),
    Case("conv and MaxPool", [conv(result="r"), op("MaxPool", "r", "b", kernel_shape=[2, 2], strides=[2, 2])], "CONV_2D MAX_POOL_2D", W),
    Case("conv, shuffled", [conv(result="r"), op("Reshape", "r by4", "s"), op("Transpose", "s", "b", perm=[0, 2, 1])],
         "CONV_2D RESHAPE", SQUARE, {"by4": np.array([1, 4, 36])}),
    Case("batch norm behind a conv", [conv(result="r"), op("BatchNormalization", "r s t m v", "b")], "CONV_2D", W,
         {"s": np.linspace(-2, 3, 5, dtype=np.float32), "t": np.ones(5, np.float32), "m": np.zeros(5, np.float32),
          "v": np.full(5, 2, np.float32)}),
    Case("dead channels", [conv("a w bias")], "CONV_2D", {"w": W["w"] * (np.arange(5) != 1).astype(np.int8).reshape(5, 1, 1, 1)},
         {"bias": np.ones(5, np.float32)}),
    Case("transposed conv", [op("ConvTranspose", "a w", "b", strides=[2, 2])], "TRANSPOSE_CONV", {"w": weights(4, 3, 2, 2)}, axis=1),
    Case("fully connected", [op("Flatten", "a", "f"), op("Gemm", "f w bias", "b", transB=1)], "FULLY_CONNECTED",
         {"w": weights(3, 144)}, {"bias": np.ones(3, np.float32)}),
    Case("product with a constant", [op("MatMul", "a w", "b")], "FULLY_CONNECTED", {"w": weights(6, 3)}, axis=1, shape=(2, 5, 6)),
    Case("product", [op("Transpose", "a", "t", perm=[0, 2, 1]), op("MatMul", "a t", "b")], "BATCH_MATMUL", shape=(2, 5, 6)),
    Case("add", [conv(), op("Add", "a b", "c")], "CONV_2D ADD", SQUARE),
    Case("mul of broadcast", [op("GlobalAveragePool", "a", "b"), op("Mul", "a b", "c")], "MEAN MUL"),
    Case("concat of one scale", [conv(result="b1"), conv("a v", "b2"), op("Concat", "b1 b2", "b3", axis=1)],
         "CONV_2D CONV_2D CONCATENATION", {**W, "v": weights(3, 4, 3, 3)}),
    Case("concat of two scales", [conv(), op("Concat", "a b", "c", axis=1)], "CONV_2D QUANTIZE QUANTIZE CONCATENATION", W),
    Case("average pool", [op("AveragePool", "a", "a1", kernel_shape=[2, 2], strides=[2, 2])], "AVERAGE_POOL_2D"),
    Case("average pool to another scale", [op("AveragePool", "a", "b", kernel_shape=[2, 2])], "",
         reasons="one scale for operand and result"),
    Case("global pool", [op("GlobalAveragePool", "a", "b")], "MEAN"),
    Case("max pool with padding of SAME", [op("MaxPool", "a", "a1", kernel_shape=[3, 3], pads=[1, 1, 1, 1])], "MAX_POOL_2D"),
    Case("max pool with other padding", [op("MaxPool", "a", "a1", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])],
         "PADV2 MAX_POOL_2D"),
    Case("resize", [op("Resize", "a - two", "a1", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
         "RESIZE_NEAREST_NEIGHBOR", plain={"two": np.array([1, 1, 2, 2], np.float32)}),
    Case("pad and slice", [op("Pad", "a pads", "p"), op("Slice", "p from to", "a1")], "PAD STRIDED_SLICE",
         plain={"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "from": np.array([0, 1, 2, 0]), "to": np.array([1, 4, 7, 7])}),
    Case("halves", [op("Split", "a sizes", "s t", axis=1), conv("s w", "b")], "SPLIT CONV_2D", {"w": weights(3, 2, 3, 3)},
         {"sizes": np.array([2, 2])}),
    Case("sigmoid to the kernel's scale", [op("Sigmoid", "a", "d")], "LOGISTIC"),
    Case("sigmoid to another scale", [op("Sigmoid", "a", "b")], "", reasons="results of scale 0.00390625 and zero point -128 only"),
    Case("tanh", [op("Tanh", "a", "e")], "TANH"),
    Case("softmax", [op("Softmax", "a", "d", axis=1)], "SOFTMAX", shape=(3, 6)),
    Case("hard swish", [op("HardSwish", "a", "b")], "HARD_SWISH", has_16_bits=False),
    Case("leaky relu", [op("LeakyRelu", "a", "b", alpha=0.1)], "LEAKY_RELU"),
    Case("a result in float of a conv in groups", [conv(result="y", group=2)], "", {"w": weights(6, 2, 3, 3)},
         reasons="its result is not quantized"),
    Case("a result in two scales", [conv(result="r"), op("Identity", "r", "b"), op("Identity", "r", "c"), op("Add", "b c", "c1")],
         "QUANTIZE CONV_2D ADD", W, has_16_bits=False),
    Case("a result in two scales of a conv in groups", [conv(result="r", group=2), op("Identity", "r", "b"), op("Identity", "r", "c"),
                                                        op("Add", "b c", "c1")], "ADD", {"w": weights(6, 2, 3, 3)},
         reasons="its readers quantize its result in different ways"),
    Case("behind what mixes scales", [conv(), op("Concat", "a b", "t", axis=1), conv("t v", "c")], "CONV_2D",
         {**W, "v": weights(3, 9, 3, 3)}, reasons="its operand is computed in float"),
    Case("an op without a kernel", [op("Sin", "a", "d")], "", reasons="there is no integer kernel for it"),
]


def network(case: Case, dtype: str) -> object:
    """The case in ONNX: QuantizeLinear and DequantizeLinear behind everything that is quantized."""
    nodes: list[NodeProto] = []
    constants: dict[str, object] = dict(case.plain)
    for letter, scale in (SCALES if dtype in ("int8", "uint8") else SCALES_16).items():
        constants |= {f"{letter}/s": np.float32(scale), f"{letter}/z": np.array(ZEROS[dtype][letter], dtype)}
    for name, array in case.weights.items():
        size = array.shape[case.axis]
        steps = np.linspace(0.001, 0.004, size, dtype=np.float32)
        constants |= {f"{name}/q": array, f"{name}/s": steps, f"{name}/z": np.zeros(size, np.int8)}
        nodes.append(node("DequantizeLinear", f"{name}/q {name}/s {name}/z", name, axis=case.axis))

    def rounded(source: str, name: str) -> list[NodeProto]:
        s, z = f"{name[0]}/s", f"{name[0]}/z"
        return [node("QuantizeLinear", f"{source} {s} {z}", f"{name}/q"), node("DequantizeLinear", f"{name}/q {s} {z}", name)]

    nodes += rounded("x", "a")
    for kind, operands, result, attributes in case.lines:
        is_rounded = result[0] in SCALES
        nodes.append(node(kind, operands, f"{result}/real" if is_rounded else result, **attributes))
        nodes += rounded(f"{result}/real", result) if is_rounded else []
    return model(nodes, [tensor("x", case.shape)], [case.lines[-1][2].split()[-1]], constants, opset=21)


def integer_codes(converted: Converted) -> list[str]:
    """The operators that read and write integers, but for the one that makes them of the input."""
    graph = converted.flatbuffer().model.subgraphs[0]

    def is_integer(t: Tensor) -> bool:
        return t.dtype in (np.int8, np.int16) and t.quantization is not None

    return [o.code for o in graph.operators if all(is_integer(graph.tensors[i]) for i in o.outputs)
            and any(is_integer(graph.tensors[i]) for i in o.inputs)]


def check_both(converted: Converted, x: Array, wanted: Array, step: float, most: int = 1) -> None:
    """With XNNPACK and without it, every result is at most so many steps off, and most are the same: a mean of four is half a step in one
    of four cases, which kernels round differently."""
    content = converted.tflite()
    for resolver in RESOLVERS:
        (result,) = run_file(content, [converted.inputs[0].to_result(x)], resolver)
        off = np.abs(converted.outputs[0].to_source(result).astype(np.float64) - wanted)
        assert off.max() <= (most + 0.01) * step, resolver
        assert np.sum(off > 0.01 * step) <= max(2, 0.3 * off.size), resolver


def _inputs(case: Case) -> Array:
    return np.random.default_rng(0).uniform(-2.5, 2.5, [int(size) for size in case.shape if isinstance(size, int)]).astype(np.float32)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
@pytest.mark.parametrize("case", [case for case in CASES if case.has_16_bits], ids=str)
def test_networks_of_16_bits(case: Case, dtype: str) -> None:
    """As with 8, where zero is in the middle; kernels of 16 bits round products twice."""
    source = network(case, dtype)
    converted = convert(source)
    assert integer_codes(converted) == case.codes.split()
    x = _inputs(case)
    (wanted,) = runtime(source, {"x": x})  # type: ignore[arg-type]
    content = converted.tflite()
    for resolver in RESOLVERS:
        (result,) = run_file(content, [converted.inputs[0].to_result(x)], resolver)
        off = np.abs(converted.outputs[0].to_source(result).astype(np.float64) - wanted)
        assert off.max() <= 2.01 * SCALES_16.get(case.lines[-1][2][0], 1e-4), resolver


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_networks(case: Case, dtype: str) -> None:
    source = network(case, dtype)
    converted = convert(source)
    assert integer_codes(converted) == case.codes.split()
    found = converted.integers
    assert found is not None
    assert [text for _, text in found.floats if case.reasons in text] if case.reasons else not found.floats
    x = _inputs(case)
    (wanted,) = runtime(source, {"x": x})  # type: ignore[arg-type]
    last = case.lines[-1][2]
    check_both(converted, x, wanted, SCALES.get(last[0], 1e-4), 1 if len(case.lines) == 1 else 2)


# ---- weights --------------------------------------------------------------------------------------------------------------
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


@pytest.mark.parametrize(("target", "codes"), [("micro", ["QUANTIZE", "CONV_2D"]), ("gpu", []), ("nnapi", [])])
def test_results_of_16_bits_are_for_devices_that_have_them(target: str, codes: list[str]) -> None:
    converted = convert(network(Case("wide", [conv("a w", "y")], "", W), "int8"), target=target)
    assert integer_codes(converted) == codes
    found = converted.integers
    assert found is not None
    assert [text for _, text in found.floats] == ["its result is not quantized"] * (not codes)


def test_few_result_channels_have_16_bits_only_where_most_would_be_float() -> None:
    """Kernels of 16 bits gather the data of each result first."""
    alone = convert(network(Case("alone", [conv("a w", "y")], "", {"w": weights(2, 4, 3, 3)}), "int8"))
    assert integer_codes(alone) == ["QUANTIZE", "CONV_2D"]
    lines = [conv("a v", "b"), conv("b v", "c"), conv("c w", "y")]
    others = convert(network(Case("others", lines, "", {"v": SQUARE["w"], "w": weights(2, 4, 3, 3)}), "int8"))
    assert integer_codes(others) == ["CONV_2D", "CONV_2D"]
    many = convert(network(Case("many", lines, "", {"v": SQUARE["w"], "w": weights(8, 4, 3, 3)}), "int8"))
    assert integer_codes(many) == ["CONV_2D", "CONV_2D", "QUANTIZE", "CONV_2D"]


def test_a_result_that_16_bits_would_spoil_stays_float() -> None:
    w = weights(2, 20000)
    source = network(Case("long", [op("Gemm", "a w", "y", transB=1)], "", {"w": w}, shape=(1, 20000)), "int8")
    found = convert(source).integers
    assert found is not None
    assert found.products == (0, 1)
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


# ---- OpenVINO ---------------------------------------------------------------------------------------------------------------
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


@pytest.mark.parametrize(("scale", "listed"), [(1e-9, "too small beside those of its operands"), (1e-31, "its scale is 1e-31")])
def test_scales_that_kernels_do_not_take(scale: float, listed: str) -> None:
    """Nothing ends the process: what has them computes in float."""
    constants = {"s": np.float32(0.02), "z": np.int8(3), "t": np.float32(scale)}
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "a"), node("Add", "a a", "b"),
             node("QuantizeLinear", "b t z", "p"), node("DequantizeLinear", "p t z", "y")]
    converted = convert(model(nodes, [tensor("x", (2, 3))], constants=constants, opset=17))
    found = converted.integers
    assert found is not None
    assert [text for _, text in (*found.floats, *found.remarks) if listed in text]
    assert converted.check().passed


def test_dequantize_computes_in_float() -> None:
    source = network(CASES[0], "int8")
    converted = convert(source, dequantize=True)
    assert converted.integers is None
    assert not integer_codes(converted)
    assert converted.check().passed
