"""The weights file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nchw2nhwc.errors import SourceError
from nchw2nhwc.parse.openvino.weights import Weights


def test_a_file_is_mapped_and_viewed(tmp_path: Path) -> None:
    path = tmp_path / "w.bin"
    path.write_bytes(bytes(range(100)))
    weights = Weights(path)
    first, second = weights.take(10, 50), weights.take(20, 4)
    assert second.tolist() == [20, 21, 22, 23]
    assert np.shares_memory(first, second)
    assert not first.flags.writeable


def test_bytes_are_viewed() -> None:
    assert Weights(b"abcd").take(1, 2).tobytes() == b"bc"


def test_a_file_is_not_touched_before_it_is_needed(tmp_path: Path) -> None:
    weights = Weights(tmp_path / "absent.bin")
    assert weights.take(0, 0).size == 0
    with pytest.raises(SourceError, match="No such file") as caught:
        weights.take(0, 1)
    assert caught.value.where.file == "absent.bin"


@pytest.mark.parametrize(("content", "offset", "size"), [(b"", 0, 1), (b"abcd", 3, 2), (b"abcd", 5, 1), (b"abcd", 2**62, 2**62)])
def test_data_past_the_end(content: bytes, offset: int, size: int, tmp_path: Path) -> None:
    path = tmp_path / "w.bin"
    path.write_bytes(content)
    for source in (content, path):
        with pytest.raises(SourceError, match=f"bytes {offset} to {offset + size} of .*, which has only {len(content)}"):
            Weights(source).take(offset, size)


def test_no_weights_at_all() -> None:
    with pytest.raises(SourceError, match="weights, but no"):
        Weights(None).take(0, 1)


@pytest.mark.parametrize("path", ["", "\0.bin"])
def test_a_path_that_is_none(path: str) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        Weights(path).take(0, 1)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        Weights(tmp_path).take(0, 1)
