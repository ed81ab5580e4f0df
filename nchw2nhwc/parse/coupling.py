"""Probabilities of classes out of those of one class against another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nchw2nhwc.ir.types import TensorType
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.control import Loop
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.parse.body import INT64, Body, add_loop
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.formula import Formula

ROUNDS = 100
"""Rounds at most."""

ROUNDS_OF_TWO = 2
"""Rounds at most with two classes, whatever their probabilities; found by running them for three million of these in single precision."""

BALANCED = 0.005
"""A row is done when no class is farther from balance than this, divided by the number of classes."""


def coupled(chances: Formula, pairs: Sequence[tuple[int, int]]) -> Formula:
    """The probability of each class (rows, classes); `chances` (rows, pairs) are those of the first class of each pair if it is one of the
    two. T.-F. Wu, C.-J. Lin, R. C. Weng, "Probability estimates for multi-class classification by pairwise coupling" (2004), algorithm 2,
    round by round until all rows are `BALANCED`."""
    rows, count = chances.shape[0], pairs[-1][1] + 1
    signs, constant = np.zeros((len(pairs), count, count)), np.zeros((count, count))
    for k, (first, second) in enumerate(pairs):
        signs[k, first, second], signs[k, second, first], constant[second, first] = 1, -1, 1
    against = (chances.apply(MatMul(), signs.reshape(len(pairs), -1)) + constant.reshape(1, -1)).reshape(rows, count, count)
    back = against.transpose(0, 2, 1)
    own = (back * back).sum(2)
    q = own.reshape(rows, count, 1) * np.asarray(np.eye(count)[None]) - against * back
    start = own * 0.0 + 1.0 / count
    return _written_out(start, q, own) if count == 2 else _repeated(start, q, own)


def _written_out(p: Formula, q: Formula, own: Formula) -> Formula:
    for _ in range(ROUNDS_OF_TWO):
        after, is_open = _round(p, q, own)
        p = is_open.choose(after, p)
    return p


def _repeated(start: Formula, q: Formula, own: Formula) -> Formula:
    b = start.b
    body = Body(b.graph.unique_name("coupling"), b.graph.source)
    inner = Builder(body.graph)
    inner.origin = b.origin
    number = Formula(inner, body.graph.add_input("number", TensorType(INT64)))
    before = Formula(inner, body.graph.add_input("before", start.value.type))
    after, is_open = _round(before, Formula(inner, body.take(q.value)), Formula(inner, body.take(own.value)))
    goes_on = (is_open.cast(np.float32).max(0, 1) > 0.0) & (number < ROUNDS - 1)
    body.returns([goes_on.value, is_open.choose(after, before).value])
    (found,) = add_loop(b, body, Loop(body.graph, 1), [start.value], b.const(True))
    return Formula(b, found)


def _round(p: Formula, q: Formula, own: Formula) -> tuple[Formula, Formula]:
    """The probabilities after one more round, and whether a row was not balanced before it (rows, 1). `q` is (rows, classes, classes),
    `own` its diagonal (rows, classes)."""
    rows, count = q.shape[0], static(q.shape[1], "the number of classes")
    qp = (q * p.reshape(rows, 1, count)).sum(2)
    pqp = (p * qp).sum(1, keepdims=True)
    is_open = abs(qp - pqp).max(1, keepdims=True) >= BALANCED / count
    for k, place in enumerate(np.eye(count)):
        diagonal, here = own.part(1, k, k + 1), qp.part(1, k, k + 1)
        step = (pqp - here) / diagonal
        whole = step + 1.0
        pqp = (pqp + step * (step * diagonal + here * 2.0)) / whole / whole
        qp = (qp + step * q.part(1, k, k + 1).reshape(rows, count)) / whole
        p = (p + step * place[None]) / whole
    return p, is_open
