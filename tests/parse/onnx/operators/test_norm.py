"""Normalisations against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto

from nchw2nhwc.errors import ConversionError, UnsupportedError
from tests.parse.onnx.models import Dims, assert_as_runtime, model, node, ops, read, tensor

C = 6
VECTORS = {name: np.random.default_rng(k).uniform(0.5, 2, C).astype(np.float32) for k, name in enumerate("sbmv")}


@pytest.mark.parametrize("opset", [7, 9, 14, 15])
@pytest.mark.parametrize("shape", [("N", C, "H", 3), (2, C), (1, C, 4)])
def test_batch_norm(opset: int, shape: Dims) -> None:
    source = model([node("BatchNormalization", "x s b m v", epsilon=1e-3)], [tensor("x", shape)], constants=VECTORS, opset=opset)
    assert ops(assert_as_runtime(source)) == ["BatchNorm"]


def test_batch_norm_of_every_element_by_itself() -> None:
    with pytest.raises(UnsupportedError, match="spatial=0"):
        read(model([node("BatchNormalization", "x s b m v", spatial=0)], [tensor("x", (1, C, 2, 2))], constants=VECTORS, opset=7))


@pytest.mark.parametrize(("source", "opset"), [
    (node("InstanceNormalization", "x s b", epsilon=1e-3), 7),
    (node("GroupNormalization", "x s b", num_groups=3, epsilon=1e-3), 21),
    (node("GroupNormalization", "x s3 b3", num_groups=3), 18),
    (node("LayerNormalization", "x w4 b4"), 17), (node("LayerNormalization", "x w4", axis=-1, epsilon=1e-2), 17),
    (node("LayerNormalization", "x w34", axis=2), 17),
    (node("LpNormalization", "x"), 7), (node("LpNormalization", "x", p=1, axis=1), 7),
    (node("MeanVarianceNormalization", "x"), 9), (node("MeanVarianceNormalization", "x", axes=[-1]), 13),
    (node("LRN", "x", size=3, alpha=0.1, beta=0.5, bias=2.0), 7),
])
@pytest.mark.parametrize("batch", [2, "N"])
def test_norm(source: NodeProto, opset: int, batch: int | str) -> None:
    rng = np.random.default_rng(7)
    constants = VECTORS | {name: rng.standard_normal(shape).astype(np.float32) for name, shape in
                           (("s3", 3), ("b3", 3), ("w4", 4), ("b4", 4), ("w34", (3, 4)))}
    assert_as_runtime(model([source], [tensor("x", (batch, C, 3, 4))], constants=constants, opset=opset), rtol=1e-4, atol=1e-5)


def test_layer_norm_makes_its_statistics_only_for_readers() -> None:
    inputs, constants = [tensor("x", ("N", 4))], {"w": np.ones(4, np.float32)}
    layer = node("LayerNormalization", "x w", "y mean inverse")
    assert ops(read(model([layer], inputs, constants=constants))) == ["MVN", "Mul"]
    assert_as_runtime(model([layer], inputs, ["y", "mean", "inverse"], constants), rtol=1e-4)


def test_a_norm_of_zero_gives_zero() -> None:
    for p in (1, 2):
        source = model([node("Mul", "x zero", "z"), node("LpNormalization", "z", p=p)], constants={"zero": np.zeros(1, np.float32)})
        assert_as_runtime(source)


@pytest.mark.parametrize(("source", "message"), [
    (node("GroupNormalization", "x s b", num_groups=4), "cannot be divided into 4 groups"),
    (node("GroupNormalization", "x s b", num_groups=0), "cannot be divided into 0 groups"),
    (node("InstanceNormalization", "x x b"), "must have one axis"),
    (node("LpNormalization", "x", p=3), "only 1 and 2 exist"),
    (node("LayerNormalization", "x s", axis=7), "axis 7 does not exist"),
    (node("MeanVarianceNormalization", "x", axes=[0, 0]), "name an axis twice"),
])
def test_operands_that_do_not_fit(source: NodeProto, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        read(model([source], [tensor("x", (1, C, 2, 2))], constants=VECTORS, opset=21))
