"""Nodes that compute something, and operators."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from measure.live_nodes import live_nodes
from onnx import numpy_helper, parser
from op_count import main

MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[2, 3, 4] x) => (float[2, 12] y) <float[1] one = {1}, int64[1] rest = {-1}, int64[1] first = {0}> {
    same = Identity(x)
    shape = Shape(x)
    batch = Gather(shape, first)
    target = Concat<axis = 0>(batch, rest)
    two = Add(one, one)
    z = Mul(same, two)
    y = Reshape(z, target)
}
"""


def test_only_what_depends_on_contents_counts(tmp_path: Path) -> None:
    onnx.save(parser.parse_model(MODEL), tmp_path / "net.onnx")
    assert live_nodes(tmp_path / "net.onnx") == {"Mul": 1, "Reshape": 1}


CHAIN = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[2, 3, 4] x, bool[2] some) => (float[a, b] y, float[c, d, e] z, float[f] w) <int64[1] rest = {-1}, int64[1] first = {0}> {
    t = Transpose<perm = [0, 2, 1]>(x)
    flat = Reshape(t, rest)
    length = Shape(flat)
    half = Div(length, first)
    target = Concat<axis = 0>(first, length, rest)
    wide = Reshape(flat, target)
    y = Squeeze(wide, first)
    picked = Compress<axis = 0>(x, some)
    count = Shape(picked)
    z = Expand(picked, count)
    unread = Exp(x)
    w = Cast<to = 1>(count)
}
"""


def test_chains_of_shapes_do_not_count_unless_contents_decide_them(tmp_path: Path) -> None:
    """The shape behind a Reshape is known, however it is computed; that of what is picked is not."""
    onnx.save(parser.parse_model(CHAIN), tmp_path / "net.onnx")
    alive = ["Transpose", "Reshape", "Reshape", "Squeeze", "Compress", "Shape", "Expand", "Cast"]
    assert live_nodes(tmp_path / "net.onnx") == Counter(alive)


LOOP = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[2, 3] x, bool c) => (float[a, b] y) <float[1] one = {1}> {
    shift = Exp(x)
    fixed = Add(one, one)
    y = If (c) <then_branch = g1 () => (float[a, b] y1) { y1 = Add(x, shift) },
                else_branch = g2 () => (float[a, b] y2) { y2 = Mul(x, fixed) }>
}
"""


def test_what_a_branch_reads_counts(tmp_path: Path) -> None:
    onnx.save(parser.parse_model(LOOP), tmp_path / "net.onnx")
    assert live_nodes(tmp_path / "net.onnx") == {"Exp": 1, "If": 1}


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(parser.parse_model(MODEL), tmp_path / "resnet18.onnx")
    assert main(["--models", str(tmp_path), "--only", "resnet18", "--json", str(tmp_path / "counts.json")]) == 1
    assert "1 networks: ratio 1.000" in capsys.readouterr().out
    assert (tmp_path / "counts.json").exists()
    assert main(["--models", str(tmp_path), "--only", "nothing"]) == 1


RECURRENT = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[30, 1, 4] x) => (float[30, 1, 1, 8] y) <float[1, 24, 4] w, float[1, 24, 8] r> {
    y, last = GRU<hidden_size = 8>(x, w, r)
}
"""


def test_what_a_loop_holds_is_counted_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A GRU is one node, its WHILE one operator: without what the loop holds the ratio is far smaller."""
    model = parser.parse_model(RECURRENT)
    rng = np.random.default_rng(0)
    for name, shape in (("w", (1, 24, 4)), ("r", (1, 24, 8))):
        model.graph.initializer.append(numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name))
    onnx.save(model, tmp_path / "gru_kws.onnx")
    assert main(["--models", str(tmp_path), "--only", "gru_kws", "--json", str(tmp_path / "counts.json")]) == 1
    row = json.loads((tmp_path / "counts.json").read_text())[0]
    assert row["operators"]["WHILE"] == 1
    assert row["bodies"]["LOGISTIC"] == row["operators"]["LOGISTIC"]
    assert "WHILE" not in row["bodies"]
    alike = sum(row["operators"].values()) - sum(row["bodies"].values())
    assert f"ratio {alike:.3f} (" in capsys.readouterr().out
