"""Square roots where kernels are off: 1 / sqrt(0), of which XNNPACK makes NaN, and roots of squares of whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto

from nchw2nhwc import convert
from tests.emit.tflite.runs import RESOLVERS, run_file
from tests.parse.onnx.models import model, node, tensor

ROOT = [node("Pow", "z p", "y")]
CONSTANTS = {"p": np.float32(-0.5), "e": np.float32(1e-5), "t": np.float32(1e-40), "axes": np.array([1])}


@pytest.mark.parametrize(("before", "code"), [
    ([node("Identity", "x", "z")], "POW"), ([node("Add", "x t", "z")], "POW"), ([node("ReduceSum", "x axes", "z")], "POW"),
    ([node("Add", "x e", "z")], "RSQRT"), ([node("Max", "x e", "z")], "RSQRT"),
    ([node("Mul", "x x", "s"), node("ReduceSum", "s axes", "z")], "RSQRT")])
def test_the_operator(before: list[NodeProto], code: str) -> None:
    used = {name: CONSTANTS[name] for name in {"p"} | {i for each in before for i in each.input if i in CONSTANTS}}
    converted = convert(model([*before, *ROOT], [tensor("x", (2, 3))], constants=used))
    counts = converted.operator_counts()
    assert counts[code] == 1
    assert counts["POW"] + counts["RSQRT"] == 1


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_degrees_without_edges(resolver: str) -> None:
    """What graph networks divide by: infinite ones are left out."""
    nodes = [node("Pow", "x p", "r"), node("IsInf", "r", "i"), node("Where", "i zero r", "y")]
    converted = convert(model(nodes, [tensor("x", (2, 3))], constants={"p": np.float32(-0.5), "zero": np.float32(0)}, opset=17))
    x = np.array([[0, 1, 4], [0.25, 0, 16]], np.float32)
    (result,) = run_file(converted.tflite(), [x], resolver)
    np.testing.assert_allclose(result, [[0, 1, 0.5], [2, 0, 0.25]], rtol=1e-6)


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_lengths_of_integers_are_whole(resolver: str) -> None:
    """Cut off behind the point, and exact for what single precision holds: sums just below, at and just above squares."""
    roots = np.arange(1, 2049)
    nodes = [node("ReduceL2", "x axes", "y", keepdims=0)]
    converted = convert(model(nodes, [tensor("x", (3 * len(roots), 3), np.int32)], constants={"axes": np.array([1])}, opset=18))
    zeros, ones = np.zeros_like(roots), np.ones_like(roots)
    rows = [np.stack(columns, 1) for columns in ((roots, zeros, zeros), (roots, ones, zeros), (roots - 1, ones, ones))]
    x = np.concatenate(rows).astype(np.int32)
    (result,) = run_file(converted.tflite(), [x], resolver)
    np.testing.assert_array_equal(result, np.floor(np.sqrt(np.square(x.astype(np.float64)).sum(1))))
