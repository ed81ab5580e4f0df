"""Linear models of ai.onnx.ml against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from nchw2nhwc.errors import SourceError, UnsupportedError
from tests.parse.onnx.models import assert_as_runtime, model, read, tensor

ML = "ai.onnx.ml"
THREE = {"coefficients": [1.0, -2, 0.5, 0.25, 1, 2, -1, 0.5, 0.125], "intercepts": [0.5, -0.5, 0.25]}
ONE = {"coefficients": [1.0, -2, 0.5], "intercepts": [0.25]}


@pytest.mark.parametrize("how", ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("given", [{**THREE, "targets": 3}, ONE, {"coefficients": [1.0, -2, 0.5]}], ids=str)
def test_regressor(given: dict[str, object], how: str) -> None:
    source = helper.make_node("LinearRegressor", ["x"], ["y"], domain=ML, post_transform=how, **given)
    assert_as_runtime(model([source], [tensor("x", ("N", 3))], domains=[ML]), unknown=9)


@pytest.mark.parametrize("how", ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("given", [{**THREE, "classlabels_ints": [7, 5, 6]}, {**ONE, "classlabels_ints": [7, 5]}], ids=str)
def test_classifier(given: dict[str, object], how: str) -> None:
    source = helper.make_node("LinearClassifier", ["x"], ["label", "scores"], domain=ML, post_transform=how, **given)
    for dtype in (np.float32, np.int64):
        assert_as_runtime(model([source], [tensor("x", ("N", 3), dtype)], ["label", "scores"], domains=[ML]), unknown=9)


def test_what_is_not_right() -> None:
    def classifier(**given: object) -> None:
        source = helper.make_node("LinearClassifier", ["x"], ["label", "scores"], domain=ML, **given)
        read(model([source], [tensor("x", ("N", 3))], ["label", "scores"], domains=[ML]))

    with pytest.raises(UnsupportedError, match="labels that are strings"):
        classifier(**THREE, classlabels_strings=["a", "b", "c"])
    with pytest.raises(UnsupportedError, match="PROBIT"):
        classifier(**ONE, classlabels_ints=[0, 1], post_transform="PROBIT")
    with pytest.raises(SourceError, match="9 coefficients"):
        classifier(**THREE, classlabels_ints=[0, 1])
    with pytest.raises(SourceError, match="1 classes"):
        classifier(**ONE, classlabels_ints=[0])
    for given in (ONE, THREE):
        with pytest.raises(SourceError, match="'NORM'"):
            classifier(**given, classlabels_ints=list(range(len(given["intercepts"]) + (given is ONE))), post_transform="NORM")
