"""Where models end whose outputs are no tensors of numbers."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import nchw2nhwc
from nchw2nhwc.cli import main
from nchw2nhwc.errors import UnsupportedError
from tests.parse.onnx.models import model, node, read, tensor

ML = "ai.onnx.ml"
TEXT = helper.make_tensor_value_info("label", TensorProto.STRING, None)


def _classifier(labels: dict[str, object], *, zipped: bool, behind: str = "") -> onnx.ModelProto:
    """A linear classifier, whose scores are zipped with its classes or not."""
    linear = helper.make_node("LinearClassifier", ["x"], ["label", "scores"], domain=ML, coefficients=[1.0, -2, 0.5, 0.25, 1, 2],
                              intercepts=[0.5, -0.5], **{k.replace("int64s", "ints"): v for k, v in labels.items()})
    nodes = [linear, helper.make_node("ZipMap", ["scores"], ["map"], domain=ML, **labels)] if zipped else [linear]
    nodes += [node("Identity", "map", behind)] if behind else []
    source = model(nodes, [tensor("x", ("N", 3))], ["label", behind or "map" if zipped else "scores"], domains=[ML])
    if "classlabels_strings" in labels:
        source.graph.output[0].CopyFrom(TEXT)
    return source


@pytest.mark.parametrize("behind", ["", "copy"])
def test_scores_by_class_are_a_tensor(behind: str) -> None:
    graph = read(_classifier({"classlabels_int64s": [7, 5]}, zipped=True, behind=behind))
    assert graph.output_names == ["label", "scores"]
    assert any("ZipMap" in note and note.endswith("classes 7, 5") for note in graph.notes)


@pytest.mark.parametrize("zipped", [False, True])
def test_names_of_classes_are_left_out(zipped: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is converted, and checked."""
    source = _classifier({"classlabels_strings": ["cat", "dog"]}, zipped=zipped)
    graph = read(source)
    assert graph.output_names == ["scores"]
    assert any("'label' is left out" in note for note in graph.notes)
    assert zipped == any(note.endswith("classes 'cat', 'dog'") for note in graph.notes)
    path = tmp_path / "m.onnx"
    path.write_bytes(source.SerializeToString())
    assert nchw2nhwc.convert(path).check().passed
    assert main([str(path), "-o", str(tmp_path)]) == 0
    assert "outputs     'label' is left out" in capsys.readouterr().out


def test_many_classes() -> None:
    """The first ones are shown."""
    source = _classifier({"classlabels_int64s": [7, 5]}, zipped=True)
    source.graph.node[1].attribute[0].CopyFrom(helper.make_attribute("classlabels_int64s", list(range(1000))))
    assert any(note.endswith("8, 9 and 990 more") for note in read(source).notes)


def test_asked_for_they_are_refused() -> None:
    source = _classifier({"classlabels_strings": ["cat", "dog"]}, zipped=True)
    with pytest.raises(UnsupportedError, match="labels that are strings"):
        read(source, outputs=["label"])
    with pytest.raises(nchw2nhwc.ConversionError, match=r"ai\.onnx\.ml\.ZipMap"):
        read(source, outputs=["map"])


def test_a_sequence_is_its_elements() -> None:
    nodes = [node("Neg", "x", "a"), node("Abs", "x", "b"), node("SequenceConstruct", "a b", "y")]
    graph = read(model(nodes))
    assert graph.output_names == ["a", "b"]
    assert any(note == "'a', 'b' in the place of the sequence 'y'" for note in graph.notes)


def test_strings_alone() -> None:
    source = _classifier({"classlabels_strings": ["cat", "dog"]}, zipped=False)
    del source.graph.output[1]
    with pytest.raises(UnsupportedError, match="all outputs are strings"):
        read(source)


def test_constants_of_strings_may_be_there() -> None:
    """What nothing reads that is read does no harm."""
    source = model([node("Neg", "x"), helper.make_node("ArrayFeatureExtractor", ["names", "i"], ["label"], domain=ML),
                    node("ArgMax", "x", "i")], domains=[ML])
    source.graph.initializer.append(helper.make_tensor("names", TensorProto.STRING, [3], [b"a", b"b", b"c"]))
    source.graph.output.append(TEXT)
    assert read(source).output_names == ["y"]
    with pytest.raises(UnsupportedError, match="initializer 'names' has strings"):
        read(source, outputs=["label"])
