"""com.microsoft.CDist."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from nchw2nhwc.errors import SourceError, UnsupportedError
from tests.parse.onnx.models import assert_as_runtime, model, read, tensor


@pytest.mark.parametrize("attributes", [{}, {"metric": "euclidean"}])
def test_distances(attributes: dict[str, str]) -> None:
    source = helper.make_node("CDist", ["x", "c"], ["y"], domain="com.microsoft", **attributes)
    assert_as_runtime(model([source], [tensor("x", ("N", 3)), tensor("c", (5, 3))], domains=["com.microsoft"]))


def test_of_a_row_to_itself() -> None:
    source = helper.make_node("CDist", ["x", "x"], ["y"], domain="com.microsoft")
    assert_as_runtime(model([source], [tensor("x", (4, 3))], domains=["com.microsoft"]))


def test_to_constant_rows() -> None:
    centres = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
    source = helper.make_node("CDist", ["x", "c"], ["y"], domain="com.microsoft", metric="euclidean")
    assert_as_runtime(model([source], [tensor("x", (4, 3))], constants={"c": centres}, domains=["com.microsoft"]))


def test_metrics_that_onnx_runtime_does_not_have() -> None:
    source = helper.make_node("CDist", ["x", "x"], ["y"], domain="com.microsoft", metric="cityblock")
    with pytest.raises(UnsupportedError, match="the metric 'cityblock'"):
        read(model([source], [tensor("x", (4, 3))], domains=["com.microsoft"]))


def test_rows_in_batches() -> None:
    source = helper.make_node("CDist", ["x", "x"], ["y"], domain="com.microsoft")
    with pytest.raises(SourceError, match="two axes"):
        read(model([source], [tensor("x", (2, 4, 3))], domains=["com.microsoft"]))
