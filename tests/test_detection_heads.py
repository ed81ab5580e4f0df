"""Detection heads as PyTorch exports them: for each class the best of the boxes above a score, then non-maximum suppression."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from nchw2nhwc import convert
from nchw2nhwc.checking.litert import run_litert
from nchw2nhwc.ir import Array
from tests.parse.onnx.models import model, node, runtime, tensor
from tests.parse.onnx.test_control import body

BOXES, CLASSES, MOST = 40, 3, 12


def head() -> onnx.ModelProto:
    """Boxes (N, 4) and scores (N, classes) to the boxes, scores and classes that are left; an If where there might be none."""
    nodes = [node("Split", "scores", " ".join(f"c{k}" for k in range(CLASSES)), axis=1)]
    for k in range(CLASSES):
        nodes += [
            node("Squeeze", f"c{k} second", f"s{k}"), node("Greater", f"s{k} least", f"m{k}"), node("NonZero", f"m{k}", f"z{k}"),
            node("Transpose", f"z{k}", f"t{k}", perm=[1, 0]), node("GatherND", f"s{k} t{k}", f"v{k}"),
            node("GatherND", f"boxes t{k}", f"b{k}"), node("Shape", f"v{k}", f"n{k}"), node("Concat", f"most n{k}", f"l{k}", axis=0),
            node("ReduceMin", f"l{k}", f"k{k}", keepdims=1), node("TopK", f"v{k} k{k}", f"best{k} where{k}"),
            node("Gather", f"b{k} where{k}", f"chosen{k}"), node("Shape", f"best{k}", f"count{k}"),
            node("ConstantOfShape", f"count{k}", f"label{k}", value=onnx.numpy_helper.from_array(np.array([k])))]
    nodes += [node("Concat", " ".join(f"{part}{k}" for k in range(CLASSES)), whole, axis=0)
              for part, whole in (("chosen", "b"), ("best", "s"), ("label", "l"))]
    none = body([node("Identity", "empty", "keep")], [], ["keep"], {"empty": np.zeros(0, np.int64)})
    some = body([
        node("Cast", "l", "lf", to=1), node("ReduceMax", "b", "far", keepdims=0), node("Mul", "lf far", "o"),
        node("Unsqueeze", "o one", "ou"), node("Add", "b ou", "apart"), node("Unsqueeze", "apart front", "ab"),
        node("Unsqueeze", "s both", "sb"), node("NonMaxSuppression", "ab sb limit iou", "rows"), node("Gather", "rows third", "r", axis=1),
        node("Squeeze", "r one", "keep")], [], ["keep"], {
            "one": np.array([1]), "front": np.array([0]), "both": np.array([0, 1]), "limit": np.array([1000]),
            "iou": np.array([0.5], np.float32), "third": np.array([2])})
    nodes += [node("Shape", "b", "sh"), node("ReduceProd", "sh", "elements", keepdims=0), node("Equal", "elements zero", "c"),
              node("If", "c", "keep", then_branch=none, else_branch=some),
              *(node("Gather", f"{whole} keep", name) for whole, name in (("b", "kept_boxes"), ("s", "kept_scores"), ("l", "kept_labels")))]
    return model(nodes, [tensor("boxes", (BOXES, 4)), tensor("scores", (BOXES, CLASSES))], ["kept_boxes", "kept_scores", "kept_labels"],
                 {"second": np.array([1]), "least": np.array(0.3, np.float32), "most": np.array([MOST]), "zero": np.array(0)})


def data(scale: float) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 50, (BOXES, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 30, (BOXES, 2))], 1)
    return {"boxes": boxes.astype(np.float32), "scores": (rng.random((BOXES, CLASSES)) * scale).astype(np.float32)}


@pytest.mark.parametrize("scale", [1.0, 0.35, 0.31, 0.1])
def test_as_many_boxes_as_there_are(scale: float) -> None:
    """From all places filled down to no box at all."""
    source, inputs = head(), data(scale)
    converted = convert(source)
    wanted = runtime(source, inputs)
    found = run_litert(converted.tflite(), converted.inputs, converted.outputs, inputs)
    assert (len(wanted[0]) == 0) == (scale == 0.1)
    for array, expected in zip(found.values(), wanted, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_sizes_that_data_decides_are_open() -> None:
    converted = convert(head())
    assert [o.source_shape for o in converted.outputs] == [(-1, 4), (-1,), (-1,)]
    assert converted.operator_counts()["IF"] == 1
