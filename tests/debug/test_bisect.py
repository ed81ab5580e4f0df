"""The first stage and op with which a result differs, for mistakes in every stage; those in lowerings are in tests/benchmarks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from nchw2nhwc import cli
from nchw2nhwc.checking import litert, results
from nchw2nhwc.debug.bisect import Bisection, bisect
from nchw2nhwc.debug.bisect.region import first_off
from nchw2nhwc.emit.tflite import passes as tflite_passes
from nchw2nhwc.emit.tflite.lowering import LOWERINGS
from nchw2nhwc.errors import OptionError, TargetError
from nchw2nhwc.ir import Array, Dim, Graph, Origin, TensorType
from nchw2nhwc.ops.elementwise import Cos, Sin
from nchw2nhwc.ops.movement import Expand
from nchw2nhwc.ops.reduce import Softmax
from nchw2nhwc.ops.windowed import Conv
from nchw2nhwc.options import ConvertOptions
from nchw2nhwc.parse.onnx import registry
from nchw2nhwc.passes import Pass, pipeline
from nchw2nhwc.source import identify
from tests.digits import ONNX, XML
from tests.parse.onnx.models import model, node, tensor

RNG = np.random.default_rng(0)


def network() -> onnx.ModelProto:
    """A convolution with batch norm, Sin and Softmax behind it."""
    constants = {name: np.abs(RNG.standard_normal(6)).astype(np.float32) for name in ("scale", "bias", "mean", "var")}
    constants["w"] = RNG.standard_normal((6, 4, 3, 3)).astype(np.float32)
    nodes = [node("Conv", "x w", "c", pads=[1, 1, 1, 1], name="conv"),
             node("BatchNormalization", "c scale bias mean var", "n", name="norm"), node("Relu", "n", "r", name="relu"),
             node("Sin", "r", "s", name="sine"), node("Softmax", "s", "y", axis=1, name="soft")]
    return model(nodes, [tensor("x", [2, 4, 6, 6])], constants=constants)


def found(folder: Path, **options: object) -> Bisection:
    return bisect(identify(network()), ConvertOptions(**options), folder=folder / "f")  # type: ignore[arg-type]


def sabotaged(name: str) -> Pass:
    """A pass that turns every Sin into a Cos."""
    def apply(graph: Graph) -> int:
        wrong = [n for n in graph.nodes if isinstance(n.op, Sin)]
        for each in wrong:
            each.op = Cos()
        return len(wrong)
    return Pass(name, apply)


def test_nothing_to_find(tmp_path: Path) -> None:
    result = found(tmp_path)
    assert result.passed
    assert (result.finding, result.fixture) == (None, None)
    assert result.layers is not None
    assert result.layers.off == ()


def test_a_wrong_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, mapping in registry.MAPPINGS["", "BatchNormalization"].items():
        def wrong(b: registry.LayerBuilder, *operands: object, _right: Callable[..., object] = mapping.function,
                  **attributes: object) -> object:
            x, scale, bias, mean, var = operands
            return _right(b, x, bias, scale, mean, var, **attributes)
        monkeypatch.setitem(registry.MAPPINGS["", "BatchNormalization"], version, replace(mapping, function=wrong))
    result = found(tmp_path)
    assert result.finding is not None
    assert (result.finding.stage, result.finding.layer, result.finding.type) == ("read", "norm", "BatchNormalization")
    assert result.reproduced


def test_a_wrong_pass_behind_preprocessing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(graph: Graph) -> int:
        wrong = [n for n in graph.nodes if isinstance(n.op, Conv)]
        for each in wrong:
            each.set_input(1, graph.constant(-np.asarray(each.input(1).const), "wrong"))
        return len(wrong)
    before = pipeline.source_passes
    monkeypatch.setattr(pipeline, "source_passes", lambda native, **kind: (*before(native, **kind), Pass("sabotage", apply)))
    result = found(tmp_path, mean=[1, 2, 3, 4], scale=3, reverse_channels=True, input_dtype="uint8")
    assert result.finding is not None
    assert (result.finding.stage, result.finding.layer) == ("sabotage", "conv")


@pytest.mark.parametrize("stage", ["after", "before"])
def test_a_wrong_pass(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if stage == "before":
        right = pipeline.source_passes
        monkeypatch.setattr(pipeline, "source_passes", lambda native, **kind: (*right(native, **kind)[:4], sabotaged("wrong"),
                                                                                      *right(native, **kind)[4:]))
    else:
        after = tflite_passes.target_passes
        monkeypatch.setattr(tflite_passes, "target_passes", lambda: (*after(), sabotaged("wrong")))
    result = found(tmp_path)
    assert result.finding is not None
    assert (result.finding.stage, result.finding.op, result.finding.layer) == ("wrong", "Cos", "sine")
    assert result.reproduced


def test_a_wrong_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Carrying layouts out changes what is computed."""
    from nchw2nhwc.layout import apply

    right = apply.family_of

    class Wrong:
        def __init__(self, family: object) -> None:
            self.family = family

        def place(self, *arguments: object) -> object:
            placement = self.family.place(*arguments)  # type: ignore[attr-defined]
            return replace(placement, op=Cos()) if isinstance(placement.op, Sin) else placement

    monkeypatch.setattr(apply, "family_of", lambda rule: Wrong(right(rule)))
    result = found(tmp_path)
    assert result.finding is not None
    assert (result.finding.stage, result.finding.op, result.finding.layer) == ("layout", "Cos", "sine")


def test_a_result_that_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An operator that LiteRT refuses; then one that cannot be expressed at all."""
    right = LOWERINGS.table[Sin]

    def refused(e: object, each: object, op: object) -> None:
        right.lower(e, each, op)  # type: ignore[arg-type]
        last = e.subgraph.operators[-1]  # type: ignore[attr-defined]
        e.subgraph.operators[-1] = replace(last, inputs=(*last.inputs, *last.inputs))  # type: ignore[attr-defined]

    def impossible(e: object, each: object, op: object) -> None:
        raise TargetError("no")

    for cls, lower, layer, reason in ((Softmax, impossible, "soft", "no"), (Sin, refused, "sine", "LiteRT")):
        monkeypatch.setitem(LOWERINGS.table, cls, replace(LOWERINGS.table[cls], lower=lower))
        result = found(tmp_path)
        assert not result.passed
        assert result.finding is not None
        assert (result.finding.stage, result.finding.layer) == ("load", layer)
        assert reason in result.finding.reason
        assert result.reproduced
        monkeypatch.undo()
    monkeypatch.setitem(LOWERINGS.table, Sin, replace(right, lower=refused))
    onnx.save(network(), tmp_path / "m.onnx")
    assert cli.main(["bisect", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "g"), "--json", str(tmp_path / "b.json")]) == 3
    assert "LiteRT does not take the result" in capsys.readouterr().out
    assert json.loads((tmp_path / "b.json").read_text())["finding"]["layer"] == "sine"


def test_an_op_that_is_not_supported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [node("RandomNormalLike", "x", "d", name="det"), node("Relu", "d", "y")]
    onnx.save(model(nodes, [tensor("x", [2, 3, 3])]), tmp_path / "m.onnx")
    assert cli.main(["bisect", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "f")]) == 3
    printed = capsys.readouterr().out
    assert printed.startswith("there is no result that could be compared\n")
    assert "the model cannot be read" in printed
    assert "RandomNormalLike 'det'" in printed
    assert (tmp_path / "f" / "model.onnx").exists()


def test_xnnpack_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that run with XNNPACK give Sin's result as three times what it is."""
    from nchw2nhwc.debug.bisect import delegate

    outputs, everything = litert.run_litert, litert.run_litert_with
    monkeypatch.setattr(results, "run_litert", lambda *a: {name: array * 3 for name, array in outputs(*a).items()})

    def delegated(*arguments: object) -> tuple[dict[str, Array], dict[str, Array]]:
        found, inside = everything(*arguments)  # type: ignore[arg-type]
        return found, {name: array * (3 if name in "sy" else 1) for name, array in inside.items()}

    monkeypatch.setattr(delegate, "run_litert_with", delegated)
    result = found(tmp_path)
    assert result.finding is not None
    assert (result.finding.stage, result.finding.op, result.finding.layer) == ("XNNPACK", "SIN", "sine")
    assert not result.reproduced


def test_an_error_that_grows_is_no_ops_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(network(), tmp_path / "m.onnx")
    assert cli.main(["bisect", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "f"), "--tolerance", "1e-9", "--layers"]) == 3
    assert "relu" in capsys.readouterr().out


@pytest.mark.parametrize("source", [XML, ONNX], ids=["ir", "onnx"])
def test_the_command_line(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bisect", str(source), "-o", str(tmp_path / "f"), "--input-range", "image=0,1", "--layers"]) == 0
    assert "source and result agree" in capsys.readouterr().out
    assert not (tmp_path / "f").exists()
    assert cli.main(["bisect", str(source), "--input-range", "nix=0,1"]) == 2
    assert cli.main(["bisect", str(source), "--input-layout", "nix=nhwc"]) == 2
    assert cli.main(["bisect", str(tmp_path / "none.onnx")]) == 2
    with pytest.raises(OptionError):
        bisect(identify(source), ConvertOptions(outputs=["nix"]))


@pytest.mark.parametrize(("factor", "off"), [(1, False), (2, True)])
def test_sizes_that_data_decides(factor: int, off: bool) -> None:
    """The shape of a result is where such a size is found; an op with one that nothing shows is passed over."""
    count, unknown = Dim.symbol("count"), Dim.symbol("unknown")
    graph = Graph("g", "g.onnx")
    x = graph.add_input("x", TensorType(np.dtype(np.float32), (1, 3)))
    wide = graph.add1(Expand((count, 3)), [x], origin=Origin("wide", "Expand"), name="wide", source="wide")
    other = graph.add1(Expand((unknown, 3)), [x], origin=Origin("other", "Expand"))
    arrays = {id(x): np.ones((1, 3), np.float32), id(wide): np.full((5, 3), factor, np.float32)}
    sizes: dict[str, int] = {}
    finding = first_off(graph.nodes, "read", sizes, lambda value: arrays.get(id(value)), 1e-4)
    assert (finding is not None) == off
    assert finding is None or finding.layer == "wide"
    assert sizes == {"count": 5}
    assert other.producer in graph.nodes
