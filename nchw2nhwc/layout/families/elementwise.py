"""Elementwise ops, Expand and whole-tensor normalizations: one order of factors for all operands and results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from nchw2nhwc.layout.families.base import AxisTie, Family, Placement, Signature, View, reshapes
from nchw2nhwc.layout.tensor import Factor, Frame, Layout, Tensor, axis_of, refine, rename, shift, strip, to_sizes
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.binary import FakeQuantize, PRelu
from nchw2nhwc.ops.movement import Expand
from nchw2nhwc.ops.norm import MVN, NormalizeL2
from nchw2nhwc.ops.rules import Broadcast, Elementwise, Normalization


def _names(out: Tensor, operand: Tensor) -> dict[Factor, Factor]:
    """Factors of the result that the operand has too, in the operand's names (numpy broadcasting aligns axes at the right)."""
    offset = out.rank - operand.rank
    return {f: shift(f, -offset) for f in out.source if axis_of(f) >= offset and operand.shape[axis_of(f) - offset] != 1}


def _everywhere(layout: Layout, missing: Layout) -> Iterator[Layout]:
    for p in range(len(layout) + 1):
        yield layout[:p] + missing + layout[p:]


class ElementwiseFamily(Family[Elementwise | Broadcast]):
    """Numpy broadcasting: an operand's layout is the result's, restricted to the factors that the operand has."""

    def ties(self, view: View[Elementwise | Broadcast]) -> Iterator[AxisTie]:
        for operand in view.ins:
            offset = view.out.rank - operand.rank
            for axis in range(operand.rank):
                if operand.shape[axis] == view.out.shape[axis + offset]:
                    yield (operand, axis), (view.out, axis + offset)

    def signatures(self, view: View[Elementwise | Broadcast]) -> Iterable[Signature]:
        out, wanted = view.out, dict(view.out.candidates)
        names = [_names(out, operand) for operand in view.ins]
        for operand, known in zip(view.ins, names):
            back = {inner: outer for outer, inner in known.items()}
            missing = tuple(f for f in out.source if f not in known)
            for layout in () if operand.fixed else operand.candidates:
                lifted = tuple(back[f] for f in layout)
                for full in _everywhere(lifted, missing) if missing and len(view.ins) == 1 else () if missing else (lifted,):
                    wanted[full] = None
        for layout in wanted:
            yield Signature(tuple(tuple(known[f] for f in layout if f in known) for known in names), (layout,))

    def place(self, view: View[Elementwise | Broadcast], signature: Signature, actual: Sequence[Frame | None],
              wish: Sequence[Frame | None]) -> Placement:
        out = view.out
        names = [_names(out, operand) for operand in view.ins]
        options: list[Frame] = []
        for known, have in zip(names, actual):
            if have is not None and len(known) == len(out.source):
                options.append(rename(have, {inner: outer for outer, inner in known.items()}))
        if wish[0] is not None:
            options.append(wish[0])
        options.append(out.plain_frame(signature.outs[0]))
        for known in names:
            options = [refine(frame, known.keys()) for frame in options]

        def price(frame: Frame) -> int:
            missed = wish[0] is not None and out.stored_shape(frame) != out.stored_shape(wish[0])
            return reshapes(view.ins, _operand_frames(view, frame, names, actual), actual) + missed

        frame = min(options, key=price)
        op: Op = view.op
        if isinstance(op, Expand):
            op = Expand(to_sizes(out.stored_shape(frame), view.numbers))
        return Placement(op, _operand_frames(view, frame, names, actual), (frame,))


def _operand_frames(view: View[Elementwise | Broadcast], frame: Frame, names: Sequence[dict[Factor, Factor]],
                    actual: Sequence[Frame | None]) -> tuple[Frame, ...]:
    """The frame of each operand for a result in `frame`. One operand spans the whole rank (the first, where the others broadcast to it);
    others may leave leading ones away."""
    operands, frames = view.ins, [rename(frame, known) for known in names]
    carrier = max(range(len(frames)), key=lambda k: (not operands[k].fixed, len(names[k]), actual[k] is not None))
    if isinstance(view.op, (PRelu, FakeQuantize)):
        carrier = 0
    result = []
    for k, (operand, want, have) in enumerate(zip(operands, frames, actual)):
        if k != carrier and operand.fixed:
            lead = len(operand.stored_shape(want)) - len(strip(operand.stored_shape(want)))
            want = want[lead:]
        elif k != carrier and have is not None and strip(operand.stored_shape(want)) == strip(operand.stored_shape(have)):
            want = have if len(have) <= len(want) else want
        result.append(want)
    return tuple(result)


class NormalizationFamily(Family[Normalization]):
    """Normalization over `axes`: any layout, the same in and out; the reduced axes' factors are stored axes of their own."""

    def ties(self, view: View[Normalization]) -> Iterator[AxisTie]:
        yield from (((view.x, a), (view.out, a)) for a in range(view.x.rank))

    def signatures(self, view: View[Normalization]) -> Iterable[Signature]:
        for layout in {**view.x.candidates, **view.out.candidates}:
            yield Signature((layout,), (layout,))

    def place(self, view: View[Normalization], signature: Signature, actual: Sequence[Frame | None],
              wish: Sequence[Frame | None]) -> Placement:
        assert isinstance(view.op, (MVN, NormalizeL2))
        axes = view.op.axes
        members = {f for a in axes for f in view.x.axis(a)}
        frame = refine(actual[0] or wish[0] or view.x.plain_frame(signature.ins[0]), members)
        inside = [k for k, group in enumerate(frame) if group and group[0] in members]
        return Placement(replace(view.op, axes=tuple(inside)), (frame,), (frame,))
