"""Reshape and Transpose: they move nothing, they only give factors other names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

from nchw2nhwc.layout.families.base import AxisTie, Family, Placement, Signature, View, source_signature
from nchw2nhwc.layout.tensor import Factor, Frame, Layout, Tensor, refine, rename, to_sizes
from nchw2nhwc.ops.movement import Reshape, Transpose
from nchw2nhwc.ops.rules import Rename

Block = tuple[tuple[int, ...], tuple[int, ...]]


def reshape_blocks(before: Sequence[int], after: Sequence[int]) -> list[Block]:
    """The smallest groups of axes `(axes before, axes after)` of equal products, axes of size 1 left out.

    The sizes are numeric; a Reshape maps each group onto its partner independently of the others.
    """
    left, right = [k for k, d in enumerate(before) if d != 1], [k for k, d in enumerate(after) if d != 1]
    if prod(before) != prod(after) or 0 in before:  # sums of symbolic sizes, which do not factor; empty tensors
        return [(tuple(left), tuple(right))]
    blocks: list[Block] = []
    i = j = 0
    while i < len(left) and j < len(right):
        a, b = [left[i]], [right[j]]
        p, q = before[left[i]], after[right[j]]
        i, j = i + 1, j + 1
        while p != q:
            if (p < q and i < len(left)) or j >= len(right):
                a.append(left[i])
                p *= before[left[i]]
                i += 1
            else:
                b.append(right[j])
                q *= after[right[j]]
                j += 1
        blocks.append((tuple(a), tuple(b)))
    return blocks


class _Renaming:
    """How a view renames: single factors one to one, and runs of factors that can only be mapped whole and in order."""

    def __init__(self, view: View[Rename]) -> None:
        self.single: dict[Factor, Factor] = {}
        self.whole: dict[Layout, Layout] = {}
        x, out = view.x, view.out
        if isinstance(view.op, Transpose):
            for k, a in enumerate(view.op.perm):
                self.single.update(zip(x.axis(a), out.axis(k)))
            return
        for before, after in reshape_blocks(x.shape, out.shape):
            inner, outer = x.order(before), out.order(after)
            if [x.size(f) for f in inner] == [out.size(f) for f in outer]:
                self.single.update(zip(inner, outer))
            else:
                self.whole[inner] = outer

    def inverse(self) -> _Renaming:
        other = object.__new__(_Renaming)
        other.single = {b: a for a, b in self.single.items()}
        other.whole = {b: a for a, b in self.whole.items()}
        return other

    def layout(self, layout: Layout) -> Layout | None:
        """`layout` in the other tensor's names; None when it tears apart what can only be mapped whole."""
        result: list[Factor] = []
        k = 0
        while k < len(layout):
            if layout[k] in self.single:
                result.append(self.single[layout[k]])
                k += 1
                continue
            run = next((w for w in self.whole if w and layout[k : k + len(w)] == w), None)
            if run is None:
                return None
            result.extend(self.whole[run])
            k += len(run)
        return tuple(result)

    def frames(self, frame: Frame, other: Tensor) -> tuple[Frame, Frame]:
        """`frame`, split around the whole runs, and what it is in the other tensor's names."""
        for block in self.whole:
            frame = refine(frame, set(block))
        result: list[Layout] = []
        done: set[Layout] = set()
        for group in frame:
            run = next((w for w in self.whole if group and group[0] in w), None)
            if run is None:
                result.extend(rename((group,), self.single))
            elif run not in done:
                done.add(run)
                result.extend(_by_axis(other, self.whole[run]))
        return frame, tuple(result)


def _by_axis(tensor: Tensor, run: Layout) -> Iterator[Layout]:
    for axis in range(tensor.rank):
        whole = tensor.axis(axis)
        if whole and whole[0] in run:
            yield whole


class RenameFamily(Family[Rename]):
    """Reshape and Transpose."""

    def ties(self, view: View[Rename]) -> Iterator[AxisTie]:
        if isinstance(view.op, Transpose):
            yield from (((view.x, a), (view.out, k)) for k, a in enumerate(view.op.perm))
        else:
            for before, after in reshape_blocks(view.x.shape, view.out.shape):
                if len(before) == len(after) == 1:
                    yield (view.x, before[0]), (view.out, after[0])

    def signatures(self, view: View[Rename]) -> Iterable[Signature]:
        names = _Renaming(view)
        back = names.inverse()
        for layout in view.x.candidates:
            other = names.layout(layout)
            if other is not None:
                yield Signature((layout,), (other,))
        for layout in view.out.candidates:
            other = back.layout(layout)
            if other is not None:
                yield Signature((other,), (layout,))
        if names.whole:
            yield source_signature(view)

    def place(self, view: View[Rename], signature: Signature, actual: Sequence[Frame | None], wish: Sequence[Frame | None]) -> Placement:
        names = _Renaming(view)
        if actual[0] is None and wish[0] is not None:
            after, before = names.inverse().frames(wish[0], view.x)
        else:
            before, after = names.frames(actual[0] or view.x.plain_frame(signature.ins[0]), view.out)
        if not names.whole:
            return Placement(None, (before,), (after,))
        return Placement(Reshape(to_sizes(view.out.stored_shape(after), view.numbers)), (before,), (after,))
