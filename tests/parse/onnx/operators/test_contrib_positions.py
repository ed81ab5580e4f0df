"""Relative positions and rotations of com.microsoft, for which ONNX Runtime has no kernels on CPUs, against their formulas in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from nchw2nhwc.errors import ConversionError
from nchw2nhwc.ir import Array
from nchw2nhwc.ir.interpreter import run
from tests.fixtures.onnx_models import relative_buckets
from tests.parse.onnx.models import model, read, tensor

MICROSOFT = "com.microsoft"
RNG = np.random.default_rng(0)


def _normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (1, 40), (40, 7)])
def test_relative_positions_both_ways(queries: int, keys: int) -> None:
    """Distances beyond the farthest share a bucket."""
    table = _normal(16, 3)
    node = helper.make_node("RelativePositionBias", ["t", "q", "k"], ["y"], domain=MICROSOFT, max_distance=20, is_bidirectional=1)
    source = model([node], [tensor("t", (16, 3))], constants={"q": np.array([queries]), "k": np.array([keys])}, domains=[MICROSOFT])
    wanted = table.reshape(3, 16)[:, relative_buckets(queries, keys, 16, 20)][None]
    np.testing.assert_array_equal(run(read(source), {"t": table})["y"], wanted)


def test_relative_positions_of_an_open_length_one_way() -> None:
    """Keys ahead are all in the first bucket."""
    nodes = [helper.make_node("Shape", ["x"], ["s"], start=1),
             helper.make_node("RelativePositionBias", ["t", "s", "s"], ["y"], domain=MICROSOFT, max_distance=20)]
    source = model(nodes, [tensor("x", (2, "L")), tensor("t", (8, 3))], domains=[MICROSOFT])
    table = _normal(8, 3)
    back = np.minimum(relative_buckets(30, 30, 16, 20), 7)
    wanted = table.reshape(3, 8)[:, np.where(np.tri(30, dtype=bool), back, 0)][None]
    np.testing.assert_array_equal(run(read(source), {"x": _normal(2, 30), "t": table})["y"], wanted)


def test_gated_relative_positions() -> None:
    shapes = {"x": (2, 5, 8), "qb": (8,), "p": (1, 2, 5, 5), "w": (4, 6), "b": (6,), "e": (1, 2, 1, 1)}
    given = {name: _normal(*shape) for name, shape in shapes.items()}
    node = helper.make_node("GatedRelativePositionBias", list(shapes), ["y"], domain=MICROSOFT, num_heads=2)
    graph = read(model([node], [tensor(name, shape) for name, shape in shapes.items()], domains=[MICROSOFT]))
    heads = (given["x"] + given["qb"]).reshape(2, 5, 2, 4).transpose(0, 2, 1, 3)
    gates = 1 / (1 + np.exp(-(heads @ given["w"] + given["b"]).reshape(2, 2, 5, 2, 3).sum(-1)))
    wanted = (gates[..., :1] * (gates[..., 1:] * given["e"] - 1) + 2) * given["p"]
    np.testing.assert_allclose(run(graph, given)["y"], wanted, rtol=1e-5, atol=1e-6)


def test_gemma() -> None:
    shapes = {"emb": (2, 5, 4), "q": (2, 3, 5, 4), "qr": (2, 3, 5, 4), "k": (2, 1, 5, 4), "kr": (2, 1, 5, 4)}
    given = {name: _normal(*shape) for name, shape in shapes.items()}
    node = helper.make_node("GemmaRotaryEmbedding", list(shapes), ["y", "z"], domain=MICROSOFT)
    found = run(read(model([node], [tensor(name, shape) for name, shape in shapes.items()], ["y", "z"], domains=[MICROSOFT])), given)
    cosines, sines = np.cos(given["emb"])[:, None], np.sin(given["emb"])[:, None]
    for name, x, turned in (("y", "q", "qr"), ("z", "k", "kr")):
        np.testing.assert_allclose(found[name], given[x] * cosines + given[turned] * sines, rtol=1e-5, atol=1e-6)


def test_what_is_refused() -> None:
    packed = helper.make_node("GatedRelativePositionBias", ["x", "b", "p", "w", "b", "e", "o"], ["y"], domain=MICROSOFT, num_heads=1)
    shapes = {"x": (10, 4), "b": (4,), "p": (1, 1, 5, 5), "w": (4, 4), "e": (1, 1, 1, 1), "o": (2, 5)}
    with pytest.raises(ConversionError, match="packed tokens"):
        read(model([packed], [tensor(name, shape) for name, shape in shapes.items()], domains=[MICROSOFT]))
    few = helper.make_node("RelativePositionBias", ["t", "q", "q"], ["y"], domain=MICROSOFT, max_distance=2)
    with pytest.raises(ConversionError, match="8 buckets for distances up to 2"):
        read(model([few], [tensor("t", (8, 3))], constants={"q": np.array([5])}, domains=[MICROSOFT]))
