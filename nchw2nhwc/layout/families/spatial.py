"""Windowed ops, which kernels offer channels-last only, and ops that nothing better is known of than the source's order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from nchw2nhwc.layout.families.base import AxisTie, Family, Placement, Signature, View, source_placement, source_signature
from nchw2nhwc.layout.tensor import Frame, channels_last_perm, source_perm
from nchw2nhwc.ops.rules import SourceOrder, Spatial


def stored_perm(kind: str, rank: int) -> tuple[int, ...]:
    """The order in which an operand of this kind (see `ops.rules.Spatial`) is stored, as source axes."""
    if kind == "filter_transposed":
        return (*range(1, rank), 0)
    return source_perm(rank) if kind == "same" else channels_last_perm(rank)


class SpatialFamily(Family[Spatial]):
    """Data as (N, spatial..., C) with every axis whole."""

    @staticmethod
    def _perms(view: View[Spatial]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        kinds = (*view.rule.operands, *("same",) * len(view.ins))
        return [stored_perm(k, t.rank) for k, t in zip(kinds, view.ins)], [channels_last_perm(t.rank) for t in view.outs]

    def ties(self, view: View[Spatial]) -> Iterator[AxisTie]:
        yield (view.x, 0), (view.out, 0)

    def signatures(self, view: View[Spatial]) -> Iterable[Signature]:
        ins, outs = self._perms(view)
        yield Signature(tuple(t.order(p) for t, p in zip(view.ins, ins)), tuple(t.order(p) for t, p in zip(view.outs, outs)))

    def place(self, view: View[Spatial], signature: Signature, actual: Sequence[Frame | None], wish: Sequence[Frame | None]) -> Placement:
        ins, outs = self._perms(view)
        op = replace(view.op, channels_last=True)  # type: ignore[call-arg]
        return Placement(op, tuple(t.frame(p) for t, p in zip(view.ins, ins)), tuple(t.frame(p) for t, p in zip(view.outs, outs)))


class SourceOrderFamily(Family[SourceOrder]):
    """Operands and results exactly as in the source."""

    def ties(self, view: View[SourceOrder]) -> Iterator[AxisTie]:
        yield from ()

    def signatures(self, view: View[SourceOrder]) -> Iterable[Signature]:
        yield source_signature(view)

    def place(self, view: View[SourceOrder], signature: Signature, actual: Sequence[Frame | None],
              wish: Sequence[Frame | None]) -> Placement:
        return source_placement(view, view.op)
