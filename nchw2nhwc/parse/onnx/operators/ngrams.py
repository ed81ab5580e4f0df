"""Sequences of tokens: how often they occur in a row (TfIdfVectorizer of ONNX), and which token would repeat one (NGramRepeatBlock of
com.microsoft)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

import numpy as np

from nchw2nhwc.errors import UnsupportedError
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.base import static
from nchw2nhwc.ops.indexing import ScatterElements
from nchw2nhwc.ops.movement import Slice
from nchw2nhwc.parse.formula import INT64, Formula, joined
from nchw2nhwc.parse.onnx.operators.contrib import MICROSOFT
from nchw2nhwc.parse.onnx.registry import Floats, Ints, LayerBuilder, Strings, onnx_op

_Grams = Sequence[tuple[int, ...]]


@onnx_op("TfIdfVectorizer", 9)
def tf_idf_vectorizer(b: LayerBuilder, x: Value, *, max_gram_length: int, max_skip_count: int, min_gram_length: int, mode: str,
                      ngram_counts: Ints, ngram_indexes: Ints, pool_int64s: Ints = (), pool_strings: Strings = (),
                      weights: Floats = ()) -> Value:
    """For each n-gram of the pool how often it is in a row of x, (tokens) or (rows, tokens), with up to `max_skip_count` tokens left out
    between two of its own: "TF"; with "IDF" its weight (1 without) if it is there at all; with "TFIDF" the product. `ngram_indexes` are
    the columns of the result."""
    if pool_strings:
        raise UnsupportedError("n-grams of strings are not supported", b.where)
    if mode not in ("TF", "IDF", "TFIDF") or not 1 <= x.rank <= 2 or not 1 <= min_gram_length <= max_gram_length or max_skip_count < 0:
        raise b.damaged(f"there are no n-grams of {min_gram_length} to {max_gram_length} tokens of {x.type}, mode '{mode}'")
    grams = _by_length(b, ngram_counts, pool_int64s)
    if len(ngram_indexes) != sum(map(len, grams.values())) or min(ngram_indexes, default=-1) < 0:
        raise b.damaged(f"{len(ngram_indexes)} ngram_indexes do not fit the pool of n-grams")
    if weights and len(weights) != len(ngram_indexes):
        raise b.damaged(f"{len(weights)} weights for {len(ngram_indexes)} n-grams")
    if weights and mode == "IDF" and len(set(ngram_indexes)) < len(ngram_indexes):
        raise UnsupportedError("n-grams that share a column but not a weight are not supported", b.where)
    width, length = max(ngram_indexes) + 1, static(x.shape[-1], "the number of tokens")
    b.require_room(width)
    rows = Formula(b, b.cast(b.reshape(x, (1, *x.shape) if x.rank == 1 else x.shape), INT64))
    parts, columns, first = [(rows.part(1, 0, 1) * 0).cast(np.float32)], [-1], 0
    for n, pool in grams.items():
        here = slice(first, first := first + len(pool))
        gaps = [gap for gap in range(1, 2 if n == 1 else max_skip_count + 2) if (n - 1) * gap < length]
        if pool and gaps and min_gram_length <= n <= max_gram_length:
            counts = reduce(Formula.__add__, (_counts(rows, pool, gap, length) for gap in gaps))
            counts = (counts > 0).cast(np.float32) if mode == "IDF" else counts
            parts.append(counts * np.asarray(weights[here]) if weights and mode != "TF" else counts)
            columns += ngram_indexes[here]
    result = _in_columns(joined(parts, 1), columns, width)
    result = result.at_most(1) if mode == "IDF" and not weights else result
    return b.reshape(result.value, (*x.shape[:-1], width))


def _by_length(b: LayerBuilder, starts: Ints, pool: Ints) -> Mapping[int, _Grams]:
    """The n-grams of the pool by n; `starts` is where those of 1, 2, ... tokens begin."""
    found: dict[int, _Grams] = {}
    for n, (start, stop) in enumerate(zip(starts, (*starts[1:], len(pool))), 1):
        if not 0 <= start <= stop <= len(pool) or (stop - start) % n:
            raise b.damaged(f"tokens {start} to {stop} of the pool are no n-grams of {n} tokens each")
        found[n] = [pool[k:k + n] for k in range(start, stop, n)]
        if len(set(found[n])) < len(found[n]):
            raise b.damaged(f"the pool has an n-gram of {n} tokens twice")
    return found


def _counts(rows: Formula, pool: _Grams, gap: int, length: int) -> Formula:
    """How often each n-gram of the pool is in each row, its tokens `gap` apart: (rows, n-grams)."""
    tokens = np.asarray(pool)
    last = (tokens.shape[1] - 1) * gap
    matches = [rows.part(1, k * gap, length - last + k * gap).reshape(rows.shape[0], length - last, 1).equals(tokens[:, k])
               for k in range(tokens.shape[1])]
    return reduce(Formula.__and__, matches).cast(np.float32).sum(1)


def _in_columns(counts: Formula, columns: Sequence[int], width: int) -> Formula:
    """Counts added up in the columns that they belong to (-1: none); the first is 0."""
    return reduce(Formula.__add__, (counts.take(np.asarray(layer), 1) for layer in _layers(columns, width)))


def _layers(columns: Sequence[int], width: int) -> Iterator[list[int]]:
    """For each column the first element that belongs to it, then the second and so on as long as any column has one; else element 0."""
    members: list[list[int]] = [[] for _ in range(width)]
    for place, column in enumerate(columns):
        if column >= 0:
            members[column].append(place)
    for k in range(max(1, *map(len, members))):
        yield [m[k] if k < len(m) else 0 for m in members]


@onnx_op("NGramRepeatBlock", 1, domain=MICROSOFT)
def n_gram_repeat_block(b: LayerBuilder, input_ids: Value, scores: Value, *, ngram_size: int) -> Value:
    """The scores (batch, vocabulary) of the next token, -inf for those with which the last `ngram_size` tokens would be some that are in
    the row of tokens (batch, length) already."""
    length, others = input_ids.shape[1], ngram_size - 1
    if ngram_size < 1:
        raise b.damaged(f"there are no sequences of {ngram_size} tokens")
    if isinstance(length, int) and length < ngram_size:
        return scores
    ids = Formula(b, input_ids).cast(INT64)
    matches = [_columns(ids, k, k - others).equals(_columns(ids, k - others, k - others + 1)) for k in range(others)]
    tokens = _columns(ids, others, 0)
    repeated = reduce(Formula.__and__, matches) if matches else tokens.equals(tokens)
    none = b.full(np.asarray(0, np.float32), scores.shape)
    hits = Formula(b, b.add1(ScatterElements(1, "add"), none, tokens.value, repeated.cast(np.float32).value))
    return (hits > 0.0).choose(Formula(b, b.scalar(-np.inf, scores)), scores).value


def _columns(x: Formula, start: int, stop: int) -> Formula:
    """Columns of rows; negative numbers count from the end, at which a `stop` of 0 is."""
    return x.apply(Slice((None, start), (None, stop or None), (1, 1)))
