"""Sizes with which a model's own positions are inside of what they are looked up in."""

from __future__ import annotations

import numpy as np

from nchw2nhwc import convert
from nchw2nhwc.checking.positions import fitted, positions
from nchw2nhwc.ir import Dim
from tests.parse.onnx.models import model, node, read, tensor

TABLE = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
CONSTANTS: dict[str, object] = {"table": TABLE, "zero": np.array(0), "one": np.array(1), "i0": np.array([0]), "i2": np.array([2])}
LENGTHS = [node("Shape", "x", "sx"), node("Shape", "past", "sp"), node("Gather", "sx one", "s", axis=0),
           node("Gather", "sp one", "p", axis=0),
           node("Add", "p s", "all"), node("Range", "zero all one", "places")]
INPUTS = [tensor("x", ("B", "S", 4)), tensor("past", ("B", "P", 4)), tensor("mask", ("B", "T"))]
ROWS = [*LENGTHS, node("Gather", "mask places", "seen", axis=1), node("Unsqueeze", "seen i2", "m"), node("Gather", "table places", "rows"),
        node("Concat", "past x", "h", axis=1), node("Mul", "h m", "a"), node("Add", "a rows", "y")]
"""A decoder that looks up what it may see in a mask, whose length is an input's own, and its positions in a table of 20."""

FLAT = [*LENGTHS, node("Shape", "mask", "sm"), node("Gather", "sm zero", "b", axis=0), node("Gather", "sm one", "t", axis=0),
        node("Range", "zero b one", "images"), node("Mul", "images t", "begins"), node("Unsqueeze", "begins i1", "column"),
        node("Add", "column places", "flat"), node("Reshape", "mask open", "all_seen"), node("Gather", "all_seen flat", "y", axis=0)]
"""The same mask of all images one after the other."""

B, S, P, T = map(Dim.symbol, "BSPT")


def test_positions_of_a_decoder() -> None:
    assert positions(read(model(ROWS, INPUTS, constants=CONSTANTS, opset=17))) == [(P + S, T), (P + S, 20)]
    constants = {**CONSTANTS, "i1": np.array([1]), "open": np.array([-1])}
    assert positions(read(model(FLAT, INPUTS, constants=constants, opset=17))) == [(B * T - T + P + S, B * T)]


def test_positions_as_rows_of_two() -> None:
    nodes = [*LENGTHS, node("Unsqueeze", "places i1", "column"), node("Expand", "column like", "l"), node("Sub", "l l", "first"),
             node("Concat", "first column", "where", axis=1), node("GatherND", "mask where", "y")]
    constants = {**CONSTANTS, "i1": np.array([1]), "like": np.array([1, 1])}
    graph = read(model(nodes, INPUTS, constants=constants, opset=17))
    assert positions(graph) == [(P + S, T)]


def test_sizes_that_fit() -> None:
    sizes = {"B": 2, "S": 64, "P": 64, "T": 64}
    assert fitted([(P + S, T)], sizes) == {**sizes, "T": 128}
    assert fitted([(P + S, T), (P + S, 20)], sizes) == {"B": 2, "S": 8, "P": 8, "T": 128}
    assert fitted([(B * T - T + P + S, B * T)], sizes) == {**sizes, "T": 128}
    assert fitted([(P + 3, 2)], sizes) == sizes
    assert fitted([], sizes) == sizes


def test_a_decoder_is_checked() -> None:
    assert convert(model(ROWS, INPUTS, constants=CONSTANTS, opset=17)).check().passed
