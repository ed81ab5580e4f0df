"""Which inputs are channels-first data."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Graph
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.layout.interface import spatial_inputs
from nchw2nhwc.ops.activation_functions import Relu
from nchw2nhwc.ops.movement import Reshape
from nchw2nhwc.ops.pooling import MaxPool

FLOAT = np.dtype(np.float32)


@pytest.mark.parametrize(("given", "reshaped", "found"), [
    ((2, 3, 5), (2, 3, 1, 5), True), ((2, 3, 5), (2, 3, 5, 1), True), ((2, 3, 1, 5), (2, 3, 5, 1), True),
    ((1, 3, 4, 5), (1, 3, 4, 5), True),
    ((2, 3, 20), (2, 3, 4, 5), False), ((3, 2, 5), (2, 3, 1, 5), False), ((1, 5), (1, 5, 1, 1), False), ((6, 1, 5), (2, 3, 1, 5), False)])
def test_axes_of_size_1_before_a_pool(given: tuple[int, ...], reshaped: tuple[int, ...], found: bool) -> None:
    """A pool over one axis is one over two by then; other reshapes make other axes."""
    graph = Graph("g")
    x = graph.add_input("x", TensorType(FLOAT, given))
    y = graph.add1(Reshape(reshaped), [graph.add1(Relu(), [x])])
    graph.add_output(graph.add1(MaxPool((1, 1), (1, 1), (1, 1), (0, 0), (0, 0)), [y]), "y")
    assert spatial_inputs(graph) == ({id(x)} if found else set())
