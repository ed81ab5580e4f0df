"""Ops of more axes than a kernel takes, with neighbouring axes that the op treats alike merged."""

from __future__ import annotations

from collections.abc import Sequence

from nchw2nhwc.emit.tflite.kernels import KERNELS
from nchw2nhwc.emit.tflite.model import DELEGATE_RANK
from nchw2nhwc.ir import Node, Value, product
from nchw2nhwc.ops.base import Op, remap_axes
from nchw2nhwc.ops.matmul import FullyConnected, MatMul
from nchw2nhwc.ops.movement import Concat, Pad, Reshape, Split, Transpose
from nchw2nhwc.ops.reduce import LogSoftmax, Reduce, Softmax
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rank import in_steps, merge_batches, runs_of
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RANK = RuleSet()

_LIMITS: tuple[tuple[type[Op], int], ...] = (
    (Pad, KERNELS["PAD"].rank), (Concat, KERNELS["CONCATENATION"].rank), (Reduce, KERNELS["MEAN"].rank), (Softmax, KERNELS["SOFTMAX"].rank),
    (LogSoftmax, KERNELS["LOG_SOFTMAX"].rank), (Split, KERNELS["SPLIT"].rank))


_MOVED_AT_ONCE = 6
"""Axes of a TRANSPOSE that is one of several."""


def _reshaped(rw: Rewriter, value: Value, runs: Sequence[Sequence[int]]) -> Value:
    shape = tuple(product(value.shape[k] for k in run) for run in runs)
    return rw.add(Reshape(shape), value)


@RANK.on(Pad, Concat, Reduce, Softmax, LogSoftmax, Split)
def merge_axes(rw: Rewriter, node: Node, op: Op) -> list[Value]:
    """Axes that the op leaves alone, and reduced ones, are merged with their neighbours of the same kind."""
    x = node.input(0)
    limit = next(rank for cls, rank in _LIMITS if isinstance(op, cls))
    require(x.rank > limit, "{!r} has few enough axes", node)
    special = op.special_axes()
    runs = runs_of(x.shape, lambda k: (k in special, -1 if k not in special or isinstance(op, Reduce) else k))
    require(len(runs) < x.rank, "no axes of {!r} can be merged", node)
    stored = [run[0] if run[0] in special else None for run in runs]
    if isinstance(op, Pad):
        stored = [run[0] if len(run) == 1 else None for run in runs]
    results = rw.add_all(remap_axes(op, stored), *(_reshaped(rw, v, runs) for v in node.inputs if v is not None))
    return [rw.add(Reshape(old.shape), new) for old, new in zip(node.outputs, results)]


@RANK.on(FullyConnected)
def merge_rows(rw: Rewriter, node: Node, op: FullyConnected) -> Value:
    """A fully connected layer over rows."""
    x = node.input(0)
    require(x.rank > KERNELS["FULLY_CONNECTED"].rank, "{!r} has few enough axes", node)
    rows = rw.add(Reshape((product(x.shape[:-1]), x.shape[-1])), x)
    return rw.add(Reshape(node.output.shape), rw.add(op, rows, *node.inputs[1:]))


@RANK.on(Transpose)
def move_in_steps(rw: Rewriter, node: Node, op: Transpose) -> Value:
    """Of more axes than RESHAPE and TRANSPOSE take: those that stay side by side are merged, in several moves where that is not enough."""
    x = node.input(0)
    require(x.rank > KERNELS["TRANSPOSE"].rank, "{!r} has few enough axes", node)
    return in_steps(rw, node, op, _MOVED_AT_ONCE)


RANK.on(MatMul)(merge_batches(DELEGATE_RANK))
