"""What models hold, and the graph as text between the steps of a conversion."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from nchw2nhwc import cli
from nchw2nhwc.conversion import steps
from nchw2nhwc.debug.inspect import inspect
from nchw2nhwc.errors import SourceError
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.parse.onnx.missing import REASONS
from tests.digits import ONNX, XML
from tests.parse.onnx.models import model, node, tensor

W = np.ones((8, 3, 3, 5), np.float32)


def network(last: str = "Relu") -> onnx.ModelProto:
    nodes = [node("Conv", "x w", "c", strides=[2, 2], name="conv"), node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
             node("MatMul", "t m", "p"), node("Transpose", "p", "q", perm=[0, 3, 1, 2]), node(last, "q", "y", name="last")]
    return model(nodes, [tensor("x", ["N", 3, 9, 11])], constants={"w": W, "m": np.ones((8, 6), np.float32), "unused": np.arange(7)})


def test_a_network() -> None:
    found = inspect(network())
    assert (found.format, found.parameters) == ("ONNX", W.size + 48)
    assert [(t.name, t.shape, t.dtype) for t in found.inputs] == [("x", ("N", 3, 9, 11), "float32")]
    assert found.outputs is not None
    assert [(t.name, t.shape) for t in found.outputs] == [("y", ("N", 6, 4, 4))]
    assert found.ops == {"Transpose": 2, "Conv": 1, "MatMul": 1, "Relu": 1}
    assert found.macs == 8 * 4 * 4 * (3 * 3 * 5) + 4 * 4 * 8 * 6
    assert found.transposes is not None
    assert (found.transposes.source, found.transposes.result, found.transposes.proven_minimal) == (2, 0, True)
    assert (found.dynamic, found.unsupported, found.reason) == (("N",), (), "")


def test_sizes_can_be_given() -> None:
    found = inspect(network(), ConvertOptions(input_shape={"x": [2, 3, 9, 11]}))
    assert found.inputs[0].shape == (2, 3, 9, 11)
    assert found.dynamic == ()
    assert found.macs == 2 * (8 * 4 * 4 * (3 * 3 * 5) + 4 * 4 * 8 * 6)


def test_ops_that_are_not_supported() -> None:
    found = inspect(network("RegexFullMatch"))
    assert [(m.type, m.count, m.layers) for m in found.unsupported] == [("RegexFullMatch", 1, ("last",))]
    assert found.ops["RegexFullMatch"] == 1
    assert (found.outputs, found.macs, found.transposes) == (None, None, None)


def test_both_formats_hold_the_same() -> None:
    ir, other = inspect(XML), inspect(ONNX)
    assert ir.macs == other.macs
    assert ir.parameters == pytest.approx(other.parameters, rel=0.05)
    assert ir.ops["Convolution"] == other.ops["Conv"]


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(network("RegexFullMatch"), tmp_path / "m.onnx")
    assert cli.main(["inspect", str(tmp_path / "m.onnx"), "--json", str(tmp_path / "i.json")]) == 0
    printed = capsys.readouterr().out
    for text in ("[N, 3, 9, 11]", "not supported:", "RegexFullMatch: 1 (last)", "unknown", "Transpose       2"):
        assert text in printed
    assert json.loads((tmp_path / "i.json").read_text())["unsupported"] == [{"type": "RegexFullMatch", "count": 1, "layers": ["last"],
                                                                                "reason": REASONS["RegexFullMatch"]}]
    assert cli.main(["inspect", str(XML)]) == 0
    assert "proven minimal" in (printed := capsys.readouterr().out)
    assert re.search(r"MACs +[\d,]+ with \w+ = 1; --input-shape sets sizes\n", printed)
    assert cli.main(["inspect", str(XML), "--batch", "2"]) == 0
    assert re.search(r"MACs +[\d,]+\n", capsys.readouterr().out)
    assert cli.main(["inspect", str(XML), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["inspect", str(tmp_path / "none.onnx")]) == 2
    with pytest.raises(SourceError):
        inspect(b"nonsense")


# ---- the graph as text -------------------------------------------------------------------------------------------------
def test_graphs_after_every_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        assert cli.main([str(XML), "-o", str(tmp_path), "--dump-graph", str(folder), "--no-check", "--quiet"]) == 0
    names = [path.name for path in sorted(folders[0].iterdir())]
    assert [name[3:-4] for name in names] == list(steps("tflite"))
    assert [path.read_text() for path in sorted(folders[0].iterdir())] == [path.read_text() for path in sorted(folders[1].iterdir())]
    assert "BatchNorm(" in (folders[0] / names[0]).read_text() or "Mul(" in (folders[0] / names[0]).read_text()
    assert "channels_last=True" in (folders[0] / names[-1]).read_text()
    assert capsys.readouterr().out == ""


def test_printing_and_timing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert = [str(XML), "-o", str(tmp_path), "--no-check", "--quiet"]
    assert cli.main([*convert, "--print-between-passes"]) == 0
    assert capsys.readouterr().out.count("// after ") == len(steps("tflite"))
    assert cli.main([*convert, "--print-between-passes=layout"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("// after layout\ngraph ")
    assert printed.count("// after ") == 1
    assert cli.main([*convert, "--time-passes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["pass", "seconds", "rewrites"]
    assert [line.split()[0] for line in lines[1:]] == [name for name in steps("tflite") if name not in ("read", "layout")]
    assert cli.main([*convert, "--print-between-passes=nix"]) == 2
    assert "there is no pass 'nix'" in capsys.readouterr().err
