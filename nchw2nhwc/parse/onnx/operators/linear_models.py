"""Linear models of ai.onnx.ml."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, Strings, onnx_op
from nchw2nhwc.parse.onnx.scores import ML, best, better, numbers_of, of_two, rows_of, transformed


def _scores(b: LayerBuilder, x: Value, coefficients: Floats, intercepts: Floats, count: int) -> Formula:
    """Rows times the coefficients of each target, plus its intercept: (rows, count), always float32."""
    rows = rows_of(b, x).cast(np.float32)
    features = static(rows.shape[1], "the number of features")
    if count < 1 or len(coefficients) != count * features or len(intercepts) not in (0, count):
        raise b.damaged(f"{len(coefficients)} coefficients and {len(intercepts)} intercepts for {count} targets of {features} features")
    products = rows.apply(MatMul(), np.asarray(coefficients).reshape(count, features).T)
    return products + np.asarray(intercepts) if intercepts else products


@onnx_op("LinearRegressor", 1, domain=ML)
def linear_regressor(b: LayerBuilder, x: Value, *, coefficients: Floats = (), intercepts: Floats = (), post_transform: str = "NONE",
                     targets: int = 1) -> Value:
    return transformed(b, _scores(b, x, coefficients, intercepts, targets), post_transform).value


@onnx_op("LinearClassifier", 1, domain=ML)
def linear_classifier(b: LayerBuilder, x: Value, *, classlabels_ints: Ints = (), classlabels_strings: Strings = (), coefficients: Floats,
                      intercepts: Floats = (), multi_class: int = 0, post_transform: str = "NONE") -> Sequence[Value]:
    """The label of the best class and the scores of all, (rows, classes). `multi_class` changes nothing."""
    labels = numbers_of(b, classlabels_ints, classlabels_strings)
    if len(labels) == 2 and len(intercepts) == 1:
        score = _scores(b, x, coefficients, intercepts, 1)
        return better(b, score, 0.0, labels).value, of_two(b, score, post_transform, probability=True).value
    scores = _scores(b, x, coefficients, intercepts, len(labels))
    return best(b, scores, labels).value, transformed(b, scores, post_transform).value
