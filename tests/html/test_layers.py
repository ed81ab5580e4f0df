"""Members in layers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nchw2nhwc.html.layers import arrange


def crossings(layers: list[list[int]], routes: list[list[int]]) -> int:
    """Counted the slow way."""
    total = 0
    for upper, lower in pairwise(layers):
        steps = [(upper.index(a), lower.index(b)) for route in routes for a, b in pairwise(route) if a in upper and b in lower]
        total += sum(a < c and b > d for a, b in steps for c, d in steps)
    return total


def test_a_long_edge_has_a_bend_in_every_layer_that_it_passes() -> None:
    result = arrange(3, [(0, 1), (1, 2), (0, 2)])
    assert result.routes == [[0, 1], [1, 2], [0, 3, 2]]
    assert [sorted(layer) for layer in result.layers] == [[0], [1, 3], [2]]


def test_edges_that_can_be_drawn_without_crossing_are() -> None:
    edges = [(0, 4), (1, 3), (2, 5), (3, 6), (4, 8), (5, 7)]
    result = arrange(9, edges)
    assert crossings(result.layers, result.routes) == 0


def test_one_that_feeds_more_than_it_reads_stands_by_its_reader() -> None:
    result = arrange(5, [(0, 1), (1, 2), (2, 3), (4, 3)])
    assert [sorted(layer) for layer in result.layers] == [[0], [1], [2, 4], [3]]


def test_the_ends_keep_their_order() -> None:
    result = arrange(6, [(2, 1), (3, 0), (0, 4), (1, 5)], top=[2, 3], bottom=[4, 5])
    assert result.layers[0] == [2, 3]
    assert result.layers[-1] == [4, 5]


def test_nothing_at_all() -> None:
    assert arrange(0, []).layers == []
    assert arrange(1, []).layers == [[0]]


@given(count=st.integers(1, 12), data=st.data())
def test_every_item_once_and_every_step_to_the_next_layer(count: int, data: st.DataObject) -> None:
    pairs = data.draw(st.sets(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=30))
    edges = sorted({(min(a, b), max(a, b)) for a, b in pairs if a != b})
    result = arrange(count, edges)
    layer_of = {item: k for k, layer in enumerate(result.layers) for item in layer}
    assert sum(map(len, result.layers)) == len(layer_of)
    assert set(range(count)) <= layer_of.keys()
    assert [(route[0], route[-1]) for route in result.routes] == edges
    assert all(layer_of[b] == layer_of[a] + 1 for route in result.routes for a, b in pairwise(route))
    assert all(result.layers)
