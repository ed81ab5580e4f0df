"""What an op is: attributes with roles, shape inference, a numpy reference and a layout rule, in one class.

An op is a frozen dataclass. Subclassing `Op` registers it under its class name; a family that is no op by itself says `abstract=True`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, TypeVar

from nchw2nhwc.errors import ShapeError
from nchw2nhwc.ir.dim import Dim, Shape, Size, size_max
from nchw2nhwc.ir.types import Array, TensorType
from nchw2nhwc.ops.rules import Rule

if TYPE_CHECKING:
    from nchw2nhwc.ir.graph import Graph

_Self = TypeVar("_Self", bound="Op")
_FIX_SIZES = "Give fixed sizes with --input-shape NAME=..."
REGISTRY: dict[str, type[Op]] = {}
"""Every op class by name, in the order of definition."""


class Role(Enum):
    """What an attribute says about axes of operand 0, so that a layout change can rewrite it without knowing the op."""

    AXIS = "axis"
    """One axis number, never negative."""
    AXES = "axes"
    """Several axis numbers, never negative, ascending."""
    PER_AXIS = "per_axis"
    """One entry for every axis, in axis order."""


def axis_role() -> Mapping[str, object]:
    """Metadata of a field that holds one axis."""
    return {"role": Role.AXIS}


def axes_role() -> Mapping[str, object]:
    """Metadata of a field that holds several axes."""
    return {"role": Role.AXES}


def per_axis_role(neutral: object) -> Mapping[str, object]:
    """Metadata of a field with one entry an axis; `neutral` is the entry that leaves an axis alone."""
    return {"role": Role.PER_AXIS, "neutral": neutral}


@dataclass(frozen=True)
class Op:
    """Base of all ops."""

    rule: ClassVar[Rule]
    ranks: ClassVar[bool] = False
    """Whether the op chooses elements by their numbers, so that its results jump where two of these are nearly equal."""
    abstract: ClassVar[bool] = True

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        super().__init_subclass__()
        cls.abstract = abstract
        if not abstract:
            REGISTRY[cls.__name__] = cls

    @property
    def name(self) -> str:
        return type(self).__name__

    infer: ClassVar[Callable[..., TensorType | tuple[TensorType, ...]]]
    """A method of every op: result types from operand types, symbolic dimensions included. Raises ShapeError where they do not fit."""

    reference: ClassVar[Callable[..., Array | tuple[Array, ...]]]
    """A method of every op: the op in numpy. What it means, the constant folder and the oracle of every test."""

    @property
    def bodies(self) -> tuple[Graph, ...]:
        """The graphs that the op computes as a part of itself."""
        return ()

    def with_bodies(self: _Self, bodies: Sequence[Graph]) -> _Self:
        """The op with other graphs in the place of its `bodies`."""
        assert not bodies, f"{self.name} has no bodies"
        return self

    def smallest(self, *inputs: TensorType) -> Iterator[tuple[Size, int]]:
        """Sizes of operands, with the number that the op needs each to be at least; those that need only one element are left out."""
        return iter(())

    @property
    def decides(self) -> frozenset[str]:
        """The named dimensions whose size this op finds out from data."""
        return frozenset()

    def special_axes(self) -> frozenset[int]:
        """Axes of operand 0 that the op does not treat independently (rules `Along`): by default those that its attributes touch."""
        found: set[int] = set()
        for name, role, neutral in roles(type(self)):
            value = getattr(self, name)
            if role is Role.AXIS:
                found.add(value)
            elif role is Role.AXES:
                found |= set(value)
            else:
                found |= {k for k, entry in enumerate(value) if entry != neutral}
        return frozenset(found)

    # ---- the same for every op -------------------------------------------------------------------------------------
    def infer_types(self, *inputs: TensorType | None) -> tuple[TensorType, ...]:
        """`infer` with absent operands left out and one result wrapped; errors name the op."""
        present = [t for t in inputs if t is not None]
        result = self.infer(*present)
        return result if isinstance(result, tuple) else (result,)

    def run(self, *inputs: Array | None) -> tuple[Array, ...]:
        """`reference` with absent operands left out and one result wrapped."""
        present = [x for x in inputs if x is not None]
        result = self.reference(*present)
        return result if isinstance(result, tuple) else (result,)

    @property
    def symbols(self) -> frozenset[str]:
        """The named dimensions that the attributes depend on."""
        return symbols_in(tuple(getattr(self, f.name) for f in fields(self)))

    def bind(self: _Self, sizes: Mapping[str, int]) -> _Self:
        """This op with the named dimensions in its attributes replaced by numbers."""
        changed = {f.name: _bind(getattr(self, f.name), sizes) for f in fields(self) if _is_symbolic(getattr(self, f.name))}
        return replace(self, **changed) if changed else self

    def __str__(self) -> str:
        parts = [f"{f.name}={_text(getattr(self, f.name))}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"{self.name}({', '.join(parts)})" if parts else self.name


_ROLES: dict[type[Op], tuple[tuple[str, Role, object], ...]] = {}


def roles(cls: type[Op]) -> tuple[tuple[str, Role, object], ...]:
    """`(field, role, neutral entry)` of every attribute of an op class that speaks of axes."""
    if cls not in _ROLES:
        _ROLES[cls] = tuple((f.name, f.metadata["role"], f.metadata.get("neutral")) for f in fields(cls) if "role" in f.metadata)
    return _ROLES[cls]


def remap_axes(op: _Self, stored: Sequence[int | None]) -> _Self:
    """The op for a stored form of its operand: `stored[k]` is the source axis that is stored at position k, None for one that the op
    leaves alone (part of an axis, several axes merged, or an axis of size 1 that the source does not have)."""
    where = {axis: k for k, axis in enumerate(stored) if axis is not None}
    changed: dict[str, object] = {}
    for name, role, neutral in roles(type(op)):
        value = getattr(op, name)
        if role is Role.AXIS:
            changed[name] = where[value]
        elif role is Role.AXES:
            changed[name] = tuple(sorted(where[a] for a in value if a in where))
        else:
            changed[name] = tuple(neutral if axis is None else value[axis] for axis in stored)
    return replace(op, **changed) if changed else op


def symbols_in(part: object) -> frozenset[str]:
    """The named dimensions in a size, or in the sizes of a tuple."""
    if isinstance(part, Dim):
        return part.symbols
    return frozenset().union(*map(symbols_in, part)) if isinstance(part, tuple) else frozenset()


def _is_symbolic(value: object) -> bool:
    return isinstance(value, Dim) or (isinstance(value, tuple) and any(_is_symbolic(v) for v in value))


def _bind(value: object, sizes: Mapping[str, int]) -> object:
    if isinstance(value, Dim):
        return value.evaluate(sizes)
    return tuple(_bind(v, sizes) for v in value) if isinstance(value, tuple) else value


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, slice):
        return f"{'' if value.start is None else value.start}:{'' if value.stop is None else value.stop}:{value.step}"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


class UnequalSizesError(ShapeError):
    """Sizes that an op needs to be equal, and that are not for all numbers which their named dimensions stand for: `pairs` of them.

    `otherwise` is advice for the case that the op may never run, "" where it always does; `inner` are the sizes that are found
    out only then.
    """

    def __init__(self, reason: str, pairs: Sequence[tuple[Size, Size]], advice: str = "") -> None:
        self.pairs, self.otherwise = tuple(pairs), ""
        self.inner: frozenset[str] = frozenset()
        super().__init__(reason, advice=advice or f"{_FIX_SIZES} or --batch N.")


def require_equal(reason: str, *pairs: tuple[Size, Size]) -> None:
    """Raises ShapeError unless the sizes of each pair are equal; an UnequalSizesError where they might be."""
    differing = [(a, b) for a, b in pairs if a != b]
    if differing:
        possible = all(isinstance(a, Dim) or isinstance(b, Dim) for a, b in differing)
        raise UnequalSizesError(reason, differing) if possible else ShapeError(reason)


def require_longer(reason: str, shape: Shape) -> None:
    """Raises UnequalSizesError where a symbolic size might be 1."""
    require_equal(reason, *((size, size_max(size, 2)) for size in shape if isinstance(size, Dim)))


def require_shape(reason: str, given: Sequence[Size], wanted: Sequence[Size]) -> None:
    """Raises ShapeError unless the shapes are equal; an UnequalSizesError where they might be."""
    if len(given) != len(wanted):
        raise ShapeError(reason)
    require_equal(reason, *zip(given, wanted))


def broadcast_shapes(*shapes: Sequence[Size]) -> tuple[Size, ...]:
    """Numpy's broadcasting for symbolic shapes. Two different symbolic sizes do not broadcast; a symbolic size meets a number greater than
    1 as that number (they can only be equal). Raises ShapeError."""
    rank = max(map(len, shapes), default=0)
    result: list[Size] = []
    differing: list[list[Size]] = []
    for k in range(rank):
        sizes = [s[k - rank + len(s)] for s in shapes if k - rank + len(s) >= 0]
        wide = list(dict.fromkeys(s for s in sizes if s != 1))
        numbers = [s for s in wide if isinstance(s, int)]
        if len(numbers) > 1 or (len(wide) > 1 and not numbers):
            differing.append(wide)
        result.append(numbers[0] if numbers else wide[0] if wide else 1)
    if differing:
        texts = ", ".join("[" + ", ".join(map(str, s)) + "]" for s in shapes)
        require_equal(f"shapes {texts} do not broadcast", *((wide[0], other) for wide in differing for other in wide[1:]))
    return tuple(result)


def same_dtype(*types: TensorType) -> None:
    """Raises ShapeError unless all element types are equal."""
    if len({t.dtype for t in types}) > 1:
        raise ShapeError(f"operands have different element types: {', '.join(t.dtype.name for t in types)}")


def static(size: Size, what: str) -> int:
    """`size` as a number; raises ShapeError, naming `what`, when it is symbolic."""
    if isinstance(size, Dim):
        raise ShapeError(f"{what} must be known, but is '{size}'", advice=_FIX_SIZES)
    return size
