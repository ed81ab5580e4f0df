"""Operators of ONNX Runtime's own domain against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, helper

from nchw2nhwc.errors import ConversionError, UnsupportedError, UnsupportedOpsError
from tests.parse.onnx.models import assert_as_runtime, model, node, read, tensor

DOMAIN = "com.microsoft"


def own(op: str, inputs: str, **attributes: object) -> NodeProto:
    return helper.make_node(op, ["" if part == "-" else part for part in inputs.split()], ["y"], domain=DOMAIN, **attributes)


@pytest.mark.parametrize("source", [own("Gelu", "x"), own("BiasGelu", "x b"), own("FastGelu", "x"), own("FastGelu", "x b"),
                                    own("QuickGelu", "x"),
                                    own("QuickGelu", "x", alpha=1.0)])
def test_activations(source: NodeProto) -> None:
    constants = {"b": np.array([0.1, -0.2, 0.3], np.float32)}
    assert_as_runtime(model([source], [tensor("x", ("N", 3))], constants=constants, domains=[DOMAIN]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("activation", "parameters"), [("Relu", None), ("Sigmoid", None), ("Tanh", None), ("LeakyRelu", [0.2]),
                                                        ("Clip", [-0.5, 1.0]), ("HardSigmoid", [0.3, 0.4])])
@pytest.mark.parametrize("residual", [False, True])
def test_fused_convolution(activation: str, parameters: list[float] | None, residual: bool) -> None:
    rng = np.random.default_rng(0)
    constants = {"w": rng.standard_normal((3, 2, 3, 3)).astype(np.float32), "b": rng.standard_normal(3).astype(np.float32)}
    more = {} if parameters is None else {"activation_params": parameters}
    source = own("FusedConv", "x w b z" if residual else "x w b", activation=activation, pads=[1] * 4, **more)
    inputs = [tensor("x", (1, 2, 5, 5)), *([tensor("z", (1, 3, 5, 5))] if residual else [])]
    assert_as_runtime(model([source], inputs, constants=constants, domains=[DOMAIN]), rtol=1e-4, atol=1e-5)


def test_fused_matmul() -> None:
    source = own("FusedMatMul", "x z", transA=1, transB=1, alpha=0.5)
    assert_as_runtime(model([source], [tensor("x", (3, 2)), tensor("z", (4, 3))], domains=[DOMAIN]), rtol=1e-4)


@pytest.mark.parametrize(("activation", "parameters"), [
    ("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.2}),
    ("HardSigmoid", {"activation_alpha": 0.3, "activation_beta": 0.4}),
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


def test_what_is_not_supported() -> None:
    with pytest.raises(UnsupportedError, match="fused activation 'Wonder'"):
        read(model([own("FusedConv", "x w", activation="Wonder")], [tensor("x", (1, 2, 5, 5))],
                   constants={"w": np.ones((3, 2, 3, 3), np.float32)}, domains=[DOMAIN]))
    with pytest.raises(UnsupportedError, match="FusedMatMul of vectors"):
        read(model([own("FusedMatMul", "x x")], [tensor("x", (3,))], domains=[DOMAIN]))
    with pytest.raises(UnsupportedOpsError) as caught:
        read(model([own("Wonder", "x")], domains=[DOMAIN]))
    assert [missing.type for missing in caught.value.missing] == ["com.microsoft.Wonder"]
