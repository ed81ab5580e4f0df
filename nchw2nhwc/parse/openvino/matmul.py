"""Matrix products, einsum and attention."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Size, Value, product
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.binary import Add, Mul, Where
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.matmul import MatMul
from nchw2nhwc.ops.reduce import ReduceSum, Softmax
from nchw2nhwc.parse import dynamic
from nchw2nhwc.parse.builder import Builder
from nchw2nhwc.parse.inverse import inverse as inverted
from nchw2nhwc.parse.openvino.common import reshaped, same
from nchw2nhwc.parse.openvino.registry import Results, mapping
from nchw2nhwc.parse.sums import are_narrow, integer_products
from nchw2nhwc.wording import counted

_TERM = re.compile(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*")


@mapping("MatMul", 1)
def matmul(b: Builder, x: Value, y: Value, *, transpose_a: bool = False, transpose_b: bool = False) -> Results:
    """An operand of one axis is a row on the left and a column on the right; its transpose flag does not count, and the result lacks that
    axis."""
    if not x.rank or not y.rank:
        raise SourceError(f"a product of {x.type} and {y.type}")
    left = reshaped(b, x, (1, *x.shape)) if x.rank == 1 else x
    right = reshaped(b, y, (*y.shape, 1)) if y.rank == 1 else y
    op = MatMul(transpose_a and x.rank > 1, transpose_b and y.rank > 1)
    if are_narrow(b, x, y):
        added = right.rank - (1 if op.adjoint_b else 2)
        result = integer_products(b, left, right, (added,), lambda data, weights: b.add1(op, data, weights))
    else:
        result = b.add1(op, left, right)
    rows = () if x.rank == 1 else (result.shape[-2],)
    columns = () if y.rank == 1 else (result.shape[-1],)
    return b.reshape(result, (*result.shape[:-2], *rows, *columns))


@mapping("ScaledDotProductAttention", 13)
def attention(b: Builder, query: Value, key: Value, value: Value, mask: Value | None = None, scale: Value | None = None, *,
              causal: bool) -> Results:
    """softmax(query @ key^T * scale + mask) @ value; a boolean mask tells what is looked at. The scale is 1 / sqrt(size of a key) when
    absent. "causal" replaces the mask: nothing looks at what comes after it."""
    dtype = query.type.dtype
    if min(query.rank, key.rank, value.rank) < 2:
        raise SourceError(f"attention of {query.type}, {key.type} and {value.type}")
    if scale is None:
        scale = b.const(1 / np.sqrt(max(static(query.shape[-1], "the size of a query"), 1)), dtype)
    scores = b.add1(Mul(), b.add1(MatMul(False, True), query, key), scale)
    if causal:
        rows, columns = scores.shape[-2:]
        if isinstance(rows, int) and isinstance(columns, int) and rows * columns > 2**26:
            raise UnsupportedError(f"a causal mask of {rows} by {columns}")
        mask = (dynamic.positions(b, rows).column() >= dynamic.positions(b, columns)).value
    if mask is not None and mask.type.dtype == np.bool_:
        scores = b.add1(Where(), mask, scores, b.const(-np.inf, dtype))
    elif mask is not None and not (mask.const is not None and mask.rank == 0 and not mask.const):
        scores = b.add1(Add(), scores, mask)
    return b.add1(MatMul(), b.add1(Softmax(scores.rank - 1), scores), value)


# ---- einsum --------------------------------------------------------------------------------------------------------------------
@mapping("Einsum", 7)
def einsum(b: Builder, *xs: Value, equation: str) -> Results:
    """Any number of operands, multiplied from the left to the right; a label that an operand has twice is a diagonal of it."""
    left, arrow, result = equation.replace(" ", "").partition("->")
    given = left.split(",")
    if not all(_TERM.fullmatch(t) for t in (*given, result)) or len(given) != len(xs):
        raise SourceError(f"Einsum '{equation[:60]}' does not fit {counted(len(xs), 'operand')}")
    terms = [_spelled(t, x.rank) for t, x in zip(given, xs)]
    dots = max((_hidden(t) for t in terms), key=len)
    if not arrow:
        result = dots + "".join(sorted(c for c in set(left) if c.isalpha() and left.count(c) == 1))
    result = result.replace("...", dots)
    if any(len(t) != x.rank for t, x in zip(terms, xs)) or len(set(result)) < len(result) or not set(result) <= set("".join(terms)):
        raise SourceError(f"Einsum '{equation[:60]}' does not fit {', '.join(str(x.type) for x in xs)}")
    wide = {c for x, t in zip(xs, terms) for c, size in zip(t, x.shape) if size != 1}
    sides = [_diagonal(b, *_broadcast(b, x, t, wide)) for x, t in zip(xs, terms)]
    value, term = sides[0]
    for k, (other, labels) in enumerate(sides[1:], 1):
        needed = set(result).union(*(labels for _, labels in sides[k + 1:]))
        value, term = _summed(b, value, term, needed | set(labels))
        value, term = _contracted(b, value, term, *_summed(b, other, labels, needed | set(term)), needed)
    value, term = _summed(b, value, term, set(result))
    return same(b, value) if value in xs and term == result else b.transpose(value, [term.index(c) for c in result])


def _spelled(term: str, rank: int) -> str:
    """A term with digits for the axes that its ellipsis stands for, which count from the last one."""
    before, dots, after = term.partition("...")
    hidden = rank - len(before) - len(after)
    return f"{before}{''.join(map(str, reversed(range(min(max(hidden, 0), 10)))))}{after}" if dots else term


def _hidden(term: str) -> str:
    return "".join(c for c in term if c.isdigit())


def _broadcast(b: Builder, x: Value, term: str, wide: set[str]) -> tuple[Value, str]:
    """`x` without the axes of an ellipsis that are of size 1 there, but not in another operand."""
    kept = [k for k, c in enumerate(term) if not (c.isdigit() and x.shape[k] == 1 and c in wide)]
    return b.reshape(x, tuple(x.shape[k] for k in kept)), "".join(term[k] for k in kept)


def _diagonal(b: Builder, x: Value, term: str) -> tuple[Value, str]:
    """`x` with every label once: of two axes with one label only the elements at equal positions. Raises SourceError."""
    for label in dict.fromkeys(term):
        while term.count(label) > 1:
            first, second = term.index(label), term.rindex(label)
            size = static(x.shape[first], "the size of a diagonal")
            if x.shape[second] != size:
                raise SourceError(f"{x.type} has no diagonal along axes {first} and {second}")
            others = [k for k in range(x.rank) if k not in (first, second)]
            moved = b.transpose(x, (*others, first, second))
            flat = b.reshape(moved, (*moved.shape[:-2], size * size))
            x = b.add1(Gather(flat.rank - 1), flat, b.const(np.arange(size) * (size + 1), np.int64))
            term = "".join(term[k] for k in others) + label
    return x, term


def _summed(b: Builder, x: Value, term: str, needed: set[str]) -> tuple[Value, str]:
    """`x` with the axes summed away whose labels nobody else needs."""
    gone = tuple(k for k, label in enumerate(term) if label not in needed)
    return (b.add1(ReduceSum(gone, False), x) if gone else x), "".join(label for label in term if label in needed)


def _contracted(b: Builder, x: Value, left: str, y: Value, right: str, needed: set[str]) -> tuple[Value, str]:
    """The product of two operands as one MatMul: labels of both that are needed are its batch, other labels of both are contracted."""
    batch = [c for c in left if c in right and c in needed]
    inner = [c for c in left if c in right and c not in needed]
    rows, columns = [c for c in left if c not in right], [c for c in right if c not in left]
    sizes: dict[str, Size] = {}
    for label, size in (*zip(left, x.shape), *zip(right, y.shape)):
        if sizes.setdefault(label, size) != size:
            raise SourceError(f"the sizes of label '{label}' of an Einsum, {sizes[label]} and {size}, differ")

    def side(value: Value, term: str, first: Sequence[str], second: Sequence[str]) -> Value:
        ordered = b.transpose(value, [term.index(c) for c in (*batch, *first, *second)])
        return b.reshape(ordered, (*(sizes[c] for c in batch), product(sizes[c] for c in first), product(sizes[c] for c in second)))

    result = b.add1(MatMul(), side(x, left, rows, inner), side(y, right, inner, columns))
    labels = (*batch, *rows, *columns)
    return b.reshape(result, tuple(sizes[c] for c in labels)), "".join(labels)


# ---- inverses ------------------------------------------------------------------------------------------------------------------
@mapping("Inverse", 14)
def inverse(b: Builder, x: Value, *, adjoint: bool = False) -> Results:
    """The inverse of each matrix (..., n, n); transposed if `adjoint`."""
    result = inverted(b, x)
    return (result.transpose(0, 2, 1) if adjoint else result).reshape(*x.shape).value
