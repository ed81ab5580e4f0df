"""Models that end before non-maximum suppression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import openvino
import openvino.opset8 as opset8
import openvino.opset9 as ov
import pytest

import nchw2nhwc
from nchw2nhwc import convert
from nchw2nhwc.errors import OptionError, ShapeError
from nchw2nhwc.parse.detection import NAMES
from nchw2nhwc.parse.suppression import Part, ends_before
from tests.parse.onnx.models import model, node, tensor


def test_where_it_begins() -> None:
    """Constants, shapes and what is computed behind are no ends; inputs are there anyway."""
    parts = [Part("xw", "a"), Part("a", "b"), Part("a", "n", measures=True), Part("n", "m"), Part("a", "s"), Part("c", "t"),
             Part("bstmx", "k", suppresses=True), Part("kbd", "y"), Part("a", "z")]
    assert ends_before(parts, "x", "yz") == ["z", "b", "s"]


def test_there_has_to_be_one() -> None:
    with pytest.raises(OptionError, match="nothing to cut the model before"):
        ends_before([Part("x", "y")], "x", "y")


def detector(suppression: onnx.NodeProto) -> onnx.ModelProto:
    """Boxes and scores of a convolution; of the boxes that are kept the coordinates, and something that all of this is not needed for."""
    nodes = [node("Conv", "x f", "c"), node("Relu", "c", "r"), node("Transpose", "r", "t", perm=[0, 2, 3, 1]),
             node("Reshape", "t flat", "a"), node("Split", "a parts", "boxes s", axis=2), node("Transpose", "s", "scores", perm=[0, 2, 1]),
             suppression, node("Gather", "kept column", "which", axis=1), node("Squeeze", "boxes zero", "b"),
             node("Gather", "b which", "found", axis=0), node("GlobalAveragePool", "r", "mean")]
    rng = np.random.default_rng(0)
    constants = {"f": rng.normal(0, 1, (7, 3, 3, 3)).astype(np.float32), "flat": np.array([1, -1, 7]), "parts": np.array([4, 3]),
                 "column": np.array(2), "zero": np.array([0]), "most": np.array([4]), "overlap": np.array([0.5], np.float32)}
    return model(nodes, [tensor("x", (1, 3, 8, 8))], ["found", "mean"], constants,
                 domains=[suppression.domain] if suppression.domain else [])


@pytest.mark.parametrize("suppression", [
    node("NonMaxSuppression", "boxes scores most overlap", "kept"), node("EfficientNMS_TRT", "boxes scores", "kept", domain="trt"),
], ids=lambda n: n.op_type)
def test_onnx(suppression: onnx.NodeProto) -> None:
    """Also before an operator that is not supported, and that no runtime here has."""
    converted = convert(detector(suppression), nms="cut")
    assert [info.name for info in converted.outputs] == ["mean", "boxes", "scores", "b"]
    assert converted.check().passed


def test_a_function_that_suppresses() -> None:
    function = onnx.helper.make_function("own", "Keep", ["b", "s"], ["k"], [node("NonMaxSuppression", "b s", "k")],
                                         [onnx.helper.make_opsetid("", 17)])
    source = detector(node("Keep", "boxes scores", "kept", domain="own"))
    source.functions.append(function)
    assert [info.name for info in convert(source, nms="cut").outputs] == ["mean", "boxes", "scores", "b"]


def test_only_what_the_outputs_need() -> None:
    source = detector(node("NonMaxSuppression", "boxes scores most overlap", "kept"))
    assert [info.name for info in convert(source, nms="cut", outputs=["kept"]).outputs] == ["boxes", "scores"]
    with pytest.raises(OptionError, match="no layer that the outputs need"):
        convert(source, nms="cut", outputs=["mean"])


def test_the_choices() -> None:
    with pytest.raises(OptionError, match="choose from builtin"):
        convert(detector(node("NonMaxSuppression", "boxes scores most overlap", "kept")), nms="none")


def test_an_ir_and_its_result_later(tmp_path: Path) -> None:
    """The result says itself how its source was read."""
    x = ov.parameter([1, 3, 8, 8], np.float32, name="x")
    weights = ov.constant(np.random.default_rng(1).normal(0, 1, (5, 3, 3, 3)).astype(np.float32))
    maps = ov.relu(ov.convolution(x, weights, [1, 1], [0, 0], [0, 0], [1, 1], name="maps"))
    rows = ov.reshape(ov.transpose(maps, ov.constant([0, 2, 3, 1])), ov.constant([1, 36, 5]), False)
    boxes, scores = ov.variadic_split(rows, ov.constant(2), ov.constant([4, 1])).outputs()
    planes = ov.transpose(scores, ov.constant([0, 2, 1]), name="planes")
    kept = ov.non_max_suppression(boxes, planes, ov.constant(np.int64(3)), ov.constant(np.float32(0.5)), ov.constant(np.float32(0.1)))
    xml = tmp_path / "m.xml"
    openvino.save_model(openvino.Model([kept.output(0)], [x], "m"), xml, compress_to_fp16=False)
    converted = convert(xml, nms="cut")
    assert [info.source_shape for info in converted.outputs] == [(1, 36, 4), (1, 1, 36)]
    assert converted.check().passed
    converted.save(tmp_path / "m.tflite")
    assert nchw2nhwc.check(xml, tmp_path / "m.tflite").passed


# ---- TFLite's own operator -----------------------------------------------------------------------------------------------------
OPERATOR = "TFLite_Detection_PostProcess"


@pytest.mark.parametrize("attributes", [{}, {"center_point_box": 1}], ids=["corners", "centres"])
def test_the_operator_in_the_place_of_it(attributes: dict[str, int], tmp_path: Path) -> None:
    """Behind boxes that the network computes; the other output stays. Compared with what the source's boxes and scores give."""
    source = detector(node("NonMaxSuppression", "boxes scores most overlap", "kept", **attributes))
    converted = convert(source, nms="detection-postprocess")
    assert [info.name for info in converted.outputs] == [*NAMES, "mean"]
    assert converted.operator_counts()[OPERATOR] == 1
    data = {"x": np.abs(np.random.default_rng(2).normal(0, 1, (1, 3, 8, 8))).astype(np.float32)}
    assert converted.check(data).passed
    assert converted.run()["num_detections"].item() > 3
    onnx.save(source, tmp_path / "m.onnx")
    converted.save(tmp_path / "m.tflite")
    assert nchw2nhwc.check(tmp_path / "m.onnx", tmp_path / "m.tflite", inputs=data).passed


@pytest.mark.parametrize("code", ["center_size", "corner"])
@pytest.mark.parametrize("clip", [False, True])
def test_ssd(code: str, clip: bool, tmp_path: Path) -> None:
    """Prior boxes become anchors where the operator decodes as the source does. DetectionOutput orders its rows by class."""
    random = np.random.default_rng(4)
    logits, scores = ov.parameter([1, 24], np.float32, name="logits"), ov.parameter([1, 18], np.float32, name="scores")
    corners = np.sort(random.uniform(0, 1, (6, 2, 2)), 1).reshape(1, -1)
    priors = ov.constant(np.stack([corners, np.full_like(corners, 0.1)], 1).astype(np.float32))
    found = opset8.detection_output(ov.relu(logits), scores, priors, {
        "background_label_id": 0, "top_k": 6, "keep_top_k": [5], "nms_threshold": 0.4, "confidence_threshold": 0.2, "normalized": True,
        "code_type": f"caffe.PriorBoxParameter.{code.upper()}", "share_location": True, "variance_encoded_in_target": False,
        "clip_before_nms": clip, "clip_after_nms": clip})
    xml = tmp_path / "m.xml"
    openvino.save_model(openvino.Model([found.output(0)], [logits, scores], "m"), xml, compress_to_fp16=False)
    data = {"logits": random.normal(0, 0.01, (1, 24)).astype(np.float32), "scores": random.uniform(0, 1, (1, 18)).astype(np.float32)}
    usual = convert(xml)
    assert usual.check(data).passed
    rows = [row for row in usual.run()[usual.outputs[0].name].reshape(-1, 7) if row[0] == 0]
    converted = convert(xml, nms="detection-postprocess")
    assert converted.check(data).passed
    results = converted.run()
    count = int(results["num_detections"].item())
    assert count == len(rows) > 0
    best = sorted(rows, key=lambda row: -row[2])
    np.testing.assert_allclose(results["detection_scores"][0, :count], [row[2] for row in best], rtol=1e-6)
    np.testing.assert_array_equal(results["detection_classes"][0, :count], [row[1] - 1 for row in best])
    np.testing.assert_allclose(results["detection_boxes"][0, :count], [row[[4, 3, 6, 5]] for row in best], rtol=1e-5, atol=1e-6)


def test_several_layers_cannot_be_one_operator() -> None:
    source = detector(node("NonMaxSuppression", "boxes scores most overlap", "kept"))
    source.graph.node.append(node("NonMaxSuppression", "boxes scores most", "again"))
    source.graph.output.append(onnx.ValueInfoProto(name="again"))
    with pytest.raises(OptionError, match="one layer that suppresses boxes"):
        convert(source, nms="detection-postprocess")
    with pytest.raises(OptionError, match="none that it can stand for"):
        convert(source, nms="detection-postprocess", outputs=["mean"])


def test_one_image() -> None:
    source = model([node("NonMaxSuppression", "boxes scores most", "kept")], [tensor("boxes", (2, 5, 4)), tensor("scores", (2, 3, 5))],
                   ["kept"], {"most": np.array([4])})
    with pytest.raises(ShapeError, match="of one image"):
        convert(source, nms="detection-postprocess")
