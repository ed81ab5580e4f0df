"""Recurrent layers: steps and batch in either order, features last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

from nchw2nhwc.layout.families.base import AxisTie, Family, Placement, Signature, View, reshapes
from nchw2nhwc.layout.prices import SLIGHT_COST
from nchw2nhwc.layout.tensor import Frame, Layout, Tensor, on_axis, run_of
from nchw2nhwc.ops.recurrent import Recurrent
from nchw2nhwc.ops.rules import Recurrence

_ORDERS = 4
"""How many inner orders of one axis are combined."""


class RecurrenceFamily(Family[Recurrence]):
    """See `ops.rules.Recurrence`."""

    def ties(self, view: View[Recurrence]) -> Iterator[AxisTie]:
        steps, batch = _axes(view)
        yield (view.x, 2), (view.ins[1], 1)
        yield (view.x, steps), (view.out, steps)
        yield (view.x, batch), (view.out, batch)
        yield from (((view.x, batch), (state, 0)) for state in _states(view))

    def signatures(self, view: View[Recurrence]) -> Iterable[Signature]:
        steps, batch = _axes(view)
        batches = {run_of(la, batch): None for tensor in (view.x, view.out) for la in tensor.candidates}
        for state in _states(view):
            batches.update({tuple(on_axis(f, batch) for f in run_of(la, 0)): None for la in state.candidates})
        features = {run_of(la, 2): None for la in view.x.candidates}
        whole = view.x.axis(steps)
        features.setdefault(view.x.axis(2))
        for group, inner in product(islice(batches, _ORDERS), islice(features, _ORDERS)):
            for batch_first in (True, False):
                lead = group + whole if batch_first else whole + group
                yield self._signature(view, lead, group, inner, 0.0 if batch_first else SLIGHT_COST)

    @staticmethod
    def _signature(view: View[Recurrence], lead: Layout, group: Layout, inner: Layout, cost: float) -> Signature:
        weights = (*view.ins[1].axis(0), *(on_axis(f, 1) for f in inner))
        rows = tuple(on_axis(f, 0) for f in group)
        states = tuple((*rows, *t.axis(1)) for t in view.ins[4:])
        ends = tuple((*rows, *t.axis(1)) for t in view.outs[1:])
        return Signature((lead + inner, weights, *(t.source for t in view.ins[2:4]), *states), (lead + view.out.axis(2), *ends), cost)

    def place(self, view: View[Recurrence], signature: Signature, actual: Sequence[Frame | None],
              wish: Sequence[Frame | None]) -> Placement:
        steps, batch = _axes(view)
        layout = signature.ins[0]
        group, inner, whole = run_of(layout, batch), run_of(layout, 2), view.x.axis(steps)
        weights: Frame = (view.ins[1].axis(0), run_of(signature.ins[1], 1))
        rows = tuple(on_axis(f, 0) for f in group)
        states, ends = (tuple((rows, t.axis(1)) for t in tensors) for tensors in (view.ins[4:], view.outs[1:]))
        rest = tuple(t.frame(range(t.rank)) for t in view.ins[2:4])
        options = []
        for batch_first in (True, False):
            lead = (group, whole) if batch_first else (whole, group)
            if (*lead[0], *lead[1], *inner) == layout:
                options.append((batch_first, (*lead, inner), (*lead, view.out.axis(2))))
        chosen = min(options, key=lambda o: reshapes((view.x, view.out), o[1:], (actual[0], wish[0])))
        op = replace(view.op, batch_first=chosen[0])  # type: ignore[call-arg]
        return Placement(op, (chosen[1], weights, *rest, *states), (chosen[2], *ends))


def _axes(view: View[Recurrence]) -> tuple[int, int]:
    """Which axes of the sequence are its steps and its batch."""
    assert isinstance(view.op, Recurrent)
    return (1, 0) if view.op.batch_first else (0, 1)


def _states(view: View[Recurrence]) -> tuple[Tensor, ...]:
    """Initial and final states."""
    return (*view.ins[4:], *view.outs[1:])
