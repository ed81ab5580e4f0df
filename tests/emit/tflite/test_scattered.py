"""One number that is put at several places, some of them named twice: SCATTER_ND would add it up."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.indexing import ScatterElements, ScatterND
from nchw2nhwc.ops.movement import Expand
from tests.emit.tflite.runs import RESOLVERS, run_file
from tests.passes.nets import Net

ELEMENTS = np.array([[1, 1, -2, 0, 1], [3, 0, 3, -1, 3]])
ROWS = np.array([[[1, 2], [1, 2]], [[0, -1], [1, 2]]])


@pytest.mark.parametrize("expanded", [False, True], ids=["constants", "expanded"])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64])
@pytest.mark.parametrize(("op", "indices", "data", "updates"), [
    (ScatterElements(1), ELEMENTS, (2, 4), (2, 5)), (ScatterElements(0), ELEMENTS % 2, (2, 5), (2, 5)),
    (ScatterND(), ROWS, (2, 3), (2, 2)), (ScatterND(), ROWS, (2, 3, 4), (2, 2, 4)), (ScatterND(), np.array([1, 2]), (2, 3), ())],
    ids=["elements", "columns", "rows", "pieces", "one"])
def test_a_number_at_computed_places(op: Op, indices: np.typing.NDArray[np.int64], data: tuple[int, ...], updates: tuple[int, ...],
                                     dtype: type, expanded: bool) -> None:
    net = Net()
    x, where = net.input(*data, dtype=np.dtype(dtype)), net.input(*indices.shape, dtype=np.dtype(np.int64))
    new = net(Expand(updates), net.const(3, dtype)) if expanded else net.const(np.full(updates, 3), dtype)
    net.output(net(op, x, where, new))
    given = [np.arange(np.prod(data)).reshape(data).astype(dtype), indices]
    wanted = run(net.graph, dict(zip((v.name for v in net.graph.inputs), given)))
    for resolver in RESOLVERS:
        for name, found in zip(net.graph.output_names, run_file(emit(net.graph).tobytes(), given, resolver), strict=True):
            np.testing.assert_array_equal(found, wanted[name])


def test_numbers_of_many_axes() -> None:
    """SELECT_V2 broadcasts up to four: places that are named once."""
    net = Net()
    shape = (2, 1, 3, 1, 2)
    x, where = net.input(*shape, dtype=np.dtype(np.float32)), net.input(2, 5, dtype=np.dtype(np.int64))
    net.output(net(ScatterND(), x, where, net.const(np.full(2, 3), np.float32)))
    given = [np.ones(shape, np.float32), np.array([[1, 0, 2, 0, -1], [0, 0, 0, 0, 0]])]
    wanted = run(net.graph, dict(zip((v.name for v in net.graph.inputs), given)))
    for resolver in RESOLVERS:
        (found,) = run_file(emit(net.graph).tobytes(), given, resolver)
        np.testing.assert_array_equal(found, wanted[net.graph.output_names[0]])
