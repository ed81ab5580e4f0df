"""TfIdfVectorizer and NGramRepeatBlock against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import NodeProto, helper

from nchw2nhwc.errors import SourceError, UnsupportedError
from tests.parse.onnx.models import assert_as_runtime, model, read, tensor


def vectorizer(**changed: object) -> NodeProto:
    """Of tokens 0, 1 and 2, which `data` draws: all unigrams, some of two and three tokens."""
    attributes: dict[str, object] = {
        "min_gram_length": 1, "max_gram_length": 3, "max_skip_count": 0, "mode": "TF", "ngram_counts": [0, 3, 9],
        "pool_int64s": [0, 1, 2, 0, 1, 1, 1, 2, 0, 0, 1, 2, 2, 1, 0], "ngram_indexes": [0, 4, 2, 1, 3, 5, 7, 6]}
    return helper.make_node("TfIdfVectorizer", ["x"], ["y"], **{k: v for k, v in {**attributes, **changed}.items() if v is not None})


WEIGHTS = [1.0, 2, 3, 4, 5, 6, 7, 8]
SHARED = [0, 0, 2, 2, 2, 5, 5, 9]


@pytest.mark.parametrize("changed", [
    {}, {"max_skip_count": 2}, {"min_gram_length": 2}, {"max_gram_length": 1, "max_skip_count": 3}, {"min_gram_length": 3, "mode": "IDF"},
    {"mode": "IDF", "weights": WEIGHTS}, {"mode": "TFIDF", "weights": WEIGHTS}, {"mode": "TFIDF"}, {"ngram_indexes": SHARED},
    {"mode": "TFIDF", "ngram_indexes": SHARED, "weights": WEIGHTS}, {"mode": "IDF", "ngram_indexes": SHARED}], ids=str)
@pytest.mark.parametrize("dims", [("N", 9), (9,), (2, 1)], ids=str)
def test_as_runtime(changed: dict[str, object], dims: tuple[int | str, ...]) -> None:
    assert_as_runtime(model([vectorizer(**changed)], [tensor("x", dims, np.int64)]))


def test_what_is_not_right() -> None:
    for changed, match in (({"ngram_counts": [0, 3, 8]}, "are no n-grams of 2"), ({"ngram_indexes": [0, 1]}, "do not fit the pool"),
                           ({"pool_int64s": [0, 0, 2], "ngram_counts": [0], "ngram_indexes": [0, 1, 2]}, "twice"),
                           ({"weights": [1.0]}, "1 weights"), ({"mode": "BM25"}, "mode 'BM25'")):
        with pytest.raises(SourceError, match=match):
            read(model([vectorizer(**changed)], [tensor("x", (9,), np.int32)]))
    for changed, match in (({"pool_int64s": None, "pool_strings": ["a", "b"]}, "strings"),
                           ({"mode": "IDF", "ngram_indexes": SHARED, "weights": WEIGHTS}, "share a column")):
        with pytest.raises(UnsupportedError, match=match):
            read(model([vectorizer(**changed)], [tensor("x", (9,), np.int32)]))


@pytest.mark.parametrize("length", [2, 9, "L"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_repeated(size: int, length: int | str) -> None:
    """Of tokens 0, 1 and 2, and scores of 5."""
    source = helper.make_node("NGramRepeatBlock", ["tokens", "scores"], ["y"], domain="com.microsoft", ngram_size=size)
    inputs = [tensor("tokens", ("N", length), np.int64), tensor("scores", ("N", 5))]
    assert_as_runtime(model([source], inputs, domains=["com.microsoft"]), unknown=8)


def test_no_sequence() -> None:
    source = helper.make_node("NGramRepeatBlock", ["tokens", "x"], ["y"], domain="com.microsoft", ngram_size=0)
    with pytest.raises(SourceError, match="0 tokens"):
        read(model([source], [tensor("tokens", (2, 4), np.int64), tensor("x")], domains=["com.microsoft"]))
