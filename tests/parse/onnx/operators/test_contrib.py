"""Operators of ONNX Runtime's own domain against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, ValueInfoProto, helper

from nchw2nhwc.errors import ConversionError, SourceError, UnsupportedError, UnsupportedOpsError
from nchw2nhwc.ir import Array
from tests.parse.onnx.models import assert_as_runtime, model, node, read, tensor

DOMAIN = "com.microsoft"


def own(op: str, inputs: str, **attributes: object) -> NodeProto:
    return helper.make_node(op, ["" if part == "-" else part for part in inputs.split()], ["y"], domain=DOMAIN, **attributes)


@pytest.mark.parametrize("source", [own("Gelu", "x"), own("BiasGelu", "x b"), own("FastGelu", "x"), own("FastGelu", "x b"),
                                    own("QuickGelu", "x"),
                                    own("QuickGelu", "x", alpha=1.0), own("ScaledSiLU", "x", alpha=2.0), own("ScaledSiLU", "x s")])
def test_activations(source: NodeProto) -> None:
    constants = {"b": np.array([0.1, -0.2, 0.3], np.float32), "s": np.float32(0.7)}
    given = {name: array for name, array in constants.items() if name in source.input}
    assert_as_runtime(model([source], [tensor("x", ("N", 3))], constants=given, domains=[DOMAIN]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("activation", "parameters"), [("Relu", None), ("Sigmoid", None), ("Tanh", None), ("LeakyRelu", [0.2]),
                                                        ("Clip", [-0.5, 1.0]), ("HardSigmoid", [0.3, 0.4]), ("HardSwish", None),
                                                        ("Sigmoid", [0.1])])
@pytest.mark.parametrize("residual", [False, True])
def test_fused_convolution(activation: str, parameters: list[float] | None, residual: bool) -> None:
    rng = np.random.default_rng(0)
    constants = {"w": rng.standard_normal((3, 2, 3, 3)).astype(np.float32), "b": rng.standard_normal(3).astype(np.float32)}
    more = {} if parameters is None else {"activation_params": parameters}
    source = own("FusedConv", "x w b z" if residual else "x w b", activation=activation, pads=[1] * 4, **more)
    inputs = [tensor("x", (1, 2, 5, 5)), *([tensor("z", (1, 3, 5, 5))] if residual else [])]
    assert_as_runtime(model([source], inputs, constants=constants, domains=[DOMAIN]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("left", "right", "attributes"), [
    ((3, 2), (4, 3), {"transA": 1, "transB": 1, "alpha": 0.5}), ((3,), (3, 4), {"transA": 1}), ((3,), (4, 3), {"transB": 1}),
    ((5, 2, 3), (3,), {"transB": 1, "alpha": 2.0}), ((3,), (3,), {"transA": 1, "transB": 1}),
    ((3, 2, 5, 4), (6, 2, 5, 4), {"transBatchA": 1, "transBatchB": 1, "transB": 1}),
])
def test_fused_matmul(left: tuple[int, ...], right: tuple[int, ...], attributes: dict[str, float]) -> None:
    source = own("FusedMatMul", "x z", **attributes)
    assert_as_runtime(model([source], [tensor("x", left), tensor("z", right)], domains=[DOMAIN]), rtol=1e-4, atol=1e-5)


def test_matmul_under_its_former_name() -> None:
    source = own("TransposeMatMul", "x z", transA=1, alpha=0.5)
    assert_as_runtime(model([source], [tensor("x", (3, 2)), tensor("z", (3, 4))], domains=[DOMAIN]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("activation", "parameters"), [
    ("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.2}),
    ("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.4}), ("Elu", {"activation_alpha": 0.5}), ("Sigmoid", {}), ("Tanh", {}),
    ("Softplus", {}), ("Softsign", {}), ("ThresholdedRelu", {"activation_alpha": 0.5}), ("Celu", {"activation_alpha": 0.5}),
    ("Selu", {"activation_alpha": 1.5, "activation_gamma": 1.1}), ("Relu", {"activation_alpha": 0.5}),
])
def test_fused_gemm(activation: str, parameters: dict[str, float]) -> None:
    source = own("FusedGemm", "x z c", transB=1, alpha=0.5, beta=2.0, activation=activation, **parameters)
    inputs = [tensor("x", (3, 2)), tensor("z", (4, 2)), tensor("c", (4,))]
    assert_as_runtime(model([source], inputs, domains=[DOMAIN]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("opset", [11, 16])
def test_layer_norm_before_it_was_standard(opset: int) -> None:
    constants = {name: np.linspace(-1, 2, 5).astype(np.float32) for name in "gb"}
    assert_as_runtime(model([node("LayerNormalization", "x g b", axis=-1)], [tensor("x", (3, "N", 5))], constants=constants, opset=opset),
                      rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", [13, 21])
def test_rms_norm_of_the_runtime(opset: int) -> None:
    source = node("SimplifiedLayerNormalization", "x g", axis=-1, epsilon=1e-6)
    constants = {"g": np.linspace(-1, 2, 5).astype(np.float32)}
    assert_as_runtime(model([source], [tensor("x", (3, "N", 5))], constants=constants, opset=opset), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("bits", "zeros"), [(2, "none"), (2, "packed"), (4, "none"), (4, "packed"), (4, "real"), (8, "none"),
                                             (8, "packed")])
@pytest.mark.parametrize("size", [64, 80])
def test_weights_of_a_few_bits(bits: int, zeros: str, size: int) -> None:
    """A row whose last block is not full; an odd number of blocks, whose zero points end within a byte."""
    rng, rows, block = np.random.default_rng(bits), 6, 32
    blocks = -(-size // block)
    constants = {"w": rng.integers(0, 256, (rows, blocks, block * bits // 8)).astype(np.uint8),
                 "s": rng.uniform(0.1, 1, (rows, blocks)).astype(np.float32), "c": rng.standard_normal(rows).astype(np.float32)}
    if zeros != "none":
        constants["z"] = (rng.integers(0, 256, (rows, -(-blocks * bits // 8))).astype(np.uint8) if zeros == "packed"
                          else rng.uniform(0, 3, (rows, blocks)).astype(np.float32))
    source = own("MatMulNBits", "x w s - - c" if zeros == "none" else "x w s z - c", K=size, N=rows, bits=bits, block_size=block)
    assert_as_runtime(model([source], [tensor("x", (2, "T", size))], constants=constants, domains=[DOMAIN]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("change", "message"), [
    ({"bits": 3}, "no weights of 3 bits"), ({"N": 5}, "are not 5 rows"), ({"weight_prepacked": 1}, "weight_prepacked"),
])
def test_weights_of_a_few_bits_that_are_refused(change: dict[str, int], message: str) -> None:
    constants = {"w": np.zeros((6, 2, 16), np.uint8), "s": np.ones((6, 2), np.float32)}
    source = own("MatMulNBits", "x w s", **{"K": 64, "N": 6, "bits": 4, "block_size": 32, **change})
    with pytest.raises(ConversionError, match=message):
        read(model([source], [tensor("x", (2, 64))], constants=constants, domains=[DOMAIN]))


# ---- what ONNX Runtime has kernels for on other devices only -----------------------------------------------------------
IMAGE = tensor("x", (1, 5, 6, 2))
WEIGHTS = {"w": np.random.default_rng(1).standard_normal((4, 1, 3, 2)).astype(np.float32), "b": np.ones(4, np.float32)}
FIRST, LAST = node("Transpose", "x", "x1", perm=[0, 3, 1, 2]), {"perm": [0, 2, 3, 1]}
HOW = {"pads": [1, 0, 0, 1], "strides": [2, 1], "group": 2}


@pytest.mark.parametrize(("source", "others", "inputs", "constants"), [
    (own("BiasAdd", "x b z"), [node("Add", "x b", "t"), node("Add", "t z")], [tensor("x", (2, 3, 4)), tensor("z", (2, 3, 4))],
     {"b": np.arange(4, dtype=np.float32)}),
    (own("BiasSplitGelu", "x b"), [node("Add", "x b", "t"), node("Split", "t", "l r", axis=-1, num_outputs=2), node("Gelu", "r", "g"),
                                  node("Mul", "l g")],
     [tensor("x", (2, "N", 6))], {"b": np.arange(6, dtype=np.float32) - 3}),
    (own("BiasDropout", "x b z"), [node("Add", "x b", "t"), node("Add", "t z")], [tensor("x", (2, 3)), tensor("z", (2, 3))],
     {"b": np.ones(3, np.float32)}),
    (own("BiasDropout", "x b"), [node("Add", "x b")], [tensor("x", (2, 3))], {"b": np.ones((2, 3), np.float32)}),
    (own("BiasSoftmax", "x z", axis=3, is_inner_broadcast=1), [node("Add", "x z", "t"), node("Softmax", "t", axis=3)],
     [tensor("x", (2, 3, 4, 5)), tensor("z", (2, 1, 1, 5))], {}),
    (own("BiasSoftmax", "x z", axis=-1, is_inner_broadcast=0), [node("Add", "x z", "t"), node("Softmax", "t", axis=3)],
     [tensor("x", (2, 3, 4, 5)), tensor("z", (4, 5))], {}),
    (own("BiasSoftmax", "x z", axis=2, is_inner_broadcast=0),
     [node("Add", "x z", "t"), node("Flatten", "t", "f", axis=2), node("Softmax", "f", "s", axis=1), node("Shape", "x", "h"),
      node("Reshape", "s h")],
     [tensor("x", (2, 3, 4, 5)), tensor("z", (1, 3, 4, 5))], {}),
    (own("GemmFastGelu", "x w b"), [node("MatMul", "x w", "t"), node("Add", "t b", "s"), node("Gelu", "s", approximate="tanh")],
     [tensor("x", (2, 3, 4))], {"w": np.eye(4, 3, dtype=np.float32), "b": np.ones(3, np.float32)}),
    (own("FusedMatMulActivation", "x z", transB=1, activation="LeakyRelu", activation_alpha=0.1),
     [node("Transpose", "z", "t", perm=[1, 0]), node("MatMul", "x t", "m"), node("LeakyRelu", "m", alpha=0.1)],
     [tensor("x", (2, 3)), tensor("z", (4, 3))], {}),
    (own("FusedMatMulActivation", "x z", activation="Softmax", activation_axis=0),
     [node("MatMul", "x z", "m"), node("Softmax", "m", axis=0)],
     [tensor("x", (2, 3)), tensor("z", (3, 4))], {}),
    (own("SwiGLU", "x z", activation_alpha=1.7, activation_beta=1.0, limit=0.5),
     [node("Clip", "x - k", "g"), node("Clip", "z n k", "u"), node("Mul", "g a", "ga"), node("Sigmoid", "ga", "s"),
      node("Mul", "g s", "gs"), node("Add", "u o", "uo"), node("Mul", "gs uo")], [tensor("x"), tensor("z")],
     {"k": np.float32(0.5), "n": np.float32(-0.5), "a": np.float32(1.7), "o": np.float32(1)}),
    (own("SwiGLU", "x"), [node("Split", "x", "g u", axis=-1, num_outputs=2), node("Sigmoid", "g", "s"), node("Mul", "g s", "gs"),
                          node("Mul", "gs u")],
     [tensor("x", (2, 6))], {}),
    (own("NhwcConv", "x w b", **HOW), [FIRST, node("Transpose", "w", "w1", perm=[0, 3, 1, 2]), node("Conv", "x1 w1 b", "c", **HOW),
                                       node("Transpose", "c", **LAST)],
     [IMAGE], {**WEIGHTS, "w": WEIGHTS["w"].transpose(0, 2, 3, 1)}),
    (own("NhwcFusedConv", "x w b z", activation="Relu", **HOW),
     [FIRST, node("Conv", "x1 w b", "c", **HOW), node("Transpose", "c", "t", **LAST), node("Add", "t z", "s"), node("Relu", "s")],
     [IMAGE, tensor("z", (1, 2, 6, 4))], WEIGHTS),
], ids=lambda part: part.op_type if isinstance(part, NodeProto) else "")
def test_as_standard_operators(source: NodeProto, others: list[NodeProto],
                               inputs: list[ValueInfoProto], constants: dict[str, Array]) -> None:
    given = {name: array for name, array in constants.items() if name in source.input}
    other = model(others, inputs, constants=constants, opset=20)
    assert_as_runtime(model([source], inputs, constants=given, domains=[DOMAIN]), same_as=other,
                      rtol=1e-4, atol=1e-5)


def test_transposed_convolution_with_pads_as_operand() -> None:
    rng = np.random.default_rng(0)
    constants = {"w": rng.standard_normal((2, 3, 3, 3)).astype(np.float32), "p": np.array([1, 0, 1, 1]), "b": np.ones(3, np.float32)}
    source = own("ConvTransposeWithDynamicPads", "x w p b", strides=[2, 2], output_padding=[1, 0], dilations=[1, 2])
    assert_as_runtime(model([source], [tensor("x", (1, 2, 5, 5))], constants=constants, domains=[DOMAIN]), rtol=1e-4, atol=1e-5)


def test_poolings_channels_last() -> None:
    source = own("NhwcMaxPool", "x", kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 1])
    assert_as_runtime(model([source], [tensor("x", (1, 5, 6, 3), np.uint8)], domains=[DOMAIN]))


# ---- what became standard ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("source", "inputs", "constants"), [
    *((own("ExpandDims", "x a"), [tensor("x")], {"a": np.array([k], np.int32)}) for k in (0, 2, -1, -3)),
    (own("Range", "x z"), [], {"x": np.float32(1), "z": np.float32(5.5)}),
    (own("Range", "x z a"), [], {"x": np.array([7]), "z": np.array([1]), "a": np.array([-2])}),
    (own("Trilu", "x a", upper=0), [tensor("x", (2, 4, 5))], {"a": np.array(1)}), (own("Trilu", "x"), [tensor("x", (2, 4, 5))], {}),
    (own("Pad", "x p v"), [tensor("x")], {"p": np.array([1, 0, -1, 2]), "v": np.array([2.5], np.float32)}),
    (own("Pad", "x p", mode="reflect"), [tensor("x")], {"p": np.array([[1, 0, 0, 2]])}),
    (own("GatherND", "x a"), [tensor("x")], {"a": np.array([[1, 2], [0, -1]])}), (own("Inverse", "x"), [tensor("x", (2, 3, 3))], {}),
    (own("SwiGLU", "x"), [tensor("x")], None),
], ids=lambda part: part.op_type if isinstance(part, NodeProto) else "")
def test_as_standard_ones(source: NodeProto, inputs: list[ValueInfoProto], constants: dict[str, Array] | None) -> None:
    whole = model([source], inputs, constants=constants, domains=[DOMAIN])
    if constants is None:
        with pytest.raises(SourceError, match="has no halves"):
            read(whole)
    else:
        assert_as_runtime(whole, rtol=1e-3, atol=1e-4)


def test_elements_that_are_there_once() -> None:
    source = helper.make_node("Unique", ["x"], ["y", "i", "n"], domain=DOMAIN)
    assert_as_runtime(model([source], [tensor("x", (7,))], ["y", "i", "n"], domains=[DOMAIN]))


# ---- few bits ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [0, 1])
def test_weights_of_16_numbers(kind: int) -> None:
    rng, rows, columns, block = np.random.default_rng(kind), 6, 32, 16
    constants = {"w": rng.integers(0, 256, rows * columns // 2).astype(np.uint8),
                 "s": rng.uniform(0.1, 1, rows * columns // block).astype(np.float32)}
    source = own("MatMulBnb4", "x w s", K=columns, N=rows, block_size=block, quant_type=kind)
    assert_as_runtime(model([source], [tensor("x", (2, "T", columns))], constants=constants, domains=[DOMAIN]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("bits", "zeros"), [(4, False), (4, True), (8, False), (8, True), (2, True)])
@pytest.mark.parametrize("shape", [(9, 64), (9, 3, 32)])
def test_rows_of_a_table_of_a_few_bits(bits: int, zeros: bool, shape: tuple[int, ...]) -> None:
    rng, blocks = np.random.default_rng(bits), shape[-1] // 16
    per_byte = 8 // bits
    constants = {"w": rng.integers(0, 256, (*shape[:-1], shape[-1] // per_byte)).astype(np.uint8),
                 "s": rng.uniform(0.1, 1, (*shape[:-1], blocks)).astype(np.float32),
                 "z": rng.integers(0, 256, (*shape[:-1], -(-blocks // per_byte))).astype(np.uint8)}
    source = own("GatherBlockQuantized", "w x s z" if zeros else "w x s", bits=bits, block_size=16, quantize_axis=-1)
    given = {name: array for name, array in constants.items() if name in source.input}
    assert_as_runtime(model([source], [tensor("x", (2, "T"), np.int64)], constants=given, domains=[DOMAIN]))


def test_what_is_not_supported() -> None:
    with pytest.raises(UnsupportedError, match="fused activation 'Wonder'"):
        read(model([own("FusedConv", "x w", activation="Wonder")], [tensor("x", (1, 2, 5, 5))],
                   constants={"w": np.ones((3, 2, 3, 3), np.float32)}, domains=[DOMAIN]))
    with pytest.raises(SourceError, match="transBatchA and transBatchB need"):
        read(model([own("FusedMatMul", "x x", transBatchA=1)], [tensor("x", (3, 3))], domains=[DOMAIN]))
    with pytest.raises(UnsupportedError, match="transB=0"):
        read(model([own("MatMulBnb4", "x w x", K=2, N=2, block_size=16, quant_type=0, transB=0)], constants={"w": np.ones(2, np.uint8)},
                   domains=[DOMAIN]))
    with pytest.raises(UnsupportedError, match="gather_axis and quantize_axis=0"):
        read(model([own("GatherBlockQuantized", "w x x", gather_axis=0, quantize_axis=0)], [tensor("x", (2,), np.int64)],
                   constants={"w": np.ones((2, 16), np.int8)}, domains=[DOMAIN]))
    with pytest.raises(SourceError, match="'Elu' has 1 parameter"):
        read(model([own("FusedGemm", "x x", transB=1, activation="Elu")], domains=[DOMAIN]))
    with pytest.raises(SourceError, match="is_inner_broadcast=1 says"):
        read(model([own("BiasSoftmax", "x z", axis=2, is_inner_broadcast=1)], [tensor("x", (2, 3, 4)), tensor("z", (1, 3, 4))],
                   domains=[DOMAIN]))
    with pytest.raises(UnsupportedOpsError) as caught:
        read(model([own("Wonder", "x")], domains=[DOMAIN]))
    assert [missing.type for missing in caught.value.missing] == ["com.microsoft.Wonder"]
