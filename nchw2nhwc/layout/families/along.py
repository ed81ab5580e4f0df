"""Ops that treat some axes specially (concat, slice, pad, gather, ...): those are stored whole, all others in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nchw2nhwc.layout.families.base import (
    AxisTie,
    Family,
    Placement,
    Signature,
    View,
    reshapes,
    same_axes,
    source_placement,
    source_signature,
)
from nchw2nhwc.layout.tensor import Factor, Frame, Layout, Tensor, axis_of, on_axis, refine
from nchw2nhwc.ops.base import remap_axes
from nchw2nhwc.ops.rules import Along, GatherAxis

_Tokens = tuple[Factor, ...]


def _token(axis: int) -> Factor:
    """Stands for a special axis as a whole, whichever factors it has in this or that tensor (none, where its size is 1)."""
    return -1 - axis


class _Special:
    """Layouts and frames of several tensors of one rank that differ along `axes` only, in terms of tokens for those axes."""

    def __init__(self, axes: frozenset[int], tensors: Sequence[Tensor]) -> None:
        self.axes, self.tensors = axes, tensors
        self.present = {a for a in axes if any(t.axis(a) for t in tensors)}

    def tokens(self, tensor: Tensor, layout: Layout) -> _Tokens | None:
        """`layout` with every special axis replaced by its token; None when such an axis is not whole and in order."""
        result: list[Factor] = []
        k = 0
        while k < len(layout):
            axis = axis_of(layout[k])
            if axis not in self.axes:
                result.append(layout[k])
                k += 1
                continue
            whole = tensor.axis(axis)
            if layout[k : k + len(whole)] != whole:
                return None
            result.append(_token(axis))
            k += len(whole)
        return tuple(result)

    def layout(self, tensor: Tensor, tokens: _Tokens) -> Layout:
        return tuple(f for t in tokens for f in (tensor.axis(-1 - t) if t < 0 else (t,)))

    def merged(self, layouts: Sequence[Layout]) -> _Tokens:
        """One order of tokens that agrees with the layouts of all tensors, each of which may lack some special axes."""
        result: list[Factor] = []
        for tensor, layout in zip(self.tensors, layouts):
            previous = -1
            for token in self.tokens(tensor, layout) or ():
                if token not in result:
                    result.insert(previous + 1, token)
                previous = result.index(token)
        return tuple(result)

    def completions(self, tokens: _Tokens) -> Iterator[_Tokens]:
        """`tokens` with a special axis that this tensor lacks, but another one has, at every position."""
        missing = [_token(a) for a in self.present if _token(a) not in tokens]
        if not missing:
            yield tokens
        elif len(missing) == 1:
            for p in range(len(tokens) + 1):
                yield (*tokens[:p], missing[0], *tokens[p:])

    def at_end(self, tokens: _Tokens) -> _Tokens:
        """`tokens` with the special axes moved to the end."""
        return (*(t for t in tokens if t >= 0), *(t for t in tokens if t < 0))

    def template(self, tensor: Tensor, frame: Frame, order: _Tokens) -> tuple[_Tokens, ...] | None:
        """`frame` with special axes as groups of their own token; None when it does not store them as single axes.

        An axis that the tensor has with size 1 takes an empty group at the place that `order` gives it, or a new one.
        """
        groups: list[_Tokens] = []
        for group in frame:
            axes = {axis_of(f) for f in group} & self.axes
            if not axes:
                groups.append(group)
            elif len(axes) == 1 and group == tensor.axis(next(iter(axes))):
                groups.append((_token(next(iter(axes))),))
            else:
                return None
        for axis in sorted(self.axes):
            token = _token(axis)
            if (token,) not in groups:
                before = set(order[: order.index(token)]) if token in order else set(order)
                groups = list(refine(tuple(groups), before))
                start = max((k + 1 for k, g in enumerate(groups) if g and set(g) & before), default=0)
                if start < len(groups) and not groups[start] and (axis > 0 or not before):
                    # The last of several empty groups: stored channels are last, and leading ones belong to the batch.
                    while start + 1 < len(groups) and not groups[start + 1]:
                        start += 1
                    groups[start] = (token,)
                elif axis == 0 and start < len(groups) and not groups[start]:
                    groups[start] = (token,)
                else:
                    groups.insert(start, (token,))
        return tuple(groups)

    def frame(self, tensor: Tensor, template: Sequence[_Tokens]) -> Frame:
        return tuple(tensor.axis(-1 - g[0]) if g and g[0] < 0 else g for g in template)


class AlongFamily(Family[Along]):
    """See `ops.rules.Along`."""

    @staticmethod
    def _data(view: View[Along]) -> tuple[Tensor, ...]:
        return view.ins if view.rule.data is None else view.ins[: view.rule.data]

    def _special(self, view: View[Along]) -> _Special:
        return _Special(view.op.special_axes(), (*self._data(view), *view.outs))

    def ties(self, view: View[Along]) -> Iterator[AxisTie]:
        yield from same_axes((*self._data(view), *view.outs))

    def signatures(self, view: View[Along]) -> Iterable[Signature]:
        data, special = self._data(view), self._special(view)
        found: dict[_Tokens, None] = {}
        for tensor in special.tensors:
            for layout in () if tensor.fixed else tensor.candidates:
                tokens = special.tokens(tensor, layout)
                if tokens is not None:
                    complete = special.completions(tokens)
                    found.update(dict.fromkeys(map(special.at_end, complete) if view.rule.last else complete))
        rest = tuple(t.source for t in view.ins[len(data) :])
        for tokens in found:
            yield Signature((*(special.layout(t, tokens) for t in data), *rest), tuple(special.layout(t, tokens) for t in view.outs))
        if not found:
            yield source_signature(view)

    def place(self, view: View[Along], signature: Signature, actual: Sequence[Frame | None], wish: Sequence[Frame | None]) -> Placement:
        data, special = self._data(view), self._special(view)
        layouts = (*signature.ins[: len(data)], *signature.outs)
        order = special.merged(layouts)
        known = [*zip(special.tensors, (*actual[: len(data)], *wish)), *((t, t.plain_frame(la)) for t, la in zip(special.tensors, layouts))]
        options = []
        for tensor, frame in known:
            template = None if frame is None else special.template(tensor, frame, order)
            if template is not None:
                options.append(self._with_axis_last(template) if view.rule.last else template)

        def price(template: Sequence[_Tokens]) -> int:
            want = [special.frame(t, template) for t in special.tensors]
            return reshapes(data, want[: len(data)], actual) + reshapes(view.outs, want[len(data) :], wish)

        chosen = min(options, key=price)
        stored = [-1 - g[0] if g and g[0] < 0 else None for g in chosen]
        frames = [special.frame(t, chosen) for t in special.tensors]
        rest = tuple(t.frame(range(t.rank)) for t in view.ins[len(data) :])
        return Placement(remap_axes(view.op, stored), (*frames[: len(data)], *rest), tuple(frames[len(data) :]))

    @staticmethod
    def _with_axis_last(template: tuple[_Tokens, ...]) -> tuple[_Tokens, ...]:
        """The template with the group of the special axis at its end, whatever axes of size 1 there were."""
        others = [g for g in template if not g or g[0] >= 0]
        while others and not others[-1]:
            others.pop()
        return (*others, *(g for g in template if g and g[0] < 0))


class GatherFamily(Family[GatherAxis]):
    """Gather: with constant indices of rank 0 or 1 the other axes are free; otherwise the source's order."""

    @staticmethod
    def _axis(view: View[GatherAxis]) -> int:
        return next(iter(view.op.special_axes()))

    def _free(self, view: View[GatherAxis]) -> bool:
        data, indices = view.ins
        return indices.rank <= 1 and not data.fixed and (indices.fixed or indices.rank == 0)

    def _kept(self, view: View[GatherAxis]) -> dict[int, int]:
        """Axes of the data that the result has too -> the result's axis."""
        axis, gained = self._axis(view), view.ins[1].rank - 1
        return {a: a if a < axis else a + gained for a in range(view.x.rank) if a != axis}

    def ties(self, view: View[GatherAxis]) -> Iterator[AxisTie]:
        for a, b in self._kept(view).items():
            yield (view.x, a), (view.out, b)
        for a in range(view.ins[1].rank):
            yield (view.ins[1], a), (view.out, self._axis(view) + a)

    def signatures(self, view: View[GatherAxis]) -> Iterable[Signature]:
        data, indices = view.ins
        axis, kept = self._axis(view), self._kept(view)
        yield source_signature(view)
        if not self._free(view):
            return
        whole, single = data.axis(axis), indices.rank == 0
        back = {b: a for a, b in kept.items()}
        result = () if single else view.out.axis(axis)
        for layout in data.candidates:
            starts = [layout.index(whole[0])] if whole else range(len(layout) + 1)
            for start in starts:
                if layout[start : start + len(whole)] == whole:
                    rest = [tuple(on_axis(f, kept[axis_of(f)]) for f in part) for part in (layout[:start], layout[start + len(whole) :])]
                    yield Signature((layout, indices.source), ((*rest[0], *result, *rest[1]),))
        for layout in view.out.candidates:
            start = next((k for k, f in enumerate(layout) if not single and axis_of(f) == axis), len(layout))
            if not single and (not result or layout[start : start + len(result)] != result):
                continue
            outside = (layout[:start], layout[start + len(result) :])
            before, after = (tuple(on_axis(f, back[axis_of(f)]) for f in part) for part in outside)
            if single:  # the axis may come from any position
                for p in range(len(before) + 1):
                    yield Signature(((*before[:p], *whole, *before[p:]), indices.source), (layout,))
            else:
                yield Signature(((*before, *whole, *after), indices.source), (layout,))

    def place(self, view: View[GatherAxis], signature: Signature, actual: Sequence[Frame | None],
              wish: Sequence[Frame | None]) -> Placement:
        data, indices = view.ins
        if not self._free(view):
            return source_placement(view, view.op)
        axis, kept = self._axis(view), self._kept(view)
        special = _Special(frozenset({axis}), (data,))
        order = special.tokens(data, signature.ins[0])
        if indices.rank == 1 and not data.axis(axis):  # only the result says where the axis is stored
            order = _Special(special.axes, (view.out,)).tokens(view.out, signature.outs[0])
        assert order is not None
        template = special.template(data, actual[0] or data.plain_frame(signature.ins[0]), order)
        if template is None:
            template = special.template(data, data.plain_frame(signature.ins[0]), order)
        assert template is not None
        token = (_token(axis),)
        stored = [axis if g == token else None for g in template]
        renamed = [tuple(on_axis(f, kept[axis_of(f)]) for f in g) if g != token else g for g in template]
        result = () if indices.rank == 0 else (view.out.axis(axis),)
        frame = tuple(piece for g in renamed for piece in (result if g == token else (g,)))
        return Placement(remap_axes(view.op, stored), (special.frame(data, template), indices.frame(range(indices.rank))), (frame,))
