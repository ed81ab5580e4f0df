"""Random graphs mean the same before and after layout, through the declared permutations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, note, settings

from nchw2nhwc.ir.graph import Graph
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.printer import to_text
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.layout import solve_layout
from tests.layout.graphs import graphs


def same(graph: Graph, keep_layout: bool) -> None:
    """The stored graph computes what the source graph computes."""
    rng = np.random.default_rng(0)
    feeds = {v.name: rng.uniform(-1, 1, [int(s) for s in v.shape]).astype(v.type.dtype) for v in graph.inputs}
    expected = run(graph, feeds)
    note(to_text(graph))
    result = solve_layout(graph, keep_layout=keep_layout)
    verify(result.graph)
    got = run(result.graph, {name: x.transpose(result.inputs[name]) for name, x in feeds.items()})
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(got[name], array.transpose(result.outputs[name]), rtol=1e-3, atol=1e-4)
    assert result.gap == 0.0
    assert sum(n.op.name == "Transpose" for n in result.graph.nodes) == len(result.transposes)


@pytest.mark.parametrize("keep_layout", [False, True], ids=["auto", "keep"])
@settings(max_examples=600)
@given(graph=graphs())
def test_layout_keeps_the_meaning(graph: Graph, keep_layout: bool) -> None:
    same(graph, keep_layout)
