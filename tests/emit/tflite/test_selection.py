"""What a condition leaves."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.emit.tflite import emit
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.binary import Add
from nchw2nhwc.ops.selection import Compress
from tests.emit.tflite.runs import RESOLVERS, run_file
from tests.passes.nets import Net

CONDITION = np.array([True, False, True, True, False])


@pytest.mark.parametrize(("places", "codes"), [
    (np.arange(5)[:, None], ["WHERE", "ADD"]), (np.arange(5), ["WHERE", "GATHER_ND", "ADD"]),
    (np.arange(5)[::-1, None], ["WHERE", "GATHER_ND", "ADD"])], ids=["all, in rows", "a vector", "another order"])
def test_places_are_what_where_finds(places: np.typing.NDArray[np.int64], codes: list[str]) -> None:
    net = Net()
    kept = net(Compress(0, "kept"), net.const(places, np.int64), net.input(5, dtype=np.bool_))
    net.output(net(Add(), kept, net.const([1], np.int64)))
    made = emit(net.graph)
    assert [op.code for op in made.model.subgraphs[0].operators] == codes
    wanted = run(net.graph, {net.graph.inputs[0].name: CONDITION})
    for resolver in RESOLVERS:
        for name, found in zip(net.graph.output_names, run_file(made.tobytes(), [CONDITION], resolver), strict=True):
            np.testing.assert_array_equal(found, wanted[name])


def test_places_as_an_output() -> None:
    net = Net()
    net.output(net(Compress(0, "kept"), net.const(np.arange(5)[:, None], np.int64), net.input(5, dtype=np.bool_)))
    for resolver in RESOLVERS:
        np.testing.assert_array_equal(run_file(emit(net.graph).tobytes(), [CONDITION], resolver)[0], [[0], [2], [3]])
