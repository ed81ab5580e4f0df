"""Earlier results against their sources."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import nchw2nhwc
from nchw2nhwc import SourceError, cli, metadata
from nchw2nhwc.errors import CheckError, OptionError
from tests.digits import ONNX, XML
from tests.parse.onnx.models import model, node, tensor

RNG = np.random.default_rng(0)
W = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)


def network(weights: np.ndarray = W) -> onnx.ModelProto:  # type: ignore[type-arg]
    """A convolution, a Transpose that makes the layouts of inner tensors worth declaring, and a split axis."""
    nodes = [node("Conv", "x w", "c", pads=[1, 1, 1, 1], name="conv"), node("Relu", "c", "r", name="relu"),
             node("Reshape", "r s", "parts", name="cut"), node("Transpose", "parts", "moved", perm=[0, 2, 4, 3, 5, 1], name="windows"),
             node("Exp", "moved", "y", name="exp")]
    return model(nodes, [tensor("x", ["N", 3, 4, 6])], constants={"w": weights, "s": np.array([0, 4, 2, 2, 3, 2], np.int64)})


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Path]:
    onnx.save(network(), tmp_path / "m.onnx")
    nchw2nhwc.convert(tmp_path / "m.onnx").save(tmp_path / "m.tflite")
    return tmp_path / "m.onnx", tmp_path / "m.tflite"


@pytest.mark.parametrize("source", [XML, ONNX], ids=["ir", "onnx"])
def test_a_good_result(source: Path, tmp_path: Path) -> None:
    nchw2nhwc.convert(source).save(tmp_path / "r.tflite")
    found = nchw2nhwc.check(source, tmp_path / "r.tflite", samples=2, layers=True)
    assert found.passed
    assert found.samples == 2
    assert found.outputs["logits"].max_rel < 1e-5
    assert found.outputs["logits"].cosine == pytest.approx(1)
    assert found.layers is not None
    assert len(found.layers.layers) >= 8
    assert found.layers.off == ()
    assert found.layers.culprit is None
    assert {error.layer for error in found.layers.layers} >= {"logits" if source is XML else "/classifier/Gemm", "/down/down.0/Relu"}


def test_tensors_inside_are_compared_through_their_declared_layouts(saved: tuple[Path, Path]) -> None:
    """Factors of split axes and sizes that are not known included."""
    found = nchw2nhwc.check(*saved, layers=True)
    assert found.layers is not None
    assert [(e.tensor, e.type) for e in found.layers.layers if e.tensor != "moved"] == [("r", "Relu"), ("y", "Exp")]
    assert max(e.max_rel for e in found.layers.layers) < 1e-5
    stored = metadata.read(saved[1]).tensors
    assert any(-1 in pieces for s in stored.values() for pieces in s.factors)


def test_the_first_op_that_is_off_is_named(saved: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The result of other weights: the convolution is wrong, and all that follows from it."""
    source, result = saved
    onnx.save(network(W[::-1].copy()), source)
    found = nchw2nhwc.check(source, result, layers=True)
    assert not found.passed
    assert found.outputs["y"].worst is not None
    assert found.layers is not None
    assert found.layers.culprit is not None
    assert found.layers.culprit.layer == "relu"
    assert {error.tensor for error in found.layers.off} >= {"r", "y"}
    assert cli.main(["check", str(source), str(result), "--layers", "--json", str(tmp_path / "c.json")]) == 3
    printed = capsys.readouterr().out
    assert "the error begins with Relu 'relu'" in printed
    assert "FAILED" in printed
    assert "--check-inputs FILE.npz checks with real ones" in printed
    content = json.loads((tmp_path / "c.json").read_text())
    assert content["passed"] is False
    assert content["layers"]["layers"][content["layers"]["first"]]["layer"] == "relu"
    assert cli.main(["check", str(source), str(result), "--quiet", "--tolerance", "1e9"]) == 0


def test_the_worst_element_is_named_in_source_order(saved: tuple[Path, Path]) -> None:
    source, result = saved
    changed = network()
    changed.graph.node[-1].op_type = "Identity"
    changed.graph.node.append(node("Add", "y bump", "z"))
    bump = np.zeros((1, 2, 3, 2, 2, 4), np.float32)
    bump[0, 1, 2, 0, 1, 3] = 1000
    changed.graph.initializer.append(numpy_helper.from_array(bump, "bump"))
    changed.graph.node[-2].op_type, changed.graph.node[-2].output[0], changed.graph.node[-1].input[0] = "Exp", "e", "e"
    changed.graph.node[-1].output[0] = "y"
    onnx.save(changed, source)
    error = nchw2nhwc.check(source, result).outputs["y"]
    assert error.worst is not None
    assert error.worst[1:] == (1, 2, 0, 1, 3)
    assert error.max_abs == pytest.approx(1000, rel=1e-3)


def test_inputs_and_ranges(saved: tuple[Path, Path]) -> None:
    data = {"x": RNG.standard_normal((5, 3, 4, 6)).astype(np.float32)}
    assert nchw2nhwc.check(*saved, inputs=data).passed
    assert nchw2nhwc.check(*saved, input_range={"x": (0, 1)}, samples=3).passed
    for options, message in (({"input_range": {"z": (0, 1)}}, "no input 'z'"), ({"input_range": {"x": (1, 0)}}, "not a range"),
                             ({"samples": 0}, "at least one")):
        with pytest.raises(OptionError, match=message):
            nchw2nhwc.check(*saved, **options)


def test_an_index_input_is_drawn_from_its_table(tmp_path: Path) -> None:
    table = {"t": RNG.standard_normal((11, 5)).astype(np.float32)}
    onnx.save(model([node("Gather", "t i", "y")], [tensor("i", ["N", 70], np.int64)], constants=table), tmp_path / "m.onnx")
    nchw2nhwc.convert(tmp_path / "m.onnx").save(tmp_path / "m.tflite")
    assert nchw2nhwc.check(tmp_path / "m.onnx", tmp_path / "m.tflite", samples=3).passed
    assert nchw2nhwc.check(tmp_path / "m.onnx", tmp_path / "m.tflite", input_range={"i": (10, 10)}).passed
    with pytest.raises(CheckError):
        nchw2nhwc.check(tmp_path / "m.onnx", tmp_path / "m.tflite", input_range={"i": (11, 11)})


def test_a_result_of_a_part(tmp_path: Path) -> None:
    nchw2nhwc.convert(ONNX, inputs=["/stem/stem.2/Relu_output_0"], outputs=["/down/down.0/Relu_output_0"]).save(tmp_path / "part.tflite")
    found = nchw2nhwc.check(ONNX, tmp_path / "part.tflite", layers=True)
    assert found.passed
    assert found.outputs.keys() == {"/down/down.0/Relu_output_0"}


def test_results_that_do_not_fit(saved: tuple[Path, Path], tmp_path: Path) -> None:
    source, result = saved
    with pytest.raises(SourceError, match=r"does not belong to digits\.onnx"):
        nchw2nhwc.check(ONNX, result)
    other = network()
    other.graph.output.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, None))
    onnx.save(other, source)
    with pytest.raises(SourceError, match="the result has y, the model y, r"):
        nchw2nhwc.check(source, result)
    for content, message in ((b"", "is empty"), (b"xxxxTFL9" * 9, "no TFLite file"), (result.read_bytes()[:200], "damaged"),
                             (result.read_bytes().replace(b"nchw2nhwc.interface", b"someone.else's.note"), "does not say"),
                             (result.read_bytes().replace(b'"layouts"', b'"lay0uts"'), "cannot be understood")):
        (tmp_path / "bad.tflite").write_bytes(content)
        with pytest.raises(SourceError, match=message):
            nchw2nhwc.check(source, tmp_path / "bad.tflite")
    with pytest.raises(SourceError, match="cannot read"):
        nchw2nhwc.check(source, tmp_path / "none.tflite")
    with pytest.raises(SourceError, match="cannot be checked"):
        nchw2nhwc.check(source, source)


def test_the_command_line(saved: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["check", *map(str, saved)]
    assert cli.main([*arguments, "--samples", "2", "--input-range", "x=-1,1", "--layers"]) == 0
    assert "over 2 samples" in capsys.readouterr().out
    np.savez(tmp_path / "i.npz", x=np.ones((1, 3, 4, 6), np.float32))
    assert cli.main([*arguments, "--check-inputs", str(tmp_path / "i.npz")]) == 0
    assert cli.main([*arguments, "--check-inputs", str(tmp_path / "i.npz"), "--samples", "2"]) == 2
    assert cli.main(["check", str(ONNX), str(saved[1])]) == 2
    assert cli.main([str(XML), "--layers", "-o", str(tmp_path)]) == 0
    assert "tensors that both sides have agree" in capsys.readouterr().out
    assert cli.main([str(XML), "--layers", "--no-check"]) == 2
    for bad in ("--samples=0", "--samples=x", "--input-range=x=1", "--input-range=x=2,1", "--input-range=x=nan,1"):
        with pytest.raises(SystemExit):
            cli.main([*arguments, bad])


def test_growth_is_no_beginning() -> None:
    from nchw2nhwc.checking.compare import TensorError
    from nchw2nhwc.checking.growth import layer_errors
    from tests.parse.onnx.models import read

    graph = read(network())
    grown = [TensorError(e, e, e, 1.0, None) for e in (9e-5, 3e-4)]
    assert layer_errors(graph, zip(("r", "y"), grown), 1e-4).first is None
    assert layer_errors(graph, zip(("r", "y"), grown), 1e-5).first == 0
    assert layer_errors(graph, [("y", TensorError(math.inf, math.inf, math.inf, math.nan, None))], 1e-4).first == 0
