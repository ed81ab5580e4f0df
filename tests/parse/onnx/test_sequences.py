"""Sequences of tensors, in forms that ONNX's own tests do not have."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import model, node, read, runtime, tensor


@pytest.mark.parametrize("sizes", [(1, 4, 2), (0, 7, 0)])
def test_pieces_of_computed_sizes(sizes: tuple[int, ...]) -> None:
    """How many there are is known, how large they are is not."""
    nodes = [node("SplitToSequence", "x n", "s", axis=1), node("SequenceAt", "s one", "a"), node("Neg", "a"),
             node("SequenceLength", "s", "z")]
    source = model(nodes, [tensor("x", (2, 7)), tensor("n", (3,), np.int64)], ("y", "z"), {"one": np.array(1)})
    given = {"x": np.arange(14, dtype=np.float32).reshape(2, 7), "n": np.array(sizes)}
    for found, wanted in zip(run(read(source), given).values(), runtime(source, given), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_pieces_of_an_open_axis() -> None:
    source = model([node("SplitToSequence", "x", "s"), node("SequenceLength", "s")], [tensor("x", ("N", 2))])
    with pytest.raises(ShapeError, match="an axis that becomes a sequence"):
        read(source)
