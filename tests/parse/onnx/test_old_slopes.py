"""PRelu before opset 7."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import Dims, model, node, read, tensor


@pytest.mark.parametrize(("dims", "count"), [((2, 3, 4, 3), 3), ((2, 3, 4, 3), 1), (("N", 3, "L"), 3), ((4, 3), 3)])
def test_slopes_belong_to_channels(dims: Dims, count: int) -> None:
    """Also where the last axis has as many elements."""
    slopes = np.arange(1, count + 1, dtype=np.float32)
    graph = read(model([node("Relu", "x", "r"), node("Neg", "r", "n"), node("PRelu", "n s")], [tensor("x", dims)],
                       constants={"s": slopes}, opset=6))
    x = np.random.default_rng(0).normal(size=[d if isinstance(d, int) else 5 for d in dims]).astype(np.float32)
    wanted = -np.maximum(x, 0) * slopes.reshape(1, -1, *(1,) * (x.ndim - 2))
    np.testing.assert_allclose(run(graph, {"x": x})["y"], wanted, rtol=1e-6)


def test_an_operand_of_unknown_rank() -> None:
    nodes = [node("Reshape", "x h", "r"), node("PRelu", "r s", name="act")]
    source = model(nodes, [tensor("x", (2, 6)), tensor("h", ("R",), np.int64)], constants={"s": np.ones(3, np.float32)}, opset=6)
    with pytest.raises(UnsupportedError, match="operand 'r' has no known shape"):
        read(source)
