"""Support vector machines of ai.onnx.ml. As ONNX Runtime computes them, in single precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.activation_functions import Sigmoid
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Pow
from nchw2nhwc.ops.elementwise import Tanh
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse.coupling import coupled
from nchw2nhwc.parse.formula import Formula
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, Strings, onnx_op
from nchw2nhwc.parse.onnx.scores import ML, best, numbers_of, of_two, rows_of, transformed

Numbers = NDArray[np.float64]

FARTHEST = 20.0
"""The largest gamma * |v|^2 of a vector v, counted from the middle of all, for which |x|^2 + |v|^2 - 2 x v is the square of a distance:
it is wrong by less than 1e-7 times four such numbers, which makes 1e-5 of the kernel's value at most. Beyond, differences are squared."""

LEAST = 1e-7
"""Probabilities of one class against another are at least that, and at most 1 minus it."""


# ---- kernels ---------------------------------------------------------------------------------------------------------
def _products(x: Formula, vectors: Numbers) -> Formula:
    """Rows (rows, features) times vectors (vectors, features): (rows, vectors)."""
    return x.apply(MatMul(), vectors.T)


def _shifted(x: Formula, vectors: Numbers, gamma: float, offset: float) -> Formula:
    return _products(x, gamma * vectors) + offset


def _radial(x: Formula, vectors: Numbers, gamma: float) -> Formula:
    """exp(-gamma |x - v|^2) of rows x with each vector v."""
    middle: Numbers = vectors.mean(0)
    v = vectors - middle
    lengths: Numbers = np.square(v).sum(1)
    if gamma * lengths.max() < FARTHEST:
        x = x - middle
        squares = (x * x).sum(1, keepdims=True) + (_products(x, -2 * v) + lengths)
        return (squares.at_least(0.0) * -gamma).exp()
    features = static(x.shape[1], "the number of features")
    apart = x.reshape(x.shape[0], 1, features) - vectors[None]
    return ((apart * apart).sum(2) * -gamma).exp()


def _kernel(b: LayerBuilder, kind: str, params: Floats) -> Callable[[Formula, Numbers], Formula]:
    """What makes of rows (rows, features) and vectors (vectors, features) a number for each pair. Raises SourceError."""
    if kind == "LINEAR":
        return _products
    if len(params) != 3 or kind not in ("POLY", "RBF", "SIGMOID"):
        raise b.damaged(f"there is no kernel '{kind}' of {len(params)} kernel_params")
    gamma, offset, degree = params
    if kind == "RBF":
        return lambda x, vectors: _radial(x, vectors, gamma)
    if kind == "SIGMOID":
        return lambda x, vectors: _shifted(x, vectors, gamma, offset).apply(Tanh())
    return lambda x, vectors: _shifted(x, vectors, gamma, offset).apply(Pow(), degree)


def _table(b: LayerBuilder, numbers: Floats, rows: int, columns: int | None, what: str) -> Numbers:
    """A list as a matrix. Raises SourceError where it has another size."""
    columns = len(numbers) // max(rows, 1) if columns is None else columns
    if not numbers or len(numbers) != rows * columns:
        raise b.damaged(f"{len(numbers)} {what} are none for {rows} rows" + (f" of {columns}" if columns else ""))
    return np.asarray(numbers, np.float64).reshape(rows, columns)


def _rows(b: LayerBuilder, x: Value, features: int) -> Formula:
    rows = rows_of(b, x).cast(np.float32)
    if static(rows.shape[1], "the number of features") != features:
        raise b.damaged(f"the vectors have {features} features, the operand is {x.type}")
    return rows


# ---- regression ------------------------------------------------------------------------------------------------------
@onnx_op("SVMRegressor", 1, domain=ML)
def svm_regressor(b: LayerBuilder, x: Value, *, coefficients: Floats, kernel_params: Floats = (), kernel_type: str = "LINEAR",
                  n_supports: int = 0, one_class: bool = False, post_transform: str = "NONE", rho: Floats,
                  support_vectors: Floats = ()) -> Value:
    """The kernel of each row with the vectors times their coefficients, plus rho: (rows, 1); with `one_class` 1 where that is above 0,
    else -1. Without vectors the coefficients are those of the features."""
    if post_transform != "NONE":
        raise UnsupportedError(f"post_transform {post_transform} of one target is not supported", b.where,
                               "ONNX Runtime leaves it out: have an operator of its own.")
    if len(rho) != 1:
        raise b.damaged(f"{len(rho)} numbers in rho, which is one")
    if n_supports > 0:
        vectors = _table(b, support_vectors, n_supports, None, "numbers of support_vectors")
        kernels = _kernel(b, kernel_type, kernel_params)(_rows(b, x, vectors.shape[1]), vectors)
        found = _products(kernels, _table(b, coefficients, 1, n_supports, "coefficients")) + rho[0]
    else:
        found = _products(_rows(b, x, len(coefficients)), _table(b, coefficients, 1, None, "coefficients")) + rho[0]
    if not one_class:
        return found.value
    return (found > 0.0).choose(Formula(b, b.const(1, np.float32)), -1.0).value


# ---- classification --------------------------------------------------------------------------------------------------
@onnx_op("SVMClassifier", 1, domain=ML)
def svm_classifier(b: LayerBuilder, x: Value, *, classlabels_ints: Ints = (), classlabels_strings: Strings = (), coefficients: Floats,
                   kernel_params: Floats = (), kernel_type: str = "LINEAR", post_transform: str = "NONE", prob_a: Floats = (),
                   prob_b: Floats = (), rho: Floats, support_vectors: Floats = (), vectors_per_class: Ints = ()) -> Sequence[Value]:
    """The label of the class that wins most comparisons with one other class, and scores: the probability of each class if `prob_a` and
    `prob_b` are there, else what each comparison gives, (rows, pairs of classes), of two classes its negative, too.

    Without `vectors_per_class` the coefficients are those of the features, for each class: the label is that of the best."""
    labels = numbers_of(b, classlabels_ints, classlabels_strings)
    if sum(vectors_per_class) <= 0:
        return _linear(b, x, coefficients, rho, labels, post_transform, known=bool(prob_a))
    pairs = list(combinations(range(len(labels)), 2))
    if len(vectors_per_class) != len(labels) or min(vectors_per_class) < 0:
        raise b.damaged(f"vectors_per_class {list(vectors_per_class)} for {len(labels)} classes")
    if len(rho) != len(pairs) or {len(prob_a), len(prob_b)} not in ({0}, {len(pairs)}):
        raise b.damaged(f"{len(rho)} numbers in rho, {len(prob_a)} in prob_a and {len(prob_b)} in prob_b for {len(pairs)} pairs of classes")
    vectors = _table(b, support_vectors, sum(vectors_per_class), None, "numbers of support_vectors")
    weights = _table(b, coefficients, len(labels) - 1, len(vectors), "coefficients")
    kernels = _kernel(b, kernel_type, kernel_params)(_rows(b, x, vectors.shape[1]), vectors)
    scores = _products(kernels, _of_pairs(weights, vectors_per_class, pairs)) + np.asarray(rho)
    label = best(b, _won(scores, pairs), labels).value
    if prob_a:
        chances = (1 - (scores * np.asarray(prob_a) + np.asarray(prob_b)).apply(Sigmoid())).at_least(LEAST).at_most(1 - LEAST)
        return label, transformed(b, coupled(chances, pairs), post_transform).value
    if len(labels) == 2:
        return label, of_two(b, scores, post_transform, probability=post_transform != "NONE").value
    return label, transformed(b, scores, post_transform).value


def _of_pairs(weights: Numbers, counts: Ints, pairs: Sequence[tuple[int, int]]) -> Numbers:
    """The coefficients of all vectors for each pair of classes (pairs, vectors). `weights` (classes - 1, vectors) has for the vectors of
    each class those against all other classes, in their order."""
    of = np.repeat(np.arange(len(counts)), counts)
    return np.stack([np.where(of == first, weights[second - 1], 0) + np.where(of == second, weights[first], 0) for first, second in pairs])


def _won(scores: Formula, pairs: Sequence[tuple[int, int]]) -> Formula:
    """How often each class is the better one of two: the first one where the score is above 0, else the second."""
    first, second = np.zeros((2, pairs[-1][1] + 1, len(pairs)))
    for k, (one, other) in enumerate(pairs):
        first[one, k] = second[other, k] = 1
    beaten: Numbers = second.sum(1)
    return _products((scores > 0.0).cast(np.float32), first - second) + beaten


def _linear(b: LayerBuilder, x: Value, coefficients: Floats, rho: Floats, labels: Ints, post_transform: str, *,
            known: bool) -> Sequence[Value]:
    """Rows times the coefficients of each class, and the label of the best. Of two classes it is the second wherever the best score is
    above 0, or, if no coefficient is negative, at least 0.5; not where probabilities are `known`."""
    weights = _table(b, coefficients, len(labels), None, "coefficients")
    if not rho:
        raise b.damaged("there is no number in rho")
    scores = _products(_rows(b, x, weights.shape[1]), weights) + rho[0]
    label = best(b, scores, labels)
    if len(labels) == 2 and not known:
        top = scores.max(1)
        second = top >= 0.5 if weights.min() >= 0 else top > 0.0
        label = second.choose(Formula(b, b.const(labels[1], np.int64)), label)
    return label.value, transformed(b, scores, post_transform).value
