"""What the models of ai.onnx.ml have in common: rows of features, scores of targets or classes, and labels. As ONNX Runtime does it."""

from __future__ import annotations

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import Sigmoid
from nchw2nhwc.ops.elementwise import Log, Sign, Sqrt
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.kinds import kind_of
from nchw2nhwc.ops.reduce import ArgMax, Softmax
from nchw2nhwc.parse.formula import Formula, joined
from nchw2nhwc.parse.onnx.registry import Ints, LayerBuilder, Strings

ML = "ai.onnx.ml"

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
"""What scores can be put through, by ONNX's numbers."""

_NONE_AT_ALL = 1e-7
"""Scores nearer to 0 than this count as none with SOFTMAX_ZERO."""


def rows_of(b: LayerBuilder, x: Value) -> Formula:
    """The features of each row as floating point numbers."""
    if x.rank != 2:
        raise b.damaged(f"the operand must be rows of features, but is {x.type}")
    return Formula(b, x if kind_of(x.type.dtype) == "floating point" else b.cast(x, np.dtype(np.float32)))


def numbers_of(b: LayerBuilder, labels: Ints, names: Strings) -> Ints:
    """The labels of classes. Raises UnsupportedError where a result has names, SourceError where there are fewer than two."""
    if names and b.wanted[0]:
        raise UnsupportedError("labels that are strings are not supported", b.where, "End the model before them with --outputs.")
    found = labels or tuple(range(len(names)))
    if len(found) < 2:
        raise b.damaged(f"{len(found)} classes")
    return found


def transformed(b: LayerBuilder, scores: Formula, how: str) -> Formula:
    """Scores (rows, classes) or, with one column, of a target alone, which only PROBIT changes. Raises SourceError."""
    if how not in TRANSFORMS:
        raise b.damaged(f"there is no post_transform '{how}'")
    if how == "PROBIT":
        return _probit(scores)
    if scores.shape[1] == 1 or how == "NONE":
        return scores
    if how == "LOGISTIC":
        return scores.apply(Sigmoid())
    if how == "SOFTMAX":
        return scores.apply(Softmax(1))
    top = scores.max(1, keepdims=True)
    powers = (abs(scores) > _NONE_AT_ALL).choose((scores - top).exp(), scores * (-top).exp())
    return powers / powers.sum(1, keepdims=True)


def _probit(p: Formula) -> Formula:
    """sqrt(2) * erfinv(2 p - 1), erfinv after S. Winitzki, "A handy approximation for the error function and its inverse" (2008)."""
    x = p * 2 - 1
    log = ((1 - x) * (x + 1)).apply(Log())
    half = log * 0.5 + 2 / (np.pi * 0.147)
    return x.apply(Sign()) * ((half * half - log * (1 / 0.147)).apply(Sqrt()) - half).apply(Sqrt()) * 1.41421356


def of_two(b: LayerBuilder, score: Formula, how: str, *, probability: bool) -> Formula:
    """The scores of two classes, (rows, 2), of which only that of the second, (rows, 1), is known: a `probability`, or a number that is
    above 0 for the second. Raises UnsupportedError, SourceError."""
    if how not in TRANSFORMS:
        raise b.damaged(f"there is no post_transform '{how}'")
    if how == "PROBIT":
        raise UnsupportedError("PROBIT of one score for two classes is not supported", b.where)
    if how == "LOGISTIC":
        score, probability = score.apply(Sigmoid()), True
    return joined([1 - score if probability else -score, score], 1)


def best(b: LayerBuilder, scores: Formula, labels: Ints) -> Formula:
    """The label of the largest of the scores (rows, classes) in each row, of equal ones the first."""
    return Formula(b, b.add1(Gather(0), b.const(np.asarray(labels, np.int64)), b.add1(ArgMax(1, False), scores.value)))


def better(b: LayerBuilder, score: Formula, threshold: float, labels: Ints) -> Formula:
    """The second label where the score (rows, 1) is above the threshold, else the first."""
    first, second = (b.const(label, np.int64) for label in labels)
    return (score > threshold).reshape(score.shape[0]).choose(second, Formula(b, first))
