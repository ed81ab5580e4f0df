"""ai.onnx.ml.Normalizer."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from nchw2nhwc.errors import SourceError
from tests.parse.onnx.models import assert_as_runtime, model, node, read, tensor


@pytest.mark.parametrize("shape", [("N", 3), (4,)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer(norm: str, dtype: type[np.generic], shape: tuple[int | str, ...]) -> None:
    source = helper.make_node("Normalizer", ["x"], ["y"], domain="ai.onnx.ml", norm=norm)
    assert_as_runtime(model([source], [tensor("x", shape, dtype)], domains=["ai.onnx.ml"]))


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_rows_of_zeros_stay(norm: str) -> None:
    nodes = [node("Mul", "x zeros", "z"), node("Normalizer", "z", domain="ai.onnx.ml", norm=norm)]
    assert_as_runtime(model(nodes, [tensor("x", (3, 3))], constants={"zeros": np.float32([1, 0, 0])[:, None]}, domains=["ai.onnx.ml"]))


def test_what_is_no_normalizer() -> None:
    for norm, shape in (("L3", (2, 3)), ("L2", (2, 3, 4))):
        with pytest.raises(SourceError, match=f"no norm '{norm}'"):
            read(model([node("Normalizer", "x", domain="ai.onnx.ml", norm=norm)], [tensor("x", shape)], domains=["ai.onnx.ml"]))
