"""What was experimental before opset 10."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedOpsError
from tests.parse.onnx.models import assert_as_runtime, model, node, read, tensor


@pytest.mark.parametrize("opset", [7, 9])
@pytest.mark.parametrize(("op", "attributes"), [
    ("Affine", {"alpha": 2.0, "beta": -0.5}), ("Affine", {}), ("Scale", {"scale": 3.0}), ("Scale", {}),
    ("ScaledTanh", {"alpha": 2.0, "beta": 0.5}), ("ParametricSoftplus", {"alpha": 2.0, "beta": 0.5}),
    ("ImageScaler", {"scale": 0.5, "bias": [1.0, 2.0, 3.0]}), ("Crop", {"border": [1, 2, 0, 1]}),
    ("Crop", {"border": [1, 2, 0, 1], "scale": [2, 3]}), ("MeanVarianceNormalization", {})])
def test_as_the_runtime_has_them(op: str, attributes: dict[str, object], opset: int) -> None:
    assert_as_runtime(model([node(op, "x", **attributes)], [tensor("x", (2, 3, 5, 6))], opset=opset), rtol=1e-5)


@pytest.mark.parametrize("normalize", [0, 1])
@pytest.mark.parametrize("across", [0, 1])
def test_the_first_mean_variance_normalization(across: int, normalize: int) -> None:
    layer = node("MeanVarianceNormalization", "x", across_channels=across, normalize_variance=normalize)
    assert_as_runtime(model([layer], [tensor("x", (2, 3, 5, 6))], opset=8), rtol=1e-5)


@pytest.mark.parametrize("axes", ["", " a"])
def test_slices(axes: str) -> None:
    constants = {"s": np.array([0, 1]), "e": np.array([2, -1]), **({"a": np.array([0, 2])} if axes else {})}
    assert_as_runtime(model([node("DynamicSlice", f"x s e{axes}")], [tensor("x", (2, 3, 5, 6))], constants=constants, opset=9))


def test_they_went_with_opset_10() -> None:
    with pytest.raises(UnsupportedOpsError, match=r"Affine \(opset 10\)"):
        read(model([node("Affine", "x")], opset=10))


@pytest.mark.parametrize(("op", "attributes", "message"), [
    ("ImageScaler", {"bias": [1.0, 2.0]}, "one for each channel"), ("Crop", {"border": [3, 0, 3, 0]}, "leave nothing"),
    ("Crop", {"border": [0, 0, 0, 0], "scale": [2, 7]}, "more than it has"), ("ScaledTanh", {"alpha": 1.0}, "needs the attribute 'beta'")])
def test_what_does_not_fit(op: str, attributes: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(model([node(op, "x", **attributes)], [tensor("x", (2, 3, 5, 6))], opset=9))
