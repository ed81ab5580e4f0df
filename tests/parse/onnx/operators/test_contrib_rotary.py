"""Positions as rotations, of ONNX Runtime's own domain, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from nchw2nhwc.errors import SourceError, UnsupportedError
from nchw2nhwc.ir import Array
from tests.parse.onnx.models import model, read, tensor
from tests.parse.onnx.operators.test_contrib_attention import BATCH, DOMAIN, HEADS, LENGTH, SIZE, X, check, normal, own


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("positions", [np.array([3], np.int64), np.arange(10, dtype=np.int64).reshape(BATCH, LENGTH)])
@pytest.mark.parametrize("partial", [False, True])
def test_rotary_embedding(interleaved: int, positions: Array, partial: bool) -> None:
    columns = SIZE // 4 if partial else SIZE // 2
    constants = {"c": normal(12, columns), "s": normal(12, columns), "p": positions}
    more = {"num_heads": HEADS, "rotary_embedding_dim": SIZE // 2} if partial else {}
    check(own("RotaryEmbedding", "x p c s", interleaved=interleaved, is_packed_batching=interleaved, **more), X, constants=constants)
    if not partial:
        check(own("RotaryEmbedding", "x p c s", interleaved=interleaved), tensor("x", (BATCH, HEADS, LENGTH, SIZE)), constants=constants)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("partial", [False, True])
def test_three_positions(layout: int, interleaved: int, partial: bool) -> None:
    size, columns = 16, 6 if partial else 8
    positions = np.random.default_rng(1).integers(0, 12, (3, BATCH, LENGTH))
    constants = {"c": normal(12, columns), "s": normal(12, columns), "p": positions}
    more = {"num_heads": HEADS, "rotary_embedding_dim": 12 if partial else 0}
    section = [2, 2, 2] if partial else [4, 3, 1]
    for x in (tensor("x", (BATCH, LENGTH, HEADS * size)), *([] if partial else [tensor("x", (BATCH, HEADS, LENGTH, size))])):
        check(own("MRotaryEmbedding", "x p c s", mrope_section=section, mrope_layout=layout, interleaved=interleaved, **more), x,
              constants=constants)


def test_sections_that_do_not_fit() -> None:
    constants = {"c": normal(12, 2), "p": np.zeros((3, BATCH, LENGTH), np.int64)}
    with pytest.raises(SourceError, match=r"mrope_section \[1, 1, 1\]"):
        read(model([own("MRotaryEmbedding", "x p c c", mrope_section=[1, 1, 1])], [X], constants=constants, domains=[DOMAIN]))


def test_a_scale_is_refused() -> None:
    constants = {"c": normal(12, 2), "p": np.array([3])}
    with pytest.raises(UnsupportedError, match=r"scale=2\.0"):
        read(model([own("RotaryEmbedding", "x p c c", scale=2.0)], [X], constants=constants, domains=[DOMAIN]))
