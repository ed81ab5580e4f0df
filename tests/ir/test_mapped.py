"""Constants that are views of a mapped file stay readable after their memory was given back."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Graph
from nchw2nhwc.ir.mapped import mapping_of, release_pages


def resident_kilobytes() -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.split("RssFile:")[1].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="counts resident pages as Linux shows them")
def test_release_gives_pages_back_and_keeps_the_content(tmp_path: Path) -> None:
    content = np.arange(8 << 20, dtype=np.float32)
    path = tmp_path / "weights.bin"
    content.tofile(path)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    array = np.frombuffer(memoryview(mapped), np.float32).reshape(8, -1)
    graph = Graph()
    graph.add_output(graph.constant(array[1:]), "y")
    graph.add_output(graph.constant(np.zeros(3)), "z")
    assert float(array.sum(dtype=np.float64)) == float(content.sum(dtype=np.float64))
    before = resident_kilobytes()
    assert release_pages(graph) == 1
    assert before - resident_kilobytes() > 16 << 10
    np.testing.assert_array_equal(array.ravel(), content)


def test_arrays_of_their_own_have_no_mapping() -> None:
    assert mapping_of(np.zeros(3)[1:]) is None
