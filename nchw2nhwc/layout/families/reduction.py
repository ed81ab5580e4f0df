"""Reductions, argmax, softmax."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from nchw2nhwc.layout.families.base import AxisTie, Family, Placement, Signature, View
from nchw2nhwc.layout.tensor import Factor, Frame, Layout, axis_of, on_axis, refine
from nchw2nhwc.ops.base import remap_axes
from nchw2nhwc.ops.reduce import ArgReduce, Reduce
from nchw2nhwc.ops.rules import Last, Reduction


def _axes(view: View[Reduction]) -> tuple[int, ...]:
    assert isinstance(view.op, (Reduce, ArgReduce))
    return view.op.axes


def _kept(view: View[Reduction]) -> dict[int, int]:
    """Axes of the operand that stay -> the result's axis."""
    axes = _axes(view)
    left = [a for a in range(view.x.rank) if a not in axes]
    return {a: a if view.out.rank == view.x.rank else k for k, a in enumerate(left)}


class ReductionFamily(Family[Reduction]):
    """Any layout in; what is left of it comes out."""

    def ties(self, view: View[Reduction]) -> Iterator[AxisTie]:
        for a, b in _kept(view).items():
            yield (view.x, a), (view.out, b)

    def signatures(self, view: View[Reduction]) -> Iterable[Signature]:
        kept, axes = _kept(view), _axes(view)
        for layout in view.x.candidates:
            if not view.rule.whole or _contiguous(layout, view.x.order(axes)):
                yield Signature((layout,), (tuple(on_axis(f, kept[axis_of(f)]) for f in layout if axis_of(f) in kept),))
        back = {b: a for a, b in kept.items()}
        reduced = view.x.order(axes)
        for layout in view.out.candidates:  # seen from the result, reduced factors may come from anywhere; last is as good as any
            yield Signature(((*(on_axis(f, back[axis_of(f)]) for f in layout), *reduced),), (layout,))

    def place(self, view: View[Reduction], signature: Signature, actual: Sequence[Frame | None], wish: Sequence[Frame | None]) -> Placement:
        kept, axes = _kept(view), _axes(view)
        members = set(view.x.order(axes))
        if view.rule.whole and actual[0] is not None and view.x.order(axes) not in actual[0]:
            actual = (None,)
        frame = refine(actual[0] or self._around(view, signature, wish[0]), members)
        inside = {k for k, group in enumerate(frame) if group and group[0] in members}
        if view.rule.whole and not inside:
            frame, inside = (*frame, ()), {len(frame)}
        return self._result(view, frame, inside, kept, wish[0])

    @staticmethod
    def _around(view: View[Reduction], signature: Signature, wish: Frame | None) -> Frame:
        """A frame to wish for: the wished result's, with the reduced axes where the layout has them."""
        kept, layout = _kept(view), signature.ins[0]
        if wish is None or view.out.rank == view.x.rank:
            return view.x.plain_frame(layout)
        back = {b: a for a, b in kept.items()}
        groups: list[Layout] = [tuple(on_axis(f, back[axis_of(f)]) for f in g) for g in wish]
        position = {f: k for k, f in enumerate(layout)}
        inside = {f for f in layout if axis_of(f) not in kept}
        pieces = [g for g in refine((layout,), inside) if g and g[0] in inside]
        frame = refine(tuple(groups), {f for p in pieces for f in layout[: position[p[0]]]})
        for piece in pieces:
            before = [k for k, g in enumerate(frame) if g and position[g[-1]] < position[piece[0]]]
            start = before[-1] + 1 if before else next((k for k, g in enumerate(frame) if g), len(frame))
            frame = (*frame[:start], piece, *frame[start:])
        return frame

    def _result(self, view: View[Reduction], frame: Frame, inside: set[int], kept: dict[int, int], wish: Frame | None) -> Placement:
        """Keep or drop the reduced axes, whichever spares a Reshape behind the op."""
        renamed = [() if k in inside else tuple(on_axis(f, kept[axis_of(f)]) for f in g) for k, g in enumerate(frame)]
        empty = {k for k, g in enumerate(frame) if not g}
        forms = [(True, inside, tuple(renamed)), (False, inside, tuple(g for k, g in enumerate(renamed) if k not in inside))]
        if not view.rule.whole:
            forms.append((False, inside | empty, tuple(g for g in renamed if g)))
        if not getattr(view.op, "keepdims", False):
            forms = [*forms[1:2], *forms[:1], *forms[2:]]
        shape = None if wish is None else view.out.stored_shape(wish)
        keep, axes, result = next((f for f in forms if view.out.stored_shape(f[2]) == shape), forms[0])
        stored: list[int | None] = [None] * len(frame)
        op = view.op
        if isinstance(op, ArgReduce):
            stored[next(iter(axes))] = op.axis
            return Placement(replace(remap_axes(op, stored), keepdims=keep), (frame,), (result,))
        assert isinstance(op, Reduce)
        return Placement(replace(op, axes=tuple(sorted(axes)), keepdims=keep), (frame,), (result,))


def _contiguous(layout: Layout, run: Sequence[Factor]) -> bool:
    run = tuple(run)
    start = layout.index(run[0]) if run else 0
    return layout[start : start + len(run)] == run


class LastFamily(Family[Last]):
    """Softmax: the axis stored last; its factors may have any inner order."""

    def ties(self, view: View[Last]) -> Iterator[AxisTie]:
        yield from (((view.x, a), (view.out, a)) for a in range(view.x.rank))

    def signatures(self, view: View[Last]) -> Iterable[Signature]:
        axis = next(iter(view.op.special_axes()))
        for layout in {**view.x.candidates, **view.out.candidates}:
            ordered = (*(f for f in layout if axis_of(f) != axis), *(f for f in layout if axis_of(f) == axis))
            yield Signature((ordered,), (ordered,))

    def place(self, view: View[Last], signature: Signature, actual: Sequence[Frame | None], wish: Sequence[Frame | None]) -> Placement:
        axis = next(iter(view.op.special_axes()))
        last = tuple(f for f in signature.ins[0] if axis_of(f) == axis)
        given = actual[0] or wish[0] or view.x.plain_frame(signature.ins[0])
        frame = given if given and given[-1] == last else self._with_last(given, last)
        stored = [None] * (len(frame) - 1) + [axis]
        return Placement(remap_axes(view.op, stored), (frame,), (frame,))

    @staticmethod
    def _with_last(frame: Frame, last: Layout) -> Frame:
        """`frame` with the axis as one stored axis at the end; leading parts as they are."""
        lead = [g for g in refine(frame, set(last)) if not set(g) & set(last)]
        while lead and not lead[-1] and last:
            lead.pop()
        return (*lead, last)
