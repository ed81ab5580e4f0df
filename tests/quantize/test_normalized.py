"""Vectors of different sizes that are normalized."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from nchw2nhwc.quantize import flatfile
from tests.quantize.models import network
from tests.quantize.test_coarse import kinds, quantized


def residual(small: float, norm: str) -> onnx.ModelProto:
    """A sum of rows, one of which is so much smaller than the others, normalized and given to a layer."""
    rng = np.random.default_rng(4)
    rows = np.ones((16, 1))
    rows[5] = small
    end = {"layer": [helper.make_node("LayerNormalization", ["a", "one"], ["n"], "norm")],
           "mean": [helper.make_node("Mul", ["a", "a"], ["q"]), helper.make_node("ReduceMean", ["q"], ["mean"], axes=[2], keepdims=1),
                    helper.make_node("Add", ["mean", "eps"], ["e"]), helper.make_node("Sqrt", ["e"], ["root"]),
                    helper.make_node("Div", ["a", "root"], ["n"])],
           "length": [helper.make_node("LpNormalization", ["a"], ["n"], axis=2, p=2)]}[norm]
    nodes = [helper.make_node("Reshape", ["c", "shape"], ["r"]), helper.make_node("Mul", ["r", "rows"], ["uneven"]),
             helper.make_node("MatMul", ["r", "m"], ["h"], "hidden"), helper.make_node("Mul", ["h", "rows"], ["scaled"]),
             helper.make_node("Add", ["uneven", "scaled"], ["a"], "residual"), *end,
             helper.make_node("Gather", ["n", "fifth"], ["row"], axis=1), helper.make_node("MatMul", ["row", "k"], ["y"], "dense")]
    return network(nodes, shape=np.array([1, 16, 32]), rows=rows, m=rng.normal(0, 0.2, (32, 32)), one=np.ones(32), eps=np.array(1e-7),
                   fifth=np.array(5), k=rng.normal(0, 1, (32, 4)))


@pytest.mark.parametrize("norm", ["layer", "mean", "length"])
def test_normalized_sums_of_small_and_large_vectors(norm: str) -> None:
    part, sqnr = quantized(residual(0.02, norm), "int8")
    sums = [op for op in part.graph.operators if part.graph.tensors[op.outputs[0]].name.decode().startswith("a")]
    assert {part.graph.tensors[op.outputs[0]].type for op in sums if part.code(op) == "ADD"} == {flatfile.FLOAT32}
    assert sqnr > 14
    part, _ = quantized(residual(1.0, norm), "int8")
    assert kinds(part, "ADD")[0] == "int8"


def normalized() -> onnx.ModelProto:
    """One token beside 64 others that are many times as large, all normalized."""
    rng = np.random.default_rng(4)
    nodes = [helper.make_node("Mul", ["c", "large"], ["w2"], "scaled"), helper.make_node("Reshape", ["w2", "rows"], ["r"], "rows"),
             helper.make_node("MatMul", ["r", "near"], ["patches"], "patches"),
             helper.make_node("ReduceMean", ["r"], ["mean"], "mean", axes=[1], keepdims=1), helper.make_node("MatMul", ["mean", "small"],
                                                                                                         ["token"], "token"),
             helper.make_node("Concat", ["token", "patches"], ["all"], "tokens", axis=1),
             helper.make_node("LayerNormalization", ["all", "one"], ["n"], "norm"),
             helper.make_node("Gather", ["n", "first"], ["picked"], "pick", axis=1),
             helper.make_node("MatMul", ["picked", "m"], ["y"], "dense")]
    return network(nodes, large=np.array(10.0), rows=np.array([1, 64, 8]), near=rng.normal(0, 1, (8, 8)), small=rng.normal(0, 0.03, (8, 8)),
                   one=np.ones(8), first=np.array(0), m=rng.normal(0, 1, (8, 4)))


def test_small_vectors_beside_large_ones() -> None:
    part, sqnr = quantized(normalized(), "int8")
    assert kinds(part, "CONCATENATION") == ["float32"]
    assert set(kinds(part, "RSQRT") + kinds(part, "MEAN")[1:] + kinds(part, "SUB")) == {"float32"}
    assert sqnr > 15
