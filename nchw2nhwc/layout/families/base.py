"""What a family of ops tells the layout problem, and how a chosen signature becomes an op on stored tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from nchw2nhwc.layout.tensor import Frame, Layout, Numbers, Tensor
from nchw2nhwc.ops.base import Op
from nchw2nhwc.ops.rules import Rule

R = TypeVar("R", bound=Rule)
AxisTie: TypeAlias = tuple[tuple[Tensor, int], tuple[Tensor, int]]


@dataclass(frozen=True)
class View(Generic[R]):
    """One node as a family sees it. Constant operands are there too, but take any layout for free (`Tensor.fixed`)."""

    op: Op
    rule: R
    ins: tuple[Tensor, ...]
    outs: tuple[Tensor, ...]
    numbers: Numbers

    @property
    def x(self) -> Tensor:
        """Operand 0."""
        return self.ins[0]

    @property
    def out(self) -> Tensor:
        """Result 0."""
        return self.outs[0]


@dataclass(frozen=True)
class Signature:
    """One layout per operand and result under which the op needs no data moved. `cost` is added to the price of choosing it."""

    ins: tuple[Layout, ...]
    outs: tuple[Layout, ...]
    cost: float = 0.0


@dataclass(frozen=True)
class Placement:
    """A signature carried out: the op on stored tensors, and the frame of each operand and result.

    `op` None means that the result is the operand itself under other factor names. `operands` gives the stored op's operands as
    indices of the node's, where their order changes.
    """

    op: Op | None
    ins: tuple[Frame, ...]
    outs: tuple[Frame, ...]
    operands: tuple[int, ...] | None = None


class Family(ABC, Generic[R]):
    """The meaning of one rule."""

    @abstractmethod
    def ties(self, view: View[R]) -> Iterator[AxisTie]:
        """Pairs of axes of the node's tensors that are the same axis, so that they are cut into the same factors."""

    @abstractmethod
    def signatures(self, view: View[R]) -> Iterable[Signature]:
        """All signatures that the layouts considered so far (`Tensor.candidates`) suggest. More may follow when those grow."""

    @abstractmethod
    def place(self, view: View[R], signature: Signature, actual: Sequence[Frame | None], wish: Sequence[Frame | None]) -> Placement:
        """The op on stored tensors for a chosen signature.

        `actual` holds the frames in which operands are stored (None: not known yet, or a constant, which takes any frame), `wish`
        the frames that readers of the results would like. Frames in the answer that differ from `actual` cost a Reshape.
        """


def same_axes(tensors: Sequence[Tensor], skip: Iterable[int] = ()) -> Iterator[AxisTie]:
    """Ties between equal axes of tensors of one rank, where their sizes agree."""
    first, skipped = tensors[0], set(skip)
    for other in tensors[1:]:
        for axis in range(first.rank):
            if axis not in skipped and first.shape[axis] == other.shape[axis]:
                yield (first, axis), (other, axis)


def source_signature(view: View[R]) -> Signature:
    """Every operand and result as the source has it."""
    return Signature(tuple(t.source for t in view.ins), tuple(t.source for t in view.outs))


def source_placement(view: View[R], op: Op) -> Placement:
    """Every operand and result with the source's own axes."""
    return Placement(op, tuple(t.frame(range(t.rank)) for t in view.ins), tuple(t.frame(range(t.rank)) for t in view.outs))


def reshapes(tensors: Sequence[Tensor], frames: Sequence[Frame], actual: Sequence[Frame | None]) -> int:
    """How many operands would have to be reshaped to take these frames."""
    return sum(not t.fixed and have is not None and t.stored_shape(have) != t.stored_shape(want)
               for t, want, have in zip(tensors, frames, actual))
