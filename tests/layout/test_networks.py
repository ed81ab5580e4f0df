"""Small networks: how many Transposes are left, why, and the text of the graph before and after."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nchw2nhwc.errors import OptionError
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ir.printer import to_text
from nchw2nhwc.ir.verify import verify
from nchw2nhwc.layout import solve_layout
from tests.layout.networks import NETWORKS, TRANSPOSES, classifier, sequence, window_attention

GOLDEN = Path(__file__).parent / "golden"
each_network = pytest.mark.parametrize("name", NETWORKS)


@each_network
def test_transposes_left(name: str) -> None:
    result = solve_layout(NETWORKS[name]())
    assert result.proven
    assert len(result.transposes) == TRANSPOSES[name], "\n".join(t.explanation for t in result.transposes)
    assert sum(n.op.name == "Transpose" for n in result.graph.nodes) == TRANSPOSES[name]


@each_network
def test_text_before_and_after(name: str) -> None:
    """Golden text; `UPDATE_GOLDEN=1 pytest tests/layout` writes it anew."""
    graph = NETWORKS[name]()
    result = solve_layout(graph)
    reasons = "".join(f"# {t.bytes} bytes: {t.explanation}\n" for t in result.transposes)
    text = f"{to_text(graph)}\n{to_text(result.graph)}{reasons}"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@each_network
def test_same_numbers(name: str) -> None:
    graph = NETWORKS[name]()
    result = solve_layout(graph)
    verify(result.graph)
    shape = [s if isinstance(s, int) else 3 for s in graph.inputs[0].shape]
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    expected = run(graph, {"image": image})
    got = run(result.graph, {"image": image.transpose(result.inputs["image"])})
    for output, array in expected.items():
        np.testing.assert_allclose(got[output], array.transpose(result.outputs[output]), rtol=1e-4, atol=1e-5)


def test_keep_layout_moves_at_the_border_only() -> None:
    result = solve_layout(classifier(), keep_layout=True)
    assert result.inputs == {"image": (0, 1, 2, 3)}
    assert len(result.transposes) == 1
    assert result.graph.nodes[0].op.name == "Transpose"


def test_layouts_by_name() -> None:
    result = solve_layout(window_attention(), input_layouts={"image": "source"}, output_layouts={"y0": "nhwc"})
    assert result.inputs == {"image": (0, 1, 2, 3)}
    assert result.outputs == {"y0": (0, 2, 3, 1)}
    assert len(result.transposes) == 5


@pytest.mark.parametrize(("inputs", "outputs", "reason"), [
    ({"picture": "nhwc"}, {}, "there is no input 'picture'"),
    ({"image": "nwhc"}, {}, "unknown layout 'nwhc'"),
    ({}, {"y1": "nhwc"}, "'reshape' has rank 2"),
])
def test_layouts_that_do_not_exist(inputs: dict[str, str], outputs: dict[str, str], reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        solve_layout(sequence(), input_layouts=inputs, output_layouts=outputs)


def test_explanations_name_both_sides() -> None:
    texts = [t.explanation for t in solve_layout(window_attention()).transposes]
    assert all("makes it as (" in t and "needs (" in t for t in texts)
