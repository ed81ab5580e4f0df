"""Random graphs over the whole registry of ops, to TFLite and through LiteRT: a sample of what benchmarks/random_graphs.py runs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, note, settings

from nchw2nhwc.errors import TargetError, UnsupportedError
from nchw2nhwc.ir.graph import Graph
from nchw2nhwc.ir.printer import to_text
from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.elementwise import Exp
from tests.random_graphs import Difference, Drawn, check, compare, graphs


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "any batch"])
def test_they_keep_their_meaning(dynamic: bool) -> None:
    """What TFLite cannot express is little, and most ops occur. Hypothesis draws variations of one graph, which have one reason."""
    seen, converted, refused = Counter[str](), 0, set[str]()

    @settings(max_examples=100)
    @given(graphs(dynamic))
    def run(drawn: Drawn) -> None:
        nonlocal converted
        note(to_text(drawn.graph))
        try:
            seen.update(check(drawn))
            converted += 1
        except (TargetError, UnsupportedError) as error:
            refused.add(error.reason)

    run()
    assert len(refused) < converted / 10, refused
    assert len(seen) > 50


def test_a_difference_is_noticed() -> None:
    x = np.ones((2, 3), np.float32)
    compare("same", [x], [x * 1.0001])
    for other in (x * 1.1, x.T, x.astype(np.int32)):
        with pytest.raises(Difference):
            compare("other", [x], [other])


def test_a_wrong_graph_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph("one", "one.onnx")
    graph.add_output(graph.add1(Exp(), [graph.add_input("x", TensorType(np.dtype(np.float32), (2, 3)))]), "y")
    drawn = Drawn(graph, [{"x": np.zeros((2, 3), np.float32)}], keep_layout=False)
    monkeypatch.setattr("tests.random_graphs.run_file", lambda content, inputs, resolver: [np.full((2, 3), 1.01, np.float32)])
    with pytest.raises(Difference, match="XNNPACK: output 0"):
        check(drawn)
