"""Operators of ONNX Runtime's own domain against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, helper

from nchw2nhwc.errors import UnsupportedError, UnsupportedOpsError
from tests.parse.onnx.models import assert_as_runtime, model, read, tensor

DOMAIN = "com.microsoft"


def own(op: str, inputs: str, **attributes: object) -> NodeProto:
    return helper.make_node(op, inputs.split(), ["y"], domain=DOMAIN, **attributes)


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


def test_what_is_not_supported() -> None:
    with pytest.raises(UnsupportedError, match="fused activation 'Wonder'"):
        read(model([own("FusedConv", "x w", activation="Wonder")], [tensor("x", (1, 2, 5, 5))],
                   constants={"w": np.ones((3, 2, 3, 3), np.float32)}, domains=[DOMAIN]))
    with pytest.raises(UnsupportedError, match="FusedMatMul of vectors"):
        read(model([own("FusedMatMul", "x x")], [tensor("x", (3,))], domains=[DOMAIN]))
    with pytest.raises(UnsupportedOpsError) as caught:
        read(model([own("Wonder", "x")], domains=[DOMAIN]))
    assert [missing.type for missing in caught.value.missing] == ["com.microsoft.Wonder"]
