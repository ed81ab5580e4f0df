"""Pixel shuffles and their inverse, spelled as Reshape, Transpose, Reshape."""

from __future__ import annotations

import pytest

from nchw2nhwc.ir.dim import Dim, Size
from nchw2nhwc.ops.elementwise import Exp
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.windowed import DepthToSpace, SpaceToDepth
from nchw2nhwc.passes.recognise import BLOCKS
from nchw2nhwc.passes.recognise.blocks import blocked_form
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched

RECOGNISE = rule_pass("recognise", BLOCKS)


def _spelled(op: DepthToSpace | SpaceToDepth, shape: tuple[Size, ...], batch: str | None = None) -> Net:
    """The op as three nodes on data whose shallow form has this shape."""
    net = Net()
    first: Size = Dim.symbol(batch) if batch else shape[0]
    small = tuple(s // op.block for s in shape[2:])
    deep = (first, shape[1] * op.block ** len(small), *small)
    wide = (first, *shape[1:])
    x = net.input(*(deep if isinstance(op, DepthToSpace) else wide))
    middle, perm = blocked_form(op, first, shape[1], small)
    y = net(Transpose(perm), net(Reshape(middle), x))
    return net.output(net(Exp(), net(Reshape(wide if isinstance(op, DepthToSpace) else deep), y)))


@pytest.mark.parametrize("batch", [None, "n"])
@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize("cls", [DepthToSpace, SpaceToDepth])
@pytest.mark.parametrize("shape", [(2, 3, 4, 6), (1, 2, 6), (2, 3, 2, 4, 2), (2, 2, 2, 2)])
def test_any_rank_and_order(cls: type[DepthToSpace] | type[SpaceToDepth], shape: tuple[int, ...], mode: str, batch: str | None) -> None:
    op = cls(2, mode)
    net = _spelled(op, shape, batch)
    assert check_pass(net, RECOGNISE) == [op.name, "Exp"]
    assert net.graph.nodes[0].op == op


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_one_channel_has_one_order(mode: str) -> None:
    net = _spelled(DepthToSpace(3, mode), (1, 1, 3, 6))
    check_pass(net, RECOGNISE)
    assert net.graph.nodes[0].op == DepthToSpace(3)


def test_as_pytorch_exports_it() -> None:
    net = Net()
    y = net(Reshape((1, 2, 3, 3, 4, 5)), net.input(1, 18, 4, 5))
    net.output(net(Reshape((1, 2, 12, 15)), net(Transpose((0, 1, 4, 2, 5, 3)), y)))
    assert check_pass(net, RECOGNISE) == ["DepthToSpace"]
    assert net.graph.nodes[0].op == DepthToSpace(3, "CRD")


def test_other_orders_and_block_sizes_stay() -> None:
    for middle, perm, shape in (((1, 2, 3, 3, 4, 5), (0, 1, 4, 3, 5, 2), (1, 2, 12, 15)), ((1, 2, 9, 4, 5), (0, 1, 3, 2, 4), (1, 2, 36, 5)),
                                ((1, 2, 3, 3, 4, 5), (0, 1, 2, 4, 3, 5), (1, 2, 12, 15)), ((1, 18, 4, 5), (0, 2, 3, 1), (1, 4, 5, 18))):
        net = Net()
        net.output(net(Reshape(shape), net(Transpose(perm), net(Reshape(middle), net.input(1, 18, 4, 5)))))
        check_untouched(net, RECOGNISE)


def test_channel_shuffle_stays() -> None:
    net = Net()
    y = net(Transpose((0, 2, 1, 3, 4)), net(Reshape((1, 2, 3, 4, 4)), net.input(1, 6, 4, 4)))
    net.output(net(Reshape((1, 6, 4, 4)), y))
    check_untouched(net, RECOGNISE)


def test_an_inner_value_with_other_readers_stays() -> None:
    net = _spelled(DepthToSpace(2, "CRD"), (2, 3, 4, 6))
    net.output(net.graph.nodes[1].output)
    check_untouched(net, RECOGNISE)
