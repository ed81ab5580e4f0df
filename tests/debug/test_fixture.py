"""Ops and regions cut out of models, with their operands."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto

from nchw2nhwc import cli
from nchw2nhwc.debug.data import source_data
from nchw2nhwc.debug.fixture import Fixture, Region, cut_fixture, load_fixture, run_fixture, save_fixture
from nchw2nhwc.errors import OptionError, SourceError
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.source import identify
from tests.digits import ONNX, XML
from tests.parse.onnx.models import model, node, tensor

RNG = np.random.default_rng(0)


def named(kind: str, inputs: str, outputs: str, **attributes: object) -> NodeProto:
    """A node that is called like its first result."""
    return node(kind, inputs, outputs, name=f"the {outputs.split()[0]}", **attributes)


def network() -> onnx.ModelProto:
    """Constants that are computed, shapes that are asked for, an operand from outside of a subgraph, and an op that does not exist here."""
    nodes = [named("Add", "one one", "two"), named("Mul", "x two", "m"), named("Shape", "x", "s"), named("Gather", "s zero", "n", axis=0),
             named("Concat", "n rest", "target", axis=0), named("Reshape", "m target", "r"), named("Relu", "r", "a"),
             named("Sub", "r a", "b"), named("SampleOp", "square", "d", domain="com.microsoft"), named("Concat", "a b", "y", axis=1)]
    constants = {"one": np.ones(3, np.float32), "zero": np.array([0]), "rest": np.array([-1])}
    return model(nodes, [tensor("x", ["N", 2, 3]), tensor("square", [2, 2])], ["y", "d"], constants,
                 domains=["com.microsoft"])


def cut(source: onnx.ModelProto | Path, region: Region) -> Fixture:
    found = identify(source)
    return cut_fixture(found, region, *source_data(found, ConvertOptions(batch=4), None, {}))


def test_one_op_gets_its_real_operands(tmp_path: Path) -> None:
    fixture = cut(network(), Region("the b", "the b"))
    assert {name: array.shape for name, array in fixture.inputs.items()} == {"r": (4, 6), "a": (4, 6)}
    assert np.array_equal(fixture.inputs["a"], np.maximum(fixture.inputs["r"], 0))
    assert np.array_equal(fixture.expected["b"], fixture.inputs["r"] - fixture.inputs["a"])
    save_fixture(fixture, tmp_path / "f")
    assert sorted(p.name for p in (tmp_path / "f").iterdir()) == ["README.md", "expected.npz", "inputs.npz", "model.onnx"]
    path, inputs, expected = load_fixture(tmp_path / "f")
    assert [n.name for n in onnx.load(path).graph.node] == ["the b"]
    assert (inputs.keys(), expected.keys()) == ({"r", "a"}, {"b"})
    assert "`the b`" in (tmp_path / "f" / "README.md").read_text()
    assert all(outcome.passed for outcome in run_fixture(tmp_path / "f", ["tflite"]))


def test_what_depends_on_no_data_is_a_constant() -> None:
    """Constants keep the nodes that compute them; what follows from shapes alone is written as the numbers that it is."""
    scaled = onnx.load_model_from_string(cut(network(), Region("m", "m")).model["model.onnx"])
    assert [n.name for n in scaled.graph.node] == ["the two", "the m"]
    reshaped = cut(network(), Region("the r", "the r"))
    assert reshaped.inputs.keys() == {"m"}
    assert [i.name for i in onnx.load_model_from_string(reshaped.model["model.onnx"]).graph.initializer] == ["target"]


def test_a_region_has_all_that_lies_between() -> None:
    fixture = cut(network(), Region("the r", "the y"))
    assert [n.name for n in onnx.load_model_from_string(fixture.model["model.onnx"]).graph.node] == ["the r", "the a", "the b", "the y"]
    assert (fixture.inputs.keys(), fixture.expected.keys()) == ({"m"}, {"y"})
    assert "| `the b` | Sub |" in fixture.readme
    part = cut(network(), Region("", "b", ("m",)))
    assert [n.name for n in onnx.load_model_from_string(part.model["model.onnx"]).graph.node] == ["the r", "the a", "the b"]
    assert part.expected.keys() == {"b"}


def test_regions_that_do_not_exist() -> None:
    for region, message in ((Region("nix", "nix"), "no tensor or layer 'nix'"), (Region("the y", "the m"), "does not depend on")):
        with pytest.raises(OptionError, match=message):
            cut(network(), region)


def test_an_op_that_is_not_supported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It can be cut out, and running it says what is missing."""
    onnx.save(network(), tmp_path / "m.onnx")
    assert cli.main(["fixture", str(tmp_path / "m.onnx"), "--layer", "the d", "-o", str(tmp_path / "f")]) == 0
    assert load_fixture(tmp_path / "f")[2]["d"].shape == (2, 2)
    assert cli.main(["fixture", "run", str(tmp_path / "f")]) == 2
    assert "SampleOp" in capsys.readouterr().err


@pytest.mark.parametrize(("source", "first", "last"), [
    (XML, "/stem/stem.2/Relu", "/stem/stem.2/Relu"), (XML, "/wide/Conv", "/Concat"), (XML, "logits", "logits"),
    (ONNX, "/classifier/Gemm", "/classifier/Gemm"), (ONNX, "/block/block.0/Conv", "/block/block.2/Relu")])
def test_regions_of_a_network(source: Path, first: str, last: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    which = ["--layer", first] if first == last else ["--from", first, "--to", last]
    assert cli.main(["fixture", str(source), *which, "-o", str(tmp_path / "f")]) == 0
    assert cli.main(["fixture", "run", str(tmp_path / "f"), "--to", "tflite"]) == 0
    assert "tflite passed" in capsys.readouterr().out


def test_a_missing_runtime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert cli.main(["fixture", str(XML), "--layer", "logits", "-o", str(tmp_path / "f")]) == 2
    assert "openvino is not installed" in capsys.readouterr().err
    assert not (tmp_path / "f").exists()


def test_the_status_of_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fixture", str(ONNX), "--layer", "/classifier/Gemm"]) == 0
    (folder,) = [p.name for p in tmp_path.iterdir()]
    run = ["fixture", "run", "--to", "tflite"]
    assert cli.main([*run, folder]) == 0
    path, inputs, expected = load_fixture(Path(folder))
    save_fixture(Fixture({path.name: path.read_bytes()}, inputs, {n: a + 1 for n, a in expected.items()}, ""), Path("wrong"))
    assert cli.main([*run, folder, "wrong"]) == 3
    capsys.readouterr()
    assert cli.main([*run, "wrong", folder, "nix"]) == 2
    assert capsys.readouterr().err.startswith("nix: error: this is no fixture\n")
    assert cli.main([*run, "wrong", "--tolerance", "9"]) == 0
    save_fixture(Fixture({path.name: path.read_bytes()}, inputs, {"other": inputs["/Flatten_output_0"]}, ""), Path("other"))
    assert cli.main([*run, "other"]) == 2
    with pytest.raises(SourceError, match="no fixture"):
        load_fixture(tmp_path)


def test_arguments(tmp_path: Path) -> None:
    assert cli.main(["fixture", str(ONNX)]) == 2
    assert cli.main(["fixture", str(ONNX), "--layer", "a", "--from", "b", "--to", "c"]) == 2
    assert cli.main(["fixture", str(ONNX), "--from", "b"]) == 2
    assert cli.main(["fixture", "run", str(tmp_path), "--to", "onnx"]) == 2
    with pytest.raises(SystemExit):
        cli.main(["fixture", "run"])
