"""The builder that both parsers use."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import ShapeError, UnsupportedError
from nchw2nhwc.ir import Dim, Graph, TensorType
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.binary import Add, Mul
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.shape_arithmetic import LIMIT
from nchw2nhwc.parse.builder import Builder

N, F32, I64 = Dim.symbol("N"), np.dtype(np.float32), np.dtype(np.int64)


@pytest.fixture
def b() -> Builder:
    builder = Builder(Graph("g", "m.xml"))
    builder.graph.add_input("x", TensorType(F32, (N, 3)))
    builder.layer("layer", "Kind")
    return builder


def test_nodes_come_from_the_current_layer(b: Builder) -> None:
    y = b.add1(Relu(), b.graph.inputs[0], name="t")
    assert y.producer is not None
    assert (y.name, y.origin, y.producer.origin.layer, y.producer.origin.type) == ("t", "t", "layer", "Kind")
    assert str(b.where) == "m.xml: layer 'layer' (Kind)"


def test_small_constants_are_computed_at_once(b: Builder) -> None:
    y = b.add1(Add(), b.const([1.0, 2.0], F32), b.const(3.0, F32), name="t")
    assert (len(b.graph), y.origin) == (0, "t")
    assert y.const is not None
    assert y.const.tolist() == [4, 5]


def test_large_constants_are_left_to_the_passes(b: Builder) -> None:
    y = b.add1(Add(), b.const(np.ones(LIMIT + 1, np.float32)), b.const(3.0, F32))
    assert not y.is_const
    assert len(b.graph) == 1


def test_symbolic_sizes_are_computed_at_once(b: Builder) -> None:
    """And become constants as soon as nothing in them is symbolic."""
    shape = b.sizes((N, 3), I64)
    twice = b.add1(Mul(), shape, b.const([2, 2], I64))
    assert b.shape_of(twice, "the shape") == (2 * N, 6)
    six = b.add1(Gather(0), twice, b.const(1, I64))
    assert six.const is not None
    assert six.const.item() == 6
    verify(b.graph)


def test_what_is_not_known_is_an_error(b: Builder) -> None:
    computed = b.add1(Relu(), b.graph.inputs[0])
    for read in (b.array, b.ints, b.shape_of):
        with pytest.raises(UnsupportedError, match=r"the shape .*run time") as caught:
            read(computed, "the shape")
        assert caught.value.where.layer == "layer"


def test_reshapes(b: Builder) -> None:
    x = b.graph.inputs[0]
    assert b.reshape(x, (N, 3)) is x
    assert b.reshape(x, (3 * N,)).shape == (3 * N,)
    weights = np.zeros((LIMIT, 4), np.float32)
    viewed = b.reshape(b.const(weights), (4, LIMIT), name="w")
    assert viewed.const is not None
    assert np.shares_memory(viewed.const, weights)
    assert viewed.origin == "w"
    with pytest.raises(ShapeError, match="elements") as caught:
        b.reshape(b.const(weights), (4, 4))
    assert caught.value.where.layer == "layer"


def test_transpositions(b: Builder) -> None:
    x = b.graph.inputs[0]
    assert b.transpose(x, (0, 1)) is x
    assert b.transpose(x, (1, 0)).shape == (3, N)
