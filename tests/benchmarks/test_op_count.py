"""Nodes that compute something, and operators."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from measure.live_nodes import live_nodes
from onnx import parser
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


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(parser.parse_model(MODEL), tmp_path / "resnet18.onnx")
    assert main(["--models", str(tmp_path), "--only", "resnet18", "--json", str(tmp_path / "counts.json")]) == 1
    assert "1 networks: ratio 1.000" in capsys.readouterr().out
    assert (tmp_path / "counts.json").exists()
    assert main(["--models", str(tmp_path), "--only", "nothing"]) == 1
