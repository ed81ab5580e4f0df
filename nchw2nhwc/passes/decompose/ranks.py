"""Windowed ops over another number of spatial axes than two."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from nchw2nhwc.ir.dim import Shape, product
from nchw2nhwc.ir.graph import Node, Value
from nchw2nhwc.ops.elementwise import Identity
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.pooling import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, LpPool, MaxPool
from nchw2nhwc.ops.resize import Resize
from nchw2nhwc.ops.windowed import Conv, ConvTranspose
from nchw2nhwc.passes.decompose.slices import reshaped
from nchw2nhwc.passes.match import require
from nchw2nhwc.passes.rewrite import Rewriter, RuleSet

RULES = RuleSet()

Windowed = Conv | ConvTranspose | MaxPool | AvgPool | LpPool | AdaptiveAvgPool | AdaptiveMaxPool | Resize
Pool = MaxPool | AvgPool

_NEUTRAL: dict[str, int | float] = {
    "kernel": 1, "strides": 1, "dilations": 1, "pads_begin": 0, "pads_end": 0, "output_padding": 0, "output_size": 1, "sizes": 1,
    "scales": 1.0,
}
"""The entry of each spatial attribute that leaves an axis of size 1 alone."""


def with_height(op: Windowed) -> Windowed:
    """The op over one spatial axis as one over two, the first of which has size 1."""
    changed: dict[str, object] = {}
    for f in fields(op):
        value = getattr(op, f.name)
        if f.name in _NEUTRAL and isinstance(value, tuple):
            changed[f.name] = (_NEUTRAL[f.name], *value)
    if isinstance(op, Resize) and op.roi is not None:
        changed["roi"] = (0.0, op.roi[0], 1.0, op.roi[1])
    return replace(op, **changed)  # type: ignore[arg-type]


@RULES.on(Conv, ConvTranspose, MaxPool, AvgPool, LpPool, AdaptiveAvgPool, AdaptiveMaxPool, Resize)
def one_axis(rw: Rewriter, node: Node, op: Windowed) -> Value:
    """One spatial axis: (N, C, L) as (N, C, 1, L), weights likewise."""
    x = node.input(0)
    require(x.rank == 3 and not op.channels_last, "{!r} has other than one spatial axis", node)
    operands: list[Value | None] = [rw.add(Reshape((*x.shape[:2], 1, x.shape[2])), x)]
    if len(node.inputs) > 1:
        w = node.input(1)
        operands.append(reshaped(rw, w, (*w.shape[:2], 1, w.shape[2])))
    return rw.add(Reshape(node.output.shape), rw.add(with_height(op), *operands, *node.inputs[2:]))


@dataclass(frozen=True)
class Folded:
    """(N, C, S...) with some leading spatial axes folded into the batch, so that an op sees only the last two."""

    batch: Shape
    channels: Shape

    @staticmethod
    def away(rw: Rewriter, x: Value) -> tuple[Folded, Value]:
        """How, and the data (N * S1 * ..., C, a, b). In channels-last storage this moves nothing."""
        rank = x.rank
        order = (0, *range(2, rank - 2), 1, rank - 2, rank - 1)
        moved = rw.add(Transpose(order), x) if rank > 4 else x
        form = Folded(tuple(moved.shape[:rank - 3]), tuple(moved.shape[rank - 3:rank - 2]))
        return form, rw.add(Reshape((product(form.batch), *moved.shape[rank - 3:])), moved)

    def back(self, rw: Rewriter, y: Value) -> Value:
        """The result (N * S1 * ..., C', a', b') as (N, C', S1, ..., a', b')."""
        apart = rw.add(Reshape((*self.batch, *y.shape[1:])), y)
        count = len(self.batch)
        return rw.add(Transpose((0, count, *range(1, count), count + 1, count + 2)), apart)


def _only(op: Pool, kept: slice) -> Pool:
    """The pool restricted to some of its spatial axes."""
    return replace(op, kernel=op.kernel[kept], strides=op.strides[kept], dilations=op.dilations[kept], pads_begin=op.pads_begin[kept],
                   pads_end=op.pads_end[kept])


def does_nothing(op: Pool) -> bool:
    """Whether every window is one element."""
    return set(op.kernel) == set(op.strides) == {1} and not any((*op.pads_begin, *op.pads_end))


@RULES.on(MaxPool, AvgPool)
def more_axes(rw: Rewriter, node: Node, op: MaxPool | AvgPool) -> Value:
    """Three or more spatial axes: first the last two, then the others with those two as one. Windows are products of intervals, and so are
    the counts that a mean is divided by, so this is exact for any padding."""
    x = node.input(0)
    require(len(op.kernel) > 2 and not op.channels_last, "{!r} has at most two spatial axes", node)
    last, others = _only(op, slice(-2, None)), _only(op, slice(0, -2))
    if not does_nothing(last):
        form, folded = Folded.away(rw, x)
        x = form.back(rw, rw.add(last, folded))
    if not does_nothing(others):
        flat = rw.add(Reshape((*x.shape[:-2], product(x.shape[-2:]))), x)
        x = rw.add(Reshape(node.output.shape), rw.add(_with_last(others), flat))
    return x if x is not node.input(0) else rw.add(Identity(), x)


def _with_last(op: Pool) -> Pool:
    """The pool with one more axis at the end, which it leaves alone."""
    return replace(op, kernel=(*op.kernel, 1), strides=(*op.strides, 1), dilations=(*op.dilations, 1), pads_begin=(*op.pads_begin, 0),
                   pads_end=(*op.pads_end, 0))


@RULES.on(Resize)
def resize_more_axes(rw: Rewriter, node: Node, op: Resize) -> Value:
    """Three or more spatial axes, resized one after the other: first the last two, then the others with those two as one.

    With a region of interest this does not apply: what is outside of it is decided for all axes together.
    """
    x = node.input(0)
    rank = len(op.sizes)
    require(rank > 2 and not op.channels_last and op.roi is None, "{!r} has at most two spatial axes, or a region of interest", node)
    cut = rank - 2
    if tuple(x.shape[-2:]) != op.sizes[cut:] or op.scales is not None:
        form, folded = Folded.away(rw, x)
        x = form.back(rw, rw.add(replace(op, sizes=op.sizes[cut:], scales=None if op.scales is None else op.scales[cut:]), folded))
    if tuple(x.shape[2:-2]) == op.sizes[:cut] and op.scales is None:
        return x if x is not node.input(0) else rw.add(Identity(), x)
    flat = product(x.shape[-2:])
    scales = None if op.scales is None else (*op.scales[:cut], 1.0)
    whole = rw.add(Reshape((*x.shape[:-2], flat)), x)
    return rw.add(Reshape(node.output.shape), rw.add(replace(op, sizes=(*op.sizes[:cut], flat), scales=scales), whole))
