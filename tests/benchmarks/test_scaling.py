"""The made-up network of any size, and how growth is judged."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from measure.varied import STAGES, varied_network
from scaling import Size, complaints, main


def size(nodes: int, seconds: float, *, proven: bool = True) -> Size:
    return Size(nodes, nodes, 0, proven, seconds, 0.0, 100.0)


def test_the_network_is_valid_and_always_the_same() -> None:
    model = varied_network(300)
    onnx.checker.check_model(model, full_check=True)
    assert model == varied_network(300)
    assert 300 <= len(model.graph.node) <= 400
    kinds = {node.op_type for node in model.graph.node}
    assert {"Conv", "LayerNormalization", "Split", "Concat", "Softmax", "Transpose", "Erf", "GlobalAveragePool"} <= kinds
    assert len(STAGES) == 7


def test_what_is_complained_about() -> None:
    assert complaints([size(1000, 1.0), size(2000, 2.2)]) == []
    assert complaints([size(1000, 1.0), size(2000, 2.5)]) == ["from 1000 to 2000 nodes time grows 2.50 times, n log n 2.20 times"]
    assert complaints([size(1000, 31.0)]) == ["1000 nodes take 31.0 s, at most 30 allowed"]
    assert complaints([size(1000, 1.0, proven=False)]) == ["1000 nodes: transposes not proven minimal"]


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--nodes", "60", "--rounds", "1"]) == 0
    assert "time grows by no more than n log n" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaling.varied_network", lambda nodes: onnx.ModelProto())
    with pytest.raises(RuntimeError):
        main(["--nodes", "60", "--rounds", "1"])
