"""The last step of a recurrent layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nchw2nhwc.ir.dim import Dim
from nchw2nhwc.ir.graph import Value
from nchw2nhwc.ops.indexing import Gather
from nchw2nhwc.ops.movement import Reshape, Slice, Transpose
from nchw2nhwc.ops.recurrent import GRU
from nchw2nhwc.passes.recognise import LAST_STEP
from nchw2nhwc.passes.rewrite import rule_pass
from tests.passes.nets import Net, check_pass, check_untouched

RECOGNISE = rule_pass("recognise", LAST_STEP)
T, N, F, H = 5, 2, 3, 4
Take = Callable[[Net, Value], Value]


def slice_of(rank: int, axis: int, start: int | None, stop: int | None, step: int = 1) -> Slice:
    def entries(entry: int | None) -> tuple[int | None, ...]:
        return tuple(entry if k == axis else None for k in range(rank))
    return Slice(entries(start), entries(stop), tuple(step if k == axis else 1 for k in range(rank)))


def gather(axis: int, index: object) -> Take:
    return lambda net, y: net(Gather(axis), y, net.const(index, "int64"))


def net_of(op: GRU, take: Take, steps: int | str = T) -> Net:
    """A layer, and something taken from its hidden states."""
    net = Net()
    x = net.input(N, steps, F) if op.batch_first else net.input(steps, N, F)
    weights = [net.random_const(*shape) for shape in ((3 * H, F), (3 * H, H), (3 * H,))]
    return net.output(take(net, net.all(op, x, *weights)[0]))


@pytest.mark.parametrize(("op", "take"), [
    (GRU(), gather(0, -1)), (GRU(), gather(0, T - 1)), (GRU(batch_first=True), gather(1, -1)), (GRU(reverse=True), gather(0, 0)),
    (GRU(reverse=True, batch_first=True), gather(1, -T)), (GRU(), gather(0, [-1])),
    (GRU(), lambda net, y: net(slice_of(3, 0, -1, None), y)), (GRU(), lambda net, y: net(slice_of(3, 0, T - 1, T + 3), y)),
    (GRU(reverse=True), lambda net, y: net(slice_of(3, 0, 0, 1), y)), (GRU(reverse=True), lambda net, y: net(slice_of(3, 0, None, 1), y)),
    (GRU(), lambda net, y: gather(1, -1)(net, net(Transpose((1, 0, 2)), y))),
    (GRU(), lambda net, y: gather(0, -1)(net, net(Reshape((T, 1, N, H)), y))),
    (GRU(batch_first=True), lambda net, y: net(slice_of(4, 2, -1, None), net(Reshape((N, 1, T, H)), y))),
])
def test_the_last_step_is_the_state(op: GRU, take: Take) -> None:
    net = net_of(op, take)
    assert [name for name in check_pass(net, RECOGNISE) if name not in ("GRU", "Reshape")] == []


def test_any_number_of_steps() -> None:
    net = net_of(GRU(), lambda net, y: net(slice_of(3, 0, -1, None), y), "t")
    assert check_pass(net, RECOGNISE) == ["GRU", "Reshape"]
    assert net.graph.inputs[0].shape[0] == Dim.symbol("t")


@pytest.mark.parametrize(("op", "take"), [
    (GRU(), gather(0, 0)), (GRU(reverse=True), gather(0, -1)), (GRU(), gather(0, [-1, 0])), (GRU(), gather(1, -1)), (GRU(), gather(2, -1)),
    (GRU(), lambda net, y: net(slice_of(3, 0, -2, None), y)), (GRU(), lambda net, y: net(slice_of(3, 0, 0, None, T), y)),
    (GRU(), lambda net, y: net(slice_of(3, 2, -1, None), y)),
    (GRU(), lambda net, y: gather(0, -1)(net, net(Transpose((0, 2, 1)), y))),
    (GRU(), lambda net, y: gather(0, -1)(net, net(Reshape((N, T, H)), y))),
    (GRU(), lambda net, y: net(Slice((-1, None, None), (None, None, None), (1, -1, 1)), y)),
])
def test_other_parts_stay(op: GRU, take: Take) -> None:
    check_untouched(net_of(op, take), RECOGNISE)
