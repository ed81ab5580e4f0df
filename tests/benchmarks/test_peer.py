from __future__ import annotations

import pytest
from measure.flatfile import TensorEntry
from measure.peer import layout_by_shape, match_names


@pytest.mark.parametrize(("source", "result", "perm"), [
    ((1, 3, 8, 9), (1, 8, 9, 3), (0, 2, 3, 1)),
    ((1, 3, 8, 9), (1, 3, 8, 9), (0, 1, 2, 3)),
    ((1, 1000), (1, 1000), (0, 1)),
    ((1, 5, 1, 1), (1, 1, 1, 5), (0, 2, 3, 1)),
    ((2, 1, 8, 9), (2, 8, 9, 1), (0, 2, 3, 1)),
    ((1, 3, 4, 8, 9), (1, 4, 8, 9, 3), (0, 2, 3, 4, 1)),
])
def test_layout_that_the_shape_tells(source: tuple[int, ...], result: tuple[int, ...], perm: tuple[int, ...]) -> None:
    assert layout_by_shape(source, result) == perm


@pytest.mark.parametrize(("source", "result"), [
    ((1, 8, 8, 8), (1, 8, 8, 8)),  # both fit, and differ in memory
    ((1, 4, 4), (1, 4, 4)),
    ((1, 3, 8, 9), (1, 9, 8, 3)),  # neither fits
    ((1, 3, 8, 9), (1, 216)),
])
def test_layout_that_the_shape_does_not_tell(source: tuple[int, ...], result: tuple[int, ...]) -> None:
    assert layout_by_shape(source, result) is None


def test_same_shape_is_clear_when_both_orders_are_the_same_in_memory() -> None:
    assert layout_by_shape((1, 1, 1, 1), (1, 1, 1, 1)) == (0, 1, 2, 3)


def test_names_are_matched_after_the_peers_clean_up() -> None:
    entries = [TensorEntry("onnx____Concat_1", (1,)), TensorEntry("wa/in", (2,))]
    assert list(match_names(entries, ["/in", "onnx::Concat_1"])) == [(0, entries[1]), (1, entries[0])]


def test_a_single_tensor_needs_no_name() -> None:
    entry = TensorEntry("Identity", (1,))
    assert list(match_names([entry], ["y"])) == [(0, entry)]
    assert not list(match_names([entry], ["y", "z"]))
