"""Functions on arrays of doubles that numpy lacks: the logistic sigmoid and the error function."""

from __future__ import annotations

from functools import cache
from math import erf, exp, pi, sqrt

import numpy as np

from nchw2nhwc.ops.kinds import Doubles

ERF_STEP = 1 / 64
"""Distance of the points around which erf is expanded."""
ERF_END = 6.0
"""From here on erf is 1 in double precision."""


def sigmoid_of(x: Doubles) -> Doubles:
    """1 / (1 + exp(-x)), accurate relative to the result also where that is tiny."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-x)))


@cache
def _erf_nodes() -> tuple[Doubles, Doubles]:
    """erf and its derivative at the multiples of ERF_STEP up to ERF_END."""
    nodes = [k * ERF_STEP for k in range(round(ERF_END / ERF_STEP) + 1)]
    return np.array([erf(z) for z in nodes]), np.array([2 / sqrt(pi) * exp(-z * z) for z in nodes])


def erf_of(x: Doubles) -> Doubles:
    """The error function, to a few units in the last place of double precision.

    The Taylor series around the nearest multiple z of 1/64, whose derivatives are Hermite polynomials (Abramowitz & Stegun, Handbook of
    Mathematical Functions, 7.1.19): d^(n+1)/dz^(n+1) erf z = (-1)^n 2/sqrt(pi) H_n(z) exp(-z^2). With |h| <= 1/128 the terms past h^7
    are below 1e-16 of the result.
    """
    size = np.minimum(np.abs(x), ERF_END)
    size = np.where(np.isnan(size), 0, size)
    index = np.rint(size / ERF_STEP).astype(np.int64)
    values, slopes = _erf_nodes()
    z = index * ERF_STEP
    h = size - z
    before, hermite = np.zeros_like(z), np.ones_like(z)
    term, series = h, h
    for n in range(1, 7):
        before, hermite = hermite, 2 * z * hermite - 2 * (n - 1) * before
        term = term * -h / (n + 1)
        series = series + term * hermite
    return np.where(np.isnan(x), x, np.copysign(values[index] + slopes[index] * series, x))
