"""What decompositions look like, where that matters: how many nodes, which way of several, and what happens with symbolic sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nchw2nhwc.ir.graph import Node
from nchw2nhwc.ir.interpreter import run
from nchw2nhwc.ops.activation_functions import Mish
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import BitwiseAnd, BitwiseOr, FloorDiv
from nchw2nhwc.ops.elementwise import Abs, Exp
from nchw2nhwc.ops.movement import Pad, Slice
from nchw2nhwc.ops.norm import LRN, MVN
from nchw2nhwc.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.windowed import Conv, ConvTranspose, DepthToSpace
from nchw2nhwc.passes import run_passes
from nchw2nhwc.passes.decompose import decompose
from tests.emit.tflite.runs import one_op
from tests.passes.nets import Net, check_pass, check_untouched, count_ops, node_of


def _lacking(*classes: type[Op], also: Callable[[Node], bool] = lambda node: False) -> Callable[[Node], bool]:
    """A target that takes everything but these ops."""
    return lambda node: not isinstance(node.op, classes) and not also(node)


def _grouped(node: Node) -> bool:
    return isinstance(node.op, (Conv, ConvTranspose)) and node.op.groups > 1


def _flat_only(node: Node) -> bool:
    return isinstance(node.op, (Conv, ConvTranspose, MaxPool, AvgPool, Resize)) and node.input(0).rank != 4


@pytest.mark.parametrize("op", [BitwiseAnd(), BitwiseOr()], ids=lambda op: op.name)
def test_bits_of_the_largest_integers(op: Op) -> None:
    ends = np.iinfo(np.int32)
    edge = np.array([ends.min, ends.min + 1, -2, -1, 0, 1, 2, ends.max - 1, ends.max], np.int32)
    a, b = np.meshgrid(edge, edge)
    graph, inputs = one_op(op, [a, b], [False, False])
    run_passes(graph, [decompose(_lacking(BitwiseAnd, BitwiseOr))])
    assert {"BitwiseAnd", "BitwiseOr"}.isdisjoint(node.op.name for node in graph.nodes)
    np.testing.assert_array_equal(run(graph, inputs)["y0"], op.run(a, b)[0])


def test_a_target_that_takes_everything() -> None:
    net = Net()
    net.output(net(Mish(), net.input(2, 3)), net(MVN((1,), 1e-5), net.input(2, 3)))
    check_untouched(net, decompose(lambda node: True))


def test_one_node_at_a_time_by_what_the_target_says() -> None:
    net = Net()
    small, large = net(Mish(), net.input(2)), net(Mish(), net.input(20))
    net.output(net(Abs(), small), net(Abs(), large))
    assert check_pass(net, decompose(lambda node: node.op != Mish() or node.output.shape == (2,)), 1e-8).count("Mish") == 1
    names = [v.name for v in net.graph.values()]
    assert "t2" in names
    assert all(n.origin.layer == "layer2" for n in net.graph.nodes if n.origin.passes == ("decompose",))


def test_what_has_no_rule_is_left_for_the_target_to_refuse() -> None:
    net = Net()
    net.output(net(Exp(), net.input(2)))
    check_untouched(net, decompose(lambda node: False))


@pytest.mark.parametrize(("groups", "stride", "ops"), [
    (2, 2, {"Split": 1, "ConvTranspose": 2, "Concat": 1}), (6, 3, {"ConvTranspose": 1}),
    (6, 2, {"Conv": 1, "Pad": 2, "Reshape": 4})])
def test_grouped_transposed_convolutions(groups: int, stride: int, ops: dict[str, int]) -> None:
    net = Net()
    op = ConvTranspose((stride, stride), (1, 1), (1, 0), (1, 2), (0, 1), groups)
    net.output(net(op, net.input(2, 6, 4, 3), net.random_const(6, 2, 4, 4), net.random_const(2 * groups)))
    check_pass(net, decompose(_lacking(also=lambda node: isinstance(node.op, ConvTranspose) and node.op.groups > 1)))
    assert count_ops(net.graph) == ops


@pytest.mark.parametrize("pads", [((3, 3), (3, 3)), ((-1, 0), (0, -1)), ((0, 2), (4, 1))])
def test_inserted_zeros_with_pads_of_any_size(pads: tuple[tuple[int, int], tuple[int, int]]) -> None:
    net = Net()
    op = ConvTranspose((2, 1), (1, 2), *pads, (1, 1), 6)
    net.output(net(op, net.input("n", 6, 5, 4), net.random_const(6, 1, 2, 3)))
    check_pass(net, decompose(_lacking(also=lambda node: isinstance(node.op, ConvTranspose))))
    assert count_ops(net.graph)["Conv"] == 1


def test_grouped_convolutions_over_three_axes() -> None:
    net = Net()
    op = Conv((2, 1, 2), (1, 2, 1), (1, 2, 0), (0, 1, 1), 6)
    net.output(net(op, net.input("n", 6, 5, 6, 4), net.random_const(12, 1, 3, 2, 2), net.random_const(12)))
    check_pass(net, decompose(_lacking(also=lambda node: _grouped(node) and node.input(0).rank == 5)))
    assert count_ops(net.graph)["Conv"] == 3


def test_one_spatial_axis_adds_only_reshapes() -> None:
    net = Net()
    y = net(Conv((2,), (2,), (1,), (2,), 2), net.input("n", 4, 11), net.random_const(6, 2, 3), net.random_const(6))
    net.output(net(MaxPool((2,), (2,), (1,), (0,), (1,), ceil_mode=True), y))
    check_pass(net, decompose(_lacking(also=_flat_only)))
    assert count_ops(net.graph) == {"Reshape": 4, "Conv": 1, "MaxPool": 1}
    assert node_of(net.graph, "Conv").input(1).is_const


@pytest.mark.parametrize("op", [
    MaxPool((2, 3, 2), (1, 2, 2), (1, 1, 1), (1, 1, 0), (0, 1, 1)), AvgPool((2, 2, 2), (2, 2, 2), (1, 1, 1), (1, 0, 1), (1, 1, 1)),
    AvgPool((2, 2, 2), (2, 2, 2), (1, 1, 1), (1, 0, 1), (1, 1, 1), count_include_pad=True, ceil_mode=True)])
def test_three_spatial_axes_are_two_pools(op: MaxPool | AvgPool) -> None:
    net = Net()
    net.output(net(op, net.input("n", 2, 4, 5, 6)))
    check_pass(net, decompose(_lacking(also=_flat_only)))
    assert count_ops(net.graph)[op.name] == 2


def test_pools_along_some_of_three_axes_are_one() -> None:
    for kernel, strides in (((1, 2, 2), (1, 2, 2)), ((3, 1, 1), (2, 1, 1))):
        net = Net()
        net.output(net(MaxPool(kernel, strides, (1, 1, 1), (0, 0, 0), (0, 0, 0)), net.input(1, 2, 4, 4, 4)))
        check_pass(net, decompose(_lacking(also=_flat_only)))
        assert count_ops(net.graph)["MaxPool"] == 1


def test_means_over_padding() -> None:
    def padded(node: Node) -> bool:
        return isinstance(node.op, AvgPool) and any((*node.op.pads_begin, *node.op.pads_end))
    for counted, ops in ((True, {"Pad": 1, "AvgPool": 1}), (False, {"Pad": 1, "AvgPool": 1, "Mul": 1})):
        net = Net()
        net.output(net(AvgPool((3, 3), (2, 2), (1, 1), (1, 1), (0, 1), count_include_pad=counted), net.input("n", 2, 5, 6)))
        check_pass(net, decompose(_lacking(also=padded)))
        assert count_ops(net.graph) == ops


def test_means_over_padding_of_open_sizes() -> None:
    """How many elements count is a mean of ones."""
    net = Net()
    net.output(net(AvgPool((3, 3), (2, 2), (1, 1), (1, 1), (0, 1)), net.input("n", 2, "h", 6)))
    check_pass(net, decompose(lambda node: isinstance(node.op, AvgPool) and not any((*node.op.pads_begin, *node.op.pads_end))))


def test_maxima_of_open_sizes_rounded_up() -> None:
    net = Net()
    net.output(net(MaxPool((2, 3), (2, 2), (1, 1), (0, 0), (0, 0), ceil_mode=True), net.input("n", 2, "h", 6)))
    check_pass(net, decompose(lambda node: isinstance(node.op, MaxPool) and not node.op.ceil_mode))


def test_symbolic_sizes_that_a_decomposition_would_have_to_know_stay() -> None:
    net = Net()
    net.output(net(MaxPool((1, 1), (2, 2), (1, 1), (0, 0), (0, 0), ceil_mode=True), net.input(1, 2, "h", 6)))
    check_untouched(net, decompose(lambda node: False))


OPEN = {
    "means of windows": AdaptiveAvgPool((2, 4)), "maxima of windows": AdaptiveMaxPool((2, 4)), "resized": Resize((3, 5), mode="cubic"),
    "wrapped": Pad((0, 0, 7, 0), (0, 0, 9, 1), "wrap"),
    "edges": Pad((0, 0, 1, 0), (0, 0, 2, 3), "edge"), "reflected": Pad((0, 0, 9, 0), (0, 0, 7, 1), "reflect"),
    "mirrored": Pad((0, 0, 7, 0), (0, 0, 9, 1), "symmetric"),
}


@pytest.mark.parametrize("name", OPEN)
def test_open_sizes_are_read_when_the_model_runs(name: str) -> None:
    net = Net()
    net.output(net(OPEN[name], net.input(1, 2, "h", 6)))
    check_pass(net, decompose(lambda node: not isinstance(node.op, (AdaptiveAvgPool, AdaptiveMaxPool, Resize, Pad))), 1e-5)


def test_edges_of_what_a_slice_leaves() -> None:
    net = Net()
    left = net(Slice((None, None, 1, None), (None,) * 4, (1,) * 4), net.input(1, 2, "h", 6))
    net.output(net(Pad((0, 0, 1, 0), (0, 0, 2, 3), "edge"), left))
    check_pass(net, decompose(lambda node: not isinstance(node.op, Pad)))


def test_a_symbolic_channel_axis() -> None:
    net = Net()
    net.output(net(LRN(3), net.input(1, "c", 4)))
    check_untouched(net, decompose(lambda node: False))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_interpolation_takes_one_product_for_each_axis_that_changes(mode: str) -> None:
    for sizes, products in (((7, 9), 2), ((4, 9), 1)):
        net = Net()
        net.output(net(Resize(sizes, mode=mode, antialias=True), net.input("n", 3, 4, 5)))
        check_pass(net, decompose(_lacking(Resize)), 1e-6)
        assert count_ops(net.graph) == {"Transpose": 2, "Reshape": 2 * products, "MatMul": products}


def test_nearest_picks_along_each_axis() -> None:
    net = Net()
    net.output(net(Resize((8, 5), nearest_mode="ceil", coordinate_mode="asymmetric"), net.input("n", 3, 4, 5)))
    assert check_pass(net, decompose(_lacking(Resize))) == ["Gather"]


def test_resizing_three_axes_uses_the_targets_own_for_two() -> None:
    net = Net()
    net.output(net(Resize((4, 8, 10), mode="linear"), net.input("n", 3, 2, 4, 5)))
    check_pass(net, decompose(_lacking(also=_flat_only)), 1e-6)
    assert count_ops(net.graph)["Resize"] == 2


def test_blocks_as_reshapes() -> None:
    net = Net()
    net.output(net(DepthToSpace(2, "CRD"), net.input("n", 8, 3, 3)))
    assert check_pass(net, decompose(_lacking(DepthToSpace))) == ["Reshape", "Transpose", "Reshape"]


def test_reflections_that_go_back_and_forth() -> None:
    net = Net()
    net.output(net(Pad((0, 5, 0), (0, 4, 1), "reflect"), net.input("n", 3, 2)))
    assert check_pass(net, decompose(_lacking(Pad))) == ["Gather", "Gather"]


@pytest.mark.parametrize(("dtype", "notes"), [(np.int64, 1), (np.int16, 0)])
def test_integers_of_another_type(dtype: type[np.generic], notes: int) -> None:
    """A wider type needs no word; a narrower one is noted."""
    net = Net(dtype)
    net.output(net(FloorDiv(), net.input(4), 3))
    takes = decompose(lambda node: node.input(0).type.dtype == np.int32 or node.op.name == "Cast")
    assert check_pass(net, takes) == ["Cast", "Cast", "FloorDiv", "Cast"]
    assert len(net.graph.notes) == notes
    assert all("layer1" in note and "int32 instead of int64" in note for note in net.graph.notes)
