"""Networks that ONNX has quantized, for tests of integer kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import NodeProto

from nchw2nhwc import Converted
from nchw2nhwc.emit.tflite.model import Tensor
from nchw2nhwc.ir import Array
from tests.emit.tflite.runs import RESOLVERS, run_file
from tests.parse.onnx.models import Dims, model, node, tensor

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
    Case("product", [op("Transpose", "a", "t", perm=[0, 2, 1]), op("MatMul", "a t", "b")], "", shape=(2, 5, 6),
         reasons="rounds twice"),
    Case("add", [conv(), op("Add", "a b", "c")], "CONV_2D ADD", SQUARE),
    Case("constants with zero points", [op("DequantizeLinear", "kq ks kz", "k"), op("Add", "a k", "b"), op("Mul", "b k", "c")], "ADD MUL",
         plain={"kq": np.array([0, 37, 200, 255], np.uint8).reshape(4, 1, 1), "ks": np.float32(0.0137), "kz": np.uint8(201)},
         has_16_bits=False),
    Case("mul of broadcast", [op("GlobalAveragePool", "a", "b"), op("Mul", "a b", "c")], "MEAN MUL"),
    Case("concat of one scale", [conv(result="b1"), conv("a v", "b2"), op("Concat", "b1 b2", "b3", axis=1)],
         "CONV_2D CONV_2D CONCATENATION", {**W, "v": weights(3, 4, 3, 3)}),
    Case("concat of two scales", [conv(), op("Concat", "a b", "c", axis=1)], "CONV_2D CONCATENATION", W),
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
    Case("leaky relu", [op("LeakyRelu", "a", "b", alpha=0.1)], "", reasons="rounds its slopes to 256ths", has_16_bits=False),
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
