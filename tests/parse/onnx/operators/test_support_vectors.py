"""Support vector machines of ai.onnx.ml against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

import nchw2nhwc
from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.parse.onnx import read_onnx
from tests.parse.onnx.models import assert_as_runtime, model, ops, read, tensor

ML = "ai.onnx.ml"
RNG = np.random.default_rng(0)
KERNELS = {"linear": ("LINEAR", []), "poly": ("POLY", [0.5, 1.5, 3.0]), "radial": ("RBF", [0.5, 0.0, 3.0]),
           "narrow": ("RBF", [25.0, 0.0, 3.0]), "sigmoid": ("SIGMOID", [0.5, 0.25, 3.0])}
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]


def _numbers(count: int) -> list[float]:
    return [float(v) for v in RNG.standard_normal(count).astype(np.float32)]


def _of(classes: int, *, chances: bool = False) -> dict[str, object]:
    """A machine for classes with 1, 2, 3 ... vectors of 3 features."""
    counts, pairs = list(range(1, classes + 1)), classes * (classes - 1) // 2
    given: dict[str, object] = {"classlabels_ints": [7, 5, 6, 9][:classes], "vectors_per_class": counts, "rho": _numbers(pairs),
                                "support_vectors": _numbers(3 * sum(counts)), "coefficients": _numbers((classes - 1) * sum(counts))}
    return given | ({"prob_a": _numbers(pairs), "prob_b": _numbers(pairs)} if chances else {})


def _classifier(dtype: type[np.generic] = np.float32, **given: object) -> onnx.ModelProto:
    source = helper.make_node("SVMClassifier", ["x"], ["label", "scores"], domain=ML, **given)
    return model([source], [tensor("x", ("N", 3), dtype)], ["label", "scores"], domains=[ML])


def _regressor(dtype: type[np.generic] = np.float32, **given: object) -> onnx.ModelProto:
    return model([helper.make_node("SVMRegressor", ["x"], ["y"], domain=ML, **given)], [tensor("x", ("N", 3), dtype)], domains=[ML])


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=list(KERNELS))
@pytest.mark.parametrize("one_class", [0, 1])
def test_regressor(kernel: tuple[str, list[float]], one_class: int) -> None:
    kind, params = kernel
    assert_as_runtime(_regressor(kernel_type=kind, kernel_params=params or [0.0] * 3, n_supports=4, support_vectors=_numbers(12),
                                 coefficients=_numbers(4), rho=[0.25], one_class=one_class), unknown=9)


def test_regressor_without_vectors() -> None:
    assert_as_runtime(_regressor(kernel_params=[0.0] * 3, coefficients=_numbers(3), rho=[0.25]), unknown=9)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=list(KERNELS))
@pytest.mark.parametrize("chances", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_classifier(classes: int, chances: bool, kernel: tuple[str, list[float]]) -> None:
    kind, params = kernel
    given = {**_of(classes, chances=chances), "kernel_type": kind, "kernel_params": params or [0.0] * 3}
    for dtype in (np.float32, np.int64):
        assert_as_runtime(_classifier(dtype, **given), unknown=40, rtol=3e-5)


@pytest.mark.parametrize("how", TRANSFORMS)
@pytest.mark.parametrize("given", [_of(2), _of(3), _of(2, chances=True), _of(3, chances=True)],
                         ids=["2", "3", "2 with chances", "3 with chances"])
def test_scores(given: dict[str, object], how: str) -> None:
    assert_as_runtime(_classifier(**given, kernel_params=[0.0] * 3, post_transform=how), unknown=9, rtol=3e-5)


@pytest.mark.parametrize("how", TRANSFORMS)
@pytest.mark.parametrize("given", [
    {"classlabels_ints": [4, 7], "coefficients": [0.5, -1.0, 0.25, 0.125, 1, -0.5], "rho": [0.02]},
    {"classlabels_ints": [4, 7], "coefficients": [0.5, 1.0, 0.25, 0.125, 1, 0.5], "rho": [0.02]},
    {"classlabels_ints": [4, 7], "coefficients": [0.5, -1.0, 0.25, 0.125, 1, -0.5], "rho": [0.02], "prob_a": [1.0], "prob_b": [0.5]},
    {"classlabels_ints": [4, 7, 1], "coefficients": [0.5, -1.0, 0.25, 0.125, 1, -0.5, 2, 1, -1], "rho": [0.02]},
], ids=["2", "no coefficient negative", "with chances", "3"])
def test_classifier_without_vectors(given: Mapping[str, object], how: str) -> None:
    assert_as_runtime(_classifier(**given, kernel_params=[0.0] * 3, post_transform=how), unknown=9)


def test_chances_of_many_classes_in_a_file(tmp_path: Path) -> None:
    """Rounds whose number data decides."""
    path = tmp_path / "m.onnx"
    path.write_bytes(_classifier(**_of(4, chances=True), kernel_type="RBF", kernel_params=[0.5, 0.0, 3.0]).SerializeToString())
    assert "Loop" in ops(read_onnx(path))
    assert nchw2nhwc.convert(path).check().passed


def test_what_is_not_right() -> None:
    def refused(match: str, kind: type[Exception] = SourceError, **other: object) -> None:
        with pytest.raises(kind, match=match):
            read(_classifier(**{k: v for k, v in {**_of(3), "kernel_params": [0.5, 0.0, 3.0], **other}.items() if v != []}))

    refused("labels that are strings", UnsupportedError, classlabels_ints=[], classlabels_strings=["a", "b", "c"])
    refused("PROBIT", UnsupportedError, **_of(2), post_transform="PROBIT")
    refused("vectors_per_class", vectors_per_class=[3, 3])
    refused("1 numbers in rho", rho=[0.5])
    refused("2 in prob_a", prob_a=[0.5, 1.0])
    refused("5 coefficients", coefficients=_numbers(5))
    refused("17 numbers of support_vectors", support_vectors=_numbers(17))
    refused("4 features", support_vectors=_numbers(24))
    refused("no kernel 'COSINE'", kernel_type="COSINE")
    refused("kernel 'RBF' of 1", kernel_type="RBF", kernel_params=[0.5])
    with pytest.raises(UnsupportedError, match="of one target"):
        read(_regressor(coefficients=_numbers(3), rho=[0.25], post_transform="LOGISTIC"))
    with pytest.raises(SourceError, match="2 numbers in rho"):
        read(_regressor(coefficients=_numbers(3), rho=[0.25, 1.0]))
