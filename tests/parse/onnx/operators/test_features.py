"""Operators of ai.onnx.ml that prepare features, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir.interpreter import run
from tests.parse.onnx.models import assert_as_runtime, model, read, runtime, tensor

ML = "ai.onnx.ml"
CASES = [
    ("Binarizer", {}, ("N", 3, 2), np.float32), ("Binarizer", {"threshold": 0.25}, ("N", 3), np.float32),
    ("Scaler", {"offset": [0.5], "scale": [2.0]}, ("N", 3, 2), np.float32),
    ("Scaler", {"offset": [1.0, 2, 3], "scale": [1.0, 2, 3]}, ("N", 3), np.int64),
    ("Imputer", {"imputed_value_floats": [7.0], "replaced_value_float": 1.0}, ("N", 3), np.float32),
    ("Imputer", {"imputed_value_int64s": [7, 8, 9], "replaced_value_int64": 1}, ("N", 3), np.int64),
    ("OneHotEncoder", {"cats_int64s": [2, 0, 1], "zeros": 1}, ("N", 3), np.int64),
    ("OneHotEncoder", {"cats_int64s": [2, 0]}, ("N", 3, 2), np.int64)]


@pytest.mark.parametrize(("op", "attributes", "dims", "dtype"), CASES)
def test_as_runtime(op: str, attributes: dict[str, object], dims: tuple[int | str, ...], dtype: type) -> None:
    assert_as_runtime(model([helper.make_node(op, ["x"], ["y"], domain=ML, **attributes)], [tensor("x", dims, dtype)], domains=[ML]))


def test_imputer_of_nan() -> None:
    attributes = {"imputed_value_floats": [1.0, 2, 3], "replaced_value_float": float("nan")}
    source = model([helper.make_node("Imputer", ["x"], ["y"], domain=ML, **attributes)], [tensor("x", ("N", 3))], domains=[ML])
    x = np.array([[np.nan, 0, 7], [1, np.nan, np.nan]], np.float32)
    np.testing.assert_array_equal(run(read(source), {"x": x})["y"], runtime(source, {"x": x})[0])


@pytest.mark.parametrize("dims", [("N", 4), (4,), (2, 3, 4)], ids=str)
def test_array_feature_extractor(dims: tuple[int | str, ...]) -> None:
    source = helper.make_node("ArrayFeatureExtractor", ["x", "k"], ["y"], domain=ML)
    assert_as_runtime(model([source], [tensor("x", dims)], constants={"k": [[3, 0, 3]]}, domains=[ML]))
    assert_as_runtime(model([source], [tensor("x", dims), tensor("k", (1, 2), np.int64)], domains=[ML]))


def test_feature_vectorizer() -> None:
    inputs = [tensor("a", ("N", 2)), tensor("b", ("N", 3))]
    source = helper.make_node("FeatureVectorizer", ["a", "b"], ["y"], domain=ML, inputdimensions=[2, 3])
    assert_as_runtime(model([source], inputs, domains=[ML]))


def test_what_is_not_right() -> None:
    for op, attributes, match in (
            ("Scaler", {"offset": [1.0, 2], "scale": [1.0]}, "2 numbers in offset"), ("Imputer", {}, "0 numbers"),
            ("OneHotEncoder", {}, "no categories"), ("FeatureVectorizer", {"inputdimensions": [4]}, "inputdimensions")):
        with pytest.raises(SourceError, match=match):
            read(model([helper.make_node(op, ["x"], ["y"], domain=ML, **attributes)], [tensor("x", ("N", 3))], domains=[ML]))
    encoder = helper.make_node("OneHotEncoder", ["x"], ["y"], domain=ML, cats_strings=["a"])
    with pytest.raises(UnsupportedError, match="strings"):
        read(model([encoder], [tensor("x", ("N", 3))], domains=[ML]))
