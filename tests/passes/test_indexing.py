"""Gathers and scatters whose indices say something simpler."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from nchw2nhwc.ir.types import Array
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import Greater, Mul
from nchw2nhwc.ops.elementwise import Cast, LogicalNot, Neg
from nchw2nhwc.ops.indexing import Gather, GatherElements, GatherND, ScatterElements, ScatterND, TopK
from nchw2nhwc.ops.movement import Concat, Expand, Reshape, Slice, Tile, Transpose
from nchw2nhwc.ops.selection import Compress
from nchw2nhwc.passes.indexing import INDEXING
from nchw2nhwc.passes.movement import MOVEMENT
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched, node_of

SIMPLER = rule_pass("indexing", INDEXING)


def grid(*ranges: range) -> Array:
    """Every place of a box, one a row."""
    return np.stack(np.meshgrid(*ranges, indexing="ij"), -1)


def scattered(indices: Array, depth_shape: tuple[int, ...], reduction: str = "none", shape: tuple[int, ...] = (2, 5, 3)) -> Net:
    """-ScatterND(-x, indices, -updates), so that what goes is inside."""
    net = Net()
    x, updates = net(Neg(), net.input(*shape)), net(Neg(), net.input(*indices.shape[:-1], *depth_shape))
    return net.output(net(Neg(), net(ScatterND(reduction), x, net.const(indices, np.int64), updates)))


# ---- gathering -------------------------------------------------------------------------------------------------------
def test_equal_indices_are_a_gather() -> None:
    net = Net()
    indices = np.broadcast_to(np.array([2, -1, 0])[:, None], (2, 3, 4))
    net.output(net(GatherElements(1), net.input(2, 5, 4), net.const(indices, np.int64)))
    assert check_pass(net, SIMPLER) == ["Gather"]
    assert node_of(net.graph, "Gather").input(1).const.tolist() == [2, 4, 0]  # type: ignore[union-attr]


@pytest.mark.parametrize("indices", [np.array([[0, 1], [1, 1]]), None])
def test_other_indices_stay(indices: Array | None) -> None:
    net = Net()
    where = net.input(2, 2, dtype=np.int64) if indices is None else net.const(indices, np.int64)
    check_untouched(net.output(net(GatherElements(1), net.input(2, 2), where)), SIMPLER)


@pytest.mark.parametrize("repeat", [Expand((2, 3, 4)), Tile((2, 1, 4))])
def test_repeated_indices_are_a_gather(repeat: Op) -> None:
    net = Net()
    net.output(net(GatherElements(1), net.input(2, 9, 4), net(repeat, net.input(1, 3, 1, dtype=np.int64))))
    assert check_pass(net, SIMPLER) == ["Reshape", "Gather"]
    assert node_of(net.graph, "Gather").op == Gather(1)


@pytest.mark.parametrize(("places", "shape", "axis"), [((2, 1, 1), (2, 2, 4), 1), ((1, 2, 4), (2, 2, 4), 1)])
def test_indices_that_are_repeated_otherwise_stay(places: tuple[int, ...], shape: tuple[int, ...], axis: int) -> None:
    net = Net()
    net.output(net(GatherElements(axis), net.input(2, 2, 4), net(Expand(shape), net.input(*places, dtype=np.int64))))
    check_untouched(net, SIMPLER)


def test_rows_of_one_index() -> None:
    net = Net()
    net.output(net(GatherND(), net.input(9, 3), net.input(2, 4, 1, dtype=np.int64)))
    assert check_pass(net, SIMPLER) == ["Reshape", "Gather"]
    assert node_of(net.graph, "Gather").op == Gather(0)


def test_rows_of_several_indices_stay() -> None:
    net = Net()
    net.output(net(GatherND(), net.input(9, 9), net.input(4, 2, dtype=np.int64)),
               net(GatherND(1), net.input(2, 9), net.input(2, 4, 1, dtype=np.int64)))
    check_untouched(net, SIMPLER)


# ---- scattering ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("indices", "rest", "expected"), [
    (grid(range(2), range(1, 4)), (3,), "Reshape Slice Slice Concat"),
    (grid(range(2), range(5), range(2)), (), "Reshape Slice Concat"),
    (grid(range(2), range(-2, 0)), (3,), "Reshape Slice Concat"),
    (grid(range(1, 2), range(2), range(1, 2)), (), "Reshape Slice Slice Slice Slice Slice Concat Concat Slice Concat"),
    (grid(range(2)), (5, 3), "Reshape Identity"),
    (np.array([[1]]), (5, 3), "Reshape Slice Concat")])
def test_boxes_are_slices(indices: Array, rest: tuple[int, ...], expected: str) -> None:
    """`x[a:b, c:d] = updates`, as exporters spell it."""
    found = check_pass(scattered(indices, rest), SIMPLER)
    assert sorted(op for op in found if op != "Neg") == sorted(expected.split())


@pytest.mark.parametrize("indices", [grid(range(2), range(0, 5, 2)), grid(range(2), range(3))[:, ::-1], np.array([[0, 0], [1, 1]])])
def test_other_places_stay(indices: Array) -> None:
    check_untouched(scattered(indices, (3,)), SIMPLER)


def test_of_several_updates_the_last_one_counts() -> None:
    net = scattered(np.array([[0, 1], [1, 2], [0, -4], [1, 1]]), (3,))
    assert check_pass(net, SIMPLER) == ["Neg", "Neg", "Reshape", "Gather", "ScatterND", "Neg"]
    assert node_of(net.graph, "ScatterND").input(1).const.tolist() == [[1, 2], [0, 1], [1, 1]]  # type: ignore[union-attr]


@pytest.mark.parametrize(("reduction", "combine"), [("add", "Add"), ("mul", "Mul"), ("max", "Maximum"), ("min", "Minimum")])
def test_a_reduction_at_distinct_places(reduction: str, combine: str) -> None:
    net = scattered(np.array([[0, 1], [1, 1], [-1, -1]]), (3,), reduction)
    assert check_pass(net, SIMPLER) == ["Neg", "Neg", "GatherND", combine, "ScatterND", "Neg"]
    check_untouched(scattered(np.array([[0, 1], [0, -4]]), (3,), reduction), SIMPLER)


@pytest.mark.parametrize(("row", "expected"), [
    ([1, 2], "Slice Slice Concat"), ([-1], "Slice Concat"), ([0, 1, 2, 3], "Identity"), ([2, 1], "ScatterElements"),
    ([1, 1], "Reshape Reshape Reshape Gather ScatterND Reshape")])
def test_elements_in_a_row(row: list[int], expected: str) -> None:
    net = Net()
    indices = np.broadcast_to(np.array(row)[:, None], (2, len(row), 3))
    x, updates = net(Neg(), net.input(2, 4, 3)), net(Neg(), net.input(2, len(row), 3))
    net.output(net(Neg(), net(ScatterElements(1), x, net.const(indices, np.int64), updates)))
    if expected == "ScatterElements":
        check_untouched(net, SIMPLER)
    else:
        assert sorted(op for op in check_pass(net, SIMPLER) if op != "Neg") == sorted(expected.split())


@pytest.mark.parametrize("reduction", ["none", "add"])
def test_repeated_places_are_whole_rows(reduction: str) -> None:
    """As torchvision's box heads put the regions of each level back."""
    net = Net()
    places = net(Expand((2, 3, 4)), net.const(np.array([[[3]], [[1]]]), np.int64)) if reduction == "none" else net(
        Expand((2, 3, 4)), net.input(2, 1, 1, dtype=np.int64))
    net.output(net(ScatterElements(0, reduction), net.input(9, 3, 4), places, net.input(2, 3, 4)))
    assert "ScatterND" in check_pass(net, SIMPLER)


def test_nothing_to_scatter() -> None:
    net = scattered(np.zeros((0, 2), np.int64), (3,), "add")
    assert check_pass(net, SIMPLER) == ["Neg", "Identity", "Neg"]


def test_places_that_are_computed_stay() -> None:
    net = Net()
    net.output(net(ScatterND(), net.input(9), net.input(4, 1, dtype=np.int64), net.input(4)),
               net(ScatterElements(0), net.input(9), net.input(4, dtype=np.int64), net.input(4)))
    check_untouched(net, SIMPLER)


def test_a_part_that_is_computed_in_place() -> None:
    """`x[..., :2] *= 3`: the part that is read comes before the scatter that makes the rest a slice, too."""
    net = Net()
    x = net(Neg(), net.input(2, 5))
    part = net(Mul(), net(Slice((None, None), (None, 2), (1, 1)), x), 3.0)
    net.output(net(ScatterND(), x, net.const(grid(range(2), range(2)), np.int64), part))
    assert check_pass(net, rule_pass("indexing", MOVEMENT, INDEXING)) == ["Neg", "Split", "Mul", "Concat"]


def _where(places: Array, *, axis: int = 1, views: bool = False) -> Net:
    """What is at these places where a condition holds, found as its positions."""
    net = Net()
    x, condition = net(Neg(), net.input(2, 5, 3)), net.input(len(places), dtype=np.bool_)
    found = net(Compress(0, "kept"), net.const(places, np.int64), condition)
    if views:
        found = net(Transpose((1, 0)), net(Transpose((1, 0)), found))
    if found.rank > 1:
        found = net(Reshape((found.shape[0],)), found)
    return net.output(net(Gather(axis), x, found))


@pytest.mark.parametrize("net", [_where(np.arange(5)), _where(np.arange(5)[:, None]), _where(np.arange(5)[:, None], views=True),
                                 _where(np.arange(3), axis=2)], ids=["vector", "column", "views", "another axis"])
def test_positions_where_a_condition_holds(net: Net) -> None:
    assert check_pass(net, SIMPLER)[-1] == "Compress"


@pytest.mark.parametrize("net", [_where(np.arange(5)[::-1].copy()), _where(np.arange(4)), _where(np.array([0, 1, 1, 2, 3]))],
                         ids=["backwards", "not all", "one of them twice"])
def test_other_positions_stay(net: Net) -> None:
    check_untouched(net, SIMPLER)


def test_indices_need_no_cast() -> None:
    net = Net()
    x, wide = net(Neg(), net.input(9, 4)), net(Cast(np.dtype(np.int64)), net.input(3, dtype=np.int32))
    net.output(net(Gather(0), x, wide))
    assert check_pass(net, SIMPLER) == ["Neg", "Gather"]


def _compared(places: Sequence[int], numbers: Sequence[float], *, axis: int = 1, computed: bool = False) -> Net:
    net = Net()
    x = net(Neg(), net.input(3, 5, 5))
    index = net.input(dtype=np.int32) if computed else None
    for place, number in zip(places, numbers):
        part = net(Gather(axis), x, net.const(place, np.int64) if index is None else index)
        net.output(part)
        net.output(net(LogicalNot(), net(Greater(), part, number)))
    return net


@pytest.mark.parametrize(("places", "axis"), [((0, 1, 2, 3, 4), 1), ((4, -3, 1), 2), ((0, 2), 0), ((1, 2, 2, 0), 1)])
def test_what_compares_most_places_with_one_number_compares_the_whole(places: tuple[int, ...], axis: int) -> None:
    found = check_pass(_compared(places, [0.2] * len(places), axis=axis), SIMPLER)
    assert (found.count("Greater"), found.count("Gather")) == (1, 2 * len(places))


@pytest.mark.parametrize("net", [
    _compared((1, 2), (0.2, 0.2)), _compared((1, -4, 1), (0.2, 0.2, 0.2)), _compared((0, 1, 2), (0.2, 0.3, 0.2)),
    _compared((0, 1, 2), (0.2, 0.2, 0.2), computed=True)])
def test_comparisons_of_few_places_or_with_other_numbers_stay(net: Net) -> None:
    check_untouched(net, SIMPLER)


def _picks(count: int, *, values: int = 1, axis: int = 0) -> Net:
    """The best of those rows of a value that conditions leave, one after the other."""
    net = Net()
    data = [net(Neg(), net.input(5, 3)) for _ in range(values)]
    parts = []
    for k in range(count):
        scores, condition = net.input(5), net.input(5, dtype=np.bool_)
        left = net(Compress(0, f"kept{k}"), scores, condition)
        best = net.all(TopK(0, left.shape[0], dtype=np.dtype(np.int32)), left)[1]
        parts.append(net(Gather(0), net(Compress(0, f"kept{k}"), data[k % values], condition), best))
    return net.output(net(Concat(axis), *parts))


def test_picks_of_one_value() -> None:
    net = _picks(4)
    check_pass(net, SIMPLER)
    gathers = [node for node in net.graph.nodes if isinstance(node.op, Gather)]
    assert [node.input(0).shape[1] for node in gathers] == [1, 1, 1, 1, 3]


def test_picks_that_stay() -> None:
    """Of several values, and too few."""
    for net in (_picks(4, values=2), _picks(3)):
        check_untouched(net, SIMPLER)
