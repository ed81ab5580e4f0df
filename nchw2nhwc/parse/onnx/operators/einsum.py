"""Einsum, as transpositions, reductions, products of matrices and reshapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nchw2nhwc.ir.dim import Size, product
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Mul
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.reduce import ReduceSum
from nchw2nhwc.parse.onnx.registry import LayerBuilder, onnx_op


@dataclass(frozen=True)
class Term:
    """A tensor and the label of each of its axes, all different."""

    value: Value
    labels: str

    def size(self, label: str) -> Size:
        """The size of the axis with this label; 1 where it has none."""
        return self.value.shape[self.labels.index(label)] if label in self.labels else 1


@onnx_op("Einsum", 12, 28)
def einsum(b: LayerBuilder, *xs: Value, equation: str) -> Value:
    """Operands are combined from left to right; labels that nothing later needs are summed away as soon as possible."""
    terms, wanted = _parsed(b, equation, xs)
    result = terms[0]
    for k in range(1, len(terms)):
        later = set(wanted).union(*(t.labels for t in terms[k + 1:]))
        result = _product(b, _summed(b, result, later | set(terms[k].labels)), _summed(b, terms[k], later | set(result.labels)), later)
    result = _summed(b, result, set(wanted))
    return b.transpose(result.value, tuple(result.labels.index(label) for label in wanted))


def _parsed(b: LayerBuilder, equation: str, xs: Sequence[Value]) -> tuple[list[Term], str]:
    """The operands with their labels, and the labels of the result. The axes of an ellipsis are labelled with digits, from the right."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    formulas = left.split(",")
    if len(formulas) != len(xs) or not xs:
        raise b.damaged(f"the equation '{equation}' has {len(formulas)} terms for {len(xs)} operands")
    terms = [_without_diagonals(b, Term(x, _labelled(b, formula, x, equation))) for formula, x in zip(formulas, xs)]
    dots = "".join(sorted({c for t in terms for c in t.labels if c.isdigit()}, reverse=True))
    if arrow:
        wanted = right.replace("...", dots)
    else:
        wanted = dots + "".join(sorted(c for c in left if c.isalpha() and left.count(c) == 1))
    known = {c for t in terms for c in t.labels}
    if len(set(wanted)) < len(wanted) or not set(wanted) <= known:
        raise b.damaged(f"the result '{right}' of the equation '{equation}' names an axis that does not exist, or one twice")
    return terms, wanted


def _labelled(b: LayerBuilder, formula: str, x: Value, equation: str) -> str:
    before, dots, after = formula.partition("...")
    hidden = x.rank - len(before) - len(after) if dots else 0
    if not (before + after).isascii() or not (before + after + "a").isalpha() or hidden < 0 or hidden > 9:
        raise b.damaged(f"the term '{formula}' of the equation '{equation}' does not fit {x.type}")
    labels = before + "".join(str(k) for k in reversed(range(hidden))) + after
    if len(labels) != x.rank:
        raise b.damaged(f"the term '{formula}' of the equation '{equation}' does not fit {x.type}")
    return labels


def _without_diagonals(b: LayerBuilder, term: Term) -> Term:
    """A term in which no two axes have one label: of those that do the diagonal."""
    twice = next((c for c in term.labels if term.labels.count(c) > 1), None)
    if twice is None:
        return term
    first, second = [k for k, c in enumerate(term.labels) if c == twice][:2]
    size = static(term.value.shape[first], "the size of a diagonal")
    if size != term.value.shape[second]:
        raise b.damaged(f"{term.value.type} has no diagonal along axes {first} and {second}")
    others = [k for k in range(term.value.rank) if k not in (first, second)]
    moved = b.transpose(term.value, (*others, first, second))
    flat = b.reshape(moved, (*moved.shape[:-2], size * size))
    picked = b.add1(Gather(len(others)), flat, b.const(np.arange(size) * (size + 1)))
    return _without_diagonals(b, Term(picked, "".join(term.labels[k] for k in others) + twice))


def _summed(b: LayerBuilder, term: Term, needed: set[str]) -> Term:
    """A term without the axes that nothing needs any more."""
    gone = tuple(k for k, label in enumerate(term.labels) if label not in needed)
    if not gone:
        return term
    return Term(b.add1(ReduceSum(gone, keepdims=False), term.value), "".join(c for c in term.labels if c in needed))


def _product(b: LayerBuilder, left: Term, right: Term, needed: set[str]) -> Term:
    """Two terms multiplied, and summed over the labels that both have and nothing needs."""
    shared = [c for c in left.labels if c in right.labels]
    batch = "".join(c for c in shared if c in needed)
    inner = "".join(c for c in shared if c not in needed)
    rows = "".join(c for c in left.labels if c not in shared)
    columns = "".join(c for c in right.labels if c not in shared)
    if any(left.size(c) != right.size(c) for c in inner):
        raise b.damaged(f"axes that are multiplied differ in size: {left.value.type} ({left.labels}), {right.value.type} ({right.labels})")
    if not inner:
        labels = batch + rows + columns
        return Term(b.add1(Mul(), _spread(b, left, labels), _spread(b, right, labels)), labels)
    # The order in which an operand has its axes already saves a transposition.
    rows_last = left.labels == batch + inner + rows
    columns_first = right.labels == batch + columns + inner
    a = _matrix(b, left, batch, *((inner, rows) if rows_last else (rows, inner)))
    c = _matrix(b, right, batch, *((columns, inner) if columns_first else (inner, columns)))
    out = b.add1(MatMul(rows_last, columns_first), a, c)
    sizes = (*out.shape[:len(batch)], *(left.size(k) for k in rows), *(right.size(k) for k in columns))
    return Term(b.reshape(out, sizes), batch + rows + columns)


def _matrix(b: LayerBuilder, term: Term, batch: str, rows: str, columns: str) -> Value:
    """A term as (batch..., all of rows, all of columns)."""
    ordered = b.transpose(term.value, tuple(term.labels.index(c) for c in batch + rows + columns))
    return b.reshape(ordered, (*(term.size(c) for c in batch), product(map(term.size, rows)), product(map(term.size, columns))))


def _spread(b: LayerBuilder, term: Term, labels: str) -> Value:
    """A term with all of `labels` as axes, in that order; those it does not have are of size 1."""
    ordered = b.transpose(term.value, tuple(term.labels.index(c) for c in labels if c in term.labels))
    return b.reshape(ordered, tuple(term.size(c) for c in labels))
